"""What is trained, on what and how, as short texts that can be compared one by one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from forecast.experiment.identity import flat
from forecast.experiment.settings import TrainingConfig
from forecast.training.batches import WindowSource

if TYPE_CHECKING:
    import keras

PROBED_WINDOWS = 256


def fingerprint(
    model: keras.Model,
    training: WindowSource,
    validation: WindowSource | None,
    config: TrainingConfig,
) -> dict[str, str]:
    """Describe a training so that two descriptions are equal only if it is the same one.

    Args:
        model: as it came from the builder.
        training: windows to learn from.
        validation: windows for early stopping.
        config: how to train.

    Returns:
        Setting -> value, for the training settings, the settings of every layer with weights, the
        kinds of operations in the model's graph, and the data.
    """
    settings = {f"training.{name}": str(value) for name, value in config.model_dump().items()}
    data = {"training windows": window_digest(training)}
    if validation is not None:
        data["validation windows"] = window_digest(validation)
    return settings | model_settings(model) | data


def model_settings(model: keras.Model) -> dict[str, str]:
    """Settings of the layers that have weights, and a digest of the graph; of a model inside the model as well.

    Operations without weights are known by their kind alone: their names count up in every process.
    """
    from forecast.layers.recurrent import runs_natively

    graph = (
        " ".join(type(one).__name__ for one in model.operations)
        + f" {model.input_shape} {model.output_shape}"
    )
    settings = {"operations of the model": hashlib.sha256(graph.encode()).hexdigest()[:12]}
    settings["recurrent loops"] = "in C++" if runs_natively(model) else "of TensorFlow"
    for layer in model.layers:
        if hasattr(layer, "operations"):
            settings |= {
                f"{layer.name}.{key}": value for key, value in model_settings(layer).items()
            }
        elif layer.weights:
            settings |= flat(layer.get_config(), layer.name, text=str)
    return settings


def window_digest(source: WindowSource) -> str:
    """Number of windows, and a SHA-256 of some of them spread evenly."""
    digest = hashlib.sha256()
    inputs, target = source.batch(
        np.linspace(0, len(source) - 1, min(PROBED_WINDOWS, len(source))).astype(np.int64)
    )
    for name, array in sorted({**inputs, "target": target}.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"{len(source)} windows, sha256 {digest.hexdigest()[:12]}"
