"""Headers of several rows: titles above, groups in merged cells, units below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DATA = re.compile(r"\s*[$€£(]?[+-]?[.,]?\d")
"""Beginning of a cell that is a number or a date."""

_DATED = re.compile(
    r"\d{2}|\s\d|\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\bq[1-4]\b",
    re.IGNORECASE,
)
"""A cell of a row of data, in words."""

MOST_ROWS = 7
"""Rows among which the first one of data must be."""


@dataclass(frozen=True)
class HeaderRows:
    """The rows above the first row of data.

    Attributes:
        before: number of rows before the header.
        names: names of the columns.
        below: number of rows of the header that are no names by themselves: groups and units.
    """

    before: int
    names: tuple[str, ...]
    below: int = 0


def find_header_rows(rows: Sequence[Sequence[str]], known: Sequence[str] = ()) -> HeaderRows:
    """Return which of the first rows are the header, and the names of the columns.

    A header of one row stays as it is. Rows of a single cell above it are titles. Where its names
    are complete, further rows are units; otherwise the rows are groups, and their names are joined.

    Args:
        rows: cells of the first rows.
        known: names of columns that the table is said to have.
    """
    plain = HeaderRows(0, tuple(rows[0]))
    width = len(rows[0])
    number = _first_of_data(rows)
    if number < 2 or any(len(row) != width for row in rows[:number]):
        return plain
    above = [[cell.strip() for cell in row] for row in rows[:number]]
    names = {name.strip().lower() for name in known}
    filled = _filled_places(rows)
    named = [
        place
        for place, row in enumerate(above)
        if names & {cell.lower() for cell in row} and _is_complete(row, filled)
    ]
    before = named[0] if named else _titles(above)
    header, *below = above[before:]
    if not below:
        return HeaderRows(before, tuple(rows[before]))
    below = [row for row in below if any(row)]
    if any(_DATED.search(cell) for row in below for cell in row):
        return plain
    if not all(_is_above_data(row, rows[number]) for row in below):
        return plain
    has_index = _names_leading(below[-1]) and (not named or names & set(map(str.lower, below[-1])))
    if _is_complete(header, filled) and not (named and has_index):
        return HeaderRows(before, tuple(rows[before]), number - before - 1)
    below_count = number - before - 1
    if has_index:
        joined = _joined([header, *below[:-1]], below[-1])
        return HeaderRows(before, joined, below_count)
    for depth in range(1, len(below) + 1):  # further rows are units
        joined = _joined([header, *below[:depth]], [])
        if _is_complete(joined, filled):
            return HeaderRows(before, joined, below_count)
    return plain


def _first_of_data(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of the first row with a number or a date; 0 where there is none."""
    for number, row in enumerate(rows):
        if any(_DATA.match(cell) for cell in row):
            return number
    return 0


def _is_above_data(row: list[str], data: Sequence[str]) -> bool:
    """Return whether some cell of a row is above a number or a date."""
    return any(cell and _DATA.match(below) for cell, below in zip(row, data, strict=False))


def _titles(rows: list[list[str]]) -> int:
    """Return the number of rows above the header: empty ones, and those of a single cell."""
    counts = [sum(map(bool, row)) for row in rows]
    number = 0
    while number < len(rows) - 1 and counts[number] <= 1 < max(counts[number:]):
        number += 1
    return number


def _filled_places(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the columns with any cell."""
    width = len(rows[0])
    return [
        place
        for place in range(width)
        if any(row[place].strip() for row in rows if len(row) == width)
    ]


def _is_complete(names: Sequence[str], filled: list[int]) -> bool:
    """Return whether every column with a cell has a name of its own."""
    present = [names[place] for place in filled]
    return all(present) and len(set(present)) == len(present)


def _names_leading(row: list[str]) -> bool:
    """Return whether a row names the first columns only, as pandas writes the names of an index."""
    leading = sum(map(bool, row))
    return all(row[:leading]) and leading * 2 <= len(row)


def _joined(rows: list[list[str]], index_names: list[str]) -> tuple[str, ...]:
    """Return the names of groups and columns together, such as `north_load`.

    A group reaches to the next one, as in merged cells. A row that is the same everywhere is left
    out.

    Args:
        rows: the rows of the header.
        index_names: names of the first columns, which replace all others; empty for the rest.
    """
    leading = sum(map(bool, index_names))
    parts: list[list[str]] = [[] for _ in rows[0]]
    for number, row in enumerate(rows):
        group = ""
        if len({cell for cell in row[leading:] if cell}) < 2 and number < len(rows) - 1:
            continue
        for place in range(leading, len(row)):
            if row[place] or number == len(rows) - 1:
                group = row[place]
            if group:
                parts[place].append(group)
    names = ["_".join(dict.fromkeys(part)) for part in parts]
    return (*index_names[:leading], *names[leading:])
