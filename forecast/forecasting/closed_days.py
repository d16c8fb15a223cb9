"""Weekdays on which a series is always 0, as a shop that shuts on Sundays: so is its forecast.

A network or a linear map that serves all series at once writes a little more than 0 on the days on
which some of them are shut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.findings import and_more, counted
from forecast.data.panel import Panel
from forecast.windows.calendar import weekdays_of
from forecast.windows.splits import Part, part_rows

WeekdayArray = NDArray[np.int8]

MOST_CHANCE = 1e-4
"""Probability that a weekday is empty by chance, below which it counts as closed."""

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def closed_weekdays(panel: Panel, values: FloatArray, part: Part) -> NDArray[np.bool_]:
    """Return (N, D, 7) weekdays, Monday first, whose values in a part are all 0 or all missing.

    Days as empty as these must be unlikely by chance, given the share of empty values on the other
    weekdays of the series: four Sundays of 0 are enough in a shop that sells every other day, and
    no number of weeks is where demand comes on few days. Missing values count as closed only where
    a series is never below 0.

    Args:
        panel: the series.
        values: (R, D) targets, NaN where missing.
        part: the rows to look at.
    """
    num_targets = values.shape[1]
    closed = np.zeros((panel.num_series, num_targets, len(NAMES)), bool)
    rows = part_rows(part)
    weekdays = weekdays_of(panel.timestamps[rows], panel.freq)
    if weekdays is None:
        return closed
    group = panel.series_of_rows()[rows] * len(NAMES) + weekdays
    shape = (panel.num_series, len(NAMES))

    def counts(chosen: NDArray[np.bool_]) -> FloatArray:
        """Return (N, 7) numbers of chosen rows."""
        found = np.bincount(group[chosen], minlength=shape[0] * shape[1])
        return found.reshape(shape).astype(np.float64)

    total = counts(np.ones(len(rows), bool))
    days = counts(_begins_day(panel, rows))
    for target, of_target in enumerate(values[rows].T):
        below_zero = counts(of_target < 0).any(axis=1, keepdims=True)
        zero = counts(of_target == 0)
        missing = counts(np.isnan(of_target))
        measured = total - missing
        closed[:, target] = _beyond_chance(zero, measured, days)
        closed[:, target] |= _beyond_chance(missing, total, days) & ~below_zero
    return closed


def closed_at(closed: NDArray[np.bool_], weekdays: WeekdayArray) -> NDArray[np.bool_]:
    """Return (B, H, D) whether a step is on a closed weekday.

    Args:
        closed: (B, D, 7) closed weekdays of the series of each window.
        weekdays: (B, H) weekdays of the steps, Monday 0.
    """
    windows = np.arange(len(closed))[:, None]
    return closed.swapaxes(1, 2)[windows, weekdays]


def opened(sold: NDArray[np.bool_], weekdays: WeekdayArray) -> NDArray[np.bool_]:
    """Return (B, D, 7) weekdays on which something was sold in a context: they are open again.

    Args:
        sold: (B, L, D) whether a value was measured that is not 0.
        weekdays: (B, L) weekdays of its row, Monday 0.
    """
    of_day = weekdays[:, :, None, None] == np.arange(len(NAMES))  # (B, L, 1, 7)
    return np.logical_or.reduce(sold[..., None] & of_day, axis=1)


def closed_notes(closed: NDArray[np.bool_], series_ids: NDArray[np.object_]) -> tuple[str, ...]:
    """Return a note on the series with closed weekdays, if there are any.

    Args:
        closed: (N, D, 7) as `closed_weekdays` returns them.
        series_ids: (N,) ids.
    """
    by_day = np.logical_or.reduce(closed, axis=1)  # (N, 7)
    found = np.flatnonzero(by_day.any(axis=1))
    if not len(found):
        return ()
    texts = []
    for index in found[:3]:
        days = " and ".join(f"{NAMES[day]}s" for day in np.flatnonzero(by_day[index]))
        texts.append(f"{series_ids[index]!r} on {days}")
    return (
        f"the forecast is 0 on weekdays on which {counted(len(found), 'series')} had only zeros or "
        f"no values in training: {', '.join(texts)}{and_more(len(found), len(texts))}",
    )


def _beyond_chance(empty: FloatArray, of: FloatArray, days: FloatArray) -> NDArray[np.bool_]:
    """Return (N, 7) weekdays that are empty beyond chance.

    Args:
        empty: (N, 7) empty rows.
        of: (N, 7) all rows that could be.
        days: (N, 7) days of these rows.
    """
    whole = (empty == of) & (of > 0)
    others = np.where(whole, 0.0, of).sum(axis=1, keepdims=True)
    empty_others = np.where(whole, 0.0, empty).sum(axis=1, keepdims=True)
    days_others = np.where(whole, 0.0, days).sum(axis=1, keepdims=True)
    empty_days = days_others * empty_others / np.maximum(others, 1.0)
    share = (empty_days + 1.0) / (days_others + 2.0)  # Laplace's rule of succession
    return whole & (others > 0) & (share**days < MOST_CHANCE)


def _begins_day(panel: Panel, rows: IntArray) -> NDArray[np.bool_]:
    """Return (rows,) whether a row is the first of its series on its day."""
    moments = panel.freq.begins(panel.timestamps[rows])
    local = panel.freq.local(moments).tz_localize(None).to_numpy()
    day = local.astype("datetime64[D]").astype(np.int64)
    series = panel.series_of_rows()[rows]
    begins = np.ones(len(rows), bool)
    begins[1:] = (np.diff(day) != 0) | (np.diff(series) != 0)
    return begins
