"""Facts about each series as training saw it: id, range of values, last row, unit of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.forecasting.closed_days import closed_at, closed_weekdays
from forecast.windows.splits import Part, part_rows

NEVER = np.iinfo(np.int64).min
"""`SeriesFacts.seen_until` of a series without a row in training."""


MANY_ZEROS = 0.1
"""Share of zeros among values of at least 0 from which 0 is a bound, as of demand: a temperature
that happened to stay above 0 is seldom exactly 0."""


@dataclass(frozen=True, eq=False)
class SeriesFacts:
    """Facts about each series as training saw it.

    Attributes:
        ids: (N,) ids as the table has them.
        low: (N, D) smallest training value; NaN for a series without one.
        high: (N, D) largest training value; NaN for a series without one.
        seen_until: (N,) last stamp in the training, validation or calibration set, in ns since 1970
            or as the integer index; `NEVER` for a series without a row in these.
        unit: (N, D) mean change over a season: the unit of errors in calibration.
        from_zero: (N, D) whether no training value is below 0 and many are 0: no forecast is below.
        closed: (N, D, 7) weekdays, Monday first, on which the series is always 0.
    """

    ids: NDArray[np.object_]
    low: FloatArray
    high: FloatArray
    seen_until: IntArray
    unit: FloatArray
    from_zero: NDArray[np.bool_]
    closed: NDArray[np.bool_]

    @classmethod
    def fit(
        cls, panel: Panel, values: FloatArray, part: Part, *, seen_until: IntArray, unit: FloatArray
    ) -> SeriesFacts:
        """Return the facts about the series of a panel.

        Args:
            panel: the series.
            values: (R, D) targets, NaN where missing.
            part: the rows whose range counts.
            seen_until: (N,) as in the attributes.
            unit: (N, D) as in the attributes.
        """
        low, high = _ranges(values, panel, part)
        from_zero = (low == 0) & (_zero_shares(values, panel, part) >= MANY_ZEROS)
        closed = closed_weekdays(panel, values, part)
        return cls(panel.series_ids, low, high, seen_until, unit, from_zero, closed)

    @cached_property
    def constants(self) -> FloatArray:
        """(N, D) value of a target that never changed in training, NaN for all others.

        The forecast of such a target is its last value.
        """
        return np.where(self.low == self.high, self.low, np.nan)

    @cached_property
    def lowest(self) -> FloatArray:
        """(D,) bound below of a target: 0 where no series is below it and one of them has many 0.

        It is -inf for other targets.
        """
        is_bound = self.from_zero.any(axis=0) & ~(self.low < 0).any(axis=0)
        return np.where(is_bound, 0.0, -np.inf)

    @cached_property
    def _index_by_name(self) -> dict[str, int]:
        return {name_of(series_id): index for index, series_id in enumerate(self.ids)}

    def index_of(self, ids: NDArray[np.object_]) -> IntArray:
        """Return the (N',) index of each id by its name, -1 for a new series."""
        indices = [self._index_by_name.get(name_of(series_id), -1) for series_id in ids]
        return np.array(indices, np.int64)

    def take(
        self, index: IntArray, ids: NDArray[np.object_], new: SeriesFacts | None = None
    ) -> SeriesFacts:
        """Return the facts in another order.

        Args:
            index: (N',) from `index_of`.
            ids: (N',) the ids it was made from.
            new: facts about the same N' series, used where `index` is -1; optional where none is.
        """
        seen_until = np.where(index < 0, NEVER, self.seen_until[index])
        low = self.low[index]
        high = self.high[index]
        unit = self.unit[index]
        from_zero = self.from_zero[index]
        closed = self.closed[index]
        if new is not None:
            is_new = (index < 0)[:, None]
            low = np.where(is_new, new.low, low)
            high = np.where(is_new, new.high, high)
            unit = np.where(is_new, new.unit, unit)
            from_zero = np.where(is_new, new.from_zero, from_zero)
            closed = np.where(is_new[..., None], new.closed, closed)
        return SeriesFacts(ids, low, high, seen_until, unit, from_zero, closed)

    def step_units(
        self, series: IntArray, weekdays: NDArray[np.int8] | None, forecast: FloatArray
    ) -> FloatArray:
        """Return (B, H, D) units of errors: 0 where a closed weekday is forecast as closed.

        Args:
            series: (B,) series of each window.
            weekdays: (B, H) weekdays of the steps, Monday 0; None of steps beyond a day.
            forecast: (B, H, D) point forecasts.
        """
        unit = np.broadcast_to(self.unit[series][:, None], forecast.shape)
        if weekdays is None:
            return unit
        return np.where(closed_at(self.closed[series], weekdays) & (forecast == 0), 0.0, unit)

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, all finite; the ids are stored as JSON.

        Flags that are set nowhere are left out, so that earlier models are stored as they were.
        """
        flags = {"from_zero": self.from_zero, "closed": self.closed}
        return {
            **{name: flag for name, flag in flags.items() if flag.any()},
            "is_constant": np.isfinite(self.constants),
            "constants": np.nan_to_num(self.constants),
            "has_range": np.isfinite(self.low),
            "low": np.nan_to_num(self.low),
            "high": np.nan_to_num(self.high),
            "seen_until": self.seen_until,
            "unit": self.unit,
        }

    @classmethod
    def from_state(cls, ids: NDArray[np.object_], state: Mapping[str, NDArray[Any]]) -> SeriesFacts:
        """Read back what `to_state` returned; earlier models were stored without the last three."""
        has_range = state["has_range"]
        no_weekdays = np.zeros((*has_range.shape, 7), bool)
        return cls(
            ids=ids,
            low=np.where(has_range, state["low"], np.nan),
            high=np.where(has_range, state["high"], np.nan),
            seen_until=state["seen_until"],
            unit=state.get("unit", np.ones_like(state["low"])),
            from_zero=state.get("from_zero", np.zeros_like(has_range)),
            closed=state.get("closed", no_weekdays),
        )


def _zero_shares(values: FloatArray, panel: Panel, part: Part) -> FloatArray:
    """Return (N, D) shares of zeros among the values in the rows of a part; 0 without any."""
    rows = part_rows(part)
    series = panel.series_of_rows()[rows]
    shares = np.zeros((panel.num_series, values.shape[1]))
    for target, of_target in enumerate(values[rows].T):
        zeros = np.bincount(series[of_target == 0], minlength=panel.num_series)
        measured = np.bincount(series[np.isfinite(of_target)], minlength=panel.num_series)
        shares[:, target] = zeros / np.maximum(measured, 1)
    return shares


def _ranges(values: FloatArray, panel: Panel, part: Part) -> tuple[FloatArray, FloatArray]:
    """Return (N, D) smallest and (N, D) largest values in the rows of a part, NaN without any."""
    rows = part_rows(part)
    series = panel.series_of_rows()[rows]
    low = np.full((panel.num_series, values.shape[1]), np.inf)
    high = -low
    np.fmin.at(low, series, values[rows])
    np.fmax.at(high, series, values[rows])
    is_empty = low > high
    return np.where(is_empty, np.nan, low), np.where(is_empty, np.nan, high)
