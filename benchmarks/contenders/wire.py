"""Common code of all contender processes: requests line by line, and peak memory.

Runs in the environment of every contender, so it needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


def serve(answer: Callable[[Answer], Answer]) -> None:
    """Answer every line of standard input with one line of JSON, until the input ends.

    What libraries print goes to standard error, so that it never stands between the answers.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            found = answer(json.loads(line))
        except Exception as error:  # the one who asked decides whether to go on
            found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(found), file=answers, flush=True)


def serve_steps(steps: Any, multiply: Callable[[int], Callable[[], float]], *names: str) -> None:
    """Answer what `steps.py` asks, until the input ends.

    Args:
        steps: `prepare(case, mode)` makes a step ready, `step()` takes it.
        multiply: from a size to a step that multiplies two square matrices of it.
        names: distributions whose versions count.
    """

    def answer(request: Answer) -> Answer:
        match request["do"]:
            case "prepare":
                return dict(steps.prepare(request["case"], request["mode"]))
            case "product":
                size = request["size"]
                return product_block(multiply(size), size, request["seconds"])
            case "versions":
                return versions(*names)
        return run_block(steps.step, request["seconds"])

    serve(answer)


def run_block(step: Callable[[], float], seconds: float, *, least: int = 2) -> Answer:
    """Repeat a step for a while.

    Args:
        step: one step that waits for its result, which it returns.
        seconds: how long, at least.
        least: steps to take, however long they are.

    Returns:
        `wall` and `cpu`, milliseconds per step by the clock on the wall and by the processor time
        of all threads, `cpu_seconds` of all steps, `steps` and the `last` result.
    """
    count, last = 0, 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    while count < least or time.perf_counter() - wall < seconds:
        last = step()
        count += 1
    spent, worked = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "wall": 1e3 * spent / count,
        "cpu": 1e3 * worked / count,
        "cpu_seconds": worked,
        "steps": count,
        "last": last,
    }


def product_block(multiply: Callable[[], float], size: int, seconds: float) -> Answer:
    """Repeat the product of two square matrices; adds the rates in 1e9 operations per second."""
    found = run_block(multiply, seconds)
    return {
        **found,
        **{f"rate_{clock}": 2e-6 * size**3 / found[clock] for clock in ("wall", "cpu")},
    }


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in units of 1e6 bytes."""
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # Linux lets a new process inherit the `ru_maxrss` of the one that started it
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 1e6
    )


def versions(*names: str) -> dict[str, str]:
    """The installed versions of distributions."""
    return {name: version(name) for name in names}
