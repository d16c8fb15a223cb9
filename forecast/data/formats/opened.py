"""An opened table: its column names are known, its cells are not read yet.

Every reader of `forecast.data.formats.readers` returns one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.findings import BadTableError, Decisions, Finding
from forecast.data.panel import Columns
from forecast.data.text.textfile import TextFile

CODES = pa.dictionary(pa.int32(), pa.string())
"""Type of text as codes in a list of the distinct words."""

Cells = dict[str, pa.ChunkedArray]
"""Columns by name."""


class Written(Protocol):
    """Properties of a written table that readers need; a `TableFormat` has them."""

    @property
    def layout(self) -> str:
        """Layout: `auto`, `long`, `wide` or `dates_across`."""

    @property
    def separator(self) -> str | None:
        """Separator between columns of text."""

    @property
    def decimal(self) -> str:
        """Decimal mark of text."""

    @property
    def encoding(self) -> str:
        """Encoding of text."""

    @property
    def sheet(self) -> str | None:
        """Sheet of a workbook."""

    @property
    def time_format(self) -> str | None:
        """Format of the timestamps."""


@dataclass(frozen=True)
class Opened:
    """A table of which only the names of the columns were read.

    Attributes:
        names: of all columns, in order.
        read: reads some columns.
        notes: findings made so far.
        text: the file, where that is a text file.
        row_numbers: (R,) number of each row in messages; None where they are counted from 0.
        decisions: settings that the form of the table decides.
        again: opens the same table with other roles; given are these and columns that were read
            already, which it may empty. None where the table is not read twice anyway.
    """

    names: tuple[str, ...]
    read: Callable[[list[str]], Cells]
    notes: tuple[Finding, ...] = ()
    text: TextFile | None = None
    row_numbers: NDArray[np.int64] | None = None
    decisions: Decisions = field(default_factory=dict)
    again: Callable[[Columns, Cells], Opened] | None = None


def by_name(data: pa.Table) -> Cells:
    """Return the columns of an Arrow table by name."""
    return {name: data.column(name) for name in data.column_names}


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error, or the name of its class."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return lines[0]


def damaged(name: str, kind: str, error: Exception) -> BadTableError:
    """Return the error of a file that is not what the ending of its name says."""
    return BadTableError(
        "damaged_file",
        f"{name} is not a complete {kind} ({first_line(error)})",
        "copy or write it again",
    )
