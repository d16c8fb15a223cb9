"""Tables whose rows are years or days, and whose columns are the parts of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.text.footers import is_total

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_WORDS = ("year", "yr", "jahr", "año", "ano", "annee", "année", "anno", "jaar")
_DAY_WORDS = ("date", "day", "datum", "fecha", "ds", "delivery date", "operating day", "tag")
_YEAR = r"((?:1[5-9]|20|21)\d\d)(?:\.0)?"


@dataclass(frozen=True)
class Parts:
    """One kind of parts of a year or a day, written as labels in a header or a column.

    Attributes:
        noun: of several parts.
        numbers: of all parts there are.
        number_of: returns the number of the part that a label names; None for another label.
        whole: words for the column of years or days.
        template: writes a year or a day, and the number of the part, as a timestamp.
    """

    noun: str
    numbers: frozenset[int]
    number_of: Callable[[str], int | None]
    whole: tuple[str, ...]
    template: str


def _month(label: str) -> int | None:
    word = label.strip(". ").lower()
    if word[:3] in _MONTHS and word.isalpha():
        return _MONTHS.index(word[:3]) + 1
    return _number(label, r"m(?:onth)?[ _]?(\d{1,2})|(0[1-9]|1[0-2])")


def _quarter(label: str) -> int | None:
    return _number(label, r"(?:q|qtr|quarter)[ _.]?([1-4])|([1-4])[. ]?(?:q|quarter)")


def _hour(label: str) -> int | None:
    return _number(label, r"(?:h|he|hr|hour|stunde)?[ _.]?(\d{1,2})(?::00)?|(\d{1,2})h")


def _week(label: str) -> int | None:
    return _number(label, r"(?:w|wk|week|kw)[ _.]?(\d{1,2})")


def _number(label: str, pattern: str) -> int | None:
    match = re.fullmatch(pattern, label.strip(), re.IGNORECASE)
    if not match:
        return None
    return int(next(group for group in match.groups() if group))


PARTS = (
    Parts("months", frozenset(range(1, 13)), _month, _YEAR_WORDS, "{whole}-{part:02}"),
    Parts("quarters", frozenset(range(1, 5)), _quarter, _YEAR_WORDS, "{whole}-Q{part}"),
    Parts("weeks", frozenset(range(1, 53)), _week, _YEAR_WORDS, "{whole}-W{part:02}"),
    Parts("hours", frozenset(range(24)), _hour, _DAY_WORDS, "{whole} {part:02}:00"),
    Parts("hours", frozenset(range(1, 25)), _hour, _DAY_WORDS, "{whole} {part:02}:00"),
)
"""Parts that tables have across their columns."""


@dataclass(frozen=True)
class Square:
    """A table of parts by years, or of hours by days.

    Attributes:
        parts: what the parts are.
        label_col: column of the labels of the rows.
        labels: value column -> the number of the part, or the year.
        is_transposed: whether the rows are the parts, and the columns the years.
    """

    parts: Parts
    label_col: str
    labels: Mapping[str, int]
    is_transposed: bool = False

    def row_numbers(self, cells: Sequence[str | None]) -> NDArray[np.int64]:
        """Return the year, day or part of each row, as a number that grows with time; -1: none.

        Args:
            cells: the labels of the rows.
        """
        numbers = []
        for row, cell in enumerate(cells):
            label = cell or ""
            if self.is_transposed:
                number = _part_in_row(self.parts, label)
            elif self.parts.whole is _DAY_WORDS:
                number = row if label and not is_total(label) else None
            else:
                number = _number(label, _YEAR)
            numbers.append(-1 if number is None else number)
        return np.array(numbers, np.int64)

    def ranks(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return numbers that grow with time.

        Args:
            rows: (R,) number of the row of each cell, as `row_numbers` returns it.
            columns: (R,) number of the column of each cell.
        """
        labels = np.array(list(self.labels.values()), np.int64)[columns]
        if self.is_transposed:
            return labels * 100 + rows
        return rows * 100 + labels

    def stamps(self, cells: Sequence[str | None], columns: NDArray[np.int64]) -> pa.Array:
        """Return timestamps as text.

        Args:
            cells: (R,) label of the row of each cell.
            columns: (R,) number of the column of each cell.
        """
        labels = list(self.labels.values())
        stamps = []
        for cell, column in zip(cells, columns.tolist(), strict=True):
            whole: str | int | None = (cell or "").removesuffix(".0")
            part: int | None = labels[column]
            if self.is_transposed:
                whole = part
                part = _part_in_row(self.parts, cell or "")
            stamps.append(self.parts.template.format(whole=whole, part=part))
        return pa.array(stamps, pa.string())


def find_square(names: Sequence[str]) -> Square | None:
    """Return the square of a header that has all months, quarters, weeks or hours.

    Args:
        names: the header.
    """
    for parts in PARTS:
        labels = {name: parts.number_of(name) for name in names}
        found = {name: number for name, number in labels.items() if number in parts.numbers}
        whole = [name for name in names if name.strip().lower() in parts.whole]
        if not whole and names and names[0] not in found:
            whole = [names[0]]
        if whole and len(found) == len(parts.numbers) == len(set(found.values())):
            return Square(parts, whole[0], {name: int(found[name] or 0) for name in found})
    return None


def find_transposed(
    years: Sequence[str], rows: Mapping[str, Sequence[str | None]]
) -> Square | None:
    """Return the square of a table with years across, and months, quarters or weeks down.

    Args:
        years: the columns that are years.
        rows: the cells of each other column, as text.
    """
    for label_col, cells in rows.items():
        for parts in PARTS[:3]:
            numbers = [_part_in_row(parts, cell, label_col) for cell in cells if cell]
            known = {number for number in numbers if number is not None}
            if parts.numbers <= known and numbers.count(None) * 4 <= len(numbers):
                labels = {year: int(re.findall(r"\d{4}", year)[0]) for year in years}
                return Square(parts, label_col, labels, is_transposed=True)
    return None


def _part_in_row(parts: Parts, cell: str, label_col: str = "") -> int | None:
    """Return the number of the part that a cell names; a bare number counts in a column so named.

    Args:
        parts: what the parts are.
        cell: a label of a row.
        label_col: name of its column; empty: known to be that of the parts.
    """
    number = parts.number_of(cell)
    if number is None and label_col.strip().lower() in ("", parts.noun, parts.noun[:-1]):
        number = _number(cell, r"(\d{1,2})(?:\.0)?")
    return number
