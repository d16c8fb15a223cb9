"""One train step and one inference step, alone: ours beside stock Keras and PyTorch.

    python benchmarks/steps.py            the three sizes A, B, C on one and on two threads
    python benchmarks/steps.py --sweep    one size at a time varied around A
    python benchmarks/steps.py --quick    one tiny size, to see that everything runs

Every contender is a long-lived process with its model compiled; they take turns in blocks of about
half a second. With two threads the clock on the wall counts, with one thread the processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import machine
from operations import OPERATIONS, Case, floor_milliseconds
from rounds import (
    HERE,
    Contender,
    ContenderError,
    Worker,
    in_peace,
    ratios,
    start_all,
    take_turns,
    write_json,
)

OURS = "ours"
CONTENDERS = {
    "keras": Contender("Keras", "step_keras.py"),
    "keras_xla": Contender("Keras, XLA", "step_keras.py", ("--xla", "on")),
    "torch": Contender("PyTorch `nn.GRU`", "step_torch.py", environment="torch"),
    "torch_compile": Contender(
        "PyTorch, torch.compile", "step_torch.py", ("--compile",), environment="torch"
    ),
    OURS: Contender("ours", "step_keras.py", ("--layers", "ours")),
    "ours_bfloat16": Contender(
        "ours, bfloat16", "step_keras.py", ("--layers", "ours", "--precision", "bfloat16")
    ),
}
CASES: dict[str, Case] = {"A": (64, 96, 7, 64), "B": (32, 48, 1, 32), "C": (128, 168, 4, 128)}
QUICK: dict[str, Case] = {"tiny": (4, 6, 2, 8)}
AXES = ("batch", "steps", "features", "units")
SWEEP = {
    "batch": (16, 32, 64, 128, 256, 512),
    "steps": (24, 48, 96, 192, 384, 720),
    "features": (1, 4, 7, 16, 64),
    "units": (16, 32, 64, 128, 256),
}
MODES = ("train", "forward")
CLOCKS = {1: "cpu", 2: "wall"}
PRODUCT_SIZE = 2048


@dataclass(frozen=True)
class Turns:
    """Duration of a measurement.

    Attributes:
        rounds: turns of each contender.
        seconds: length of a turn.
    """

    rounds: int
    seconds: float


def sweep_cases() -> dict[str, Case]:
    """Size A with one of its numbers changed, each size once."""
    cases: dict[str, Case] = {}
    for place, axis in enumerate(AXES):
        for value in SWEEP[axis]:
            case = list(CASES["A"])
            case[place] = value
            cases[f"{axis} {value}"] = (case[0], case[1], case[2], case[3])
    return cases


def measure(
    cases: Mapping[str, Case], names: Sequence[str], *, threads: int, turns: Turns
) -> dict[str, Any]:
    """Measure the contenders that are there on one number of threads.

    Args:
        cases: sizes by name.
        names: of `CONTENDERS`.
        threads: of every contender.
        turns: how long to measure.

    Returns:
        `rows`, one per case and mode, `rate`, the matrix products' 1e9 operations per second, and
        `versions`.
    """
    clock, rows = CLOCKS[threads], []
    with start_all(
        {name: CONTENDERS[name] for name in names}, "--threads", str(threads)
    ) as started:
        living, lost = ask_versions(started)
        workers = {name: started[name] for name in living}
        rate = product_rate(workers, clock, turns)
        measured: dict[tuple[Case, str], dict[str, Any]] = {}
        for (name, case), mode in product(cases.items(), MODES):
            if (case, mode) not in measured:  # a sweep meets the size in its middle once per axis
                measured[case, mode] = measure_case(workers, case, mode, turns=turns, clock=clock)
            row = dict(measured[case, mode])
            row["failed"] = {**lost, **row["failed"]}
            floor = floor_milliseconds(case, mode, rate)
            rows.append(
                {
                    "case": name,
                    "sizes": case,
                    "threads": threads,
                    "mode": mode,
                    "floor": floor,
                    **row,
                }
            )
            print(line_of(rows[-1]), flush=True)
    return {"rows": rows, "rate": rate, "versions": living}


def ask_versions(workers: Mapping[str, Worker]) -> tuple[dict[str, Any], dict[str, str]]:
    """The versions of those that start, and of the others the reason why they do not."""
    living, lost = {}, {}
    for name, worker in workers.items():
        try:
            living[name] = worker.ask({"do": "versions"})
        except ContenderError as error:
            lost[name] = str(error)
    return living, lost


def product_rate(workers: Mapping[str, Worker], clock: str, turns: Turns) -> float:
    """The best rate any contender's library reaches in the product of two large matrices."""
    request = {"do": "product", "size": PRODUCT_SIZE, "seconds": turns.seconds}
    found = take_turns(
        list(workers),
        min(turns.rounds, 3),
        lambda name: in_peace(lambda: workers[name].ask(request)),
    )
    return max(block[f"rate_{clock}"] for blocks in found.values() for block in blocks)


def measure_case(
    workers: Mapping[str, Worker], case: Case, mode: str, *, turns: Turns, clock: str
) -> dict[str, Any]:
    """Milliseconds per step of every contender in every round, and the ratios to ours.

    Raises:
        ValueError: two contenders differ in the number of their weights: they do not do the same
            work.
    """
    ready, failed = {}, {}
    for name, worker in workers.items():
        try:
            ready[name] = worker.ask({"do": "prepare", "case": case, "mode": mode})
        except ContenderError as error:
            failed[name] = str(error)
    if len({one["weights"] for one in ready.values()}) > 1:
        raise ValueError(
            f"the numbers of weights differ: "
            f"{ {name: one['weights'] for name, one in ready.items()} }"
        )
    request = {"do": "block", "seconds": turns.seconds}
    blocks = take_turns(
        list(ready), turns.rounds, lambda name: in_peace(lambda: workers[name].ask(request))
    )
    measured = {name: [block[clock] for block in found] for name, found in blocks.items()}
    return {
        "operations": OPERATIONS[mode](case),
        "milliseconds": measured,
        "first": {name: one["seconds"] for name, one in ready.items()},
        "others": {name: [block["others"] for block in found] for name, found in blocks.items()},
        "ratios": ratios(measured, OURS) if OURS in measured else {},
        "failed": failed,
    }


def line_of(row: Mapping[str, Any]) -> str:
    """A row in short, for who watches."""
    times = ", ".join(
        f"{name} {median(values):.2f}" for name, values in row["milliseconds"].items()
    )
    case = f"{row['case']:>12} {row['threads']} threads {row['mode']:8}"
    return f"{case} floor {row['floor']:7.2f}  {times} ms"


def run(
    cases: Mapping[str, Case], names: Sequence[str], threads: Sequence[int], turns: Turns
) -> dict[str, Any]:
    """Measure on each number of threads.

    Args:
        cases: sizes by name.
        names: of `CONTENDERS`.
        threads: numbers of threads.
        turns: how long to measure.
    """
    described = machine.describe()
    found = {count: measure(cases, names, threads=count, turns=turns) for count in threads}
    return {
        "machine": described,
        "versions": next(iter(found.values()))["versions"],
        **asdict(turns),
        "rates": {str(count): one["rate"] for count, one in found.items()},
        "rows": [row for one in found.values() for row in one["rows"]],
    }


def main() -> None:
    """Measure with the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweep", action="store_true", help="vary one size at a time around A")
    parser.add_argument("--quick", action="store_true", help="one tiny size in short turns")
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), help="which of the three sizes"
    )
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--threads", nargs="+", type=int, choices=CLOCKS, default=[2, 1])
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument("--output", type=Path, help="JSON file; in benchmarks/results/ if left out")
    arguments = parser.parse_args()
    name = "sweep" if arguments.sweep else "steps"
    cases = sweep_cases() if arguments.sweep else {case: CASES[case] for case in arguments.cases}
    output = arguments.output or HERE / "results" / f"{name}.json"
    if arguments.quick:
        result = run(QUICK, arguments.contenders, (2,), Turns(rounds=2, seconds=0.02))
    else:
        result = run(
            cases,
            arguments.contenders,
            arguments.threads,
            Turns(arguments.rounds, arguments.seconds),
        )
    write_json(output, result)


if __name__ == "__main__":
    main()
