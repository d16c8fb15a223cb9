"""A process of its own with two logical CPU devices: trains on one and on both, and prints what
came of it as JSON.

Usage: python mirrored_process.py FOLDER [NAME ...]    the names of some results; default: all
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from window_arrays import ArraySource, full_shape, learnable_source

from forecast import Experiment, Forecaster
from forecast.experiment.settings import TrainingConfig
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.models.segment_bigru import SegmentBiGRUConfig
from forecast.training import EpochDone, train
from forecast.training.batches import training_order

SHAPE = full_shape(context_length=6)
WINDOWS, BATCH = 47, 9
MODELS: dict[str, Any] = {
    "bigru": BiGRUConfig(units=5, dropout=0.0, l2=0.01),
    "segment_bigru": SegmentBiGRUConfig(units=5, dropout=0.0, l2=0.01, segment_length=2),
}
TRAINING = TrainingConfig(
    loss="mse",
    epochs=4,
    batch_size=BATCH,
    windows_per_epoch=None,
    optimizer="adamw",
    learning_rate=0.01,
    weight_decay=0.01,
    gradient_clip=0.2,
    schedule="cosine",
    patience=None,
)
BLEND: dict[str, Any] = {
    "data": {"freq": "h"},
    "windows": {"context_length": 24, "horizon": 6},
    "model": {"name": "segment_bigru", "units": 4, "segment_length": 6},
    # no simple members, beside which the first network would have to earn a weight
    "ensemble": {"seeds": 2, "linear": "residual", "simple": []},
    "training": {
        "epochs": 2,
        "batch_size": 16,
        "windows_per_epoch": 32,
        "refit": False,
        "strategy": "mirrored",
    },
    "evaluation": {"validation_size": 24, "test_size": 12},
}


def half_measured() -> ArraySource:
    """Windows of which the second device sees no measured cell in the first epoch, and some in
    those that follow."""
    source = learnable_source(SHAPE, WINDOWS)
    order = training_order(WINDOWS, seed=TRAINING.seed, epoch=1)
    for start in range(0, WINDOWS, BATCH):
        source.target[order[start + BATCH // 2 : start + BATCH]] = np.nan
    source.target[:, 0, 1] = np.nan
    return source


def trained(model: Any, strategy: str, *, judged: bool = False, **options: Any) -> dict[str, Any]:
    """Train; the weights at the end, the losses, and how far the weights have moved."""
    changes = {name: options.pop(name) for name in TrainingConfig.model_fields if name in options}
    config = TRAINING.model_copy(update={"strategy": strategy, **changes})
    before = model.get_weights()
    validation = learnable_source(SHAPE, 20, seed=1) if judged else None
    history = train(model, half_measured(), validation, config, **options).history
    weights = np.concatenate([one.ravel() for one in model.get_weights()]).astype(float)
    moved = max(
        float(np.abs(a - b).max()) for a, b in zip(before, model.get_weights(), strict=True)
    )
    return {
        "weights": weights.tolist(),
        "losses": [*history.loss, *history.val_loss],
        "moved": moved,
    }


def interrupt(event: Any) -> None:
    """Break off after two epochs, before the third is on the disk."""
    if isinstance(event, EpochDone) and event.epoch == 3:
        raise KeyboardInterrupt


def with_dropout() -> Any:
    """What is traced fastest."""
    config = BiGRUConfig(
        units=5, bidirectional=False, decoder="direct", dropout=0.3, recurrent_dropout=0.2
    )
    return build_model(config, SHAPE, seed=3)


def resumed(checkpoint: Path) -> dict[str, Any]:
    """Train with dropout, broken off once."""
    try:
        trained(with_dropout(), "mirrored", checkpoint=checkpoint, reporter=interrupt)
    except KeyboardInterrupt:
        return trained(with_dropout(), "mirrored", checkpoint=checkpoint, resume=True)
    raise AssertionError("it was not broken off")


def masks() -> list[list[float]]:
    """What the two devices of a layer with dropout let through of ones."""
    import keras
    import tensorflow as tf

    from forecast.training.mirrored import make_strategy, mirror, spread_seeds

    given = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5, seed=1)])
    strategy = make_strategy(TRAINING.model_copy(update={"strategy": "mirrored"}))
    assert strategy is not None
    model = mirror(given, strategy)
    spread_seeds(model, strategy)
    run = tf.function(
        lambda: strategy.run(lambda: model(tf.ones((1, 64)), training=True)), autograph=False
    )
    return [one.numpy().ravel().tolist() for one in strategy.experimental_local_results(run())]


def fit_blend(folder: Path) -> list[float]:
    """Fit and save a blend; what it forecasts. Its networks must be trained one after another."""
    steps = np.arange(160)
    values = np.sin(steps / 24 * 2 * np.pi) + np.random.default_rng(3).normal(0, 0.1, len(steps))
    table = pd.DataFrame(
        {"unique_id": "a", "ds": pd.date_range("2020", periods=len(steps), freq="h"), "y": values}
    )
    table.to_csv(folder / "table.csv", index=False)
    names: list[str] = []
    forecaster = Forecaster(Experiment.model_validate(BLEND)).fit(
        table, reporter=lambda one: names.append(one.name)
    )
    assert sum(a != b for a, b in pairwise(names)) == 1, names
    forecaster.save(folder / "model")
    return [float(one) for one in forecaster.predict(table).frame()["ensemble"]]


def refused() -> str:
    """What is said of a batch that cannot be divided."""
    try:
        trained(build_model(MODELS["bigru"], SHAPE), "mirrored", batch_size=1)
    except Exception as error:
        return str(error)
    return ""


def compared(name: str) -> dict[str, Any]:
    """Train an architecture on one device and on both."""
    return {
        strategy: trained(build_model(MODELS[name], SHAPE, seed=3), strategy, judged=True)
        for strategy in ("none", "mirrored")
    }


def in_both_precisions() -> dict[str, Any]:
    """The losses on both devices, with a learning rate that is a variable of each."""
    found = {}
    for precision in ("float32", "bfloat16"):
        model = build_model(MODELS["bigru"], SHAPE, seed=3)
        run = trained(model, "mirrored", schedule="constant", precision=precision)
        found[precision] = run["losses"]
    return found


RESULTS: dict[str, Callable[[Path], Any]] = {
    **{name: lambda _, name=name: compared(name) for name in MODELS},
    "whole": lambda _: trained(with_dropout(), "mirrored"),
    "resumed": lambda folder: resumed(folder / "checkpoint"),
    "masks": lambda _: masks(),
    "refused": lambda _: refused(),
    "precisions": lambda _: in_both_precisions(),
    "forecast": fit_blend,
}


def main(folder: Path, names: list[str]) -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    print(json.dumps({name: RESULTS[name](folder) for name in names or RESULTS}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
