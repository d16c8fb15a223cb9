"""Readers of Arrow tables and streams, and of the files that pyarrow reads besides CSV."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.json
import pyarrow.parquet

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError
from forecast.data.formats.arrow_source import open_for_arrow, plain_file
from forecast.data.formats.json_line_bounds import check_json_lines
from forecast.data.formats.opened import Cells, Opened, Written, by_name, damaged, first_line
from forecast.data.panel import Columns
from forecast.files.compressed import (
    UNREADABLE,
    is_compressed,
    most_unpacked,
    unpacks_too_large,
)

_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, *UNREADABLE)


_LARGEST_BLOCK = 2**31 - 1
"""Largest block that Arrow reads, in bytes; in one block, all lines decide on the types."""


_CELL_BYTES = 8
"""Bytes that a cell takes at least; a file of equal values has 20 million rows in 200 kB."""


def open_arrow(given: pa.Table, _columns: Columns, written: Written) -> Opened:
    """Open an Arrow table."""

    def read(wanted: list[str]) -> Cells:
        return by_name(_plain(_sound(given.select(wanted))))

    return Opened(
        tuple(given.column_names), read, again=lambda roles, _: open_arrow(given, roles, written)
    )


def open_stream(given: Any, columns: Columns, written: Written) -> Opened:
    """Open an object that hands its rows to Arrow, such as a frame of polars or a DuckDB relation.

    Raises:
        BadTableError: it hands over something else than rows of columns.
    """
    try:
        table = pa.table(given)
    except Exception as error:  # of any kind: the object is of anybody's making
        raise BadTableError(
            "table_kind",
            f"the table is of type {type(given).__name__}, which is no table with named columns "
            f"({first_line(error)})",
            "pass a frame with a column of timestamps and one of numbers",
        ) from error
    return open_arrow(table, columns, written)


def open_ipc(source: str | Path, columns: Columns, written: Written) -> Opened:
    """Open a feather file or another Arrow IPC file, be it written as a file or as a stream."""
    path = Path(source)
    try:
        with pa.memory_map(os.fsencode(path)) as mapped:
            try:
                table = pyarrow.ipc.open_file(mapped).read_all()
            except pa.ArrowInvalid:
                mapped.seek(0)
                table = pyarrow.ipc.open_stream(mapped).read_all()
    except _UNREADABLE as error:
        raise damaged(path.name, "Arrow file", error) from error
    return open_arrow(table, columns, written)


def open_json_lines(source: str | Path, columns: Columns, written: Written) -> Opened:
    """Open a file with one JSON object per line.

    Raises:
        BadTableError: a line is something else.
    """
    path = Path(source)
    size = path.stat().st_size
    if is_compressed(path):
        size = _LARGEST_BLOCK
    block = pyarrow.json.ReadOptions(block_size=min(size + 1, _LARGEST_BLOCK))
    try:
        check_json_lines(path)
        table = pyarrow.json.read_json(open_for_arrow(path), read_options=block)
    except (*_UNREADABLE, ValueError, RecursionError) as error:
        raise BadTableError(
            "json_lines",
            f"{path.name} cannot be read as JSON lines ({first_line(error)})",
            'expected one object per line, such as {"ds": "2024-01-01", "y": 3.5}',
        ) from error
    return open_arrow(table, columns, written)


def _sound(table: pa.Table) -> pa.Table:
    """Return a table whose texts are texts, and whose offsets and codes lie inside of it.

    Readers of Arrow and parquet believe a file in this, and a wrong offset ends the process later.

    Raises:
        BadTableError: something in it is damaged.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise BadTableError(
                "damaged_file",
                f"column {name!r} is damaged ({first_line(error)})",
                "write the table again, with texts in UTF-8",
            ) from error
    return table


def _plain(table: pa.Table) -> pa.Table:
    """Return a table whose text has one of the two types that the checks know, or is coded."""
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_string_view(field.type):
            table = table.set_column(place, field.name, column.cast(pa.large_string()))
        elif pa.types.is_dictionary(field.type) and _is_text(field.type.value_type):
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.string()))
                for chunk in column.chunks
            ]
            kind = pa.dictionary(field.type.index_type, pa.string())
            table = table.set_column(place, field.name, pa.chunked_array(chunks, kind))
        elif pa.types.is_dictionary(field.type) and pa.types.is_nested(field.type.value_type):
            plain = [chunk.dictionary_decode() for chunk in column.chunks]
            table = table.set_column(
                place, field.name, pa.chunked_array(plain, field.type.value_type)
            )
    return table


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind) or pa.types.is_large_string(kind)


def open_parquet(source: str | Path, columns: Columns, _written: Written) -> Opened:
    """Open a parquet file; ids of text are read as codes."""
    path = Path(source)
    try:
        schema = pyarrow.parquet.read_schema(plain_file(path))
    except _UNREADABLE as error:
        raise damaged(path.name, "parquet file", error) from error

    ids = parts_of(columns.id_col, schema.names)

    def read(wanted: list[str]) -> Cells:
        coded = [name for name in wanted if name in ids and schema.field(name).type == pa.string()]
        try:
            file = pyarrow.parquet.ParquetFile(plain_file(path), read_dictionary=coded)
            if file.metadata.num_rows * len(wanted) * _CELL_BYTES > most_unpacked(path):
                raise unpacks_too_large(path)
            return by_name(_sound(file.read(columns=wanted)))
        except _UNREADABLE as error:
            raise damaged(path.name, "parquet file", error) from error

    return Opened(tuple(schema.names), read)
