"""The series of every row, from the columns that name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.findings import FindingLog, counted, listed
from forecast.data.names import as_numbers, name_of, names_that_look_alike, sorted_names
from forecast.data.parse import Values, encode
from forecast.data.per_series.keys import as_ids
from forecast.data.table import RowNames, Table

ONLY_SERIES = "series"
"""Id of the series of a table without an id column."""


@dataclass(frozen=True, eq=False)
class Ids:
    """The series of every row.

    Attributes:
        names: (N,) ids as results show them, ascending as `sorted_names` sorts each column.
        codes: (R,) int32 index in `names`; -1 where a row has no id.
    """

    names: NDArray[np.object_]
    codes: NDArray[np.int32]


def read_ids(table: Table, log: FindingLog) -> Ids:
    """Return the series of every row; a table without an id column is `ONLY_SERIES`.

    Raises:
        BadTableError: ids of a type that cannot name a series.
    """
    present = [name for name in table.columns.id_cols if name in table.data]
    if not present:
        return Ids(as_ids([ONLY_SERIES]), np.zeros(table.num_rows, dtype=np.int32))
    columns = [_read_column(table, name, log) for name in present]
    if len(columns) == 1:
        return columns[0]
    return _together(columns)


def _read_column(table: Table, name: str, log: FindingLog) -> Ids:
    """Return the values of one column as ids."""
    codes, values = encode(table.take(name), name)
    names = [name_of(value) for value in values]
    order = sorted_names(set(names))
    index = {name: number for number, name in enumerate(order)}
    # the last entry is for -1, a missing id
    codes = np.array([*(index[name] for name in names), -1], dtype=np.int32)[codes]
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        rows = RowNames(table).several(missing[:5], len(missing))
        log.error(
            "missing_id",
            f"{name} is missing in {counted(len(missing), 'row')}: {rows}",
            "give the id of every row",
        )
    from_long_text = table.text is not None and not table.was_wide
    ids = as_ids(_shown_ids(values, order, as_written=not from_long_text))
    if len(order) < len(values):
        _note_spellings(values, name, log)
    _note_twins(order, name, log)
    return Ids(ids, codes)


def _together(columns: Sequence[Ids]) -> Ids:
    """Return the series that the values of several columns name together."""
    given = np.flatnonzero(np.logical_and.reduce([column.codes >= 0 for column in columns]))
    number = np.zeros(len(given), np.int64)
    for column in columns:
        pairs = number * len(column.names) + column.codes[given]
        # numbered anew after each column, so that no product is too large for 64 bits
        number = np.unique(pairs, return_inverse=True)[1]
    first = given[np.unique(number, return_index=True)[1]]
    parts = [column.names[column.codes[first]] for column in columns]
    codes = np.full(len(columns[0].codes), -1, np.int32)
    codes[given] = number
    return Ids(as_ids(list(zip(*parts, strict=True))), codes)


def _shown_ids(values: Values, names: list[str], *, as_written: bool) -> Values:
    """Return the ids that results show: as in the table, so that both can be joined.

    Text of a file becomes whole numbers where all ids are such, as when pandas reads it.

    Args:
        values: the distinct cells of the id column.
        names: their names, in order.
        as_written: whether text stays text.
    """
    if not values:
        return []
    if isinstance(values[0], str):
        numbers = None if as_written else as_numbers(names)
        # of several spellings of a name the first in order is used
        spelling = {name_of(value): value for value in sorted(values, reverse=True)}
        return numbers or [spelling[name] for name in names]
    if isinstance(values[0], int) and not isinstance(values[0], bool):
        return [int(name) for name in names]
    return as_numbers(names) or list(names)


def _note_spellings(values: Values, name: str, log: FindingLog) -> None:
    """Add a note on ids that are spellings of the same name."""
    spellings: dict[str, list[str]] = {}
    for value in values:
        spellings.setdefault(name_of(value), []).append(str(value))
    several = [sorted(group) for group in spellings.values() if len(group) > 1]
    shown = "; ".join(listed(group) for group in sorted(several)[:3])
    log.note(
        "spellings",
        f"{name} names {counted(len(several), 'series')} in more than one spelling: {shown}",
    )


def _note_twins(names: list[str], column: str, log: FindingLog) -> None:
    """Add a note on ids of different series that look alike."""
    groups = names_that_look_alike(names)
    if groups:
        shown = "; ".join(", ".join(ascii(name) for name in group[:3]) for group in groups[:3])
        log.note(
            "twins",
            f"{column} has ids that look alike and are different series: {shown}; write them alike "
            f"if they are one",
        )
