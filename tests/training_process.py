"""A process of its own that trains a small model and prints a hash of every bit that came out.

Usage: python training_process.py '{"threads": 2, "checkpoint": "file", "resume": true, "cell":
"gru"}'
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from window_arrays import ArraySource, full_shape, learnable_source

from forecast.experiment.settings import TrainingConfig
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.scores.history import History
from forecast.training import TrainingResult, train

SHAPE = full_shape(context_length=6, num_quantiles=3)
TRAINING = TrainingConfig(
    loss="quantile",
    epochs=4,
    batch_size=32,
    windows_per_epoch=80,
    schedule="cosine",
    learning_rate=0.01,
    patience=None,
)


def random_model(**settings: Any) -> Any:
    """A model that compiles fast and in which everything random is on."""
    usual = {
        "cell": "rnn",
        "bidirectional": False,
        "units": 24,
        "dropout": 0.2,
        "recurrent_dropout": 0.2,
        "l2": 1e-4,
    }
    return build_model(BiGRUConfig(**{**usual, **settings}), SHAPE, seed=3)


def sources() -> tuple[ArraySource, ArraySource]:
    return learnable_source(SHAPE, 100), learnable_source(SHAPE, 40, seed=1)


def bits(model: Any, history: History) -> str:
    """A hash of weights, losses and forecasts."""
    digest = hashlib.sha256(repr((history.loss, history.val_loss, history.best_epoch)).encode())
    for array in [*model.get_weights(), np.asarray(model(sources()[1].inputs))]:
        digest.update(array.tobytes())
    return digest.hexdigest()


def train_once(model: Any, *, jit: str = "auto", **arguments: Any) -> TrainingResult:
    return train(model, *sources(), TRAINING.model_copy(update={"jit": jit}), **arguments)


def main(options: dict[str, Any]) -> None:
    if "threads" in options:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(options["threads"])
    model = random_model(**options.get("model", {}))
    checkpoint = Path(options["checkpoint"]) if "checkpoint" in options else None
    print("ready", flush=True)
    resume, jit = options.get("resume", False), options.get("jit", "auto")
    result = train_once(model, checkpoint=checkpoint, resume=resume, jit=jit)
    print(bits(model, result.history), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
