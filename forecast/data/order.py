"""Rows in order: series one after another, each in time order without duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import SHOWN, FindingLog
from forecast.data.table import RowNames


@dataclass(frozen=True, eq=False)
class SortedRows:
    """The rows of a table, one series after another, each in time order.

    Attributes:
        order: (R,) row of the table; None where the table is in this order already.
        offsets: (N + 1,) first row of every series.
        stamps: (R,) timestamps in this order.
        names: names of the rows of the table.
        tz: time zone of the timestamps in the table.
    """

    order: NDArray[np.int64] | None
    offsets: IntArray
    stamps: NDArray[np.generic]
    names: RowNames
    tz: str | None

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """(R - 1,) whether a row and the next belong to the same series."""
        inside = np.ones(max(len(self.stamps) - 1, 0), dtype=bool)
        inside[self.offsets[1:-1] - 1] = False
        return inside

    def sorted(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring one column of the table into this order."""
        if self.order is None:
            return cells
        return cells[self.order]

    def table_row(self, row: int) -> int:
        """Return the row of the table for a row in this order."""
        if self.order is None:
            return int(row)
        return int(self.order[row])

    def several(self, rows: IntArray) -> str:
        """Name the first of some rows, numbered in this order."""
        return self.names.several([self.table_row(row) for row in rows[:SHOWN]], len(rows))


def sort_rows(names: RowNames, tz: str | None, log: FindingLog) -> SortedRows:
    """Put the rows of each series together and in time order; the sort is stable.

    Args:
        names: ids, series and timestamp of every row; rows of no series are dropped.
        tz: time zone of the timestamps in the table.
        log: gets a note where rows were not in time order.
    """
    if names.codes is None or names.ids is None or names.stamps is None:
        raise TypeError("rows are sorted once their series and timestamps are known")
    codes = names.codes
    stamps = names.stamps
    kept = np.flatnonzero(codes >= 0)
    is_whole = len(kept) == len(codes)
    if not is_whole:
        codes = codes[kept]
        stamps = stamps[kept]
    counts = np.bincount(codes, minlength=len(names.ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    order = _sorting_order(codes, stamps.view(np.int64))
    if order is None:
        if is_whole:
            return SortedRows(None, offsets, stamps, names, tz)
        return SortedRows(kept, offsets, stamps, names, tz)

    early = _first_unsorted(codes, stamps.view(np.int64))
    if early is not None:
        log.note(
            "unsorted",
            f"rows were not in time order and have been sorted; first: "
            f"{names.several([kept[early]])}",
        )
    return SortedRows(kept[order], offsets, stamps[order], names, tz)


def _sorting_order(codes: NDArray[np.integer], ticks: IntArray) -> IntArray | None:
    """Return the stable order by series and time, or None where the rows are in this order."""
    if _is_sorted(codes, ticks):
        return None
    order = np.argsort(codes, kind="stable")
    if _is_sorted(codes[order], ticks[order]):
        return order
    return np.lexsort((ticks, codes))


def _is_sorted(codes: NDArray[np.integer], ticks: IntArray) -> bool:
    is_next_series = codes[1:] > codes[:-1]
    is_later = (codes[1:] == codes[:-1]) & (ticks[1:] >= ticks[:-1])
    return bool((is_next_series | is_later).all())


def _first_unsorted(codes: NDArray[np.integer], ticks: IntArray) -> int | None:
    """Return the first row that is earlier than the row before it of the same series."""
    order = np.argsort(codes, kind="stable")
    back = (np.diff(ticks[order]) < 0) & (np.diff(codes[order]) == 0)
    if not back.any():
        return None
    return int(order[1:][back].min())
