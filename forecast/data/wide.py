"""Wide tables: one column per series, made long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.panel import Columns
from forecast.data.table import Table
from forecast.errors import ConfigError


def melt(table: Table) -> Table:
    """Put the series columns of a wide table one after another, as one target `y`.

    Covariates belong to every series. Where no series is named, every column of numbers is one. A
    series begins at its first value.
    """
    columns, notes = table.columns, list(table.notes)
    chosen, ignored = _series_columns(table)
    kind = pa.string() if any(_is_text(table.data[name].type) for name in chosen) else pa.float64()
    cells = [table.data[name].cast(kind) for name in chosen]
    starts = [_first_value(column) for column in cells]
    origin = np.concatenate([np.arange(start, table.num_rows) for start in starts])
    lengths = [table.num_rows - start for start in starts]
    ids = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(chosen), dtype=np.int32), lengths), chosen)
    data = {Columns.id_col: pa.chunked_array([ids]), "y": _joined(cells, starts)}
    for name in (columns.time_col, *columns.past_covariates, *columns.known_covariates):
        data[name] = _joined([table.data[name]] * len(chosen), starts)
    if ignored:
        message = f"columns that hold no numbers are ignored: {listed(ignored)}"
        notes.append(Finding("ignored_columns", "note", message))
    if any(starts):
        late = [name for name, start in zip(chosen, starts, strict=True) if start]
        notes.append(Finding("late_start", "note", f"series that begin after blank cells: {listed(late)}"))
    melted = replace(columns, id_col=Columns.id_col, target_cols=("y",))
    return Table(melted, data, len(origin), table.text, origin, tuple(notes), table.decimal)


def _series_columns(table: Table) -> tuple[list[str], list[str]]:
    """Return the columns of a wide table that are series, and those that are nothing.

    Raises:
        BadTableError: no column is a series.
        ConfigError: static covariates, for which a wide table has no place.
    """
    columns = table.columns
    if columns.static_covariates:
        raise ConfigError("static_covariates do not fit layout 'wide', which has no row per series: use layout 'long'")
    shared = (columns.time_col, *columns.past_covariates, *columns.known_covariates)
    if columns.target_cols != Columns.target_cols:
        return list(columns.target_cols), []
    names = [name for name in table.data if name not in shared]
    chosen = [name for name in names if _holds_numbers(table.data[name])]
    if not chosen:
        raise BadTableError(
            "no_series", f"no column but {columns.time_col!r} holds numbers", "name them as target_cols"
        )
    return chosen, [name for name in names if name not in chosen]


def _first_value(column: pa.ChunkedArray) -> int:
    """Row of the first cell that is not missing; 0 where all are."""
    present = column.is_valid()
    if pa.types.is_floating(column.type):
        present = pa.compute.and_(present, pa.compute.invert(pa.compute.is_nan(column).fill_null(True)))
    return max(int(present.index(True).as_py()), 0)


def _joined(columns: list[pa.ChunkedArray], starts: list[int]) -> pa.ChunkedArray:
    """Put columns one after another without a copy, each from its start."""
    slices = [column.slice(start) for column, start in zip(columns, starts, strict=True)]
    return pa.chunked_array([chunk for part in slices for chunk in part.chunks], columns[0].type)


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary))


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    """Whether a column of a wide table is meant as a series: numbers, or text among which there are some."""
    kind = column.type
    if _is_text(kind):
        return bool(pa.compute.any(pa.compute.match_substring_regex(column.cast(pa.string()), r"^\s*[+-]?\d")).as_py())
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
