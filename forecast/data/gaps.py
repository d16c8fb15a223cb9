"""Missing stamps: refused, skipped or filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.axes import IntArray
from forecast.data.findings import SHOWN, BadTableError, FindingLog, and_more, counted, show_stamp
from forecast.data.frequency import Frequency
from forecast.data.order import SortedRows, changing_zone, looks_local, pass_zone

_MOST_FILLED = 10  # rows that `gaps: fill` may make of one
_MOST_SKIPPED = (
    60  # missing stamps in a row that a change of the clocks can explain: an hour of minutes
)


def check_gaps(
    rows: SortedRows, grid: Frequency, positions: IntArray, gaps: str, log: FindingLog
) -> bool:
    """Report missing stamps: an error where gaps are refused, else a note."""
    steps = np.diff(positions)
    after = np.flatnonzero((steps > 1) & rows.inside) + 1
    if not len(after):
        return True
    missing = int((steps[after - 1] - 1).sum())
    verb = "1 stamp is" if missing == 1 else f"{missing} stamps are"
    shown = ", ".join(_name_gap(rows, row, int(steps[row - 1]) - 1) for row in after[:SHOWN])
    message = f"{verb} missing in {counted(len(after), 'gap')}: {shown}" + and_more(len(after))
    if gaps == "skip":
        log.note("gaps", f"{message}; no window spans them")
    elif gaps == "fill":
        _refuse_explosion(rows, missing, message)
        log.note("gaps", f"{message}; filled with {counted(missing, 'row')} of missing values")
    elif zone := _skipping_zone(rows, grid, positions, after):
        log.error("local_time", f"{message}; {looks_local(zone)}", pass_zone(zone))
    else:
        log.error(
            "gaps",
            message,
            "pass gaps: skip to leave out windows that span one, or gaps: fill to insert rows",
        )
    return gaps != "refuse"


def _skipping_zone(
    rows: SortedRows, grid: Frequency, positions: IntArray, after: IntArray
) -> str | None:
    """Return a zone whose clocks skip every missing stamp, if there is one; `after` are the rows after the gaps."""
    missing = positions[after] - positions[after - 1] - 1
    if rows.tz is not None or grid.is_integer or missing.max() > _MOST_SKIPPED:
        return None
    first = np.repeat(positions[after] - np.cumsum(missing), missing)
    return changing_zone(grid.stamps(first + np.arange(missing.sum())), "skips")


def _name_gap(rows: SortedRows, row: int, missing: int) -> str:
    first, second = show_stamp(rows.stamps[row - 1]), show_stamp(rows.stamps[row])
    table_row = rows.table_row(row)
    place = rows.names.table.places([table_row])[0]
    return f"{rows.names.series(table_row)}{place} ({missing} missing between {first} and {second})"


def _refuse_explosion(rows: SortedRows, missing: int, message: str) -> None:
    if missing > _MOST_FILLED * len(rows.stamps):
        raise BadTableError(
            "gaps", f"{message}; filling them would make {len(rows.stamps)} rows {missing + len(rows.stamps)}",
            "pass gaps: skip, or correct stray stamps",
        )  # fmt: skip


def fill_gaps(
    rows: SortedRows, grid: Frequency, positions: IntArray
) -> tuple[SortedRows, IntArray, IntArray]:
    """Insert the missing stamps of every series.

    Returns:
        The rows with them, all positions, and the place of every old row among the new ones.
    """
    first, last = positions[rows.offsets[:-1]], positions[rows.offsets[1:] - 1]
    offsets = np.concatenate([[0], np.cumsum(last - first + 1)]).astype(np.int64)
    shift = offsets[:-1] - first
    place = positions + np.repeat(shift, np.diff(rows.offsets))
    filled = np.arange(offsets[-1]) - np.repeat(shift, np.diff(offsets))
    return replace(rows, order=None, offsets=offsets, stamps=grid.stamps(filled)), filled, place
