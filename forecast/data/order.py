"""Rows in order: series one after another, each in time order without duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import SHOWN, FindingLog, and_more
from forecast.data.table import RowNames

_DST_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SortedRows:
    """The rows of a table, one series after another, each in time order.

    Attributes:
        order: (R,) row of the table; None where the table has this order already.
        offsets: (N + 1,) first row of every series.
        stamps: (R,) in this order.
        names: how rows of the table are called.
        tz: time zone of the stamps as given.
    """

    order: NDArray[np.int64] | None
    offsets: IntArray
    stamps: NDArray[np.generic]
    names: RowNames
    tz: str | None

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """(R - 1,) whether a row and the next are of one series."""
        inside = np.ones(max(len(self.stamps) - 1, 0), dtype=bool)
        inside[self.offsets[1:-1] - 1] = False
        return inside

    def sorted(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring one column of the table into this order."""
        return cells if self.order is None else cells[self.order]

    def table_row(self, row: int) -> int:
        """Return the row of the table that has the given place in this order."""
        return int(row) if self.order is None else int(self.order[row])

    def several(self, rows: IntArray) -> str:
        """Name the first of some rows, given by their place in this order."""
        return self.names.several([self.table_row(row) for row in rows[:SHOWN]], len(rows))


def sort_rows(names: RowNames, tz: str | None, log: FindingLog) -> SortedRows:
    """Put the rows of each series together and in time order; the sort is stable.

    Args:
        names: holds ids, series and stamp of every row; rows of no series are left out.
        tz: time zone of the stamps as given.
        log: gets a note where rows were out of order.
    """
    if names.codes is None or names.ids is None or names.stamps is None:
        raise TypeError("rows are sorted once their series and stamps are known")
    kept = np.flatnonzero(names.codes >= 0)
    whole = len(kept) == len(names.codes)
    codes, stamps = (
        (names.codes, names.stamps) if whole else (names.codes[kept], names.stamps[kept])
    )
    order = _sorting_order(codes, stamps.view(np.int64))
    rows = np.arange(len(kept)) if order is None else order
    counts = np.bincount(codes, minlength=len(names.ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if order is not None and (early := _first_unsorted(codes, stamps.view(np.int64))) is not None:
        log.note(
            "unsorted",
            f"rows of a series were not in time order, first {names.several([kept[early]])}: "
            f"sorted",
        )
    if order is None and whole:
        return SortedRows(None, offsets, stamps, names, tz)
    return SortedRows(kept[rows], offsets, stamps[rows], names, tz)


def _sorting_order(codes: NDArray[np.integer], ticks: IntArray) -> IntArray | None:
    """Return the stable order by series and time, or None where the rows have it."""
    if _is_sorted(codes, ticks):
        return None
    order = np.argsort(codes, kind="stable")
    return order if _is_sorted(codes[order], ticks[order]) else np.lexsort((ticks, codes))


def _is_sorted(codes: NDArray[np.integer], ticks: IntArray) -> bool:
    same, later = codes[1:] == codes[:-1], ticks[1:] >= ticks[:-1]
    return bool(((codes[1:] > codes[:-1]) | (same & later)).all())


def _first_unsorted(codes: NDArray[np.integer], ticks: IntArray) -> int | None:
    """First row that is earlier than the row of its series before it."""
    order = np.argsort(codes, kind="stable")
    back = (np.diff(ticks[order]) < 0) & (np.diff(codes[order]) == 0)
    return int(order[1:][back].min()) if back.any() else None


def check_duplicates(rows: SortedRows, log: FindingLog) -> None:
    """Report stamps that occur twice in a series, pair by pair."""
    again = np.flatnonzero((rows.stamps[1:] == rows.stamps[:-1]) & rows.inside) + 1
    if not len(again):
        return
    verb = "1 stamp occurs" if len(again) == 1 else f"{len(again)} stamps occur"
    pairs = ", ".join(_name_pair(rows, row) for row in again[:SHOWN])
    message = f"{verb} twice: {pairs}" + and_more(len(again))
    if rows.tz is None and (zone := changing_zone(rows.stamps[again], "repeats")):
        log.error("local_time", f"{message}; {looks_local(zone)}", pass_zone(zone))
        return
    fix = "remove or aggregate one of each pair"
    if len(rows.offsets) == 2 and not rows.names.table.was_wide:
        fix += "; if the table holds several series, name their column with id_col"
    log.error("duplicate_stamps", message, fix)


def _name_pair(rows: SortedRows, row: int) -> str:
    first, second = rows.table_row(row - 1), rows.table_row(row)
    place = rows.names.table.places([first, second])
    return f"{rows.names.series(second)}{place[0]} and {place[1]}{rows.names.stamp(second)}"


def changing_zone(stamps: NDArray[np.generic], change: Literal["repeats", "skips"]) -> str | None:
    """Return a zone whose clocks repeat or skip each of these stamps, if there is one.

    Args:
        stamps: naive stamps that occur twice, or that are missing; an integer index fits no zone.
        change: what the clocks did.
    """
    if stamps.dtype.kind != "M":
        return None
    index = pd.DatetimeIndex(stamps)
    first = np.ones(len(index), dtype=bool)
    for zone in _DST_ZONES:
        try:
            early = index.tz_localize(zone, ambiguous=first, nonexistent="NaT")
            late = index.tz_localize(zone, ambiguous=~first, nonexistent="NaT")
        except (KeyError, ValueError):  # a machine without a time zone database
            return None
        changed = early.isna() if change == "skips" else (early != late) & early.notna()
        if changed.all():
            return zone
    return None


def looks_local(zone: str) -> str:
    """Say what the stamps look like."""
    return f"this looks like local time with DST, as in {zone}"


def pass_zone(zone: str) -> str:
    """Say what to do about it."""
    return f"pass tz: with the zone of the data, for example tz: {zone}"
