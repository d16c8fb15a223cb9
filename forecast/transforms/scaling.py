"""Scalers of values: subtract a centre, divide by a scale, each fitted per series or over all series.

Everything is computed in float64 and in two passes, on values mapped to [0, 1] by their own minimum
and range: squares neither overflow nor vanish (1e-90 to 1e300), and an offset of 1e9 costs an
amplitude of 3 nothing.

Three rules hold for all four scalers:

* Where the fitting values never change, the centre is that constant and the scale is 0: `apply`
  gives 0, `invert` gives exactly the constant whatever the network says.
* A series with fewer than two finite fitting values takes the parameters fitted over all series.
* NaN is left out when fitting and stays NaN when applied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.errors import DataError
from forecast.transforms.base import Rows

Scope = Literal["per_series", "global"]


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
        """(g,) place of the first value of each group."""
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
        """One number per group as something that broadcasts with `values`."""
        return per_group if len(per_group) == 1 else np.repeat(per_group, self.counts)

    def mean(self, values: FloatArray) -> FloatArray:
        """(g,) means of (n,) values."""
        means: FloatArray = np.add.reduceat(values, self.starts) / self.counts
        return means

    def quantile(self, ordered: FloatArray, level: float) -> FloatArray:
        """(g,) quantiles, linear between order statistics (type 7 of Hyndman and Fan, 1996).

        Args:
            ordered: (n,) values, ascending within each group.
            level: in [0, 1].
        """
        place = (self.counts - 1) * level
        below = np.floor(place).astype(np.int64)
        left = ordered[self.starts + below]
        right = ordered[self.starts + np.minimum(below + 1, self.counts - 1)]
        return left + (right - left) * (place - below)


@dataclass(frozen=True, eq=False)
class Scaler(ABC):
    """Values minus `centre`, divided by `scale`.

    Attributes:
        centre: (N, D), or (D,) where all series share it.
        scale: same shape; 0 where the fitting values never changed.
    """

    centre: FloatArray
    scale: FloatArray

    @staticmethod
    @abstractmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Return centre (g,) and scale (g,) of each group; those of groups that never change are not used."""

    @classmethod
    def fit(
        cls, values: FloatArray, rows: Rows, *, num_series: int, scope: Scope = "per_series"
    ) -> Self:
        """Fit on training rows.

        Args:
            values: (R, D).
            rows: where they stand, series ascending.
            num_series: N.
            scope: `per_series`, or `global` for one centre and scale per column.

        Raises:
            DataError: a column holds no finite value, or rows are not grouped by series.
        """
        if (rows.series[1:] < rows.series[:-1]).any():
            raise DataError(
                "rows to fit a scaler on are not grouped by series; sort them by series, then by "
                "time"
            )
        columns = [cls._fit_column(column, rows.series, num_series, scope) for column in values.T]
        pairs = np.array(columns, np.float64).reshape(len(columns), 2, -1)
        centre, scale = np.ascontiguousarray(np.moveaxis(pairs, 0, -1))
        return cls(centre, scale) if scope == "per_series" else cls(centre[0], scale[0])

    @classmethod
    def _fit_column(
        cls, values: FloatArray, series: IntArray, num_series: int, scope: Scope
    ) -> tuple[FloatArray, FloatArray]:
        """Centre and scale of one column, each (N,), or (1,) for all series together."""
        finite = np.isfinite(values)
        chosen = values[finite]
        counts = np.bincount(series[finite], minlength=num_series)
        if not len(chosen):
            raise DataError(
                f"none of {len(values)} training rows holds a finite value to fit {cls.__name__} "
                f"on: "
                "leave the column out, or give a longer history"
            )
        everything = Groups(chosen, np.array([len(chosen)], np.int64))
        enough = counts >= 2
        if scope == "per_series" and enough.all():
            return cls._fit_groups(Groups(chosen, counts))
        centre, scale = cls._fit_groups(everything)
        if scope == "global":
            return centre, scale
        centre, scale = np.repeat(centre, num_series), np.repeat(scale, num_series)
        if enough.any():
            own = Groups(chosen[np.repeat(enough, counts)], counts[enough])
            centre[enough], scale[enough] = cls._fit_groups(own)
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
        out = values - self._of(self.centre, rows.series)
        divisor = np.where(self.scale > 0, self.scale, np.inf)
        out /= self._of(divisor, rows.series)
        return out

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:  # noqa: ARG002
        """Undo the scaling of (B, H, D) forecasts; see `Transform.invert`. The history is not needed."""
        if not self.per_series:
            return self.centre + self.scale * forecast
        return self.centre[series][:, None] + self.scale[series][:, None] * forecast

    def align(self, index: IntArray, fresh: Self | None) -> Self:
        """Return the scaler for other series; see `Transform.align`. A global one stays as it is."""
        if not self.per_series:
            return self
        if fresh is None:
            return type(self)(self.centre[index], self.scale[index])
        new = (index < 0)[:, None]
        return type(self)(
            np.where(new, fresh.centre, self.centre[index]),
            np.where(new, fresh.scale, self.scale[index]),
        )

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Centre and scale."""
        return {"centre": self.centre, "scale": self.scale}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the scaler `to_state` was called on."""
        return cls(state["centre"].astype(np.float64), state["scale"].astype(np.float64))

    def _of(self, parameter: FloatArray, series: IntArray) -> FloatArray:
        """A parameter as something that broadcasts with rows of `series`."""
        return parameter[series] if self.per_series else parameter


@final
class Standard(Scaler):
    """Mean 0 and standard deviation 1 (of the fitting values themselves: divisor n)."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation."""
        return mean_and_deviation(groups)


@final
class MinMax(Scaler):
    """Smallest fitting value to 0, largest to 1."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Minimum and range."""
        return groups.low, groups.high - groups.low


@final
class Robust(Scaler):
    """Median to 0, one interquartile range to 1; the standard deviation where that range is 0."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Median and interquartile range."""
        ordered = groups.values.copy()
        for own in np.split(
            ordered, groups.starts[1:]
        ):  # a sort per series beats one of all rows by far
            own.sort()
        low, median, high = (groups.quantile(ordered, level) for level in (0.25, 0.5, 0.75))
        flat = low == high
        return median, np.where(
            flat, mean_and_deviation(groups)[1] if flat.any() else 0.0, high - low
        )


@final
class MeanAbs(Scaler):
    """Divided by the mean absolute value; zero stays zero, unless the values never change."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        """Zero and the mean absolute value."""
        largest = np.maximum(np.abs(groups.low), np.abs(groups.high))
        safe = np.where(largest > 0, largest, 1.0)
        size = np.abs(groups.values)
        size /= groups.spread(safe)
        return np.zeros_like(largest), largest * groups.mean(size)


def mean_and_deviation(groups: Groups) -> tuple[FloatArray, FloatArray]:
    """(g,) means and (g,) standard deviations with divisor n, in two passes over values mapped to [0, 1]."""
    span = groups.high - groups.low
    unit = groups.values - groups.spread(groups.low)
    unit /= groups.spread(np.where(span > 0, span, 1.0))
    mean = groups.mean(unit)
    unit -= groups.spread(mean)
    np.square(unit, out=unit)
    return groups.low + span * mean, span * np.sqrt(groups.mean(unit))


SCALERS: dict[str, type[Scaler]] = {
    "standard": Standard,
    "min_max": MinMax,
    "robust": Robust,
    "mean_abs": MeanAbs,
}
