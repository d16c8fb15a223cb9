"""Readers of pandas frames with any index, of Series, and of plain lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Finding, counted, listed
from forecast.data.formats.opened import Cells, Opened, Written
from forecast.data.names import name_of
from forecast.data.panel import Columns


def open_frame(frame: pd.DataFrame, columns: Columns, _written: Written) -> Opened:
    """Open a data frame; columns of plain numbers are not copied.

    Ids and timestamps in the index become columns: by name, or with a note.
    """
    given = frame.columns.tolist()
    names = tuple(map(_flat, given))
    levels, notes = _roles_of_index(frame.index, names, columns)
    labels = dict(zip(names, given, strict=True))

    @cache  # pandas makes a new object for each request
    def column(name: str) -> pd.Series:
        if name in levels:
            return _level(frame.index, levels[name])
        return frame[labels[name]]

    ids = parts_of(columns.id_col, (*levels, *names))

    def read(wanted: list[str]) -> Cells:
        return {name: _from_series(column(name), name, ids) for name in wanted}

    mixed = [name for name in ids if name in (*levels, *names) and _is_mixed(column(name))]
    if mixed:
        message = f"{listed(mixed)} {'mixes' if len(mixed) == 1 else 'mix'} types: read as text"
        notes = (*notes, Finding("mixed_ids", "note", message))
    return Opened((*levels, *names), read, notes)


def _flat(label: object) -> str:
    """Return the name of a column; that of several levels with `_` between them."""
    if isinstance(label, tuple):
        return "_".join(str(part) for part in label if part not in ("", None))
    return str(label)


def open_series(series: pd.Series, columns: Columns, written: Written) -> Opened:
    """Open a Series as the one target; its index contains the timestamps, or is counted."""
    target = _only_target(columns, "a Series")
    frame = series.to_frame(name=target)
    index = frame.index
    if isinstance(index, pd.RangeIndex) and columns.time_col != index.name:
        return _counted(frame, columns, written)
    if index.nlevels == 1 and index.name != columns.time_col:
        message = f"the index of the Series is the time column {columns.time_col!r}"
        frame.index = index.rename(columns.time_col)
        opened = open_frame(frame, columns, written)
        note = Finding("index", "note", message)
        return Opened(opened.names, opened.read, (note, *opened.notes))
    return open_frame(frame, columns, written)


def open_numbers(given: Sequence[float] | np.ndarray, columns: Columns, written: Written) -> Opened:
    """Open an array or a list of numbers as the one target; its steps are counted.

    Raises:
        BadTableError: it is no plain row of numbers.
    """
    kind = type(given).__name__
    target = _only_target(columns, f"a {kind} of numbers")
    try:
        if isinstance(given, np.ma.MaskedArray):
            given = np.ma.filled(given.astype(float), np.nan)
        numbers = np.asarray(given)
        if numbers.dtype == object:  # numbers beside None
            numbers = numbers.astype(float)
    except OverflowError as error:
        raise _no_numbers(f"a {kind} with a number that float64 does not reach") from error
    except (TypeError, ValueError) as error:
        raise _no_numbers(f"a {kind} that contains more than numbers") from error
    if numbers.ndim != 1:
        raise _no_numbers(f"a {kind} of shape {numbers.shape}")
    if numbers.dtype.kind not in "iuf":
        raise _no_numbers(f"a {kind} of {numbers.dtype} values")
    return _counted(pd.DataFrame({target: numbers}), columns, written)


def _no_numbers(given: str) -> BadTableError:
    return BadTableError(
        "table_kind",
        f"the table is {given}",
        "expected numbers in one dimension, or a pandas frame with a column of timestamps",
    )


def _only_target(columns: Columns, kind: str) -> str:
    """Return the target.

    Raises:
        BadTableError: there are several.
    """
    if not columns.target_cols:
        raise BadTableError(
            "table_kind",
            f"the table is {kind}, which has no known covariates",
            "pass a frame with the columns of series, time and known covariates",
        )
    if len(columns.target_cols) > 1:
        raise BadTableError(
            "table_kind",
            f"the table is {kind}, and there are {len(columns.target_cols)} targets: "
            f"{listed(columns.target_cols)}",
            "pass a frame with one column for each",
        )
    return columns.target_cols[0]


def _counted(frame: pd.DataFrame, columns: Columns, written: Written) -> Opened:
    """Open a frame without timestamps, its rows numbered from 0."""
    frame = frame.reset_index(drop=True)
    frame.insert(0, columns.time_col, np.arange(len(frame)))
    message = (
        f"{counted(len(frame), 'number')} without timestamps: the steps are counted from 0 to "
        f"{len(frame) - 1}"
    )
    opened = open_frame(frame, columns, written)
    return Opened(opened.names, opened.read, (Finding("counted", "note", message),))


def _roles_of_index(
    index: pd.Index, names: tuple[str, ...], columns: Columns
) -> tuple[dict[str, int], tuple[Finding, ...]]:
    """Return the level of an index that is the id, and that which has the timestamps.

    Levels are known by name; else the only level of dates has the timestamps, and the only other
    one the ids, with a note.

    Raises:
        BadTableError: there are no timestamps, and several levels could be.
    """
    levels = {}
    ids = parts_of(columns.id_col, (*names, *map(str, index.names)))
    for place, name in enumerate(index.names):
        role = str(name)
        if role in (*ids, columns.time_col) and role not in names:
            levels[role] = place
    notes = []
    rest = [place for place in range(index.nlevels) if place not in levels.values()]
    if columns.time_col not in (*names, *levels):
        dates = [place for place in rest if has_dates(index, place)]
        if len(dates) == 1:
            levels[columns.time_col] = dates[0]
            rest.remove(dates[0])
            notes.append(_index_note(index, dates[0], f"the time column {columns.time_col!r}"))
        elif index.nlevels > 1:
            raise BadTableError(
                "index",
                f"there is no column {columns.time_col!r}; the index contains "
                f"{listed(map(str, index.names))}",
                "call reset_index() and name the columns",
            )
    is_multi = index.nlevels > 1 and columns.time_col in levels
    if is_multi and len(rest) == 1 and ids[0] not in (*names, *levels):
        levels[ids[0]] = rest[0]
        notes.append(_index_note(index, rest[0], f"the id column {columns.id_col!r}"))
    elif is_multi and rest:
        unused = [_level_name(index, place) for place in rest]
        message = f"levels of the index without a role are ignored: {', '.join(unused)}"
        notes.append(Finding("ignored_columns", "note", message))
    return levels, tuple(notes)


def has_dates(index: pd.Index, place: int) -> bool:
    """Return whether a level of an index contains dates or periods.

    Args:
        index: the index.
        place: of the level, from 0.
    """
    level = index
    if isinstance(index, pd.MultiIndex):
        level = index.levels[place]
    return isinstance(level, pd.DatetimeIndex | pd.PeriodIndex)


def _level_name(index: pd.Index, place: int) -> str:
    name = index.names[place]
    if name is None:
        return f"level {place}"
    return repr(str(name))


def _index_note(index: pd.Index, place: int, role: str) -> Finding:
    """Return the note that a level of the index has a role."""
    if index.nlevels > 1:
        return Finding("index", "note", f"{_level_name(index, place)} of the index is {role}")
    return Finding("index", "note", f"the index of dates is {role}")


def _level(index: pd.Index, place: int) -> pd.Series:
    """Return a level of an index as a column; periods become their first instant."""
    level = index.get_level_values(place)
    if isinstance(level, pd.PeriodIndex):
        level = level.to_timestamp()
    return pd.Series(level)


def _from_series(series: pd.Series, name: str, ids: Sequence[str]) -> pa.ChunkedArray:
    """Turn a column of a frame into an arrow column.

    Mixed objects become text, in a column of ids their names.
    """
    kind = series.dtype
    if isinstance(kind, pd.PeriodDtype):
        raise BadTableError(
            "periods", f"column {name!r} contains periods", "convert them: .dt.to_timestamp()"
        )
    if isinstance(kind, np.dtype) and kind.kind in "iufbM":
        return pa.chunked_array([pa.array(_of_arrow(series.to_numpy()))])
    try:
        column = pa.Array.from_pandas(series)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        TypeError,  # of an infinite `Decimal`
        ValueError,  # of a whole number of thousands of digits
        OverflowError,
    ):
        write = _as_text
        if name in ids:
            write = _as_id
        column = _of_texts([write(value, name) for value in series], name)
    if isinstance(column, pa.ChunkedArray):
        return column
    return pa.chunked_array([column])


def _of_texts(texts: list[str | None], name: str) -> pa.Array:
    """Return texts as an Arrow column.

    Raises:
        BadTableError: one of them cannot be written.
    """
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError as error:
        raise BadTableError(
            "damaged_file",
            f"column {name!r} contains half of a surrogate pair, which is no character",
            "remove it",
        ) from error


def _of_arrow(values: np.ndarray) -> np.ndarray:
    """Return numbers or dates in a type that Arrow has: in the machine's byte order, of 64 bits."""
    kind = values.dtype.newbyteorder("=")
    if kind.kind == "f" and kind.itemsize > 8:
        kind = np.dtype(float)
    with np.errstate(over="ignore"):  # infinite values are refused later
        return values.astype(kind, copy=False)


def _is_mixed(column: pd.Series) -> bool:
    """Return whether a column has objects of several types, numbers of any type being one."""
    return column.dtype == object and pd.api.types.infer_dtype(column) in ("mixed", "mixed-integer")


def _as_id(value: Any, name: str) -> str | None:
    """Write one id of a mixed column as text, as an Excel sheet of such ids is read.

    Raises:
        BadTableError: a value that cannot be an id.
    """
    if isinstance(value, str):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if not isinstance(value, int | float | np.number | Decimal | date | np.bool_):
        kind = type(value).__name__
        raise BadTableError(
            "mixed_ids",
            f"column {name!r} mixes types, {kind} among them",
            "cast it to text or whole numbers",
        )
    return name_of(value)


def _as_text(value: Any, name: str) -> str | None:
    """Write one object of a mixed column as text; a missing value is None."""
    if isinstance(value, complex | np.complexfloating):
        raise _complex_error(name)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(Decimal(value))  # `str` of an `int` refuses thousands of digits
    return str(value)


def _complex_error(name: str) -> BadTableError:
    return BadTableError(
        "complex_numbers",
        f"column {name!r} contains complex numbers",
        "take the real part or the absolute value",
    )
