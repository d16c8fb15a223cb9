"""Marks of statisticians and spreadsheets for a value that is missing: `..`, `:`, `-`, `n.a.`."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.findings import Finding, counted

MARKS = (
    *("..", "...", "…", ".", ":", "-", "--", "---", "\u2013", "\u2014", "?", "/", "*"),
    *("n.a.", "n.a", "n/a", "na", "#na", "#n/a", "#n/a n/a", "<na>", "k.a.", "s.d.", "s/d"),
    *("nan", "-nan", "1.#qnan", "-1.#ind", "1.#ind", "-1.#qnan", "null", "(null)", "none", "nil"),
    *("n.d.", "nd", "n/d", "no data", "not available", "missing"),
    *("#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),
)
"""In lower case; they are marks where a number is expected, and nowhere else."""

_SHOWN = 3


def count_marks(text: pa.ChunkedArray) -> dict[str, int]:
    """Return each mark as it is written, and the number of its cells, the most frequent first.

    Args:
        text: cells of a column of numbers, trimmed or not.
    """
    found = text.filter(_are_marks(text))
    if not len(found):
        return {}
    counts = pc.value_counts(pc.utf8_trim_whitespace(found)).to_pylist()
    counts.sort(key=lambda each: -each["counts"])
    return {each["values"]: each["counts"] for each in counts}


def without_marks(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the cells, null where one is empty or a mark."""
    trimmed = pc.utf8_trim_whitespace(text)
    is_missing = pc.or_(_are_marks(text), pc.equal(trimmed, "").fill_null(True))
    return pc.if_else(is_missing, None, trimmed)


def marks_note(marks: Mapping[str, int], name: str) -> Finding:
    """Return the note that marks were taken as missing.

    Args:
        marks: each mark and its number of cells.
        name: of the column.
    """
    shown = [f"{mark!r} in {counted(count, 'cell')}" for mark, count in marks.items()]
    if len(shown) > _SHOWN:
        shown = [*shown[:_SHOWN], f"{len(shown) - _SHOWN} more"]
    return Finding("missing_marks", "note", f"{name}: {', '.join(shown)} taken as missing")


def _are_marks(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each cell is a mark; a null is none.

    A flag may follow a mark, as in `: c` of Eurostat.
    """
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    lowered = pc.replace_substring_regex(lowered, r"^(:|\.\.) ?[a-z]{1,3}$", r"\1")
    return pc.is_in(lowered, pa.array(MARKS, lowered.type))
