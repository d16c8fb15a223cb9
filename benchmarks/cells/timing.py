"""Milliseconds per training step of every network, interleaved, so that noise affects all."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import machine
import numpy as np
from cases import RESULTS, preset
from grid import GRID, SETS, Choice, within_budget
from rounds import take_turns, write_json

from forecast.windows.index import WindowShape

ROUNDS, SECONDS = 9, 0.25
"""Turns of each network, and how long one lasts about."""
REFERENCE = "BiGRU-none-1"


def measure_sets(names: Sequence[str]) -> None:
    """Measure on the shapes of some sets, one set after another, and keep the results."""
    path = RESULTS / "time.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in names:
        found[name] = measure(name)
        write_json(path, found)


def measure(name: str) -> dict[str, Any]:
    """Build all networks for the shape of a set, then let each take a few steps per round.

    Returns:
        `milliseconds` of a step by network and round, `ratios`, the median over rounds of a
        network's time divided by that of the reference in the same round, `steps` of an epoch, and
        how many cores other programs kept busy.
    """
    settings, shape = preset(name), SETS[name].shape
    acts = {choice.key: steps_of(choice, settings, shape) for choice in GRID}
    described, onlooker, own = machine.describe(), machine.Onlooker(), time.process_time()
    taken = take_turns(list(acts), ROUNDS, lambda key: acts[key]())
    others = onlooker.others(time.process_time() - own)
    base = taken[REFERENCE]
    ratios = {
        key: median(a / b for a, b in zip(one, base, strict=True)) for key, one in taken.items()
    }
    training = settings.training
    print(
        name,
        {key: round(ratio, 2) for key, ratio in ratios.items()},
        f"others {others:.2f}",
        flush=True,
    )
    return {
        "machine": described,
        "others": others,
        "rounds": ROUNDS,
        "steps": math.ceil(training.windows_per_epoch / training.batch_size),
        "milliseconds": taken,
        "ratios": ratios,
    }


def steps_of(choice: Choice, settings: Any, shape: WindowShape) -> Callable[[], float]:
    """Return a function that trains for a quarter of a second and returns milliseconds per step."""
    import tensorflow as tf

    from forecast.models import build_model
    from forecast.training.step import make_run

    fields, training = settings.model.model_dump(), settings.training
    widths = within_budget(choice, fields, shape)
    model = build_model(
        type(settings.model)(**{**fields, **choice.settings, "units": widths}), shape
    )
    windows: Any = range(training.windows_per_epoch)  # only their number counts here
    run = make_run(model, windows, training)
    same = iter(tf.data.Dataset.from_tensors(random_batch(shape, training.batch_size)).repeat())

    def milliseconds(steps: int) -> float:
        start = time.perf_counter()
        run.learn(same, steps)
        return 1000 * (time.perf_counter() - start) / steps

    milliseconds(1)  # traces
    steps = max(1, round(1000 * SECONDS / min(milliseconds(5) for _ in range(3))))
    return lambda: milliseconds(steps)


def random_batch(shape: WindowShape, size: int) -> tuple[dict[str, Any], Any]:
    """Return inputs and target of a batch; their values do not affect the time."""
    rng = np.random.default_rng(0)
    sizes = {
        "past": (shape.context_length, shape.num_past),
        "known": (shape.horizon, shape.num_known),
    }
    inputs: dict[str, Any] = {
        key: rng.normal(size=(size, *one)).astype(np.float32)
        for key, one in sizes.items()
        if one[-1]
    }
    for key, length in (("past", shape.context_length), ("known", shape.horizon)):
        if codes := getattr(shape, f"{key}_categories"):
            drawn = [rng.integers(0, most, size=(size, length)) for most in codes]
            inputs[f"{key}_categories"] = np.stack(drawn, axis=-1).astype(np.int32)
    return inputs, rng.normal(size=(size, shape.horizon, shape.num_targets)).astype(np.float32)
