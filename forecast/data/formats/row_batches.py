"""Rows of a file in batches, as they are written there: for tables that do not fit in memory.

Cells of text files stay the text that they are, so that whoever reads a copy of the rows decides on
dates and marks of numbers as for the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from forecast.data.findings import BadTableError
from forecast.data.formats.arrow_source import open_for_arrow
from forecast.data.formats.opened import Written, damaged, first_line
from forecast.data.formats.readers import find_reader, reader_named
from forecast.data.text.footers import leaving_out
from forecast.data.text.textfile import TextFile, explain_unreadable, inspect_text
from forecast.files.compressed import UNREADABLE

KINDS = ("text", "parquet")
"""Readers of files whose rows can be read in batches."""

_BLOCK_BYTES = 1 << 24
"""Bytes of text that are parsed at a time."""

_ROWS = 1 << 17
"""Rows of a parquet file that are read at a time."""


@dataclass(frozen=True)
class RowBatches:
    """Rows of a file.

    Attributes:
        schema: columns in order; text for those of a text file.
        batches: the rows, in order; read once.
        text: form of the file, where it is a text file.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    text: TextFile | None = None


def open_rows(path: Path, written: Written) -> RowBatches:
    """Open a CSV or parquet file to read its rows in batches.

    Args:
        path: the file.
        written: separator and encoding of text.

    Raises:
        BadTableError: there is no such file, it is of another kind, or it cannot be read; also
            while the batches are read.
    """
    find_reader(path)  # names a file that is not there
    kind = reader_named(path.name)
    if kind == "text":
        return text_rows(inspect_text(path, written.encoding, written.separator))
    if kind == "parquet":
        return _parquet_rows(path)
    raise BadTableError(
        "file_kind",
        f"{path.name} is of a kind that is read as a whole",
        "expected a CSV or parquet file, whose rows are read in batches: write the table as one",
    )


def _parquet_rows(path: Path) -> RowBatches:
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(path.name, "parquet file", error) from error
    # what pandas noted about the index holds for the whole file only
    schema = file.schema_arrow.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in file.iter_batches(_ROWS):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except (pa.ArrowInvalid, OSError) as error:
            raise damaged(path.name, "parquet file", error) from error

    return RowBatches(schema, batches())


def text_rows(file: TextFile) -> RowBatches:
    """Open a text file, whose form is known, to read its rows in batches."""
    schema = pa.schema([(name, pa.string()) for name in file.header])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pyarrow.csv.open_csv(open_for_arrow(file.path), **_options(file)) as reader:
                for batch in reader:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except (pa.ArrowInvalid, *UNREADABLE) as error:
            raise explain_unreadable(file, first_line(error)) from error

    return RowBatches(schema, batches(), file)


def _options(file: TextFile) -> dict[str, Any]:
    """Return the options of Arrow for cells that stay text."""
    # places for names: a header may have one name twice, or none
    places = [str(place) for place in range(len(file.header))]
    lines_before = file.lines_before + 1
    if file.lines_to_rows is not None:
        lines_before = file.lines_to_rows
    return {
        "read_options": pa.csv.ReadOptions(
            encoding=file.encoding,
            column_names=places,
            skip_rows=lines_before,
            block_size=_BLOCK_BYTES,
            use_threads=False,
        ),
        "parse_options": pa.csv.ParseOptions(
            delimiter=file.separator,
            newlines_in_values=file.has_quotes,
            invalid_row_handler=leaving_out(file.footers),
        ),
        "convert_options": pa.csv.ConvertOptions(
            column_types=dict.fromkeys(places, pa.string()),
            strings_can_be_null=False,
            include_columns=places,
        ),
    }
