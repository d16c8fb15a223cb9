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
from forecast.windows.splits import Part, part_rows

NEVER = np.iinfo(np.int64).min
"""`SeriesFacts.seen_until` of a series without a row in training."""


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
    """

    ids: NDArray[np.object_]
    low: FloatArray
    high: FloatArray
    seen_until: IntArray
    unit: FloatArray

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
        return cls(panel.series_ids, low, high, seen_until, unit)

    @cached_property
    def constants(self) -> FloatArray:
        """(N, D) value of a target that never changed in training, NaN for all others.

        The forecast of such a target is its last value.
        """
        return np.where(self.low == self.high, self.low, np.nan)

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
        if new is not None:
            is_new = (index < 0)[:, None]
            low = np.where(is_new, new.low, low)
            high = np.where(is_new, new.high, high)
            unit = np.where(is_new, new.unit, unit)
        return SeriesFacts(ids, low, high, seen_until, unit)

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, all finite; the ids are stored as JSON."""
        return {
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
        """Read back what `to_state` returned; the first models were stored without `unit`."""
        has_range = state["has_range"]
        return cls(
            ids=ids,
            low=np.where(has_range, state["low"], np.nan),
            high=np.where(has_range, state["high"], np.nan),
            seen_until=state["seen_until"],
            unit=state.get("unit", np.ones_like(state["low"])),
        )


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
