"""One train step on 1, 2, 4, ... cores: measured on those there are, and modelled beyond.

    python benchmarks/cores.py                  sizes A, B and C
    python benchmarks/cores.py --cases A        one of them

The model is no measurement. It is made of pieces measured on one core: the calls of the loops,
their fixed cost (a call with a single time step, which packs kernels and adds up gradients), and
the rest of the step. A batch is cut into shards, those of both directions of a layer run at the
same time, and on n cores the longest has ceil(shards / n) of them one after another. It leaves out
that cores share memory and caches, and that the rest of a step may run on more than one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import machine
from operations import Case
from rounds import HERE, ROOT, Contender, in_peace, start, take_turns, write_json
from steps import CASES

OURS = Contender("ours", "step_keras.py", ("--layers", "ours"))
MODELLED = (2, 4, 8, 16)
ROUNDS, SECONDS = 7, 0.5

LEAST_ROWS, MOST_ROWS, MOST_SHARDS = 16, 64, 8
"""As in `native/layout.h`, for layers of up to 256 units."""


def num_shards(batch: int) -> int:
    """Return into how many shards the loops cut a batch, as `Layer::block_rows` does."""
    eighth = math.ceil(batch / MOST_SHARDS)
    rows = min(max(math.ceil(eighth / 8) * 8, LEAST_ROWS), MOST_ROWS, batch)
    return min(math.ceil(batch / rows), MOST_SHARDS)


def modelled(pieces: dict[str, float], shards: int, cores: int) -> float:
    """Return the milliseconds of a step on some cores.

    Args:
        pieces: `loops`, `fixed` and `rest`, milliseconds on one core: all calls of the loops, the
            part of them that is not cut, and everything else.
        shards: of a batch, in each of two directions.
        cores: their number.
    """
    turns = math.ceil(2 * shards / cores) / (2 * shards)
    cut = pieces["loops"] - pieces["fixed"]
    return pieces["rest"] + pieces["fixed"] / min(cores, 2) + cut * turns


def measure_steps(case: Case, cores: list[int]) -> dict[int, dict[str, float]]:
    """Milliseconds of a step, and cores kept busy, on each number of cores; turns are taken."""
    with ExitStack() as stack:
        workers = {
            str(count): stack.enter_context(start(OURS, "--threads", str(count))) for count in cores
        }
        for worker in workers.values():
            worker.ask({"do": "prepare", "case": case, "mode": "train"})
        request = {"do": "block", "seconds": SECONDS}
        found = take_turns(
            list(workers), ROUNDS, lambda name: in_peace(lambda: workers[name].ask(request))
        )
    return {
        int(name): {
            "wall": median(block["wall"] for block in blocks),
            "cpu": median(block["cpu"] for block in blocks),
            "busy": median(block["cpu"] / block["wall"] for block in blocks),
            "others": median(block["others"] for block in blocks),
        }
        for name, blocks in found.items()
    }


def milliseconds(call: Callable[[], Any]) -> float:
    """Return the processor time of a call: median of blocks of about a tenth of a second."""
    call()
    start_time = time.process_time()
    call()
    repeat = max(1, int(0.1 / max(time.process_time() - start_time, 1e-5)))
    blocks = []
    for _ in range(ROUNDS):
        start_time = time.process_time()
        for _ in range(repeat):
            call()
        blocks.append((time.process_time() - start_time) / repeat * 1e3)
    return median(blocks)


def measure_loops(case: Case) -> dict[str, float]:
    """Milliseconds on one core of all calls of the loops in a step, and of their fixed part."""
    batch, steps, features, units = case
    totals = {}
    for name, length in (("loops", steps), ("fixed", 1)):
        layers = [(batch, length, channels, units) for channels in (features, 2 * units)]
        totals[name] = 2 * sum(milliseconds(layer_call(layer)) for layer in layers)
    return totals


def layer_call(case: Case) -> Callable[[], Any]:
    """Return a function that runs one direction of a layer, forwards and its gradient."""
    import tensorflow as tf

    from forecast.layers.native.loop import NativeLoop

    batch, steps, channels, units = case
    x = tf.random.normal((batch, steps, channels))
    shapes = ((channels, 3 * units), (units, 3 * units), (4, units), (batch, units))
    rest = [tf.random.normal(shape) * 0.1 for shape in shapes]
    loop = NativeLoop("gru", 1, backwards=False)

    def call() -> Any:
        states, outputs, arrays = loop.forward(x, *rest)
        return loop.backward(arrays, [*states, *outputs], x, *rest)

    return call


def pieces_of(case: Case) -> dict[str, float]:
    """Return `measure_loops` of a process with a single thread."""
    code = f"import cores, json; print(json.dumps(cores.alone({list(case)})))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def alone(case: list[int]) -> dict[str, float]:
    """Return `measure_loops` on one thread; to be called in a fresh process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    batch, steps, features, units = case
    return measure_loops((batch, steps, features, units))


def main() -> None:
    """Measure with the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "cores.json")
    arguments = parser.parse_args()
    there = os.cpu_count() or 1
    cores = [count for count in (1, *MODELLED) if count <= there]
    rows = []
    for name in arguments.cases:
        case = CASES[name]
        steps = measure_steps(case, cores)
        pieces = pieces_of(case)
        pieces["rest"] = max(steps[1]["cpu"] - pieces["loops"], 0.0)
        shards = num_shards(case[0])
        one = modelled(pieces, shards, 1)
        model = {count: one / modelled(pieces, shards, count) for count in MODELLED}
        rows.append({"case": name, "shards": shards, **pieces, "steps": steps, "model": model})
        print(f"{name}: {shards} shards x 2 directions, one core: {pieces}")
        for count, step in steps.items():
            print(
                f"  {count:2} cores measured: {step['wall']:8.2f} ms, "
                f"{steps[1]['wall'] / step['wall']:.2f} times one, {step['busy']:.2f} busy, "
                f"others {step['others']:.2f}"
            )
        for count, gain in model.items():
            print(f"  {count:2} cores by the model: {gain:.2f} times one")
    write_json(arguments.output, {"machine": machine.describe(), "rows": rows})


if __name__ == "__main__":
    main()
