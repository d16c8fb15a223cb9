"""Reader of delimited text; ids and categories stay text."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import Finding, counted
from forecast.data.formats.arrow_source import open_for_arrow
from forecast.data.formats.opened import CODES, Cells, Opened, Written, by_name, first_line
from forecast.data.panel import Columns
from forecast.data.table import MISSING_WORDS
from forecast.data.text.footers import leaving_out
from forecast.data.text.textfile import TextFile, explain_unreadable, inspect_text


def open_text(source: str | Path, columns: Columns, written: Written) -> Opened:
    """Open a delimited text file."""
    known = (columns.time_col, *columns.time_col.split(","), *columns.target_cols)
    file = inspect_text(Path(source), written.encoding, written.separator, known)
    return _opened(file, _void_columns(file), written, columns, {})


def _opened(
    file: TextFile, void: set[int], written: Written, columns: Columns, kept: Cells
) -> Opened:
    """Return a file with the types that its columns have by their roles.

    Args:
        file: the file.
        void: places of columns that are left out.
        written: the format.
        columns: the roles.
        kept: columns that were read for other roles.
    """
    notes = list(file.notes)
    if void:
        message = f"{counted(len(void), 'column')} without a name or a cell left out"
        notes.append(Finding("void_columns", "note", message))
    ids = parts_of(columns.id_col, file.header)
    types = {name: CODES for name in (*ids, *columns.categorical)}
    if written.time_format is not None:
        types[columns.time_col] = pa.string()
    parts = parts_of(columns.time_col, file.header)
    if len(parts) > 1:
        types.update(dict.fromkeys(set(parts) - set(columns.dynamic), pa.string()))
    read = partial(_read, file, types, written.decimal, kept)
    names = tuple(name for place, name in enumerate(file.header) if place not in void)
    again = partial(_opened, file, void, written)
    return Opened(names, read, tuple(notes), file, again=again)


def _void_columns(file: TextFile) -> set[int]:
    """Return the places of columns without a name and without a cell, as spreadsheets write them.

    The file is read until every column without a name has a cell.
    """
    void = {place for place, name in enumerate(file.header) if not name.strip()}
    if not void:
        return void
    records = file.records()
    next(records)  # the header
    for _, cells in records:
        void = {place for place in void if place >= len(cells) or not cells[place].strip()}
        if not void:
            break
    return void


def _read(
    file: TextFile, types: dict[str, pa.DataType], decimal: str, kept: Cells, wanted: list[str]
) -> Cells:
    """Return the wanted columns; an error names the line of the first wrong row.

    Columns that were read already are taken, and the others given up, so that memory is freed.
    """
    usable = {name: _with_type(kept[name], types.get(name)) for name in wanted if name in kept}
    kept.clear()
    data = {name: column for name, column in usable.items() if column is not None}
    rest = [name for name in wanted if name not in data]
    if not rest:
        return data
    try:
        data |= by_name(_parse(file, rest, types, decimal))
        return {name: data[name] for name in wanted}
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:  # a key: of a header of many megabytes
        raise explain_unreadable(file, first_line(error)) from error


def _with_type(column: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray | None:
    """Return a column that was read as such a type would be; None where it must be read anew.

    Args:
        column: as it was read.
        kind: its type; None: inferred.
    """
    is_text = pa.types.is_string(column.type)
    if kind is None:
        return None if pa.types.is_dictionary(column.type) else column
    if kind == column.type:
        return column
    if kind == CODES and is_text:
        return column.dictionary_encode()
    return None


def infer_text(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """Return a column of text as a CSV file would be read: as numbers or dates where all are such.

    Args:
        column: text, null where a cell is empty.
        decimal: decimal mark.
    """
    written = io.BytesIO()
    pyarrow.csv.write_csv(pa.table({"column": column}), written)
    written.seek(0)
    return pyarrow.csv.read_csv(
        written,
        read_options=pa.csv.ReadOptions(block_size=max(written.getbuffer().nbytes, 1)),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(null_values=MISSING_WORDS, decimal_point=decimal),
    ).column(0)


def _parse(
    file: TextFile, wanted: list[str], types: dict[str, pa.DataType], decimal: str
) -> pa.Table:
    """Parse the columns with the types of their first block, or of all blocks where these differ.

    To infer types from all blocks, Arrow keeps their text, so this takes the size of the file in
    memory.
    """
    lines = pa.csv.ReadOptions(encoding=file.encoding, skip_rows=file.lines_before)
    if file.lines_to_rows is not None:
        lines.skip_rows = file.lines_to_rows
        lines.column_names = list(file.header)

    def options(types: dict[str, pa.DataType]) -> dict[str, Any]:
        return {
            "read_options": lines,
            "parse_options": pa.csv.ParseOptions(
                delimiter=file.separator,
                newlines_in_values=file.has_quotes,
                invalid_row_handler=leaving_out(file.footers),
            ),
            "convert_options": pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types=types,
                null_values=MISSING_WORDS,
                decimal_point=decimal,
            ),
        }

    with pyarrow.csv.open_csv(open_for_arrow(file.path), **options(types)) as head:
        seen = {field.name: field.type for field in head.schema if field.type != pa.null()}
    try:
        return pyarrow.csv.read_csv(open_for_arrow(file.path), **options(seen))
    except pa.ArrowInvalid:
        return pyarrow.csv.read_csv(open_for_arrow(file.path), **options(types))
