"""Which columns name the rows of a table with dates across."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Finding, counted, listed
from forecast.data.formats.opened import Cells
from forecast.data.layouts.squares import Square
from forecast.data.panel import Columns

_MOST_IDS = 6
"""Columns that are tried together as the id of a series."""


def choose_ids(
    words: Cells, usable: NDArray[np.bool_], columns: Columns, square: Square | None
) -> tuple[str, ...]:
    """Return the columns that name a series: as given, else the first that tell the rows apart.

    Args:
        words: the columns in front of the values, as text.
        usable: (N,) whether a row is a series or a part of one.
        columns: the roles as given.
        square: the parts of the time in header and rows, if there are such.

    Raises:
        BadTableError: two rows have the same name.
    """
    given = parts_of(columns.id_col, tuple(words))
    if set(given) <= set(words):
        return given
    kept = pa.array(np.flatnonzero(usable))
    cells = {name: column.take(kept) for name, column in words.items()}
    if square is not None:
        label = cells.pop(square.label_col)
        if len(label.unique()) == len(label):
            return ()
        return _first_apart(_texts(cells), cells, [label])
    if len(kept) == 1:
        return ()
    texts = _texts(cells)
    numbers = [name for name, column in cells.items() if _all_match(column, r"^\d+$")]
    ids = _first_apart(texts, cells, [], most=1) or _first_apart(numbers, cells, [], most=1)
    ids = ids or _first_apart(texts, cells, [])
    if ids:
        return ids
    message = "the rows have no names"
    if texts:
        message = f"two rows have the same {listed(texts)}"
    raise BadTableError(
        "same_rows",
        message,
        "give each row a name in a column of its own, named by `data.id_col`",
    )


def fill_ids(
    words: Cells, usable: NDArray[np.bool_], ids: tuple[str, ...]
) -> tuple[Cells, list[Finding]]:
    """Return the columns of an id of several with `-` for an empty cell, and notes.

    Args:
        words: the columns in front of the values, as text.
        usable: (N,) whether a row is a series.
        ids: the columns that name a series.
    """
    filled = {}
    notes = []
    for name in ids:
        number = int((words[name].is_null().to_numpy() & usable).sum())
        if len(ids) > 1 and number:
            filled[name] = words[name].fill_null("-")
            message = f"{name!r} is empty in {counted(number, 'row')}: '-' stands for that in ids"
            notes.append(Finding("empty_ids", "note", message))
    return filled, notes


def _texts(columns: Cells) -> list[str]:
    """Return the columns of words that are not all alike."""
    return [
        name
        for name, column in columns.items()
        if len(column.unique()) > 1 and not _all_match(column, r"^[+-]?[\d.,]+$")
    ][:_MOST_IDS]


def _all_match(column: pa.ChunkedArray, pattern: str) -> bool:
    """Return whether there are cells, and all of them match."""
    present = column.drop_null()
    return len(present) > 0 and bool(pc.all(pc.match_substring_regex(present, pattern)).as_py())


def _first_apart(
    names: Sequence[str], columns: Cells, others: list[pa.ChunkedArray], most: int = _MOST_IDS
) -> tuple[str, ...]:
    """Return the fewest columns that tell all rows apart, together with others; () if none do."""
    for size in range(1, min(most, len(names)) + 1):
        for chosen in combinations(names, size):
            if _tell_apart([*(columns[name] for name in chosen), *others]):
                return chosen
    return ()


def _tell_apart(columns: list[pa.ChunkedArray]) -> bool:
    """Return whether no two rows have the same cells; an empty one is a value where others are."""
    if len(columns) == 1 and columns[0].null_count:
        return False
    names = [str(place) for place in range(len(columns))]
    table = pa.table(columns, names)
    return len(table.group_by(names).aggregate([])) == table.num_rows
