"""Reader of JSON documents: records, columns or what pandas writes, also inside an answer.

```text
[{"ds": "2024-01-01", "y": 3.5}, ...]                     a list of records
{"ds": ["2024-01-01", ...], "y": [3.5, ...]}              columns
{"ds": {"0": "2024-01-01", ...}, "y": {"0": 3.5, ...}}    columns by row, as `DataFrame.to_json`
{"columns": ["ds", "y"], "data": [["2024-01-01", 3.5]]}   rows, as `to_json(orient="split")`
{"2024-01-01": {"open": 3.5, "close": 3.6}, ...}          rows by their time
[[1704067200000, 3.5], ...]                               rows without names
{"status": "ok", "hourly": {...}}                         one of these inside other things
```
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.formats.arrow_tables import open_arrow, open_json_lines
from forecast.data.formats.json_line_bounds import has_few_shared
from forecast.data.formats.opened import Opened, Written, first_line
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.files.compressed import UNREADABLE, open_bytes

Values = dict[str, list[Any]]
"""Cells of each column; None where a row has none."""

_TIME = USUAL_ROLES.time_col
"""Name of a column of times without one."""

_TARGET = USUAL_ROLES.target_cols[0]
"""Name of the only column of numbers without one."""

_DEEPEST = 6
"""Levels of an answer that are looked at."""

_UNREADABLE = (*UNREADABLE, OSError, ValueError, RecursionError)
"""Errors of a file that is no JSON; the last but one of numbers with thousands of digits too."""

_FEWEST = 3
"""Rows of a table that has no names of columns, at least; other objects are small as well."""


def open_json(source: str | Path, columns: Columns, written: Written) -> Opened:
    """Open a JSON document; where there is one object per line, as JSON lines.

    Raises:
        BadTableError: it is no JSON, or contains no table.
    """
    path = Path(source)
    try:
        with open_bytes(path) as raw:
            text = raw.read().decode("utf-8-sig")
        tables = dict(_tables(json.loads(text), ""))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return open_json_lines(source, columns, written)
        raise _no_table(path.name, f"cannot be read as JSON ({error})") from error
    except _UNREADABLE as error:
        raise _no_table(path.name, f"cannot be read as JSON ({first_line(error)})") from error

    if not tables:
        raise _no_table(path.name, "contains no table")
    place = max(tables, key=lambda key: _num_rows(tables[key]))
    try:
        table = _as_arrow(tables[place])
    except UnicodeEncodeError as error:  # \ud800 without its other half
        raise _no_table(path.name, "has half of a surrogate pair, which is no character") from error
    return _opened(table, _notes(path.name, place, tables), columns, written)


def _opened(
    table: pa.Table, notes: tuple[Finding, ...], columns: Columns, written: Written
) -> Opened:
    """Return an Arrow table with notes, also where it is opened again with other roles."""
    opened = open_arrow(table, columns, written)
    return replace(
        opened, notes=notes, again=lambda roles, _: _opened(table, notes, roles, written)
    )


def _no_table(name: str, problem: str) -> BadTableError:
    return BadTableError(
        "json",
        f"{name} {problem}",
        'expected a list of objects, such as [{"ds": "2024-01-01", "y": 3.5}]',
    )


def _notes(name: str, place: str, tables: dict[str, Values]) -> tuple[Finding, ...]:
    """Say which part of a document is the table, where it is not the whole."""
    if not place:
        return ()
    message = f"{name}: the table is read from {place!r}"
    others = [other for other in tables if other != place]
    if others:
        message += f"; it also has {listed(others, 3)}"
    return (Finding("json_place", "note", message),)


def _tables(value: Any, place: str) -> Iterator[tuple[str, Values]]:
    """Yield every table in a document with its place, such as `data` or `result.hourly`."""
    for shape in SHAPES:
        table = shape(value)
        if table is not None:
            yield place, table
            return
    if not isinstance(value, dict) or place.count(".") >= _DEEPEST:
        return
    for name, inner in value.items():
        yield from _tables(inner, f"{place}.{name}".lstrip("."))


def _records(value: Any) -> Values | None:
    """Read a list of objects; a value that is an object itself becomes columns of its own."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(row, dict) for row in value):
        return None
    flat = [dict(_flat(row, "")) for row in value]
    names = dict.fromkeys(name for row in flat for name in row)
    given = sum(map(len, flat))
    if has_few_shared(len(flat), len(names), given):
        raise ValueError(f"its {len(flat):,} objects have {len(names):,} names, few of them shared")
    return {name: [row.get(name) for row in flat] for name in names}


def _flat(row: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Yield the cells of an object, those of objects in it as `outer.inner`."""
    for name, cell in row.items():
        if isinstance(cell, dict):
            yield from _flat(cell, f"{before}{name}.")
        else:
            yield before + name, cell


def _columns(value: Any) -> Values | None:
    """Read an object of lists that have one length; other things beside them are no columns."""
    if not isinstance(value, dict):
        return None
    lists = {name: cells for name, cells in value.items() if _is_column(cells)}
    if len(lists) < 2 or len({len(cells) for cells in lists.values()}) > 1:
        return None
    return lists


def _is_column(cells: Any) -> bool:
    """Return whether a value is a list of at least two cells."""
    if not isinstance(cells, list) or len(cells) < 2:
        return False
    return not any(isinstance(cell, dict | list) for cell in cells)


def _keyed(value: Any) -> Values | None:
    """Read objects in an object, one per column or one per row, whichever are fewer columns.

    The keys of the rows become a column, unless they only count them.
    """
    if not isinstance(value, dict) or not value:
        return None
    inner = list(value.values())
    if not all(isinstance(each, dict) for each in inner) or len(inner[0]) + len(inner) < _FEWEST:
        return None
    if any(list(each) != list(inner[0]) for each in inner):
        return None
    keys, names = list(value), list(inner[0])
    columns = {name: [row[name] for row in inner] for name in names}
    if len(names) >= len(keys):
        keys, names = names, keys
        columns = {name: list(value[name].values()) for name in names}
    if any(isinstance(cell, dict | list) for cells in columns.values() for cell in cells):
        return None
    return _with_keys(keys, columns)


def _with_keys(keys: list[str], columns: Values) -> Values:
    """Return columns after that of the keys of their rows."""
    if keys == [str(number) for number in range(len(keys))]:
        return columns
    return {_TIME: keys, **columns}


def _values_by_time(value: Any) -> Values | None:
    """Read an object of numbers by their time, as `Series.to_json` writes it."""
    if not isinstance(value, dict) or len(value) < _FEWEST:
        return None
    keys = list(value)
    if not all(key[:1].isdigit() for key in keys):
        return None
    if any(isinstance(cell, dict | list) for cell in value.values()):
        return None
    return _with_keys(keys, {_TARGET: list(value.values())})


def _rows(value: Any) -> Values | None:
    """Read rows as lists without names, such as pairs of a time and a number."""
    if not isinstance(value, list) or len(value) < _FEWEST:
        return None
    if not all(isinstance(row, list) and len(row) == len(value[0]) >= 2 for row in value):
        return None
    names = [_TIME, _TARGET]
    if len(value[0]) > 2:
        names = [_TIME, *(f"column {number}" for number in range(2, len(value[0]) + 1))]
    return {name: [row[place] for row in value] for place, name in enumerate(names)}


def _split(value: Any) -> Values | None:
    """Read rows as lists beside the names of their columns."""
    if not isinstance(value, dict) or not {"columns", "data"} <= set(value):
        return None
    names = value["columns"]
    rows = value["data"]
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    return {str(name): [row[place] for row in rows] for place, name in enumerate(names)}


SHAPES: tuple[Callable[[Any], Values | None], ...] = (
    _records,
    _rows,
    _split,
    _keyed,
    _columns,
    _values_by_time,
)
"""All shapes of a table; the first one that fits reads it."""


def _num_rows(table: Values) -> int:
    return max(map(len, table.values()), default=0)


def _as_arrow(table: Values) -> pa.Table:
    """Return columns with the types of their cells; mixed cells become text."""
    return pa.table({name: _as_column(cells) for name, cells in table.items()})


def _as_column(cells: list[Any]) -> pa.Array:
    try:
        column = pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_written(cell) for cell in cells], pa.string())
    return column


def _written(cell: Any) -> str | None:
    """Write a cell as it stood in the document."""
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell)
