"""The logarithm of one plus a value, and differences in time."""

from __future__ import annotations

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

    Training values of -1 or less are refused. Rows after the training part may hold such values
    without anybody having known it when the map was chosen: what lies below `floor` is read as
    `floor`, so a later row never decides whether a table can be learned from.

    Attributes:
        floor: (D,) smallest training value of each target, or 0 where all are above it.
    """

    floor: FloatArray

    @classmethod
    def fit(cls, values: FloatArray, rows: Rows) -> Self:
        """Take the floor of (R, D) training values.

        Args:
            values: (R, D).
            rows: where they stand.

        Raises:
            DataError: a value is -1 or less.
        """
        if (values <= -1).any():
            row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
            raise DataError(
                f"log1p needs values above -1; the smallest is {values[row, column]:g}, target "
                f"{column + 1} of series "
                f"number {rows.series[row] + 1}: leave log1p out, or add a constant to the series"
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
        """Take logarithms of (R, D) values, of those below `floor` that of `floor`; see `Transform.apply`."""
        return np.log1p(np.maximum(values, self.floor))

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:  # noqa: ARG002
        """Exponential of (B, H, D) forecasts minus 1; see `Transform.invert`. Too large a forecast gives inf."""
        with np.errstate(over="ignore"):
            return np.expm1(forecast)

    def align(self, index: IntArray, fresh: Self | None) -> Self:  # noqa: ARG002
        """Return this map: it is the same for all series."""
        return self

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """The floor."""
        return {"floor": self.floor}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on; models of 0.1.0 hold no floor and take 0."""
        return cls(state.get("floor", np.zeros(1)).astype(np.float64))


@final
@dataclass(frozen=True)
class Difference:
    """Each value minus the one `lag` steps before: 1 for changes, the season length for seasonal changes."""

    lag: int = 1

    @property
    def per_series(self) -> bool:
        """False: there is nothing to fit."""
        return False

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Subtract from (R, D) values those `lag` steps before; NaN where there is none; see `Transform.apply`.

        A difference never reaches across a gap: after one, the first `lag` rows are NaN.
        """
        lag = self.lag
        out = np.full_like(values, np.nan)
        same = rows.series[lag:] == rows.series[:-lag]
        same &= rows.positions[lag:] - rows.positions[:-lag] == lag
        np.subtract(values[lag:], values[:-lag], out=out[lag:], where=same[:, None])
        return out

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:  # noqa: ARG002
        """Add (B, H, D) differences up from the last `lag` known values; see `Transform.invert`.

        Raises:
            ShapeError: the history is shorter than `lag`.
        """
        batch, steps, targets = forecast.shape
        check_shape("history", history, "BMD", B=batch, D=targets)
        known = history.shape[1]
        if known < self.lag:
            raise ShapeError(
                f"history has {known} rows; a difference over {self.lag} steps needs {self.lag} to "
                f"undo it"
            )
        end = self.lag + steps
        chains = np.zeros((batch, -(-end // self.lag) * self.lag, targets))
        chains[:, : self.lag] = history[:, known - self.lag :]
        chains[:, self.lag : end] = forecast
        summed = chains.reshape(batch, -1, self.lag, targets).cumsum(axis=1)
        return summed.reshape(chains.shape)[:, self.lag : end]

    def align(self, index: IntArray, fresh: Self | None) -> Self:  # noqa: ARG002
        """Return this map: it is the same for all series."""
        return self

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """The lag."""
        return {"lag": np.array([self.lag], np.int64)}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on."""
        return cls(int(state["lag"][0]))
