"""The frequency to which rows at any time fit, for the settings that a finding proposes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from forecast.axes import IntArray
from forecast.data.findings import Change
from forecast.data.grid import DAY, TICKS
from forecast.data.infer import infer_frequency
from forecast.data.order import SortedRows
from forecast.data.regular.intervals import Intervals
from forecast.errors import DataError
from forecast.errors.interface import Settings

FILL: Settings = {"data.gaps": "fill", "data.missing": "forward_fill"}
"""Settings that insert rows into gaps."""

_ROUND = {
    **{f"{number}s": number * TICKS["s"] for number in (1, 5, 10, 15, 20, 30)},
    **{f"{number}min": number * TICKS["min"] for number in (1, 5, 10, 15, 20, 30)},
    **{f"{number}h": number * TICKS["h"] for number in (1, 2, 3, 4, 6, 12)},
    "D": DAY,
    "W-SUN": 7 * DAY,
    "MS": 30 * DAY,
    "QS": 91 * DAY,
    "YS": 365 * DAY,
}
"""Usual steps and their length in ns."""

_EVENT_STEPS = ("D", "W-SUN", "MS", "QS")
_HOURS = ("h", "2h", "3h", "4h", "6h", "12h")  # of tables of a day or two
_FILLED_SHARE = 0.5
"""Least share of intervals with a row in a step that is proposed for events."""

_NEAR_SHARE = 0.7
"""Least share of the steps within half and twice the usual one where rows come at a beat."""

_OFF_SHARE = 0.1
_GAP_SHARE = 0.2
"""Shares of rows off the grid, and of steps over a gap, in a table without steps of its own."""

MOST_FILLED = 10
"""Rows that `gaps: fill` may make of one row."""

_MOST_JOINED = 10
"""Rows that a step for measured values may join into one, where a shorter one would do."""

_FEWEST = 3
"""Least intervals of a step that is proposed."""


def resample_change(rows: SortedRows) -> Change | None:
    """Return the settings that make regular steps of rows at any time; None where none fit.

    Rows that come at a beat, such as measured values with jitter, are averaged in its usual step;
    others are events, which are added up by day, week or month, whichever has rows in most of its
    intervals.

    Args:
        rows: rows in time order.
    """
    if rows.stamps.dtype.kind != "M":
        return None
    steps = np.diff(rows.stamps.view(np.int64))[rows.inside]
    steps = steps[steps > 0]
    if len(steps) < _FEWEST:
        return None
    usual = float(np.median(steps))
    near = np.abs(np.log2(steps / usual)) < 1
    if near.mean() >= _NEAR_SHARE and len(steps) > len(rows.stamps) / 2:
        return _measured(rows, usual)
    return _events(rows)


def is_irregular(rows: SortedRows) -> bool:
    """Return whether rows are at any time: off their own grid, or with a gap in every fifth step.

    Args:
        rows: rows in time order.
    """
    try:
        grid = infer_frequency(rows.stamps, rows.offsets, rows.tz)
    except DataError:
        return True
    steps = np.diff(grid.positions(rows.stamps))[rows.inside]
    is_off = ~grid.on_grid(rows.stamps)
    return bool(np.mean(is_off) > _OFF_SHARE or np.mean(steps > 1) > _GAP_SHARE)


def _measured(rows: SortedRows, usual: float) -> Change | None:
    """Return the settings for values that come at a beat, their usual step in ns."""
    freq = min(_ROUND, key=lambda name: abs(np.log(_ROUND[name] / usual)))
    filled, num_intervals = _filled(rows, freq)
    if filled * MOST_FILLED < num_intervals:
        longer = [name for name, length in _ROUND.items() if length > _ROUND[freq]]
        found = _least_lossy(rows, longer)
        if found is None:
            return None
        freq = found
        filled, num_intervals = _filled(rows, freq)
    if num_intervals < _FEWEST:
        return None
    settings: dict[str, Any] = {"data.resample": freq, "data.aggregate": "mean"}
    if filled < num_intervals:
        settings |= FILL
    return Change(settings, "to average them, as measured values")


def _events(rows: SortedRows) -> Change | None:
    """Return the settings for events at any time."""
    freq = _well_filled(rows, _EVENT_STEPS) or _well_filled(rows, _HOURS)
    if freq is None:
        return None
    settings = {"data.resample": freq, "data.aggregate": "sum"}
    return Change(settings, "to add them up, as in a list of sales")


def _least_lossy(rows: SortedRows, steps: list[str]) -> str | None:
    """Return the first of some steps that is well filled, or a shorter one if that joins too much.

    Of the shorter ones it is the one that has most of both: intervals for its rows, and rows for
    its intervals.
    """
    found = _well_filled(rows, steps)
    if found is None:
        return None
    _, num_intervals = _filled(rows, found)
    if num_intervals * _MOST_JOINED >= len(rows.stamps):
        return found
    shorter = steps[: steps.index(found) + 1]
    return max(shorter, key=lambda freq: _kept(rows, freq))


def _kept(rows: SortedRows, freq: str) -> float:
    """Return the lower of the share of intervals with a row and the intervals for each row."""
    filled, num_intervals = _filled(rows, freq)
    return min(filled / num_intervals, num_intervals / len(rows.stamps))


def _well_filled(rows: SortedRows, steps: Iterable[str]) -> str | None:
    """Return the first of some steps, shortest first, with a row in most of its intervals."""
    for freq in steps:
        filled, num_intervals = _filled(rows, freq)
        if num_intervals < _FEWEST:
            return None
        if filled >= _FILLED_SHARE * num_intervals:
            return freq
    return None


def _filled(rows: SortedRows, freq: str) -> tuple[int, int]:
    """Return the number of intervals with a row, of all series, and that of all intervals."""
    numbers: IntArray = Intervals.of(freq, rows.tz).numbers(rows.stamps)
    spans = numbers[rows.offsets[1:] - 1] - numbers[rows.offsets[:-1]] + 1
    new = (np.diff(numbers) > 0) & rows.inside
    return int(new.sum()) + len(spans), int(spans.sum())
