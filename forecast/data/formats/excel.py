"""Reader of Excel workbooks: one sheet, real dates as timestamps, text as in a CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Finding, counted, listed
from forecast.data.formats.delimited import infer_text
from forecast.data.formats.opened import Cells, Opened, Written, damaged
from forecast.data.formats.workbook_bounds import check_workbook
from forecast.data.names import as_numbers, name_of
from forecast.data.panel import Columns
from forecast.data.text.header_rows import MOST_ROWS, find_header_rows
from forecast.errors import nearest

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

_DIGITS = 15
"""Digits that Excel keeps of a number."""

_SHOWN_ROWS = 20
"""First rows of a sheet among which the header must be."""

_RATED_ROWS = 2000
"""First rows of a sheet that tell whether it holds data."""

Row = list[Any]
"""Cells of one row of a sheet; "" where a cell is empty."""


@dataclass(frozen=True)
class _Sheet:
    """One sheet of a workbook.

    Attributes:
        rows: all of its rows.
        sheet: its name.
        file: name of the workbook.
        notes: findings made so far.
    """

    rows: list[Row]
    sheet: str
    file: str
    notes: tuple[Finding, ...]


def open_excel(source: str | Path, columns: Columns, written: Written) -> Opened:
    """Open one sheet of a workbook; its rows are named as Excel numbers them."""
    path = Path(source)
    workbook = _open_workbook(path)
    sheet, notes = _choose_sheet(workbook, path.name, written.sheet)
    rows: list[Row] = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    return _opened(_Sheet(rows, sheet, path.name, tuple(notes)), written, columns)


def _opened(table: _Sheet, written: Written, columns: Columns, _: Cells | None = None) -> Opened:
    """Return a sheet with its header, for the roles of its columns."""
    rows = table.rows
    notes = list(table.notes)
    filled = [number for number, row in enumerate(rows) if not _is_empty(row)]
    if not filled:
        raise BadTableError(
            "empty_file",
            f"sheet {table.sheet!r} of {table.file} is empty",
            "expected a header and rows",
        )
    start = _header_place([rows[number] for number in filled[:_SHOWN_ROWS]], columns)
    if start:
        first = [_as_text(cell) for cell in rows[filled[0]] if not _is_blank(cell)]
        message = (
            f"{table.file}: {counted(start, 'row')} before the header left out: {listed(first)}"
        )
        notes.append(Finding("lines_before", "note", message))
        filled = filled[start:]
    known = (columns.time_col, *columns.target_cols)
    words = [[_as_text(cell) for cell in rows[number]] for number in filled[:MOST_ROWS]]
    found = find_header_rows(words, known)
    if found.before or found.below:
        shown = [[word for word in row if word] for row in words[: found.before + found.below + 1]]
        left_out = [*shown[: found.before], *shown[found.before + 1 :]]
        message = (
            f"{table.file}: {counted(len(left_out), 'row')} of titles, groups or units beside the "
            f"header, no rows: {listed([', '.join(row)[:40] for row in left_out], 3)}"
        )
        notes.append(Finding("header_rows", "note", message))
    header = list(found.names)
    filled = [filled[found.before], *filled[found.before + found.below + 1 :]]
    body = [rows[number] for number in filled[1:]]
    blank = filled[-1] - filled[0] + 1 - len(filled) - found.below
    if blank:
        message = f"{table.file}: {counted(blank, 'empty row')} of sheet {table.sheet!r} left out"
        notes.append(Finding("empty_rows", "note", message))
    named = [place for place, name in enumerate(header) if name or not _is_void(body, place)]
    places = {header[place]: place for place in named}
    return Opened(
        tuple(header[place] for place in named),
        partial(_read, body, places, columns, written),
        (*notes, *_rounded_ids(body, places, columns)),
        row_numbers=np.array(filled[1:], np.int64) + 1,
        again=partial(_opened, table, written),
    )


def _open_workbook(path: Path) -> CalamineWorkbook:
    """Open a workbook.

    Raises:
        BadTableError: the package that reads workbooks is missing, or the file is not a workbook.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise BadTableError(
            "missing_package",
            f"{path.name} is an Excel workbook, and the package python-calamine that reads it is "
            f"not installed",
            "run pip install 'bigru-forecast[excel]', or save the sheet as CSV",
        ) from error
    check_workbook(path)
    try:
        return python_calamine.load_workbook(str(path))
    except python_calamine.PasswordError as error:
        raise BadTableError(
            "password", f"{path.name} is protected by a password", "save it without one"
        ) from error
    except (python_calamine.CalamineError, OSError) as error:
        raise damaged(path.name, "Excel workbook", error) from error


def _choose_sheet(
    workbook: CalamineWorkbook, file: str, wanted: str | None
) -> tuple[str, list[Finding]]:
    """Return the name of the sheet to read, and notes on the choice.

    The only sheet with cells is read whatever it is called. Hidden sheets are read by name only.

    Raises:
        BadTableError: there are several, and none of them is named.
    """
    filled = {}
    hidden = []
    for about in workbook.sheets_metadata:
        if not str(about.typ).endswith(("WorkSheet", "MacroSheet")):
            continue
        if about.name == wanted:
            return wanted, []
        rows = workbook.get_sheet_by_name(about.name).to_python(nrows=1)
        if not rows:
            continue
        filled[about.name] = rows[0]
        if not str(about.visible).endswith(".Visible"):
            hidden.append(about.name)
    visible = [name for name in filled if name not in hidden] or hidden
    if not visible:
        raise BadTableError("empty_file", f"{file} is empty", "expected a header and rows")
    if len(visible) > 1:
        sizes = {name: _num_data_rows(workbook, name) for name in visible}
        raise _several_sheets(file, wanted, {name: filled[name] for name in visible}, sizes)

    sheet = visible[0]
    notes = []
    if wanted is not None:
        message = f"{file} has no sheet {wanted!r}: its only sheet, {sheet!r}, is read"
        notes.append(Finding("sheet", "note", message))
    unread = [name for name in hidden if name != sheet]
    if unread:
        message = f"{file}: hidden sheets are read by name only: {listed(unread)}"
        notes.append(Finding("hidden_sheets", "note", message))
    return sheet, notes


def _num_data_rows(workbook: CalamineWorkbook, sheet: str) -> int:
    """Return how many of the first rows of a sheet have a number or a date: text has none."""
    rows = workbook.get_sheet_by_name(sheet).to_python(nrows=_RATED_ROWS)
    return sum(any(isinstance(cell, int | float | date) for cell in row) for row in rows)


def _several_sheets(
    file: str, wanted: str | None, first_rows: dict[str, Row], sizes: dict[str, int]
) -> BadTableError:
    """Return the error of a workbook with several sheets, each shown with its first row.

    Args:
        file: name of the workbook.
        wanted: the sheet that was asked for; None: none was.
        first_rows: of each sheet.
        sizes: rows with data of each sheet; those with most are proposed first.
    """
    shown = []
    for name, row in list(first_rows.items())[:5]:
        words = [_as_text(cell) for cell in row if cell != ""]
        shown.append(f"{name!r} (begins with {listed(words, 3)})")
    if len(first_rows) > len(shown):
        shown.append(f"{len(first_rows) - len(shown)} more")
    message = f"{file} has {len(first_rows)} sheets: {', '.join(shown)}"
    sheets = sorted(first_rows, key=lambda name: -sizes[name])
    sheets = [name for name in sheets if sizes[name] or not any(sizes.values())]
    if wanted is not None:
        message = f"{file} has no sheet {wanted!r}; its sheets are {', '.join(shown)}"
        sheets.sort(key=lambda name: nearest(wanted, [name]) == "")  # similar names first
    changes = tuple({"data.sheet": name} for name in sheets[:3])
    return BadTableError("sheet", message, settings=changes, asks=True)


def _header_place(rows: list[Row], columns: Columns) -> int:
    """Return which of the first rows is the header.

    That is the row with the name of the time column and of every other one, else the first row of
    several cells.
    """
    words = [[_as_text(cell).lower() for cell in row if not _is_blank(cell)] for row in rows]
    widest = max(map(len, words))
    for place, names in enumerate(words):
        is_complete = len(set(names)) == len(names) and len(names) >= min(widest, 2)
        if is_complete and columns.time_col.strip().lower() in names:
            return place
    for place, names in enumerate(words):
        if len(names) > 1:
            return place
    return 0


def _is_empty(row: Row) -> bool:
    return all(_is_blank(cell) for cell in row)


def _is_void(body: list[Row], place: int) -> bool:
    """Return whether a column has no cell below the header."""
    return all(_is_blank(row[place]) for row in body)


def _is_blank(cell: object) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _read(
    body: list[Row], places: dict[str, int], columns: Columns, written: Written, wanted: list[str]
) -> Cells:
    """Turn the wanted columns of a sheet into Arrow columns."""
    data = {}
    ids = parts_of(columns.id_col, tuple(places))
    for name in wanted:
        cells = [None if _is_blank(row[places[name]]) else row[places[name]] for row in body]
        is_named = name in ids or name in columns.categorical
        if name == columns.time_col and written.time_format is not None:
            is_named = True  # its text is read in that format
        column = _as_column(cells, written.decimal, infer=not is_named)
        if name in ids:
            column = _whole_ids(column)
        data[name] = column
    return data


def _as_column(cells: list[Any], decimal: str, *, infer: bool) -> pa.ChunkedArray:
    """Turn the cells of one column into the narrowest type that keeps them.

    Args:
        cells: of one column; None where one is empty.
        decimal: decimal mark of text.
        infer: whether text is read as in a CSV file: as numbers or dates where all of it is such.
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds:
        return pa.chunked_array([pa.nulls(len(cells))])
    if kinds == {bool}:
        return pa.chunked_array([pa.array(cells, pa.bool_())])
    if kinds <= {int, float}:
        return _numbers(cells)
    if kinds <= {date, datetime}:
        stamps = [None if cell is None else _as_stamp(cell) for cell in cells]
        return pa.chunked_array([pa.array(stamps, pa.timestamp("us"))])
    words = [None if cell is None else _as_text(cell, decimal) for cell in cells]
    column = pa.chunked_array([pa.array(words, pa.string())])
    if infer:
        return infer_text(column, decimal)
    return column


def _numbers(cells: list[Any]) -> pa.ChunkedArray:
    """Return numbers, as whole ones where none has a fraction: Excel has no other numbers."""
    present = [cell for cell in cells if cell is not None]
    if all(float(cell).is_integer() and abs(cell) < 1e18 for cell in present):
        whole = [None if cell is None else _whole(cell) for cell in cells]
        return pa.chunked_array([pa.array(whole, pa.int64())])
    return pa.chunked_array([pa.array(cells, pa.float64())])


def _whole(number: float) -> int:
    """Return a whole number by its digits: a float above 2**53 has others than Excel shows."""
    return int(Decimal(repr(number)))


def _whole_ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids of text as whole numbers where all are such, as in a CSV file."""
    if not pa.types.is_string(column.type):
        return column
    numbers = as_numbers([name_of(word) for word in column.unique().drop_null().to_pylist()])
    if numbers is None:
        return column
    return column.cast(pa.int64())


def _rounded_ids(body: list[Row], places: dict[str, int], columns: Columns) -> tuple[Finding, ...]:
    """Return notes on ids of more digits than Excel keeps."""
    notes = []
    for name in parts_of(columns.id_col, tuple(places)):
        if name not in places:
            continue
        cells = [row[places[name]] for row in body]
        long = [cell for cell in cells if isinstance(cell, int | float) and _is_long(cell)]
        if long:
            message = (
                f"{name} contains {_whole(long[0])}: Excel keeps {_DIGITS} digits of a number, "
                f"and the others are zeros now; ids of more digits must be stored as text"
            )
            notes.append(Finding("rounded_ids", "note", message))
    return tuple(notes)


def _is_long(number: float) -> bool:
    return abs(number) >= 10**_DIGITS and float(number).is_integer()


def _as_stamp(cell: date) -> datetime:
    if isinstance(cell, datetime):
        return cell
    return datetime.combine(cell, time())


def _as_text(cell: object, decimal: str = ".") -> str:
    """Write a cell as a CSV file has it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e18:
        return str(_whole(cell))
    if isinstance(cell, float):
        return repr(cell).replace(".", decimal)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ").removesuffix(" 00:00:00")
    return str(cell).strip()
