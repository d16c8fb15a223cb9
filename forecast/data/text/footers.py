"""Rows below a table that are none of it: totals, sources, notes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

MOST_FOOTERS = 50
"""Lines below a table; more are no words about it, but damage."""

_TOTAL = re.compile(r"(grand |sub)?total.*|sum(me)?( total)?:?|gesamt.*|average:?|mean:?")
"""Label of a row of totals, in lower case."""

_FOOTER = re.compile(
    r"\W*(sources?|notes?|footnote|quelle|fuente|last updated?|updated|data (from|source)|"
    r"copyright|provisional|preliminary|revised|estimated?|generated|exported|downloaded|created|"
    r"end of|report|unit|units|legend|comment|disclaimer|https?|www|see|for more|total rows)\b.*"
    r"|[*\u2020\u2021\u00a9].*|\(?[a-z]\)? ?[=:] .*|\d+ rows.*|\[?\(?\d\)?\]? [a-z].*"
)
"""Beginning of a line below a table, in lower case."""

_MONTH = re.compile(r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?")


def is_total(label: str) -> bool:
    """Return whether the label of a row or column says that it holds totals or means."""
    return _TOTAL.fullmatch(label.strip().lower()) is not None


def is_footer(label: str) -> bool:
    """Return whether the only cell of a row is words about the table, and no date.

    Args:
        label: the cell.
    """
    text = label.strip().lower()
    if _FOOTER.fullmatch(text):
        return True
    return any(map(str.isalpha, text)) and not re.search(r"\d", text) and not _MONTH.match(text)


def footers_below(tail: str, separator: str, width: int) -> tuple[str, ...]:
    """Return the last lines of a file that have fewer cells than its rows, and are words.

    Args:
        tail: end of the file.
        separator: between cells.
        width: cells of a row.
    """
    footers: list[str] = []
    for line in reversed(tail.splitlines()):
        if not line.strip():
            continue
        cells = next(csv.reader([line], delimiter=separator))
        if len(cells) >= width or not is_footer(line.strip(' "')):
            break
        footers.insert(0, line)
        if len(footers) > MOST_FOOTERS:
            return ()
    return tuple(footers)


def leaving_out(footers: Sequence[str]) -> Callable[[Any], str] | None:
    """Return the handler of wrong rows, for Arrow, that leaves out the lines below a table.

    A line further up that reads the same is damage, so that each is left out as often as it is
    below.
    """
    if not footers:
        return None
    left = Counter(footers)

    def handle(row: Any) -> str:
        left[row.text] -= 1
        return "skip" if left[row.text] >= 0 else "error"

    return handle
