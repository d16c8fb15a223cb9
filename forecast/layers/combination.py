"""Layers of an ensemble beside its networks: a linear map of the window, and the weighted sum."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


class LinearWindow(keras.layers.Layer):
    """A linear map from windows of the targets, and from known covariates, to the forecast.

    Windows are taken relative to their last value. The weights (L + H K, H) are those of a ridge
    regression that was solved elsewhere (`baselines.ridge.RidgeWindow`).
    """

    def __init__(self, horizon: int, **options: Any) -> None:
        super().__init__(**options | {"trainable": False})
        self.horizon = horizon

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Make the matrix, for windows (B, L, D) and, where given, known covariates (B, H, K)."""
        (_, length, _), *known = input_shape
        rows = length + sum(steps * channels for _, steps, channels in known)
        self.kernel = self.add_weight(
            shape=(rows, self.horizon), initializer="zeros", name="kernel"
        )

    def call(self, tensors: list[Any]) -> Any:
        """Return the forecast (B, H, D) from windows (B, L, D) and known covariates (B, H, K)."""
        targets, *known = tensors
        length = targets.shape[1]
        last = targets[:, -1:]  # (B, 1, D)
        by_target = ops.transpose(targets - last, (0, 2, 1))  # (B, D, L)
        change = ops.matmul(by_target, self.kernel[:length])  # (B, D, H)
        for covariates in known:
            _, steps, channels = covariates.shape
            flat = ops.reshape(covariates, (-1, 1, steps * channels))  # (B, 1, H K)
            change = change + ops.matmul(flat, self.kernel[length:])
        return last + ops.transpose(change, (0, 2, 1))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same layer."""
        return {**super().get_config(), "horizon": self.horizon}


class WeightedSum(keras.layers.Layer):
    """The weighted sum of M tensors of one shape; weights are not trained, and equal at first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"trainable": False})

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the weights (M,)."""
        num_members = len(input_shape)
        equal = keras.initializers.Constant(1.0 / num_members)
        self.shares = self.add_weight(shape=(num_members,), initializer=equal, name="shares")

    def call(self, tensors: list[Any]) -> Any:
        """Return the weighted sum, in the order of the tensors."""
        total = tensors[0] * self.shares[0]
        for member in range(1, len(tensors)):
            total = total + tensors[member] * self.shares[member]
        return total


def in_stock_layers(layer: Any) -> keras.Model | None:
    """Return a layer of this module as a model of stock layers with its weights.

    Args:
        layer: any built layer.

    Returns:
        The model; None for a layer of another module.
    """
    if isinstance(layer, WeightedSum):
        return _stock_sum(layer)
    if isinstance(layer, LinearWindow):
        return _stock_window(layer)
    return None


def _stock_sum(layer: WeightedSum) -> keras.Model:
    """Return a weighted sum as scaled tensors that are added."""
    (shapes,) = [node.arguments.args[0] for node in layer._inbound_nodes]
    inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in shapes]
    shares = [float(share) for share in np.asarray(layer.shares)]
    parts = [
        keras.layers.Rescaling(share)(tensor) for share, tensor in zip(shares, inputs, strict=True)
    ]
    return keras.Model(inputs, keras.layers.Add()(parts), name=layer.name)


def _stock_window(layer: LinearWindow) -> keras.Model:
    """Return a linear map of a window as dense layers without a bias."""
    (tensors,) = [node.arguments.args[0] for node in layer._inbound_nodes]
    inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in tensors]
    targets, *known = inputs
    length = targets.shape[1]
    kernel = np.asarray(layer.kernel)
    last = targets[:, -1:]
    by_target = ops.transpose(targets - last, (0, 2, 1))  # (B, D, L)
    of_targets = keras.layers.Dense(layer.horizon, use_bias=False)
    change = of_targets(by_target)  # (B, D, H)
    of_targets.set_weights([kernel[:length]])
    for covariates in known:
        _, steps, channels = covariates.shape
        of_known = keras.layers.Dense(layer.horizon, use_bias=False)
        flat = keras.layers.Reshape((1, steps * channels))(covariates)  # (B, 1, H K)
        change = change + of_known(flat)
        of_known.set_weights([kernel[length:]])
    return keras.Model(inputs, last + ops.transpose(change, (0, 2, 1)), name=layer.name)
