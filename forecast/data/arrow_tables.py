"""Readers of Arrow tables and of the files that pyarrow reads: parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from forecast.data.opened import Cells, Opened, Written, by_name, damaged
from forecast.data.panel import Columns

_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


def open_arrow(given: pa.Table, _columns: Columns, _written: Written) -> Opened:
    """Open an Arrow table."""

    def read(wanted: list[str]) -> Cells:
        return by_name(given.select(wanted))

    return Opened(tuple(given.column_names), read)


def open_parquet(source: str | Path, columns: Columns, _written: Written) -> Opened:
    """Open a parquet file; ids of text are read as codes."""
    path = Path(source)
    try:
        schema = pyarrow.parquet.read_schema(path)
    except _UNREADABLE as error:
        raise damaged(path.name, "parquet file", error) from error

    def read(wanted: list[str]) -> Cells:
        coded = [
            name
            for name in wanted
            if name == columns.id_col and schema.field(name).type == pa.string()
        ]
        try:
            file = pyarrow.parquet.ParquetFile(path, read_dictionary=coded)
            return by_name(file.read(columns=wanted))
        except _UNREADABLE as error:
            raise damaged(path.name, "parquet file", error) from error

    return Opened(tuple(schema.names), read)
