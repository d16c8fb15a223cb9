"""The part that a series belongs to, and the files that its rows are written to."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from forecast.axes import IntArray
from forecast.data.names import name_of
from forecast.data.text.textfile import TextFile


def part_of(series: object, num_parts: int) -> int:
    """Return the part of a series: a hash of its name, the same on every machine and day.

    Args:
        series: id, or a tuple of several; names that `data.names.name_of` makes equal are equal.
        num_parts: number of parts.
    """
    return zlib.crc32(name_of(series).encode()) % num_parts


def parts_of_rows(rows: pa.Table, places: Sequence[int], num_parts: int) -> IntArray:
    """Return (R,) the part of each row.

    Args:
        rows: R rows.
        places: of the columns of ids.
        num_parts: number of parts.
    """
    series, inverse = series_of_rows(rows, places)
    parts = [part_of(name, num_parts) for name in series]
    return np.array(parts, np.int64)[inverse]


def series_of_rows(rows: pa.Table, places: Sequence[int]) -> tuple[list[object], IntArray]:
    """Return the distinct values of some columns, and (R,) the place of each row among them.

    Args:
        rows: R rows.
        places: of the columns; of several, the values are tuples.
    """
    codes = np.zeros(rows.num_rows, np.int64)
    words: list[list[object]] = []
    for place in places:
        column = rows.column(place)
        if pa.types.is_dictionary(column.type) and column.null_count:
            column = column.cast(column.type.value_type)  # else a missing value has the first code
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode(null_encoding="encode")
        column = column.unify_dictionaries().combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of no rows
            return [], codes
        # a missing id is refused by whoever reads the part
        names = ["" if word is None else word for word in column.dictionary.to_pylist()]
        words.append(names or [""])
        own = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
        codes = codes * len(words[-1]) + own
    distinct, inverse = np.unique(codes, return_inverse=True)
    return [_series_of(int(code), words) for code in distinct], inverse


def _series_of(code: int, words: Sequence[Sequence[object]]) -> object:
    """Return the id of a series from its code; a tuple where several columns give it."""
    values: list[object] = []
    for column in reversed(words):
        code, place = divmod(code, len(column))
        values.append(column[place])
    if len(values) == 1:
        return values[0]
    return tuple(reversed(values))


class RowFile(Protocol):
    """A file of rows that is being written."""

    num_rows: int

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write the end of the file."""
        ...


class ParquetRows:
    """A parquet file; each call writes a group of rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.num_rows = 0
        self._writer = pyarrow.parquet.ParquetWriter(path, schema)

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        self._writer.write_table(rows)
        self.num_rows += rows.num_rows

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()


class TextRows:
    """A text file in the form of another; only cells that need quotes have them."""

    def __init__(self, path: Path, form: TextFile) -> None:
        self.num_rows = 0
        self._separator = form.separator
        self._encoder = codecs.getincrementalencoder(form.encoding)()
        self._file: IO[bytes] = path.open("wb")
        names = pa.table({str(place): [name] for place, name in enumerate(form.header)})
        self._write_lines(names)

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        self._write_lines(rows)
        self.num_rows += rows.num_rows

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write_lines(self, rows: pa.Table) -> None:
        columns = [self._quoted(column) for column in rows.columns]
        lines = pc.binary_join_element_wise(*columns, self._separator)
        text = "\n".join(lines.to_pylist()) + "\n"
        self._file.write(self._encoder.encode(text))

    def _quoted(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return cells as CSV has them."""
        escaped = "\\" + self._separator
        needs_quotes = pc.match_substring_regex(column, rf'["\r\n{escaped}]')
        if not pc.any(needs_quotes).as_py():
            return column
        doubled = pc.replace_substring(column, '"', '""')
        quoted = pc.binary_join_element_wise('"', doubled, '"', "")
        return pc.if_else(needs_quotes, quoted, column)
