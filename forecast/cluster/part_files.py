"""Files of rows that are written side by side while one table is read in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from forecast.axes import IntArray
from forecast.cluster.part_rows import ParquetRows, RowFile, TextRows
from forecast.data.formats.row_batches import RowBatches

_BYTES_AT_ONCE = 1 << 27
"""Rows that are in memory at a time, in bytes; some copies of them are made."""

_OTHER_FILES = 64
"""Files that the process has open beside those of the parts."""


class RowFiles:
    """Files by number, opened as they are needed."""

    def __init__(self, open_file: Callable[[int], RowFile]) -> None:
        self.files: dict[int, RowFile] = {}
        self._open = open_file

    def __call__(self, number: int) -> RowFile:
        """Return a file."""
        if number not in self.files:
            self.files[number] = self._open(number)
        return self.files[number]


@contextmanager
def row_files(
    opened: RowBatches, folder: Path, name_of_file: Callable[[int], str]
) -> Iterator[RowFiles]:
    """Yield files in the form of a table, which are closed afterwards.

    Args:
        opened: the table.
        folder: of the files.
        name_of_file: returns the name of each, given its number.
    """
    with ExitStack() as stack:

        def open_file(number: int) -> RowFile:
            path = folder / name_of_file(number)
            file: RowFile
            if opened.text is None:
                file = ParquetRows(path, opened.schema)
            else:
                file = TextRows(path, opened.text)
            stack.callback(file.close)
            return file

        yield RowFiles(open_file)


def write_rows(rows: pa.Table, numbers: IntArray, file_of: RowFiles) -> None:
    """Write each row into its file; rows of one file stay in order.

    Args:
        rows: R rows.
        numbers: (R,) number of the file of each.
        file_of: the files.
    """
    order = np.argsort(numbers, kind="stable")
    sorted_rows = rows.take(pa.array(order))
    distinct, first = np.unique(numbers[order], return_index=True)
    ends = np.append(first[1:], len(order))
    for number, start, end in zip(distinct, first, ends, strict=True):
        file_of(int(number)).write(sorted_rows.slice(start, end - start))


def large_tables(opened: RowBatches) -> Iterator[pa.Table]:
    """Yield the rows in tables of some size, so that the groups of rows in a file are not tiny."""
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in opened.batches:
        batches.append(batch)
        size += batch.nbytes
        if size >= _BYTES_AT_ONCE:
            yield pa.Table.from_batches(batches, opened.schema)
            batches = []
            size = 0
    if batches:
        yield pa.Table.from_batches(batches, opened.schema)


def allow_files(number: int) -> int | None:
    """Let the process open some files beside its own; return how many it may where these are fewer.

    Args:
        number: of files.
    """
    try:
        import resource
    except ImportError:  # Windows, where files of Python alone have a limit
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + _OTHER_FILES
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return None
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return max(hard - _OTHER_FILES, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None
