"""Timestamps that occur several times in a series."""

from __future__ import annotations

import numpy as np

from forecast.axes import IntArray
from forecast.data.findings import SHOWN, Change, FindingLog, and_more, counted
from forecast.data.grid import most_common
from forecast.data.names import join_names
from forecast.data.order import SortedRows
from forecast.data.per_series.telling import telling_id, told_apart
from forecast.data.regular.clocks import local_time
from forecast.data.regular.proposed_steps import is_irregular, resample_change

_LIST_ROWS = 5
_LIST_SHARE = 0.2
"""Rows, and share of all rows, that repeat a timestamp from which a table is taken for a list of
events."""

MEAN = Change({"data.aggregate": "mean"}, "to join them by their mean")
LAST = Change({"data.aggregate": "last"}, "to take the last")
SUM = Change({"data.aggregate": "sum"}, "to add up those of one timestamp")


def check_repeats(rows: SortedRows, log: FindingLog, *, at_end: bool = False) -> None:
    """Report timestamps that occur twice in a series, pair by pair.

    Args:
        rows: rows in time order.
        log: gets an error.
        at_end: whether timestamps name the end of their steps.
    """
    again = repeated(rows)
    if not len(again):
        return
    subject = "1 timestamp occurs"
    if len(again) > 1:
        subject = f"{len(again)} timestamps occur"
    pairs = ", ".join(_name_pair(rows, row) for row in again[:SHOWN])
    message = f"{subject} twice: {pairs}{and_more(len(again))}"

    local = local_time(rows, rows.stamps[again], "repeats", step=_usual_step(rows), at_end=at_end)
    if local is not None:
        others = (MEAN, LAST) if local.at_end else (MEAN,)
        log.error("local_time", f"{message}; {local.words}", settings=local.ways(rows, others))
        return
    ways = _ways(rows, len(again))
    fix = ""
    found = telling_id(rows.names)
    if found:
        message += f"; {told_apart(rows.names, found)}"
        ways = (Change({"data.id_col": join_names(found)}), *ways)
    elif len(rows.offsets) == 2 and not rows.names.table.was_wide:  # one series
        fix = "if the table contains several series, name their column with `data.id_col`"
    log.error("duplicate_stamps", message, fix, ways)


def _usual_step(rows: SortedRows) -> int:
    """Return the most common step between neighbours of a series."""
    ticks: IntArray = rows.stamps.view(np.int64)
    steps = np.diff(ticks)[rows.inside]
    steps = steps[steps > 0]
    return most_common(steps) if len(steps) else 0


def repeated(rows: SortedRows) -> IntArray:
    """Return the rows that have the timestamp of the row before them."""
    return np.flatnonzero((rows.stamps[1:] == rows.stamps[:-1]) & rows.inside) + 1


def note_joined(rows: SortedRows, how: str, log: FindingLog) -> None:
    """Add a note on rows with one timestamp that are joined."""
    again = repeated(rows)
    if not len(again):
        return
    log.note(
        "joined_rows",
        f"{counted(len(again), 'row')} with the timestamp of an earlier row: "
        f"{rows.several(again)}; the rows of one timestamp are joined (aggregate: {how})",
    )


def _ways(rows: SortedRows, num_repeated: int) -> tuple[Change, ...]:
    """Return the settings that join repeated rows, the one that fits best first."""
    is_list = num_repeated >= max(_LIST_ROWS, _LIST_SHARE * len(rows.stamps))
    ways = (SUM, MEAN) if is_list else (MEAN, LAST)
    if is_list or is_irregular(rows):
        resample = resample_change(rows)
        if resample is not None:
            return resample, *ways
    return ways


def _name_pair(rows: SortedRows, row: int) -> str:
    first = rows.table_row(row - 1)
    second = rows.table_row(row)
    places = rows.names.table.places([first, second])
    return f"{rows.names.series(second)}{' and '.join(places)}{rows.names.stamp(second)}"
