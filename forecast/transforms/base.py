"""What every reversible map of the targets offers, and the rows it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Where rows of values stand.

    Attributes:
        series: (R,) series of each row; ascending where something is fitted.
        positions: (R,) place of each row on the grid of the frequency.
    """

    series: IntArray
    positions: IntArray


class Transform(Protocol):
    """A fitted, frozen, reversible map of the target columns."""

    @property
    def lag(self) -> int:
        """Earlier rows needed before the first one that can be used; 0 for maps of single values."""

    @property
    def per_series(self) -> bool:
        """Whether each series has fitted numbers of its own."""

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Map (R, D) values to (R, D); NaN stays NaN, and a row whose earlier row is absent becomes NaN."""

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:
        """Map forecasts back.

        Args:
            forecast: (B, H, D) on the mapped scale.
            series: (B,) series of each forecast.
            history: (B, M, D) input of this map for the M >= `lag` rows before the forecast, the
                last one last; only the last `lag` are read.

        Returns:
            (B, H, D) on the scale of this map's input.
        """

    def align(self, index: IntArray, fresh: Self | None) -> Self:
        """Return the map for other series.

        Args:
            index: (N',) place of each series here, or -1.
            fresh: the same map fitted on the other series: gives what is -1 in `index`; None where
                nothing is.
        """

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Everything fitted, as arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on."""
