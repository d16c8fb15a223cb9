"""Lines before the header of a text file: titles, units, comments."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

_COMMENT = "#"
_DATA = re.compile(r"\s*[+-]?[.,]?\d")
"""Beginning of a cell that is a number or a date."""

_PERIOD = re.compile(r"(1[5-9]|2[01])\d\d([-/.]?[MQ]?\d{1,2}){0,2}")
"""A year, month, quarter or day in a header."""

_FEWEST_DATES = 3


def find_header(lines: Sequence[str], separator: str, known: Sequence[str]) -> int | None:
    """Return the first line with as many cells as the rows below; None where it is not clear.

    Comments are passed over, and so are lines of other lengths. Where a line names a known column,
    this is the header.

    Args:
        lines: the first lines of a file, without blank ones.
        separator: between cells.
        known: names of columns that the table is said to have.
    """
    rows = list(csv.reader(lines, delimiter=separator))
    if len(rows) != len(lines) or len(rows) < 2:  # quoted line ends
        return None
    last = len(rows) - 1
    while last > 1 and len(rows[last]) == 1 and len(rows[last - 1]) > 1:
        last -= 1  # a line below a short table
    rows = rows[: last + 1]
    lines = lines[: last + 1]
    width = len(rows[-1])
    if width < 2:
        return None
    names = {name.strip().lower() for name in known}
    for number, cells in enumerate(rows):
        if len(cells) == width and names & {cell.strip().lower() for cell in cells}:
            return number
    start = len(rows)
    while start > 0 and len(rows[start - 1]) == width:
        start -= 1
    while start < len(rows) and _is_comment(rows, lines, start):
        start += 1
    is_skipped_safely = all(
        len(cells) != width or line.startswith(_COMMENT)
        for cells, line in zip(rows[:start], lines[:start], strict=True)
    )
    if start > len(rows) - 2 or not is_skipped_safely:
        return None
    if _has_data(rows[start]):
        return None
    return start


def _has_data(cells: Sequence[str]) -> bool:
    """Return whether a row has numbers or dates, other than the dates of a header one by one."""
    found = [cell.strip() for cell in cells if _DATA.match(cell)]
    is_header = len(found) >= _FEWEST_DATES and all(map(_PERIOD.fullmatch, found))
    return bool(found) and not (is_header and found == sorted(set(found)))


def _is_comment(rows: list[list[str]], lines: Sequence[str], number: int) -> bool:
    """Return whether a line is a comment: it has the mark, and the header is below it."""
    if not lines[number].startswith(_COMMENT) or number + 1 == len(lines):
        return False
    below = rows[number + 1]
    return lines[number + 1].startswith(_COMMENT) or not _has_data(below)
