"""Scalers: subtract a centre, divide by a scale, each fitted per series or over all series.

Everything is computed in float64 and in two passes, on values mapped to [0, 1] by their own minimum
and range: squares neither overflow nor vanish (1e-90 to 1e300), and an offset of 1e9 costs an
amplitude of 3 nothing.

Three rules hold for all four scalers:

* Where the fitting values never change, the centre is that constant and the scale is 0: `apply`
  gives 0, `invert` gives exactly the constant whatever the output of the network.
* A series with fewer than two finite fitting values takes the parameters fitted over all series.
* NaN is ignored when fitting and stays NaN when applied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.errors import DataError
from forecast.transforms.base import Rows, Scope


@dataclass(frozen=True, eq=False)
class Groups:
    """The finite values of one column, group after group, no group empty.

    Attributes:
        values: (n,) finite values.
        counts: (g,) values in each group.
    """

    values: FloatArray
    counts: IntArray

    @cached_property
    def starts(self) -> IntArray:
        """(g,) index of the first value of each group."""
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def low(self) -> FloatArray:
        """(g,) smallest values."""
        return np.minimum.reduceat(self.values, self.starts)

    @cached_property
    def high(self) -> FloatArray:
        """(g,) largest values."""
        return np.maximum.reduceat(self.values, self.starts)

    def spread(self, per_group: FloatArray) -> FloatArray:
        """Return (g,) numbers, one per group, as an array that broadcasts with `values`."""
        if len(per_group) == 1:
            return per_group
        return np.repeat(per_group, self.counts)

    def mean(self, values: FloatArray) -> FloatArray:
        """Return (g,) means of (n,) values."""
        means: FloatArray = np.add.reduceat(values, self.starts) / self.counts
        return means

    def quantile(self, ordered: FloatArray, level: float) -> FloatArray:
        """Return (g,) quantiles, linear between order statistics.

        Source: type 7 of Hyndman and Fan (1996), "Sample Quantiles in Statistical Packages".

        Args:
            ordered: (n,) values, ascending within each group.
            level: in [0, 1].
        """
        rank = (self.counts - 1) * level
        below = np.floor(rank).astype(np.int64)
        left = ordered[self.starts + below]
        right = ordered[self.starts + np.minimum(below + 1, self.counts - 1)]
        return left + (right - left) * (rank - below)


@dataclass(frozen=True, eq=False)
class Scaler(ABC):
    """Values minus `centre`, divided by `scale`; a concrete scaler defines `measure`.

    Attributes:
        centre: (N, D), or (D,) where all series share it.
        scale: same shape; 0 where the fitting values never changed.
    """

    centre: FloatArray
    scale: FloatArray

    @staticmethod
    @abstractmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return centre and scale of each group, (g,); those of a constant one are not used."""

    @classmethod
    def fit(
        cls, values: FloatArray, rows: Rows, *, num_series: int, scope: Scope = "per_series"
    ) -> Self:
        """Fit on training rows.

        Args:
            values: (R, D).
            rows: their series and positions, series ascending.
            num_series: N.
            scope: `per_series`, or `global` for one centre and scale per column.

        Raises:
            DataError: a column has no finite value, or rows are not grouped by series.
        """
        if (rows.series[1:] < rows.series[:-1]).any():
            raise DataError(
                "rows to fit a scaler on are not grouped by series; sort them by series, then by "
                "time"
            )
        columns = [cls._fit_column(column, rows.series, num_series, scope) for column in values.T]
        pairs = np.array(columns, np.float64).reshape(len(columns), 2, -1)  # (D, 2, N or 1)
        centre, scale = np.ascontiguousarray(np.moveaxis(pairs, 0, -1))  # (N or 1, D) each
        if scope == "global":
            return cls(centre[0], scale[0])
        return cls(centre, scale)

    @classmethod
    def _fit_column(
        cls, values: FloatArray, series: IntArray, num_series: int, scope: Scope
    ) -> tuple[FloatArray, FloatArray]:
        """Return centre and scale of one column, each (N,), or (1,) for all series together."""
        finite = np.isfinite(values)
        usable = values[finite]
        counts = np.bincount(series[finite], minlength=num_series)
        if not len(usable):
            raise DataError(
                f"none of {len(values)} training rows has a finite value to fit {cls.__name__} "
                "on: leave the column out, or give a longer history"
            )

        has_enough = counts >= 2
        if scope == "per_series" and has_enough.all():
            return cls._fit_groups(Groups(usable, counts))

        all_series = Groups(usable, np.array([len(usable)], np.int64))
        centre, scale = cls._fit_groups(all_series)
        if scope == "global":
            return centre, scale

        # Series with fewer than two values keep the parameters of all series.
        centre = np.repeat(centre, num_series)
        scale = np.repeat(scale, num_series)
        if has_enough.any():
            groups = Groups(usable[np.repeat(has_enough, counts)], counts[has_enough])
            centre[has_enough], scale[has_enough] = cls._fit_groups(groups)
        return centre, scale

    @classmethod
    def _fit_groups(cls, groups: Groups) -> tuple[FloatArray, FloatArray]:
        centre, scale = cls.measure(groups)
        constant = groups.low == groups.high
        return np.where(constant, groups.low, centre), np.where(constant, 0.0, scale)

    @property
    def lag(self) -> int:
        """0: each row is mapped by itself."""
        return 0

    @property
    def per_series(self) -> bool:
        """Whether each series has its own parameters."""
        return self.centre.ndim == 2

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Scale (R, D) values; see `Transform.apply`."""
        scaled = values - self._by_row(self.centre, rows.series)
        divisor = np.where(self.scale > 0, self.scale, np.inf)  # a constant series becomes 0
        scaled /= self._by_row(divisor, rows.series)
        return scaled

    def invert(
        self,
        forecast: FloatArray,
        *,
        series: IntArray,
        history: FloatArray,  # noqa: ARG002
    ) -> FloatArray:
        """Undo the scaling of (B, H, D) forecasts; the history is not needed."""
        if not self.per_series:
            return self.centre + self.scale * forecast
        return self.centre[series][:, None] + self.scale[series][:, None] * forecast

    def align(self, index: IntArray, fresh: Self | None) -> Self:
        """Return the scaler for other series; a global one stays as it is."""
        if not self.per_series:
            return self
        if fresh is None:
            return type(self)(self.centre[index], self.scale[index])
        is_new = (index < 0)[:, None]
        return type(self)(
            np.where(is_new, fresh.centre, self.centre[index]),
            np.where(is_new, fresh.scale, self.scale[index]),
        )

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Return centre and scale."""
        return {"centre": self.centre, "scale": self.scale}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the scaler `to_state` was called on."""
        return cls(state["centre"].astype(np.float64), state["scale"].astype(np.float64))

    def _by_row(self, parameter: FloatArray, series: IntArray) -> FloatArray:
        """Return a parameter as an array that broadcasts with rows of these series."""
        if self.per_series:
            return parameter[series]
        return parameter


@final
class Standard(Scaler):
    """Mean 0 and standard deviation 1 (of the fitting values themselves: divisor n)."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation."""
        return _mean_and_deviation(groups)


@final
class MinMax(Scaler):
    """Smallest fitting value to 0, largest to 1."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return minimum and range."""
        return groups.low, groups.high - groups.low


@final
class Robust(Scaler):
    """Median to 0, one interquartile range to 1; the standard deviation where that range is 0."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return median and interquartile range."""
        ordered = groups.values.copy()
        for group in np.split(ordered, groups.starts[1:]):  # much faster than one sort of all rows
            group.sort()

        low, median, high = (groups.quantile(ordered, level) for level in (0.25, 0.5, 0.75))
        spread = high - low
        is_flat = low == high
        if is_flat.any():
            _, deviation = _mean_and_deviation(groups)
            spread = np.where(is_flat, deviation, spread)
        return median, spread


@final
class MeanAbs(Scaler):
    """Divided by the mean absolute value; zero stays zero, unless the values never change."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return zero and the mean absolute value."""
        largest = np.maximum(np.abs(groups.low), np.abs(groups.high))
        safe = np.where(largest > 0, largest, 1.0)
        size = np.abs(groups.values)  # (n,), divided by the largest: sums do not overflow
        size /= groups.spread(safe)
        return np.zeros_like(largest), largest * groups.mean(size)


def _mean_and_deviation(groups: Groups) -> tuple[FloatArray, FloatArray]:
    """Return (g,) means and (g,) standard deviations with divisor n.

    Two passes over values mapped to [0, 1].
    """
    span = groups.high - groups.low
    unit = groups.values - groups.spread(groups.low)
    unit /= groups.spread(np.where(span > 0, span, 1.0))
    mean = groups.mean(unit)
    unit -= groups.spread(mean)
    np.square(unit, out=unit)
    return groups.low + span * mean, span * np.sqrt(groups.mean(unit))
