"""Fill missing values such that no row is filled from a value after the cutoff.

| policy         | a missing number becomes                                 | trained and scored |
|----------------|----------------------------------------------------------|--------------------|
| `refuse`       | an error                                                 |                    |
| `forward_fill` | the last observed value of its series                    | no                 |
| `mask`         | the same; the model also reads which cells were observed | no                 |
| `interpolate`  | the line in time between its neighbours, in windows that | no                 |
|                | see the later one; the last observed value in all others |                    |
| `zero`         | 0, taken as measured (no row means nothing was sold)     | yes                |

A missing category becomes the last one observed under every policy: categories have no zero and no
line between them. Cells before the first observation of a series have no value to be filled with;
they stay NaN, and windows that would read them are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel
from forecast.data.shown import stamp_at
from forecast.errors import DataError

MissingPolicy = Literal["refuse", "forward_fill", "interpolate", "zero", "mask"]

_WORDS = {
    "forward_fill": "the last observed value",
    "mask": "the last observed value and masked",
    "interpolate": "the line between its neighbours, or the last observed value where the later "
    "one is not yet known",
    "zero": "0",
}


@dataclass(frozen=True, eq=False)
class Filled:
    """The values of a panel as the model may read them.

    Attributes:
        values: (R, C) filled from earlier rows only; NaN before the first observation of a series.
        observed: (R, C) whether a cell was measured; None where all count as measured.
        interpolated: (R, C) filled from both sides; None unless that is the policy and something
            was missing.
        next_observed: (R, C) first row at or after this one with an observation, R where the series
            has none left; an interpolated cell may be read by windows whose last context row is not
            before it.
    """

    values: FloatArray
    observed: NDArray[np.bool_] | None = None
    interpolated: FloatArray | None = None
    next_observed: IntArray | None = None

    def measured(self, num_columns: int) -> FloatArray:
        """Return the first columns for scoring, (R, num_columns): NaN where not measured."""
        values = self.values[:, :num_columns]
        if self.observed is None:
            return values
        return np.where(self.observed[:, :num_columns], values, np.nan)


def fill_missing(panel: Panel, policy: MissingPolicy) -> tuple[Filled, tuple[str, ...]]:
    """Fill the missing cells of a panel.

    Args:
        panel: the series.
        policy: see the table of this module.

    Returns:
        The filled values, and one sentence per column that was filled.

    Raises:
        DataError: a value is missing and the policy is `refuse`.
    """
    observed = np.isfinite(panel.values)
    incomplete = np.flatnonzero(~observed.all(axis=0))
    if not len(incomplete):
        return Filled(panel.values), ()
    if policy == "refuse":
        raise DataError(_refusal(panel, observed))

    values = panel.values.copy()
    notes = []
    for index in incomplete.tolist():
        name = panel.columns.dynamic[index]
        column = panel.values[:, index]
        column_policy = policy
        if name in panel.columns.categorical:
            column_policy = "forward_fill"
        if column_policy == "zero":
            values[:, index] = np.where(np.isnan(column), 0.0, column)
        else:
            values[:, index] = forward_fill(panel, column)
        notes.append(_note(name, column, values[:, index], column_policy))

    if policy == "zero":
        return Filled(values), tuple(notes)
    if policy == "interpolate":
        return Filled(values, observed, *_interpolated(panel, values, observed)), tuple(notes)
    return Filled(values, observed), tuple(notes)


def forward_fill(panel: Panel, column: FloatArray) -> FloatArray:
    """Return (R,) values with each missing one replaced by the last observed one of its series.

    A value before the first observation stays NaN.
    """
    last = last_observed_rows(panel, np.isfinite(column))
    return np.where(last >= 0, column[last], np.nan)


def interpolate(panel: Panel, column: FloatArray, following: IntArray) -> FloatArray:
    """Return (R,) values with each missing one on the line in time between its neighbours.

    Args:
        panel: the series.
        column: (R,) values.
        following: (R,) from `next_observed_rows`; without a later neighbour the last observed value
            is used.
    """
    filled = forward_fill(panel, column)
    has_both = np.isnan(column) & np.isfinite(filled) & (following < panel.num_rows)
    rows = np.flatnonzero(has_both)
    before = last_observed_rows(panel, np.isfinite(column))[rows]
    after = following[rows]

    positions = panel.positions
    share = (positions[rows] - positions[before]) / (positions[after] - positions[before])
    filled[rows] = column[before] + (column[after] - column[before]) * share
    return filled


def last_observed_rows(panel: Panel, observed: NDArray[np.bool_]) -> IntArray:
    """Return (R,) the last row at or before each row with an observation of its series, or -1."""
    rows = np.maximum.accumulate(np.where(observed, np.arange(panel.num_rows), -1))
    return np.where(rows >= np.repeat(panel.offsets[:-1], panel.lengths), rows, -1)


def next_observed_rows(panel: Panel, observed: NDArray[np.bool_]) -> IntArray:
    """Return (R,) the first row at or after each row with an observation of its series, or R."""
    count = panel.num_rows
    observed_rows = np.where(observed, np.arange(count), count)
    rows = np.minimum.accumulate(observed_rows[::-1])[::-1]
    return np.where(rows < np.repeat(panel.offsets[1:], panel.lengths), rows, count)


def _interpolated(
    panel: Panel, values: FloatArray, observed: NDArray[np.bool_]
) -> tuple[FloatArray, IntArray]:
    """Return `Filled.interpolated` and `Filled.next_observed`, from the forward-filled `values`."""
    interpolated = values.copy()
    following = np.repeat(np.arange(panel.num_rows)[:, None], values.shape[1], axis=1)
    for index in np.flatnonzero(~observed.all(axis=0)).tolist():
        following[:, index] = next_observed_rows(panel, observed[:, index])
        if panel.columns.dynamic[index] not in panel.columns.categorical:
            column = panel.values[:, index]
            interpolated[:, index] = interpolate(panel, column, following[:, index])
    return interpolated, following


def _note(name: str, column: FloatArray, values: FloatArray, policy: MissingPolicy) -> str:
    num_missing = int(np.isnan(column).sum())
    num_empty = int(np.isnan(values).sum())  # before the first observation
    note = f"{name}: {num_missing:,} of {len(column):,} values were missing"
    if num_missing > num_empty:
        note += f"; {num_missing - num_empty:,} filled with {_WORDS[policy]}"
    if num_empty:
        note += f"; {num_empty:,} before the first observation of their series left empty"
    return note


def _refusal(panel: Panel, observed: NDArray[np.bool_]) -> str:
    """Describe the missing values of the first incomplete column, with their first stamps."""
    index = int(np.flatnonzero(~observed.all(axis=0))[0])
    rows = np.flatnonzero(~observed[:, index])
    series = panel.series_at(rows)
    rows_of_first = rows[series == series[0]]
    stamps = panel.timestamps[rows_of_first[:5]]
    named = ", ".join(stamp_at(panel.freq, stamp) for stamp in stamps)
    return (
        f"column {panel.columns.dynamic[index]!r} has {len(rows)} missing values in "
        f"{len(np.unique(series))} series, {len(rows_of_first)} of them in series "
        f"{panel.series_ids[series[0]]!r}, first at {named}: "
        "fill them in, or set missing: forward_fill, interpolate, zero or mask"
    )
