"""Cells of a table of sequences: categories, and values of whole sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.classification.class_settings import SequenceColumns
from forecast.classification.label_sets.label_cells import from_cells, joined
from forecast.classification.tables.labelled_sequences import SETS
from forecast.data.findings import BadTableError, counted, listed
from forecast.data.names import name_of, sorted_names
from forecast.data.parse import encode
from forecast.data.table import RowNames, Table

YES = ("1", "true")
NO = ("0", "false")
"""Names of the cells of a column of 0 and 1."""


def refuse_repeated(
    codes: NDArray[np.int32], ids: NDArray[np.object_], name: str, rows: RowNames
) -> None:
    """Raise where documents share an id.

    Raises:
        BadTableError: names the rows.
    """
    first = np.unique(codes, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(codes)), first)
    if len(again):
        raise BadTableError(
            "repeated_id",
            f"{repeating(len(again))} an id of {name!r}, such as {ids[again[0]]!r}: "
            f"{rows.several(again[:5], len(again))}",
            "give each document an id of its own, or name another column",
        )


def per_sequence(
    table: Table, roles: SequenceColumns, ids: NDArray[np.int32], named: NDArray[np.object_]
) -> dict[str, NDArray[np.object_] | None]:
    """Return labels, groups and sets, (N,) each; None for a column that is not there."""
    values: dict[str, NDArray[np.object_] | None] = {}
    columns = {"groups": roles.group_col, "sets": roles.split_col}
    for what, name in columns.items():
        values[what] = None
        if name is not None and name in table.data:
            values[what] = _one_each(table, name, ids, named, RowNames(table))
    values["labels"] = _labels(table, roles, ids, named)
    _check_sets(values["sets"], roles)
    return values


def _labels(
    table: Table, roles: SequenceColumns, ids: NDArray[np.int32], named: NDArray[np.object_]
) -> NDArray[np.object_] | None:
    """Return the (N,) labels, several of a sequence as `label_cells.joined` writes them."""
    rows = RowNames(table)
    if roles.label_cols:
        if not all(name in table.data for name in roles.label_cols):
            return None
        has = np.stack([_yes_or_no(table, name, ids, named, rows) for name in roles.label_cols])
        return np.array(
            [joined(np.array(roles.label_cols, dtype=object)[of_one]) for of_one in has.T],
            dtype=object,
        )
    if roles.label_col is None or roles.label_col not in table.data:
        return None
    may_be_empty = roles.label_separator is not None
    cells = _one_each(table, roles.label_col, ids, named, rows, may_be_empty=may_be_empty)
    if roles.label_separator is None:
        return cells
    return from_cells(cells, roles.label_separator)


def _yes_or_no(
    table: Table, name: str, ids: NDArray[np.int32], named: NDArray[np.object_], rows: RowNames
) -> NDArray[np.bool_]:
    """Return whether each sequence has the label of a column of 0 and 1.

    Raises:
        BadTableError: the column has other values.
    """
    cells = _one_each(table, name, ids, named, rows)
    others = sorted_names(set(cells) - set(YES) - set(NO))
    if others:
        raise BadTableError(
            "no_label_column",
            f"column {name!r} of `label_cols` has {listed(others)}; expected 0 and 1",
            "write 1 where a sequence has the label, or leave the column out",
        )
    return np.isin(cells.astype(str), YES)


def refuse_without_id(ids: NDArray[np.int32], name: str, rows: RowNames) -> None:
    """Raise where a row has no id.

    Raises:
        BadTableError: names the rows.
    """
    missing = np.flatnonzero(ids < 0)
    if len(missing):
        raise BadTableError(
            "missing_id",
            f"column {name!r} is empty in {counted(len(missing), 'row')}: "
            f"{rows.several(missing[:5], len(missing))}",
            "give these rows the id of their sequence, or leave them out",
        )


def words_of(table: Table, name: str) -> NDArray[np.object_]:
    """Return the names of a column's categories, "" where a cell is empty."""
    codes, values = encode(table.take(name), name)
    named = np.array([*(name_of(value) for value in values), ""], dtype=object)
    return named[codes]


def repeating(number: int) -> str:
    """Return `1 row repeats`, `2 rows repeat`."""
    return "1 row repeats" if number == 1 else f"{number:,} rows repeat"


def _one_each(
    table: Table,
    name: str,
    ids: NDArray[np.int32],
    named: NDArray[np.object_],
    rows: RowNames,
    *,
    may_be_empty: bool = False,
) -> NDArray[np.object_]:
    """Return the (N,) value of a column that is the same in all rows of a sequence.

    Args:
        table: the table.
        name: of the column.
        ids: (R,) number of the sequence of each row.
        named: (N,) names of the sequences.
        rows: names of the rows in messages.
        may_be_empty: whether an empty cell is the value "".

    Raises:
        BadTableError: it changes inside a sequence, or is empty.
    """
    codes, values = encode(table.take(name), name)
    empty = np.flatnonzero(codes < 0)
    values = [*values, ""]
    codes = np.where(codes < 0, len(values) - 1, codes)
    if len(empty) and not may_be_empty:
        raise BadTableError(
            "missing_label",
            f"column {name!r} is empty in {counted(len(empty), 'row')}: "
            f"{rows.several(empty[:5], len(empty))}",
            "fill it in, or leave these sequences out",
        )
    of_sequence = np.zeros(len(named), np.int64)
    of_sequence[ids] = codes
    other = np.flatnonzero(of_sequence[ids] != codes)
    if len(other):
        series = int(ids[other[0]])
        num_series = len(np.unique(ids[other]))
        own = np.flatnonzero(ids == series)
        changed = own[codes[own] != codes[own[0]]]
        both = listed([name_of(values[code]) for code in np.unique(codes[ids == series])], shown=3)
        raise BadTableError(
            "label_changes",
            f"{name!r} has several values in sequence {named[series]!r}: {both}, another one than "
            f"in its first row in {rows.several(changed[:5], len(changed))}; "
            f"{counted(num_series, 'sequence')} with more than one in all",
            "give every row of a sequence the same value, or make each stretch a sequence of its "
            "own, with an id of its own",
        )
    names = np.array([name_of(value) for value in values], dtype=object)
    return names[of_sequence]


def _check_sets(sets: NDArray[np.object_] | None, roles: SequenceColumns) -> None:
    if sets is None:
        return
    unknown = sorted(set(sets) - set(SETS))
    if unknown:
        raise BadTableError(
            "unknown_set",
            f"column {roles.split_col!r} has {listed(unknown)}",
            f"expected {', '.join(SETS)}",
        )
