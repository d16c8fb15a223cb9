"""The logarithm of one plus a value, and differences in time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.errors import DataError, ShapeError
from forecast.transforms.base import Rows


@final
@dataclass(frozen=True, eq=False)
class Log1p:
    """The natural logarithm of 1 + value, for values above -1.

    Training values of -1 or less are refused. Rows after the training set may have such values,
    which nobody could know when the map was chosen: a value below `floor` is read as `floor`, so a
    later row never decides whether a table can be learned from.

    Attributes:
        floor: (D,) smallest training value of each target, or 0 where all are above it.
    """

    floor: FloatArray

    @classmethod
    def fit(cls, values: FloatArray, rows: Rows, *, num_series: int) -> Self:  # noqa: ARG003
        """Take the floor of the training values.

        Args:
            values: (R, D).
            rows: their series and positions.
            num_series: N; not needed.

        Raises:
            DataError: a value is -1 or less.
        """
        if (values <= -1).any():
            row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
            raise DataError(
                f"log1p needs values above -1; the smallest is {values[row, column]:g}, target "
                f"{column + 1} of series number {rows.series[row] + 1}: "
                "leave log1p out, or add a constant to the series"
            )
        return cls(np.fmin.reduce(values, axis=0, initial=0.0))

    @property
    def lag(self) -> int:
        """0: each row is mapped by itself."""
        return 0

    @property
    def per_series(self) -> bool:
        """False: all series share the floor."""
        return False

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:  # noqa: ARG002
        """Take logarithms of (R, D) values; one below `floor` is read as `floor`."""
        return np.log1p(np.maximum(values, self.floor))

    def invert(
        self,
        forecast: FloatArray,
        *,
        series: IntArray,  # noqa: ARG002
        history: FloatArray,  # noqa: ARG002
    ) -> FloatArray:
        """Return the exponential of (B, H, D) forecasts minus 1; inf where it overflows."""
        with np.errstate(over="ignore"):
            return np.expm1(forecast)

    def align(self, index: IntArray, fresh: Self | None) -> Self:  # noqa: ARG002
        """Return this map: it is the same for all series."""
        return self

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Return the floor."""
        return {"floor": self.floor}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on; models of 0.1.0 have no floor and take 0."""
        return cls(state.get("floor", np.zeros(1)).astype(np.float64))


@final
@dataclass(frozen=True)
class Difference:
    """Each value minus the value `lag` steps before.

    Attributes:
        lag: steps; 1 for changes, the season length for seasonal changes.
    """

    lag: int = 1

    @classmethod
    def fit(
        cls,
        values: FloatArray,  # noqa: ARG003
        rows: Rows,  # noqa: ARG003
        *,
        num_series: int,  # noqa: ARG003
        lag: int,
    ) -> Self:
        """Return the difference over `lag` steps; nothing is fitted."""
        return cls(lag)

    @property
    def per_series(self) -> bool:
        """False: there is nothing to fit."""
        return False

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Subtract from (R, D) values those `lag` steps before; NaN where there is none.

        A difference never reaches across a gap: after one, the first `lag` rows are NaN.
        """
        lag = self.lag
        differences = np.full_like(values, np.nan)
        is_same_series = rows.series[lag:] == rows.series[:-lag]
        is_adjacent = rows.positions[lag:] - rows.positions[:-lag] == lag
        usable = is_same_series & is_adjacent
        np.subtract(values[lag:], values[:-lag], out=differences[lag:], where=usable[:, None])
        return differences

    def invert(
        self,
        forecast: FloatArray,
        *,
        series: IntArray,  # noqa: ARG002
        history: FloatArray,
    ) -> FloatArray:
        """Add (B, H, D) differences up from the last `lag` known values; see `Transform.invert`.

        Raises:
            ShapeError: the history is shorter than `lag`.
        """
        batch, steps, targets = forecast.shape
        check_shape("history", history, "BMD", B=batch, D=targets)
        num_known = history.shape[1]
        if num_known < self.lag:
            raise ShapeError(
                f"history has {num_known} rows; a difference over {self.lag} steps needs "
                f"{self.lag} to undo it"
            )

        # Known values, then differences, filled up to whole seasons of `lag` steps: (B, S lag, D).
        end = self.lag + steps
        num_seasons = math.ceil(end / self.lag)
        chains = np.zeros((batch, num_seasons * self.lag, targets))
        chains[:, : self.lag] = history[:, num_known - self.lag :]
        chains[:, self.lag : end] = forecast

        # A running sum over seasons adds the values that are `lag` steps apart.
        by_season = chains.reshape(batch, num_seasons, self.lag, targets)
        summed = by_season.cumsum(axis=1).reshape(chains.shape)
        return summed[:, self.lag : end]

    def align(self, index: IntArray, fresh: Self | None) -> Self:  # noqa: ARG002
        """Return this map: it is the same for all series."""
        return self

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Return the lag."""
        return {"lag": np.array([self.lag], np.int64)}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on."""
        return cls(int(state["lag"][0]))
