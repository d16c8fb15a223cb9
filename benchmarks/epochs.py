"""Time of an epoch of the public `Forecaster` beside that of its bare training steps.

    python benchmarks/epochs.py --json FILE

A forecaster trains on a series made up for the purpose. After every epoch as many bare steps are
taken: the same network, optimizer and batch size, on one batch that never changes, many steps in
one call of TensorFlow, and nothing read, shuffled, reported or validated. So both take turns in one
process. The first epoch, which compiles, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import pandas as pd
from rounds import ratio

CASES = {"A": (64, 96, 64), "B": (32, 48, 32)}
"""Batch, context length, units of two bidirectional layers."""
HORIZON, EPOCHS, STEPS = 24, 8, 150


def make_forecaster(batch: int, context: int, units: int) -> tuple[Any, pd.DataFrame]:
    """A forecaster, and a series of as many rows as an epoch has steps for."""
    from forecast import Experiment, Forecaster
    from forecast.experiment.settings import EvaluationConfig, TrainingConfig, WindowsConfig
    from forecast.models import BiGRUConfig

    config = Experiment(
        windows=WindowsConfig(context_length=context, horizon=HORIZON),
        model=BiGRUConfig(num_layers=2, units=units, decoder="direct"),
        training=TrainingConfig(
            epochs=EPOCHS, batch_size=batch, windows_per_epoch=STEPS * batch, patience=None
        ),
        evaluation=EvaluationConfig(validation_size=0, test_size=HORIZON),
    )
    rows = STEPS * batch + context + 3 * HORIZON
    values = np.sin(np.arange(rows) / 9) + np.random.default_rng(0).normal(size=rows) / 5
    stamps = pd.date_range("1970-01-01", periods=rows, freq="h")
    return Forecaster(config), pd.DataFrame({"unique_id": "a", "ds": stamps, "y": values})


def bare_steps(forecaster: Any, table: pd.DataFrame) -> Callable[[], float]:
    """Seconds of the steps of one epoch, on one batch."""
    import tensorflow as tf

    from forecast.experiment.prepare import prepare
    from forecast.models import build_model
    from forecast.training.batches import training_batches
    from forecast.training.step import make_run

    prepared = prepare(forecaster.config, table)
    shape = prepared.features.shape(prepared.training.index.context_length, HORIZON)
    config = prepared.config.training
    run = make_run(build_model(prepared.config.model, shape), prepared.training, config)
    batches = training_batches(prepared.training, batch_size=config.batch_size, seed=0, epoch=1)
    same = iter(tf.data.Dataset.from_tensors(next(iter(batches))).repeat())
    run.learn(same, 1)

    def seconds() -> float:
        start = time.perf_counter()
        run.learn(same, STEPS)
        return time.perf_counter() - start

    return seconds


def measure(name: str) -> dict[str, Any]:
    """Seconds of every epoch and of the bare steps taken after it."""
    from forecast.training import EpochDone

    forecaster, table = make_forecaster(*CASES[name])
    bare, epochs, steps = bare_steps(forecaster, table), [], []

    def listen(event: Any) -> None:
        if isinstance(event, EpochDone):
            epochs.append(event.seconds)
            steps.append(bare())

    forecaster.fit(table, reporter=listen)
    epochs, steps = epochs[1:], steps[1:]
    found = asdict(ratio(epochs, steps))
    print(
        f"{name}: an epoch of {STEPS} steps {np.median(epochs):.3f} s, the bare steps "
        f"{np.median(steps):.3f} s, "
        f"ratio {found['of_medians']:.3f} ({found['least']:.3f} to {found['most']:.3f})",
        flush=True,
    )
    return {"epochs": epochs, "steps": steps, "ratio": found}


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    found = {name: measure(name) for name in CASES}
    if arguments.json:
        arguments.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
