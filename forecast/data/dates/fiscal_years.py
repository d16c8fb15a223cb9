"""Financial years such as 2019/20, 2019-2020, FY20 and FY2020, also with a quarter as in FY20 Q1.

A pair of years stands for the first; a number after FY for itself.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

PAIR = r"^(\d{4}) ?[-/] ?(\d{2}|\d{4})$"
"""Two years, the second of which may be short."""

_LONG = r"(?i)\bFY[ -]?(\d{4})\b"
_SHORT_LAST_CENTURY = r"(?i)\bFY[ -]?'?([7-9]\d)\b"
_SHORT = r"(?i)\bFY[ -]?'?([0-6]\d)\b"  # as `%y` reads years

_WAYS = ((_LONG, r"\1"), (_SHORT_LAST_CENTURY, r"19\1"), (_SHORT, r"20\1"))


def without_letters(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write FY20 and FY2020 as 2020; other cells stay as they are.

    Args:
        text: trimmed cells.
    """
    for pattern, year in _WAYS:
        text = pc.replace_substring_regex(text, pattern, year)
    return text


def is_fiscal(cell: str) -> bool:
    """Return whether a cell is a year after FY, without a quarter."""
    return re.fullmatch(r"(?i)FY[ -]?('?\d{2}|\d{4})", cell) is not None


def are_pairs(cells: list[str]) -> bool:
    """Return whether every cell is a year and the next one, such as 2019/20.

    Args:
        cells: trimmed cells, none of them missing.
    """
    return len(cells) > 1 and all(map(_is_pair, cells))  # ends at the first that is none


def _is_pair(cell: str) -> bool:
    match = re.fullmatch(PAIR, cell)
    return match is not None and (int(match[1]) + 1 - int(match[2])) % 100 == 0
