"""A table as it was read: the columns with a role, before any check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import SHOWN, Decisions, Finding, and_more, counted, listed, show_stamp
from forecast.data.panel import Columns
from forecast.data.text.footers import is_footer, is_total
from forecast.data.text.textfile import TextFile

MISSING_WORDS = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")
"""Text that stands for a missing number."""

_MOST_FOOTERS = 50
"""Rows at the end that may be words about the table."""


@dataclass(frozen=True)
class Unread:
    """The columns of a table that were not read, since they have no role.

    Attributes:
        names: of these columns.
        read: reads some of them, all rows of the original table.
        row_numbers: (R,) as in `forecast.data.formats.opened.Opened`.
    """

    names: tuple[str, ...]
    read: Callable[[list[str]], dict[str, pa.ChunkedArray]]
    row_numbers: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """The declared columns of a table, with their cells unchanged.

    Attributes:
        columns: the roles, those of the long form where the table was wide.
        data: arrow columns by name; `take` removes one so that its memory can be freed.
        num_rows: R.
        text: the file it was read from, where that is a text file.
        origin: (R,) row number in the original table, of a sheet as Excel counts them; None where
            the rows are all of its rows in the original order.
        notes: findings made while the table was read.
        decimal: decimal mark of its text.
        was_wide: whether the original table had one column per series.
        thousands: mark between the thousands of its text; None: there is none.
        bounds: how cells such as `<1` are read.
        missing_codes: numbers that stand for a missing value; None: nobody named them.
        decisions: settings that the form of the table decided.
        unread: the other columns, which a message may be about; None where they are unknown.
    """

    columns: Columns
    data: dict[str, pa.ChunkedArray]
    num_rows: int
    text: TextFile | None = None
    origin: NDArray[np.int64] | None = None
    notes: tuple[Finding, ...] = ()
    decimal: str = "."
    was_wide: bool = False
    thousands: str | None = None
    bounds: Literal["refuse", "half", "limit"] = "refuse"
    missing_codes: tuple[float, ...] | None = None
    decisions: Decisions = field(default_factory=dict)
    unread: Unread | None = None

    def take(self, name: str) -> pa.ChunkedArray:
        """Remove one column and return it."""
        return self.data.pop(name)

    def places(self, rows: list[int]) -> list[str]:
        """Name rows: `line 37` of a text file, else `row 35`, counted from 0."""
        if self.origin is not None:
            rows = [int(self.origin[row]) for row in rows]
        if self.text is None:
            return [f"row {row}" for row in rows]
        return [f"line {line}" for line in self.text.lines(rows)]


def without_empty_rows(table: Table, label: str) -> Table:
    """Leave out rows without any cell, as spreadsheets write them below a table, with a note.

    Args:
        table: the table.
        label: a column that every row with a cell should have, which is looked at first.
    """
    is_empty = _missing(table.data[label])
    if not pc.any(is_empty).as_py():
        return table
    for column in table.data.values():
        is_empty = pc.and_(is_empty, _missing(column))
    empty = np.asarray(is_empty.to_numpy(), dtype=bool)
    if not empty.any() or empty.all():
        return table
    places = table.places([int(row) for row in np.flatnonzero(empty)[:SHOWN]])
    message = (
        f"{counted(int(empty.sum()), 'row')} without a cell left out: {', '.join(places)}"
        f"{and_more(int(empty.sum()))}"
    )
    return _keep(table, ~empty, Finding("empty_rows", "note", message))


def without_footers(table: Table, label: str) -> Table:
    """Leave out rows at the end that have words in one column and no other cell, with a note.

    Args:
        table: the table.
        label: the column of such words, that of the timestamps.
    """
    column = table.data[label]
    if not pa.types.is_string(column.type):
        return table
    start = max(len(column) - _MOST_FOOTERS, 0)
    words = column.slice(start).to_pylist()
    others = [each.slice(start) for name, each in table.data.items() if name != label]
    is_alone = np.ones(len(words), dtype=bool)
    for other in others:
        is_alone &= np.asarray(_missing(other).to_numpy(), dtype=bool)
    number = _num_at_end(is_alone & [is_footer(word or "") for word in words])
    if not number or number == table.num_rows or not others:
        return table
    shown = listed([word[:40] for word in words[-number:]], 3)
    message = f"{counted(number, 'row')} below the table left out: {shown}"
    return _without_last(table, number, Finding("footers", "note", message))


def without_totals(table: Table, label: str) -> Table:
    """Leave out rows at the end that have `Total` or `Sum` for a timestamp, with a note.

    Args:
        table: the table.
        label: the column of such words, that of the timestamps.
    """
    column = table.data[label]
    if not pa.types.is_string(column.type):
        return table
    words = column.slice(max(len(column) - SHOWN, 0)).to_pylist()
    number = _num_at_end([is_total(word or "") for word in words])
    if not number or number == table.num_rows:
        return table
    left_out = list(range(table.num_rows - number, table.num_rows))
    places = ", ".join(table.places(left_out))
    message = f"{counted(number, 'row')} of totals left out: {places} ({words[-number]!r})"
    return _without_last(table, number, Finding("totals", "note", message))


def _num_at_end(flags: Iterable[bool]) -> int:
    """Return the number of flags after the last that is not set."""
    number = 0
    for is_set in reversed(list(flags)):
        if not is_set:
            break
        number += 1
    return number


def _without_last(table: Table, number: int, note: Finding) -> Table:
    """Return a table without its last rows, with a note."""
    return _keep(table, np.arange(table.num_rows) < table.num_rows - number, note)


def _keep(table: Table, kept: NDArray[np.bool_], note: Finding) -> Table:
    """Return some rows (R,) of a table, with a note."""
    mask = pa.array(kept)
    origin = np.flatnonzero(kept)
    if table.origin is not None:
        origin = table.origin[kept]
    return replace(
        table,
        data={name: column.filter(mask) for name, column in table.data.items()},
        num_rows=len(origin),
        origin=origin,
        notes=(*table.notes, note),
    )


def _missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each cell is missing, or text without a letter."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        return column.is_null()
    return pc.equal(pc.utf8_trim_whitespace(column), "").fill_null(True)


@dataclass(frozen=True, eq=False)
class RowNames:
    """Names of the rows of a table in messages: series, row or line, and timestamp.

    Attributes:
        table: the table of the rows.
        ids: (N,) series ids, once known.
        codes: (R,) index of the series of each row, once known; -1 where it has none.
        stamps: (R,) datetime64[ns] or int64, once known.
        tz: time zone of the table, in which messages show `stamps`, which are in UTC.
    """

    table: Table
    ids: NDArray[np.object_] | None = None
    codes: NDArray[np.integer] | None = None
    stamps: NDArray[np.generic] | None = None
    tz: str | None = None

    @cached_property
    def unread(self) -> IntArray:
        """Rows whose series or timestamp could not be read; none while the series are unknown."""
        if self.codes is None:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(self.codes < 0)

    def several(self, rows: Iterable[int], total: int | None = None) -> str:
        """Name the first rows, each with its series and timestamp.

        Args:
            rows: rows of the table, counted from 0.
            total: number of all rows meant, where `rows` contains only the first of them.
        """
        rows = [int(row) for row in rows]
        names = []
        previous = ""
        for row, place in zip(rows[:SHOWN], self.table.places(rows[:SHOWN]), strict=True):
            series = self.series(row)
            name = place + self.stamp(row)
            if series != previous:  # a series is named once
                name = series + name
            names.append(name)
            previous = series
        return ", ".join(names) + and_more(total or len(rows))

    def series(self, row: int) -> str:
        """Return `series 'a', ` for a row of the table, or nothing where its series is unknown."""
        if self.ids is None or self.codes is None or self.codes[row] < 0:
            return ""
        return f"series {self.ids[self.codes[row]]!r}, "

    def stamp(self, row: int) -> str:
        """Return ` (2020-01-01 00:00)` for a row, or nothing where its timestamp is unknown."""
        if self.stamps is None or (self.codes is not None and self.codes[row] < 0):
            return ""  # a row without a series may have no timestamp either
        return f" ({show_stamp(self.stamps[row], self.tz)})"
