"""The table of readers: which one opens a source, by the ending of a file or the type of an object.

A new format costs two files: its reader and this table.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data.findings import BadTableError
from forecast.data.formats.arrow_tables import (
    open_arrow,
    open_ipc,
    open_json_lines,
    open_parquet,
    open_stream,
)
from forecast.data.formats.database import Query, open_query
from forecast.data.formats.delimited import open_text
from forecast.data.formats.excel import open_excel
from forecast.data.formats.frames import open_frame, open_numbers, open_series
from forecast.data.formats.json_tables import open_json
from forecast.data.formats.opened import Opened, Written
from forecast.data.formats.standard_input import STANDARD_INPUT, open_standard_input
from forecast.data.formats.tsf import open_tsf
from forecast.data.panel import Columns
from forecast.errors import nearest
from forecast.files.compressed import COMPRESSIONS, is_compressed

_SHOWN = 300
"""Letters of a name that a message has."""


class ArrowStream(Protocol):
    """An object that hands its rows to Arrow, such as a frame of polars."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with the rows."""


Source: TypeAlias = (
    str
    | Path
    | Query
    | pd.DataFrame
    | pd.Series
    | pa.Table
    | ArrowStream
    | np.ndarray
    | Sequence[float]
)
"""A table: a file, or an object that one of the `READERS` takes."""


@dataclass(frozen=True)
class Reader:
    """One form of a table.

    Attributes:
        open: opens a source in this form.
        endings: of the names of its files, in lower case; empty where it is no file.
        takes: returns whether an object is a table in this form.
        may_be_compressed: whether its files may also end in one of `COMPRESSIONS`.
    """

    open: Callable[[Any, Columns, Written], Opened]
    endings: tuple[str, ...] = ()
    takes: Callable[[object], bool] = lambda _: False
    may_be_compressed: bool = False


READERS: dict[str, Reader] = {
    "text": Reader(open_text, endings=(".csv", ".txt", ".tsv"), may_be_compressed=True),
    "standard_input": Reader(
        open_standard_input,
        takes=lambda given: isinstance(given, str) and given == STANDARD_INPUT,
    ),
    "excel": Reader(open_excel, endings=(".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")),
    "parquet": Reader(open_parquet, endings=(".parquet", ".pq")),
    "arrow_file": Reader(open_ipc, endings=(".feather", ".arrow", ".ipc")),
    "json": Reader(open_json, endings=(".json",), may_be_compressed=True),
    "json_lines": Reader(open_json_lines, endings=(".jsonl", ".ndjson"), may_be_compressed=True),
    "tsf": Reader(open_tsf, endings=(".tsf",)),
    "query": Reader(open_query, takes=lambda given: isinstance(given, Query)),
    "frame": Reader(open_frame, takes=lambda given: isinstance(given, pd.DataFrame)),
    "series": Reader(open_series, takes=lambda given: isinstance(given, pd.Series)),
    "arrow": Reader(open_arrow, takes=lambda given: isinstance(given, pa.Table)),
    "stream": Reader(open_stream, takes=lambda given: hasattr(given, "__arrow_c_stream__")),
    "numbers": Reader(
        open_numbers, takes=lambda given: isinstance(given, np.ndarray | list | tuple | array)
    ),
}
"""All readers by name; the first one that takes a source reads it."""


def reader_named(name: str) -> str | None:
    """Return the name in `READERS` of the reader of a file, by its ending; None for an unknown one.

    Args:
        name: of the file, which need not exist.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    inner = suffix
    if is_compressed(path):
        inner = path.with_suffix("").suffix.lower()
    if suffix == ".zip" and not inner:  # sales.zip holds sales.csv
        inner = ".csv"
    for kind, reader in READERS.items():
        if suffix in reader.endings or (reader.may_be_compressed and inner in reader.endings):
            return kind
    return None


def find_reader(source: object) -> Reader:
    """Return the reader of a source.

    Raises:
        BadTableError: there is no such file, its name has an unknown ending, or an object is not a
            table.
    """
    if isinstance(source, str | Path) and source != STANDARD_INPUT:
        return _reader_of_file(Path(source))
    for reader in READERS.values():
        if reader.takes(source):
            return reader
    raise BadTableError(
        "table_kind",
        f"the table is of type {type(source).__name__}",
        "expected a pandas frame or Series, an Arrow table, numbers or the name of a file: "
        "convert it",
    )


def _reader_of_file(path: Path) -> Reader:
    """Return the reader of a file, by the ending of its name."""
    if os.path.isdir(path):
        raise BadTableError("no_file", f"{path} is a folder", "give the name of one file in it")
    if not os.path.isfile(path):  # also where no file can have such a name
        siblings: list[str] = []
        if os.path.isdir(path.parent):
            siblings = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
        raise BadTableError(
            "no_file",
            f"there is no file {str(path)[:_SHOWN]}",
            "check the path" + nearest(path.name, siblings),
        )
    kind = reader_named(path.name)
    if kind is not None:
        return READERS[kind]
    known = ", ".join(ending for reader in READERS.values() for ending in reader.endings)
    packed = ", ".join(COMPRESSIONS)
    raise BadTableError(
        "file_kind",
        f"{path.name} ends in {path.suffix!r}",
        f"expected one of {known} (text and JSON also {packed})",
    )
