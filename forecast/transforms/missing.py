"""What stands in for missing values, chosen so that no row is filled from what came after the cutoff.

| policy         | a missing number becomes                                         | learned and scored |
|----------------|------------------------------------------------------------------|--------------------|
| `refuse`       | an error                                                         |                    |
| `forward_fill` | the last observed value of its series                            | no                 |
| `mask`         | the same; the model also reads which cells were observed         | no                 |
| `interpolate`  | the straight line in time between its neighbours, in windows     | no                 |
|                | that see the later one; the last observed value in all others    |                    |
| `zero`         | 0, taken as measured (no row means nothing was sold)             | yes                |

A missing category becomes the last one observed under every policy: categories have no zero and no
line between them. Cells before the first observation of a series have nothing to be filled from;
they stay NaN, and windows that would read them are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel
from forecast.errors import DataError

MissingPolicy = Literal["refuse", "forward_fill", "interpolate", "zero", "mask"]

_WORDS = {
    "forward_fill": "the last observed value",
    "mask": "the last observed value and masked",
    "interpolate": "the line between its neighbours, or the last observed value where the later one is not yet known",
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
        """(R, num_columns) the first columns as they are judged: NaN where nothing was measured."""
        values = self.values[:, :num_columns]
        return (
            values
            if self.observed is None
            else np.where(self.observed[:, :num_columns], values, np.nan)
        )


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
    places = np.flatnonzero(~observed.all(axis=0))
    if not len(places):
        return Filled(panel.values), ()
    if policy == "refuse":
        raise DataError(_refusal(panel, observed))
    values, notes = panel.values.copy(), []
    for place in places.tolist():
        name, column = panel.columns.dynamic[place], panel.values[:, place]
        own: MissingPolicy = "forward_fill" if name in panel.columns.categorical else policy
        values[:, place] = (
            np.where(np.isnan(column), 0.0, column)
            if own == "zero"
            else forward_fill(panel, column)
        )
        notes.append(_note(name, column, values[:, place], own))
    if policy == "zero":
        return Filled(values), tuple(notes)
    lines = _interpolated(panel, values, observed) if policy == "interpolate" else (None, None)
    return Filled(values, observed, *lines), tuple(notes)


def forward_fill(panel: Panel, column: FloatArray) -> FloatArray:
    """(R,) values with each missing one replaced by the last observed one of its series, or left NaN."""
    last = last_observed_rows(panel, np.isfinite(column))
    return np.where(last >= 0, column[last], np.nan)


def interpolate(panel: Panel, column: FloatArray, following: IntArray) -> FloatArray:
    """(R,) values with each missing one on the line between its neighbours, in `positions`.

    Args:
        panel: the series.
        column: (R,) values.
        following: (R,) from `next_observed_rows`; without a later neighbour the last observed value
            is kept.
    """
    out = forward_fill(panel, column)
    inside = np.flatnonzero(np.isnan(column) & np.isfinite(out) & (following < panel.num_rows))
    before, after = last_observed_rows(panel, np.isfinite(column))[inside], following[inside]
    positions = panel.positions
    share = (positions[inside] - positions[before]) / (positions[after] - positions[before])
    out[inside] = column[before] + (column[after] - column[before]) * share
    return out


def last_observed_rows(panel: Panel, observed: NDArray[np.bool_]) -> IntArray:
    """(R,) last row at or before each one with an observation of the same series, or -1."""
    rows = np.maximum.accumulate(np.where(observed, np.arange(panel.num_rows), -1))
    return np.where(rows >= np.repeat(panel.offsets[:-1], panel.lengths), rows, -1)


def next_observed_rows(panel: Panel, observed: NDArray[np.bool_]) -> IntArray:
    """(R,) first row at or after each one with an observation of the same series, or R."""
    count = panel.num_rows
    rows = np.minimum.accumulate(np.where(observed, np.arange(count), count)[::-1])[::-1]
    return np.where(rows < np.repeat(panel.offsets[1:], panel.lengths), rows, count)


def _interpolated(
    panel: Panel, values: FloatArray, observed: NDArray[np.bool_]
) -> tuple[FloatArray, IntArray]:
    """`Filled.interpolated` and `Filled.next_observed`, from the forward-filled `values`."""
    out = values.copy()
    following = np.repeat(np.arange(panel.num_rows)[:, None], values.shape[1], axis=1)
    for place in np.flatnonzero(~observed.all(axis=0)).tolist():
        following[:, place] = next_observed_rows(panel, observed[:, place])
        if panel.columns.dynamic[place] not in panel.columns.categorical:
            out[:, place] = interpolate(panel, panel.values[:, place], following[:, place])
    return out, following


def _note(name: str, column: FloatArray, values: FloatArray, policy: MissingPolicy) -> str:
    missing, empty = int(np.isnan(column).sum()), int(np.isnan(values).sum())
    note = f"{name}: {missing} of {len(column)} values were missing"
    if missing > empty:
        note += f"; {missing - empty} filled with {_WORDS[policy]}"
    return note + (
        f"; {empty} before the first observation of their series left empty" if empty else ""
    )


def _refusal(panel: Panel, observed: NDArray[np.bool_]) -> str:
    """Name the first column and series with missing values, its first stamps, and how many there are."""
    place = int(np.flatnonzero(~observed.all(axis=0))[0])
    rows = np.flatnonzero(~observed[:, place])
    series = panel.series_at(rows)
    own = rows[series == series[0]]
    stamps = panel.timestamps[own[:5]]
    dates = stamps if panel.freq.is_integer else panel.freq.local(stamps)
    return (
        f"column {panel.columns.dynamic[place]!r} has {len(rows)} missing values in "
        f"{len(np.unique(series))} series, "
        f"{len(own)} of them in series {panel.series_ids[series[0]]!r}, first at "
        f"{', '.join(map(str, dates))}: "
        "fill them in, or set missing: forward_fill, interpolate, zero or mask"
    )
