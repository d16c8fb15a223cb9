"""A table as an Excel workbook in which every text is a text, whatever it begins with."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl.worksheet.worksheet import Worksheet

MOST_ROWS = 2**20 - 1
"""Rows of a sheet below its header."""

MOST_COLUMNS = 2**14

MOST_LETTERS = 2**15 - 1
"""Letters of a cell; openpyxl cuts off the others in silence."""

_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Those that the text of a workbook, which is XML, cannot have."""

_READ_AS_OTHERS = re.compile(r"\r|_(?=x[0-9A-Fa-f]{4}_)")
"""Letters that would be read as others: Excel takes `_x0041_` for an A, and XML a return for a new
line."""

_ELSE = "name a file in .csv or .parquet, which has room for it"


def workbook_bytes(frame: pd.DataFrame) -> bytes:
    """Return a workbook with one sheet.

    Excel knows no time zones: timestamps with one are written as text, as in a CSV file. A text
    such as `=A1` or `#N/A` stays a text, and is no formula and no error.

    Args:
        frame: the table; its index is left out.

    Raises:
        DataError: it has more rows or columns than a sheet, or a text that no cell can have.
    """
    import pandas as pd

    _check_size(frame)
    zoned = frame.select_dtypes("datetimetz").columns
    frame = frame.astype(dict.fromkeys(zoned, str))
    _check_texts(frame)
    target = io.BytesIO()
    with pd.ExcelWriter(target, engine="openpyxl") as writer:
        frame.to_excel(writer, index=False)
        _keep_texts(writer.book.active, _places_of_text(frame))
    return target.getvalue()


def _check_size(frame: pd.DataFrame) -> None:
    rows, columns = frame.shape
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise DataError(
            f"the table has {rows:,} rows and {columns:,} columns, and a sheet of Excel at most "
            f"{MOST_ROWS:,} and {MOST_COLUMNS:,}: {_ELSE}"
        )


def _check_texts(frame: pd.DataFrame) -> None:
    """Raise where a name or a cell would be refused or cut in a workbook."""
    for text in _texts(frame):
        reason = ""
        if _NO_CHARACTER.search(text):
            reason = "a control character, which no cell of Excel has"
        elif len(text) > MOST_LETTERS:
            reason = f"{len(text):,} letters, and a cell of Excel at most {MOST_LETTERS:,}"
        if reason:
            raise DataError(f"{text[:40]!a} has {reason}: {_ELSE}")


def _texts(frame: pd.DataFrame) -> Iterator[str]:
    """Yield the names of columns, and the different texts of each."""
    yield from map(str, frame.columns)
    for place in _places_of_text(frame):
        cells = frame.iloc[:, place].dropna().unique()
        yield from (cell for cell in cells if isinstance(cell, str))


def _places_of_text(frame: pd.DataFrame) -> list[int]:
    kinds = [dtype.kind for dtype in frame.dtypes]
    return [place for place, kind in enumerate(kinds) if kind not in "biufM"]


def _keep_texts(sheet: Worksheet, places: list[int]) -> None:
    """Turn formulas and errors into the texts that they were, and write others so that they stay.

    Args:
        sheet: as it was written.
        places: of the columns that may have texts.
    """
    cells = list(next(sheet.iter_rows(max_row=1)))  # the header
    for place in places:
        cells.extend(next(sheet.iter_cols(place + 1, place + 1, min_row=2)))
    for cell in cells:
        if isinstance(cell.value, str):
            cell.value = _READ_AS_OTHERS.sub(_escaped, cell.value)
            cell.data_type = "s"


def _escaped(found: re.Match[str]) -> str:
    """Write a letter by its number, as Excel does."""
    return f"_x{ord(found.group()):04X}_"
