"""Rows below a table that are none of it: totals, sources, notes."""

from __future__ import annotations

import re

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
