"""Missing timestamps: refused, skipped or filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import (
    SHOWN,
    BadTableError,
    Change,
    FindingLog,
    and_more,
    counted,
    show_stamp,
)
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, most_common, parse_grid
from forecast.data.order import SortedRows
from forecast.data.regular.clocks import LocalTime, local_time
from forecast.data.regular.closures import is_calendar, opening_hours
from forecast.data.regular.proposed_steps import FILL, MOST_FILLED, resample_change

_INSERT = Change(FILL, "to insert rows")
_SKIP = Change({"data.gaps": "skip"}, "to leave out windows that span one")

_AS_HOLIDAYS = Change({"data.trading_days": True}, "to take them as holidays")

_IRREGULAR = 0.2  # gaps per row from which a table has no steps of its own
_FEWEST_GAPS = 5  # and their least number
_NIGHT_SHARE = 0.8  # least share of the gaps that are nights
_MOST_SKIPPED = 60  # missing rows that a change of the clocks can explain: an hour of minutes


def check_gaps(
    rows: SortedRows, grid: Frequency, positions: IntArray, gaps: str, log: FindingLog
) -> bool:
    """Report missing timestamps: an error where gaps are refused, else a note.

    Returns:
        Whether the table is accepted.
    """
    steps = np.diff(positions)
    after = np.flatnonzero((steps > 1) & rows.inside) + 1  # first row after each gap
    after = after[~_has_unread(rows, after)]
    if not len(after):
        return True
    missing = int((steps[after - 1] - 1).sum())
    subject = "1 timestamp is"
    if missing > 1:
        subject = f"{missing} timestamps are"
    named = ", ".join(_name_gap(rows, row, int(steps[row - 1]) - 1) for row in after[:SHOWN])
    message = f"{subject} missing in {counted(len(after), 'gap')}: {named}{and_more(len(after))}"
    if gaps == "skip":
        stretch = _longest_stretch(rows, steps)
        log.note("gaps", f"{message}; no window spans them, {stretch}")
        return True
    if gaps == "fill":
        _refuse_explosion(rows, missing, message)
        log.note("gaps", f"{message}; filled with {counted(missing, 'row')} of missing values")
        return True

    local = _skipping_clock(rows, grid, positions, after)
    if local is not None:
        ways = local.ways(rows, (_INSERT,))
        log.error("local_time", f"{message}; {local.words}", settings=ways)
        return False
    log.error("gaps", message, settings=_ways(rows, grid, after, missing))
    return False


def _has_unread(rows: SortedRows, after: IntArray) -> NDArray[np.bool_]:
    """Return whether a row that could not be read stands in each gap, and may be what is missing.

    Args:
        rows: the rows.
        after: first row after each gap.
    """
    unread = rows.names.unread
    if not len(unread):
        return np.zeros(len(after), dtype=bool)
    ends = np.stack([after - 1, after])
    if rows.order is not None:
        ends = rows.order[ends]
    places = np.searchsorted(unread, ends)
    return np.asarray(places[0] != places[1])


def _ways(rows: SortedRows, grid: Frequency, after: IntArray, missing: int) -> tuple[Change, ...]:
    """Return the settings that remove gaps, the one that fits best first."""
    if _are_nights(rows, grid, after):
        return *_opening_hours(rows, grid), _SKIP, _INSERT
    if missing > MOST_FILLED * len(rows.stamps):
        return _without_filling(rows)
    num_gaps = len(after)
    if num_gaps >= _FEWEST_GAPS and num_gaps > _IRREGULAR * len(rows.stamps):
        resample = resample_change(rows)
        if resample is not None:
            return resample, _INSERT, _SKIP
    if grid.is_trading and grid.closed is None and is_calendar(grid, rows.stamps):
        return _AS_HOLIDAYS, _INSERT, _SKIP
    return _INSERT, _SKIP


def _opening_hours(rows: SortedRows, grid: Frequency) -> tuple[Change, ...]:
    """Return the setting that counts opening hours alone, where it leaves no gap."""
    hours = opening_hours(grid, rows.stamps)
    if not hours.is_trading or not is_calendar(hours, rows.stamps):
        return ()
    return (Change({"data.trading_days": True}, "to count the opening hours alone"),)


def _are_nights(rows: SortedRows, grid: Frequency, after: IntArray) -> bool:
    """Return whether nearly all gaps lie between the same two times of day, as at an exchange.

    Filled, most rows would be nights of one value.

    Args:
        rows: the rows.
        grid: their frequency.
        after: first row after each gap.
    """
    if grid.is_integer or not parse_grid(grid.alias).tick or len(after) < _FEWEST_GAPS:
        return False
    times = rows.stamps.view(np.int64) % DAY
    closing = times[after - 1]
    opening = times[after]
    usual = (closing == most_common(closing)) & (opening == most_common(opening))
    return bool(usual.mean() >= _NIGHT_SHARE)


def _without_filling(rows: SortedRows) -> tuple[Change, ...]:
    """Return the settings for gaps so long that few rows would be left among the filled ones."""
    resample = resample_change(rows)
    if resample is None:
        return (_SKIP,)
    return resample, _SKIP


def _longest_stretch(rows: SortedRows, steps: IntArray) -> str:
    """Write the most rows of one series that have no gap between them."""
    ends = np.flatnonzero(np.append((steps != 1) | ~rows.inside, True)) + 1
    longest = int(np.diff(ends, prepend=0).max())
    return f"at most {counted(longest, 'row')} between two"


def _skipping_clock(
    rows: SortedRows, grid: Frequency, positions: IntArray, after: IntArray
) -> LocalTime | None:
    """Return a zone whose clocks skip every missing timestamp, if there is one.

    Args:
        rows: the rows.
        grid: their frequency.
        positions: (R,) position of each row.
        after: first row after each gap.
    """
    missing = positions[after] - positions[after - 1] - 1
    if not grid.is_intraday or missing.max() > _MOST_SKIPPED:
        return None
    first = np.repeat(positions[after] - np.cumsum(missing), missing)
    skipped = grid.stamps(first + np.arange(missing.sum()))
    step = parse_grid(grid.alias).tick
    return local_time(rows, skipped, "skips", step=step, at_end=grid.at_end)


def _name_gap(rows: SortedRows, row: int, missing: int) -> str:
    first = show_stamp(rows.stamps[row - 1], rows.tz)
    second = show_stamp(rows.stamps[row], rows.tz)
    table_row = rows.table_row(row)
    place = rows.names.table.places([table_row])[0]
    return f"{rows.names.series(table_row)}{place} ({missing} missing between {first} and {second})"


def _refuse_explosion(rows: SortedRows, missing: int, message: str) -> None:
    count = len(rows.stamps)
    if missing > MOST_FILLED * count:
        raise BadTableError(
            "gaps",
            f"{message}; filling them would turn {count} rows into {missing + count}",
            "correct timestamps that are far from the others",
            settings=_without_filling(rows),
        )


def fill_gaps(
    rows: SortedRows, grid: Frequency, positions: IntArray
) -> tuple[SortedRows, IntArray, IntArray]:
    """Insert the missing timestamps of every series.

    Returns:
        The rows with them, (R',) positions of all rows, and (R,) the new row of every old one.
    """
    first = positions[rows.offsets[:-1]]
    last = positions[rows.offsets[1:] - 1]
    offsets = np.concatenate([[0], np.cumsum(last - first + 1)]).astype(np.int64)
    shift = offsets[:-1] - first  # (N,) from a position to its row
    new_rows = positions + np.repeat(shift, np.diff(rows.offsets))
    filled = np.arange(offsets[-1]) - np.repeat(shift, np.diff(offsets))
    rows = replace(rows, order=None, offsets=offsets, stamps=grid.stamps(filled))
    return rows, filled, new_rows
