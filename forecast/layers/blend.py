"""What a blend of networks is made of besides the networks: a linear map of the window, and the weighted sum."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class LinearWindow(keras.layers.Layer):
    """A linear map of the targets' windows (B, L, D), about their last value, and of what is known ahead: (B, H, D).

    Its weights (L + H K, H) are those of a ridge regression that was solved elsewhere
    (`baselines.ridge.RidgeWindow`).
    """

    def __init__(self, horizon: int, **options: Any) -> None:
        super().__init__(**options | {"trainable": False})
        self.horizon = horizon

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Make the matrix, for windows and, where it is given, (B, H, K) known."""
        rows = input_shape[0][1] + sum(one[1] * one[2] for one in input_shape[1:])
        self.kernel = self.add_weight(
            shape=(rows, self.horizon), initializer="zeros", name="kernel"
        )

    def call(self, tensors: list[Any]) -> Any:
        """See the class."""
        targets, *known = tensors
        length, last = targets.shape[1], targets[:, -1:]
        change = ops.matmul(ops.transpose(targets - last, (0, 2, 1)), self.kernel[:length])
        for one in known:
            change = change + ops.matmul(
                ops.reshape(one, (-1, 1, one.shape[1] * one.shape[2])), self.kernel[length:]
            )
        return last + ops.transpose(change, (0, 2, 1))

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer."""
        return {**super().get_config(), "horizon": self.horizon}


class WeightedSum(keras.layers.Layer):
    """The sum of M tensors of one shape, each times a weight that is not trained; equal weights at first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"trainable": False})

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the weights."""
        number = len(input_shape)
        self.shares = self.add_weight(
            shape=(number,), initializer=keras.initializers.Constant(1.0 / number), name="shares"
        )

    def call(self, tensors: list[Any]) -> Any:
        """See the class."""
        total = tensors[0] * self.shares[0]
        for place, one in enumerate(tensors[1:], 1):
            total = total + one * self.shares[place]
        return total
