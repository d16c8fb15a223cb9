"""A table as it was read: the columns with a role, not yet checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.findings import Finding
from forecast.data.panel import Columns
from forecast.data.textfile import TextFile

MISSING_WORDS = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")
"""What stands for a missing number in text."""


@dataclass(frozen=True, eq=False)
class Table:
    """The declared columns of a table, as they were given.

    Attributes:
        columns: the roles, those of the long form where the table was wide.
        data: arrow columns by name; `take` removes one so that its memory can be freed.
        num_rows: R.
        text: the file it was read from, where that was text.
        origin: (R,) row of the table as given, where these are not all of its rows in their order; else None.
        notes: what was done on the way.
        decimal: the decimal mark of its text.
        was_wide: whether the table as given had one column per series.
    """

    columns: Columns
    data: dict[str, pa.ChunkedArray]
    num_rows: int
    text: TextFile | None = None
    origin: NDArray[np.int64] | None = None
    notes: tuple[Finding, ...] = ()
    decimal: str = "."
    was_wide: bool = False

    def take(self, name: str) -> pa.ChunkedArray:
        """Remove one column and return it."""
        return self.data.pop(name)

    def places(self, rows: list[int]) -> list[str]:
        """Name rows as a person finds them: `line 37` of a text file, else `row 35` counted from 0."""
        inner = rows if self.origin is None else [int(self.origin[row]) for row in rows]
        if self.text is None:
            return [f"row {row}" for row in inner]
        return [f"line {line}" for line in self.text.lines(inner)]
