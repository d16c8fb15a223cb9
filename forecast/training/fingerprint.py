"""Description of a training (model, data, settings) as short texts that can be compared."""

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
"""Windows in the digest of the data, at most."""


def fingerprint(
    model: keras.Model,
    training: WindowSource,
    validation: WindowSource | None,
    config: TrainingConfig,
) -> dict[str, str]:
    """Return a description of a training; equal descriptions mean equal trainings.

    Args:
        model: from `build_model`.
        training: training windows.
        validation: windows for early stopping; optional.
        config: the training settings.

    Returns:
        Setting -> value, for the training settings, the settings of every layer with weights, the
        kinds of operations in the model's graph, and the data.
    """
    settings = {f"training.{name}": str(value) for name, value in config.model_dump().items()}
    data = {"training windows": _window_digest(training)}
    if validation is not None:
        data["validation windows"] = _window_digest(validation)
    return settings | _model_settings(model) | data


def _model_settings(model: keras.Model) -> dict[str, str]:
    """Return the settings of the layers that have weights, and a digest of the graph.

    A model inside the model is described in the same way. Operations without weights are known by
    their kind alone: their names count up in every process.
    """
    from forecast.layers.recurrent import runs_natively

    kinds = " ".join(type(operation).__name__ for operation in model.operations)
    graph = f"{kinds} {model.input_shape} {model.output_shape}"
    settings = {
        "operations of the model": hashlib.sha256(graph.encode()).hexdigest()[:12],
        "recurrent loops": "in C++" if runs_natively(model) else "of TensorFlow",
    }
    for layer in model.layers:
        if hasattr(layer, "operations"):
            for key, value in _model_settings(layer).items():
                settings[f"{layer.name}.{key}"] = value
        elif layer.weights:
            settings |= flat(layer.get_config(), layer.name, text=str)
    return settings


def _window_digest(source: WindowSource) -> str:
    """Return the number of windows, and a SHA-256 of some of them, evenly spaced."""
    digest = hashlib.sha256()
    count = min(PROBED_WINDOWS, len(source))
    numbers = np.linspace(0, len(source) - 1, count).astype(np.int64)
    inputs, target = source.batch(numbers)
    arrays = {**inputs, "target": target}
    weights = source.features.weights
    if weights is not None:
        arrays["weights"] = weights
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"{len(source)} windows, sha256 {digest.hexdigest()[:12]}"
