"""Wide tables: one column per series, made long."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.panel import USUAL_ROLES
from forecast.data.table import Table
from forecast.errors import ConfigError

_DEFAULT = USUAL_ROLES

_NAMELESS = re.compile(r"|Unnamed: \d+")
"""Names of a column without one: in a file, and as pandas reads it."""

_ROW_NUMBER = re.compile(r"row[ _.]?(names?|num(ber)?|no|id)?|no\.?|nr\.?|#", re.IGNORECASE)
"""Names of a column of row numbers."""

_FEWEST_COUNTED = 3
"""Least rows of a column that counts them; fewer may be chance."""

_FEWEST_MOVED = 10
"""Least rows of a column that counts them in another order."""


def melt(table: Table) -> Table:
    """Put the series columns of a wide table one after another, as one target `y`.

    Every series gets the covariates. Where no series is named, every column of numbers is one,
    except those that count the rows. A series begins at its first value.
    """
    columns = table.columns
    chosen, notes = _series_columns(table)
    kind = pa.float64()
    if any(_is_text(table.data[name].type) for name in chosen):
        kind = pa.string()
    cells = [table.data[name].cast(kind) for name in chosen]
    starts = [_first_value(column) for column in cells]
    origin = np.concatenate([np.arange(start, table.num_rows) for start in starts])
    lengths = [table.num_rows - start for start in starts]
    ids = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(chosen), dtype=np.int32), lengths), chosen
    )
    if table.origin is not None:
        origin = table.origin[origin]
    data = {_DEFAULT.id_col: pa.chunked_array([ids]), "y": _joined(cells, starts)}
    for name in (columns.time_col, *columns.past_covariates, *columns.known_covariates):
        data[name] = _joined([table.data[name]] * len(chosen), starts)
    if any(starts):
        late = [name for name, start in zip(chosen, starts, strict=True) if start]
        notes.append(
            Finding("late_start", "note", f"series that begin after blank cells: {listed(late)}")
        )
    melted = columns.of_series("wide")
    notes = [*table.notes, *notes]
    return replace(
        table,
        columns=melted,
        data=data,
        num_rows=len(origin),
        origin=origin,
        notes=tuple(notes),
        was_wide=True,
    )


def _series_columns(table: Table) -> tuple[list[str], list[Finding]]:
    """Return the columns of a wide table that are series, and notes on the other columns.

    Raises:
        BadTableError: no column is a series, or one has no name.
        ConfigError: static covariates, which a wide table cannot contain.
    """
    columns = table.columns
    if columns.static_covariates:
        raise ConfigError(
            "static covariates need a long table, since a wide one has no row per series: pass "
            '`data.layout="long"`'
        )
    if columns.weight_col is not None:
        raise ConfigError(
            "weights need a long table, since a wide one has no row per series: pass "
            '`data.layout="long"`, or leave out `data.weight_col`'
        )
    if columns.target_cols != _DEFAULT.target_cols:
        return list(columns.target_cols), []  # named one by one, even those that count rows
    shared = (columns.time_col, *columns.past_covariates, *columns.known_covariates)
    names = [name for name in table.data if name not in shared]
    numbers = [name for name in names if _holds_numbers(table.data[name])]
    row_numbers = [name for name in numbers if _counts_rows(table.data[name], name)]
    chosen = [name for name in numbers if name not in row_numbers]
    if not chosen:
        besides = [columns.time_col, *row_numbers]
        raise BadTableError(
            "no_series",
            f"no column but {listed(besides)} contains numbers",
            "name the series with `data.target_cols`",
        )
    if "" in chosen:
        place = list(table.data).index("") + 1
        raise BadTableError(
            "no_name",
            f"column {place} contains numbers and has no name",
            "give it one, or remove it",
        )
    notes = [_row_numbers_note(table.data[name], name) for name in row_numbers]
    ignored = [name for name in names if name not in numbers]
    if ignored:
        message = f"columns that hold no numbers are ignored: {listed(ignored)}"
        notes.insert(0, Finding("ignored_columns", "note", message))
    message = f"{len(chosen)} columns are series: {listed(chosen)}"
    if len(chosen) == 1:
        message = f"1 column is a series: {listed(chosen)}"
    notes.append(Finding("series_columns", "note", message))
    return chosen, notes


def _counts_rows(column: pa.ChunkedArray, name: str) -> bool:
    """Return whether a column counts the rows one by one from 0 or 1, in whatever order.

    In a column without a name, as pandas writes an index, distinct whole numbers are enough: rows
    may have been dropped or moved. In one that is called a row number, ascending ones are.
    """
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if not is_number or column.null_count or len(column) < _FEWEST_COUNTED:
        return False
    numbers = column.to_numpy()
    if not (np.floor(numbers) == numbers).all():  # NaN is not equal to itself
        return False
    steps = np.diff(numbers.astype(np.float64))
    if _NAMELESS.fullmatch(name):
        return len(np.unique(numbers)) == len(numbers)
    if _ROW_NUMBER.fullmatch(name.strip()) and (steps > 0).all():
        return True
    if len(numbers) >= _FEWEST_MOVED:
        numbers = np.sort(numbers)
    is_whole = pa.types.is_integer(column.type)
    return bool(is_whole and numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def _row_numbers_note(column: pa.ChunkedArray, name: str) -> Finding:
    """Return the note on a column that is left out because it counts the rows."""
    first = ", ".join(map(str, column[:3].to_pylist()))
    message = (
        f"{name!r} counts the rows ({first} ...) and is left out: list it in "
        f"`data.target_cols` if it is a series"
    )
    if not name:
        message = f"the column without a name counts the rows ({first} ...) and is left out"
    return Finding("row_numbers", "note", message)


def _first_value(column: pa.ChunkedArray) -> int:
    """Return the row of the first cell that is not missing; 0 where all are."""
    present = column.is_valid()
    if pa.types.is_floating(column.type):
        present = pa.compute.and_(
            present, pa.compute.invert(pa.compute.is_nan(column).fill_null(True))
        )
    return max(int(present.index(True).as_py()), 0)


def _joined(columns: list[pa.ChunkedArray], starts: list[int]) -> pa.ChunkedArray:
    """Put columns one after another without a copy, each from its start."""
    slices = [column.slice(start) for column, start in zip(columns, starts, strict=True)]
    return pa.chunked_array(
        [chunk for column in slices for chunk in column.chunks], columns[0].type
    )


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    )


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    """Return whether a column of a wide table contains numbers, be they written as text."""
    kind = column.type
    if _is_text(kind):
        return bool(
            pa.compute.any(
                pa.compute.match_substring_regex(column.cast(pa.string()), r"^\s*[+-]?\d")
            ).as_py()
        )
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
