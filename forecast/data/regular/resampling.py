"""Rows at any time become one row per interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import BadTableError, Change, FindingLog, counted, show_stamp
from forecast.data.grid import DAY
from forecast.data.infer import infer_frequency
from forecast.data.order import SortedRows
from forecast.data.regular.intervals import Intervals
from forecast.data.regular.joining import Joined, first_rows
from forecast.data.regular.proposed_steps import resample_change
from forecast.data.regular.time_steps import TimeSteps
from forecast.errors import DataError

_MOST_INTERVALS = 10
"""Intervals that may be made of each row, on average."""

_USUAL = 0.95
"""Share of the other intervals whose rows begin earlier, or end later, than where it is said."""

_REGULAR = 0.9
"""Least share of equal steps of a table that needs no resampling."""

_FEWEST_INTERVALS = 5
"""Least intervals in which it can be told whether the first and the last are partial."""


def join_intervals(rows: SortedRows, settings: TimeSteps, log: FindingLog) -> Joined:
    """Join the rows of each series in each interval.

    Args:
        rows: rows in time order.
        settings: `resample` is given.
        log: gets notes on joined rows, partial and empty intervals, and an error where an interval
            has several rows and `aggregate` is `refuse`.

    Raises:
        BadTableError: the time column is an integer index, or there are more intervals than can be
            meant.
    """
    freq = settings.resample or ""
    if rows.stamps.dtype.kind != "M":
        time_col = rows.names.table.columns.time_col
        raise BadTableError(
            "resample_index",
            f"resample is {freq!r}, but {time_col} contains whole numbers, which have no dates",
            settings=({"data.resample": None},),
        )
    intervals = Intervals.of(freq, rows.tz, at_end=settings.stamps == "end")
    numbers = intervals.numbers(rows.stamps)
    _refuse_finer(rows, numbers, freq)
    kept = np.flatnonzero(_whole(rows, intervals, numbers, settings, log))
    series = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))[kept]
    numbers = numbers[kept]
    begins = (np.diff(series, prepend=-1) != 0) | (np.diff(numbers, prepend=numbers[0]) != 0)
    if settings.aggregate == "refuse" and not begins.all():
        _refuse_several(rows, kept[np.flatnonzero(~begins)], freq, log)

    log.note(
        "resampled",
        f"{counted(len(kept), 'row')} are joined into {counted(int(begins.sum()), 'interval')} of "
        f"{freq!r} (aggregate: {settings.aggregate})",
    )
    first = kept[begins]
    target = np.full(len(rows.stamps), -1, np.int64)
    target[kept] = np.cumsum(begins) - 1
    steps = first_rows(rows, first)
    steps = replace(steps, stamps=intervals.stamps(numbers[begins]))
    joined = Joined(steps, target)
    if settings.empty_is_zero:
        joined = _with_empty(joined, intervals, numbers[begins], rows, log)
    return joined


def _refuse_finer(rows: SortedRows, numbers: IntArray, freq: str) -> None:
    """Raise where the rows have longer steps of their own already."""
    steps = np.diff(numbers)[rows.inside]
    if not len(steps) or np.mean(steps > 1) < _REGULAR:
        return
    try:
        own = infer_frequency(rows.stamps, rows.offsets, rows.tz)
    except DataError:
        return
    own_steps = np.diff(own.positions(rows.stamps))[rows.inside]
    if own.on_grid(rows.stamps).all() and np.mean(own_steps == 1) >= _REGULAR:
        raise BadTableError(
            "finer_resample",
            f"resample is {freq!r}, but the rows have longer steps, {own.alias!r}: resample makes "
            f"steps longer, not shorter",
            settings=({"data.resample": None, "data.aggregate": "refuse"},),
        )


def _with_empty(
    joined: Joined,
    intervals: Intervals,
    numbers: IntArray,
    source: SortedRows,
    log: FindingLog,
) -> Joined:
    """Insert the intervals without a row, up to the end of the table in every series.

    Args:
        joined: one row for each interval with a row.
        intervals: the intervals.
        numbers: the interval of each row of `joined.rows`.
        source: the rows that were joined.
        log: gets a note on their number.
    """
    rows = joined.rows
    starts = rows.offsets[:-1]
    first = numbers[starts]
    counts = numbers.max() - first + 1
    added = int(counts.sum()) - len(numbers)
    if not added:
        return joined
    if added > _MOST_INTERVALS * len(joined.target):
        proposed = resample_change(source)
        raise BadTableError(
            "mostly_empty",
            f"{counted(len(joined.target), 'row')} would become "
            f"{counted(int(counts.sum()), 'step')} of {intervals.grid.alias!r}, nearly all of them "
            f"empty",
            "pass a longer step as `data.resample`",
            settings=() if proposed is None else (proposed,),
        )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    shift = offsets[:-1] - first  # (N,) from an interval to its row
    place = numbers + np.repeat(shift, np.diff(rows.offsets))
    filled = np.arange(offsets[-1]) - np.repeat(shift, counts)
    log.note(
        "empty_intervals",
        f"{counted(added, 'interval')} of {offsets[-1]:,} without a row: the target is 0 there, up "
        f"to the end of the table",
    )
    target = np.where(joined.target < 0, -1, place[joined.target])
    stamps = intervals.stamps(filled)
    return Joined(replace(rows, order=None, offsets=offsets, stamps=stamps), target)


def _refuse_several(rows: SortedRows, again: IntArray, freq: str, log: FindingLog) -> None:
    """Report that intervals have several rows, of which no setting says how to join them."""
    log.error(
        "several_rows",
        f"{counted(len(again), 'row')} in an interval of {freq!r} that has an earlier row: "
        f"{rows.several(again)}",
        settings=(
            Change({"data.aggregate": "sum"}, "for amounts"),
            Change({"data.aggregate": "mean"}, "for measured values"),
            Change({"data.aggregate": "last"}, "for levels"),
        ),
    )


def _whole(
    rows: SortedRows,
    intervals: Intervals,
    numbers: IntArray,
    settings: TimeSteps,
    log: FindingLog,
) -> NDArray[np.bool_]:
    """Return (R,) whether a row is in a whole interval: the first and the last may be partial.

    An interval is partial where its rows begin later, or end earlier, than in all others.
    """
    kept = np.ones(len(numbers), dtype=bool)
    ticks = np.unique(intervals.wall_clock(rows.stamps))
    wall = intervals.wall_clock(rows.stamps)
    order = np.argsort(wall, kind="stable")
    unique, begins = np.unique(numbers[order], return_index=True)
    if len(unique) < _FEWEST_INTERVALS or len(ticks) < 2 * len(unique):
        return kept
    first = wall[order[begins]]
    last = wall[order[np.append(begins[1:], len(wall)) - 1]]
    lead = first - intervals.starts(unique)
    tail = intervals.starts(unique + 1) - last
    ends = (
        ("first", unique[0], f"from {_show(first[0])} on", lead[0], lead[1:]),
        ("last", unique[-1], f"until {_show(last[-1])}", tail[-1], tail[:-1]),
    )
    for name, number, has_rows, empty, others in ends:
        if empty <= np.quantile(others, _USUAL):
            continue
        span = _span(*intervals.starts(np.array([number, number + 1])))
        message = f"the {name} interval of {settings.resample!r} ({span}) has rows {has_rows} only"
        without = kept & (numbers != number)
        is_kept = settings.partial_intervals == "keep" or not _all_series(rows, without)
        if is_kept or empty <= others.max():  # others are as empty, if few
            log.note("partial_interval", f"{message}: it may be incomplete, and is kept")
            continue
        kept = without
        log.note(
            "partial_interval",
            f"{message}: left out as incomplete (partial_intervals: keep keeps it)",
        )
    return kept


def _all_series(rows: SortedRows, kept: NDArray[np.bool_]) -> bool:
    """Return whether every series has a row that is kept."""
    return bool(np.logical_or.reduceat(kept, rows.offsets[:-1]).all())


def _span(start: np.int64, end: np.int64) -> str:
    """Write first and last day of an interval, or its first moment and that of the next."""
    if start % DAY or end % DAY:
        return f"{_show(start)} to {_show(end)}"
    if end - start == DAY:
        return _show(start)
    return f"{_show(start)} to {_show(end - DAY)}"


def _show(ticks: np.int64) -> str:
    return show_stamp(np.int64(ticks).view("datetime64[ns]"))
