"""The windows of features: rows gathered batch by batch when they are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.windows.features import Features
from forecast.windows.index import WindowIndex

Inputs = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class WindowedFeatures:
    """The windows of some features, of which batches of model inputs and targets are gathered."""

    features: Features
    index: WindowIndex

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, numbers: IntArray) -> tuple[Inputs, NDArray[np.float32]]:
        """Gather windows.

        Args:
            numbers: (B,) window numbers.

        Returns:
            The inputs as in `WindowShape`, and the target (B, H, D) with NaN where nothing was
            measured.
        """
        features = self.features
        series, first = self.index.locate(numbers)
        context = self.index.context_rows(first)  # (B, L)
        ahead = self.index.horizon_rows(first)  # (B, H)
        inputs: Inputs = {
            "past": np.concatenate([self._past(context), features.known[context]], axis=2),
            "known": features.known[ahead],
            "static": features.static[series],
            "past_categories": np.concatenate(
                [features.past_codes[context], features.known_codes[context]], axis=2
            ),
            "known_categories": features.known_codes[ahead],
            "static_categories": features.static_codes[series],
        }
        inputs = {name: array for name, array in inputs.items() if array.shape[-1]}
        return inputs, features.target[ahead]

    def weights(self, numbers: IntArray) -> NDArray[np.float32] | None:
        """Return (B, H) how much the forecast rows of windows count; None: all alike.

        Args:
            numbers: (B,) window numbers.
        """
        if self.features.weights is None:
            return None
        _, first = self.index.locate(numbers)
        return self.features.weights[self.index.horizon_rows(first)]

    def _past(self, context: IntArray) -> NDArray[np.float32]:
        """Return (B, L, P) past inputs.

        An interpolated cell is used only where its later neighbour is inside the context.
        """
        past = self.features.past[context]
        if self.features.late is None:
            return past
        values, usable_from = self.features.late
        return np.where(usable_from[context] <= context[:, -1, None, None], values[context], past)
