"""Values that came, column by column, against the values that training has seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel
from forecast.forecasting.fitted import Fitted, align
from forecast.windows.splits import Part

MOST_OUTSIDE = 0.05
"""Share of the values outside the range of training, or missing, from which it is an alarm."""


@dataclass(frozen=True)
class ColumnDrift:
    """One column.

    Attributes:
        name: of the column.
        values: cells since the first cutoff.
        missing: share of them that are empty.
        outside: share of the others outside the range or the words of training.
        alarm: one sentence; empty for none.
    """

    name: str
    values: int
    missing: float
    outside: float
    alarm: str

    def columns(self) -> dict[str, Any]:
        """Return a row of the table."""
        return {
            "column": self.name,
            "values": self.values,
            "missing": self.missing,
            "outside": self.outside,
        }


def drift_of(fitted: Fitted, panel: Panel, after: int) -> list[ColumnDrift]:
    """Return the drift of every column in the rows after a position.

    Args:
        fitted: the current model.
        panel: what came.
        after: position on the time grid.
    """
    aligned = align(fitted, panel, Part.whole(panel))
    is_new = panel.positions > after
    if not is_new.any():
        return []
    series = panel.series_of_rows()[is_new]
    return list(_columns(aligned, panel, is_new, series))


def _columns(
    fitted: Fitted, panel: Panel, is_new: NDArray[np.bool_], series: IntArray
) -> Iterator[ColumnDrift]:
    """Yield targets, then covariates."""
    facts = fitted.series
    for number, name in enumerate(panel.columns.target_cols):
        values = panel.targets[is_new, number]
        low = facts.low[series, number]
        high = facts.high[series, number]
        outside = (values < low) | (values > high)
        yield _drift(name, values, outside, "their series had in training")
    words = fitted.feature_map.vocabulary
    for name in (*panel.columns.past_covariates, *panel.columns.known_covariates):
        values = panel.column(name)[is_new]
        if name in panel.columns.categorical:
            known = set(words.get(name, ()))
            is_unknown = np.array([word not in known for word in panel.categories[name]])
            codes = np.where(np.isnan(values), 0, values).astype(np.int64)
            yield _drift(name, values, is_unknown[codes], "training has seen")
        elif name in fitted.feature_map.ranges:
            least, most = fitted.feature_map.ranges[name]
            where = f"training has seen, {least:g} to {most:g}"
            yield _drift(name, values, (values < least) | (values > most), where)


def _drift(name: str, values: FloatArray, outside: NDArray[np.bool_], where: str) -> ColumnDrift:
    """Return the drift of a column, given which of its values are outside."""
    is_known = np.isfinite(values)
    missing = float(1 - is_known.mean())
    share = 0.0
    if is_known.any():
        share = float(outside[is_known].mean())
    alarm = ""
    if share > MOST_OUTSIDE:
        alarm = f"{100 * share:.1f} % of the values of {name!r} are outside what {where}"
    elif missing > MOST_OUTSIDE:
        alarm = f"{100 * missing:.1f} % of the values of {name!r} are missing"
    return ColumnDrift(name, len(values), missing, share, alarm)
