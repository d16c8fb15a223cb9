"""Columns to arrays: distinct values, numbers and categories, each cell checked."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.cells.missing_codes import without_codes
from forecast.data.cells.numeric_text import numbers_of, refuse_inexact
from forecast.data.findings import BadTableError, FindingLog, counted
from forecast.data.names import name_of
from forecast.data.table import RowNames, Table

Values = list[Any]  # distinct cells of one column, all of one type


def encode(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int32], Values]:
    """Return the code of every row, -1 where it is missing, and the distinct values.

    Raises:
        BadTableError: values without a name (see `name_of`).
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.unify_dictionaries()
    elif pa.types.is_null(kind):
        column = column.cast(pa.string())
    elif pa.types.is_floating(kind):
        column = _whole_floats(column)
    coded = column
    if not pa.types.is_dictionary(column.type):
        coded = _coded(column, name)
    values: Values = []
    if coded.num_chunks:
        values = _distinct(coded.chunk(0).dictionary)
    if not all(_is_named(value) for value in values):
        raise _no_names(column, name)
    indices = [_indices(chunk).to_numpy(zero_copy_only=False) for chunk in coded.chunks]
    codes = np.concatenate(indices).astype(np.int32, copy=False)
    every_value_occurs = coded is not column
    if every_value_occurs and not {None, ""} & set(values):
        return codes, values
    return _compact(codes, values)


def _coded(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return a column as codes of its distinct values.

    Raises:
        BadTableError: values that Arrow cannot compare, such as lists.
    """
    try:
        return column.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise _no_names(column, name) from error


def _no_names(column: pa.ChunkedArray, name: str) -> BadTableError:
    return BadTableError(
        "bad_names",
        f"column {name!r} contains {_kind_of(column)} values",
        "cast it to text or whole numbers",
    )


def _distinct(dictionary: pa.Array) -> Values:
    """Return the Python values of a dictionary, None for a missing one; floats stay exact."""
    if pa.types.is_floating(dictionary.type):
        floats = dictionary.to_numpy(zero_copy_only=False)
        return [None if np.isnan(value) else value for value in floats]
    values: Values = dictionary.to_pylist()
    return values


def _is_named(value: object) -> bool:
    """Return whether a value can be an id or a category."""
    if isinstance(value, datetime):
        return value.tzinfo is None
    return value is None or isinstance(value, str | int | float | np.floating | Decimal | date)


def _kind_of(column: pa.ChunkedArray) -> pa.DataType:
    if pa.types.is_dictionary(column.type):
        return column.type.value_type
    return column.type


def _indices(coded: pa.DictionaryArray) -> pa.Array:
    """Return indices in the dictionary, -1 where a cell is missing."""
    if not coded.null_count:
        return coded.indices
    return coded.indices.fill_null(-1)


def _whole_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn floats into whole numbers where none has a fraction: pandas has them beside a NaN."""
    column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # some have fractions
        return column


def _compact(codes: NDArray[np.int32], values: Values) -> tuple[NDArray[np.int32], Values]:
    """Drop values that do not occur, and those that stand for a missing one."""
    occurs = np.zeros(len(values) + 1, dtype=bool)
    occurs[codes] = True
    kept = [
        index for index, value in enumerate(values) if value not in (None, "") and occurs[index]
    ]
    renumber = np.full(len(values) + 1, -1, dtype=np.int32)
    renumber[kept] = np.arange(len(kept), dtype=np.int32)
    return renumber[codes], [values[index] for index in kept]


def read_categories(
    table: Table, name: str, rows: RowNames, log: FindingLog, allow_missing: bool
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return (R,) codes of the rows, NaN where a cell is missing, and the sorted categories."""
    codes, values = encode(table.take(name), name)
    names = [name_of(value) for value in values]
    categories = tuple(sorted(set(names)))
    index = {category: float(number) for number, category in enumerate(categories)}
    lookup = np.array([*(index[category] for category in names), np.nan])  # the last for -1
    cells = lookup[codes]
    _refuse_missing(np.isnan(cells), name, rows, log, allow_missing)
    return cells, categories


def read_numbers(
    table: Table, name: str, rows: RowNames, log: FindingLog, allow_missing: bool
) -> NDArray[np.float64]:
    """Return a column as float64, NaN where a cell is missing.

    Args:
        table: the table; the column is removed from it.
        name: name of the column.
        rows: names of the rows in findings.
        log: gets findings about cells: text, missing, infinite.
        allow_missing: whether missing cells are allowed.

    Raises:
        BadTableError: the column contains something other than numbers.
    """
    column = table.take(name)
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = numbers_of(column.cast(pa.string()), name, rows, log)
    elif pa.types.is_boolean(kind) and name in table.columns.target_cols:
        raise BadTableError(
            "bool_target",
            f"target {name!r} contains true and false",
            "cast it to 0 and 1 if that is meant",
        )
    elif pa.types.is_integer(kind):
        refuse_inexact(column, name)
    elif pa.types.is_decimal(kind):
        log.note("decimals", f"column {name!r} contains decimals: read as floating-point numbers")
    elif not (pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise BadTableError(
            "no_numbers",
            f"column {name!r} contains {kind} values",
            "expected numbers: cast the column",
        )
    cells = without_codes(_to_float64(column), name, rows, log)
    infinite = np.isinf(cells)
    if infinite.any():
        where = np.flatnonzero(infinite)
        named = rows.several(where[:5], len(where))
        log.error(
            "infinite",
            f"{name} is infinite in {counted(len(where), 'row')}: {named}",
            "remove or correct these values",
        )
    _refuse_missing(np.isnan(cells), name, rows, log, allow_missing)
    return cells


def _to_float64(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Convert chunk by chunk; missing cells become NaN."""
    cells = np.empty(len(column))
    start = 0
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        cells[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        start += len(chunk)
    return cells


def _refuse_missing(
    missing: NDArray[np.bool_], name: str, rows: RowNames, log: FindingLog, allow_missing: bool
) -> None:
    """Report missing cells: an error, or a note where they are allowed."""
    if name in rows.table.columns.target_cols and not allow_missing:
        missing = missing & ~_without_value(missing, rows)
    count = int(missing.sum())
    if not count:
        return
    named = rows.several(np.flatnonzero(missing)[:5], count)
    message = f"{name} is missing in {count} of {len(missing)} rows: {named}"
    if name in rows.table.columns.static_covariates:
        log.error(
            "missing_static",
            f"{name} is static, and {message[len(name) + 1 :]}",
            "give it a value, or leave the series out",
        )
    elif allow_missing:
        log.note("missing_values", message)
    else:
        log.error(
            "missing_values",
            message,
            "fill them in the table",
            settings=({"data.missing": "forward_fill"}, {"data.missing": "mask"}),
        )


def _without_value(missing: NDArray[np.bool_], rows: RowNames) -> NDArray[np.bool_]:
    """Return (R,) whether all cells of the series of a row are missing, a finding of its own."""
    if rows.codes is None or rows.ids is None:
        return np.zeros(len(missing), dtype=bool)
    has_value = np.zeros(len(rows.ids) + 1, dtype=bool)
    has_value[rows.codes[~missing]] = True
    has_value[-1] = True  # that of rows without a series
    return ~has_value[rows.codes]
