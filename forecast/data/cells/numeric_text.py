"""Numbers written as text: thousands, decimal commas, units of money and percent."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.cells.bounds import without_bounds
from forecast.data.cells.marks import count_marks, marks_note, without_marks
from forecast.data.cells.suffixes import without_signs
from forecast.data.findings import BadTableError, Change, FindingLog, counted
from forecast.data.table import MISSING_WORDS, RowNames

_EXACT = 2**53  # whole numbers beyond it do not all fit into float64

_SHOWN_DIGITS = 40
"""Digits of a whole number that a message shows."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Inf|INF|infinity|Infinity)$"

_COMMA = r"[+-]?\d*,\d+([eE][+-]?\d+)?"

_GROUPED = r"[+-]?\d{1,3}(MARK\d{3})+"

_UNITS = ("$", "€", "£", "¥", "%")

_SPACES = "[\u00a0\u202f\u2009]"
"""Spaces that spreadsheets write between thousands."""


def numbers_of(
    column: pa.ChunkedArray, name: str, rows: RowNames, log: FindingLog
) -> pa.ChunkedArray:
    """Read text as numbers; report the cells that are not numbers.

    Args:
        column: text.
        name: of the column.
        rows: names of the rows in findings, and the table with the marks of its numbers.
        log: gets the findings.

    Raises:
        BadTableError: the marks could be read in two ways, or a number is too long.
    """
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(column, _SPACES, " "))
    text = pc.if_else(pc.is_in(text, pa.array(MISSING_WORDS)), None, text)
    marks = count_marks(text)
    if marks:
        log.findings.append(marks_note(marks, name))
        text = without_marks(text)
    written = text
    bounded = without_bounds(text, name, rows, rows.table.bounds, log)
    text, factors = without_signs(bounded.text, name, log)
    plain = _without_unit(text, name, log)
    text = _with_point(plain, name, rows.table.decimal, rows.table.thousands)
    fits = pc.match_substring_regex(text, _NUMBER).fill_null(True)
    if not pc.all(fits).as_py():
        bad = np.flatnonzero(~fits.to_numpy())
        code, message, changes = _explain(plain.take(pa.array(bad[:1000])).to_pylist())
        if not changes or not _has_same_fix(log, code, changes, name):
            first = written[int(bad[0])].as_py()
            named = rows.several(bad[:5], len(bad))
            log.error(
                code,
                f"{name} contains {first!r}, {message}, in {counted(len(bad), 'row')}: {named}",
                "" if changes else "correct these cells, or leave them empty if they are missing",
                settings=changes,
                asks=len(changes) > 1,
            )
        # the table is refused; the other cells are still checked
        text = pc.if_else(fits, text, "0")
    else:
        log.note(
            "numeric_text", f"column {name!r} contains numbers written as text: read as numbers"
        )
    without_plus = pc.utf8_slice_codeunits(text, 1)
    numbers = pc.cast(pc.if_else(pc.starts_with(text, "+"), without_plus, text), pa.float64())
    long = pc.match_substring_regex(text, r"^[+-]?\d{16,}$")
    if pc.any(long).as_py():
        digits = [cell.lstrip("+-").lstrip("0") for cell in text.filter(long).to_pylist()]
        _refuse_above(max(digits, key=lambda each: (len(each), each)), name)
    if factors is not None:
        numbers = pc.multiply(numbers, pa.array(factors))
    return bounded.values(numbers)


def _has_same_fix(log: FindingLog, code: str, changes: tuple[Change, ...], name: str) -> bool:
    """Return whether the marks of a column before are the same; its finding then names this one."""
    for place, finding in enumerate(log.findings):
        if finding.code == code and finding.changes == changes:
            log.findings[place] = replace(finding, message=f"{finding.message}; {name} too")
            return True
    return False


def refuse_inexact(column: pa.ChunkedArray, name: str) -> None:
    """Raise where whole numbers are so large that float64 would round them."""
    limits = pc.min_max(column).as_py()
    _refuse_above(str(max(abs(limits["min"] or 0), abs(limits["max"] or 0))), name)


def _refuse_above(largest: str, name: str) -> None:
    """Raise where the largest of whole numbers, by its digits, is one that float64 would round."""
    shown = largest
    if len(largest) > _SHOWN_DIGITS:
        shown = f"{largest[:_SHOWN_DIGITS]}... of {len(largest)} digits"
    if len(largest) > _SHOWN_DIGITS or int(largest or "0") > _EXACT:
        raise BadTableError(
            "inexact",
            f"{name} contains {shown}; whole numbers above 2**53 do not fit float64",
            "cast or rescale it",
        )


def _without_unit(text: pa.ChunkedArray, name: str, log: FindingLog) -> pa.ChunkedArray:
    """Leave out a unit that every cell has, with a note; the numbers stay as they are."""
    present = text.drop_null()
    if not len(present):
        return text
    for unit in _UNITS:
        if unit not in present[0].as_py():
            continue
        mark = re.escape(unit)
        before = rf"^([+-]?)\s*{mark}\s*([+-]?[\d.,].*)$"
        after = rf"^([+-]?[\d.,].*?)\s*{mark}$"
        for pattern, kept in ((before, r"\1\2"), (after, r"\1")):
            if pc.all(pc.match_substring_regex(present, pattern)).as_py():
                message = f"{name} is in {unit}, such as {present[0].as_py()!r}: read as a number"
                log.note("unit", message)
                return pc.replace_substring_regex(text, pattern, kept)
    return text


def _with_point(
    text: pa.ChunkedArray, name: str, decimal: str, thousands: str | None
) -> pa.ChunkedArray:
    """Write numbers without marks between thousands, and with a decimal point."""
    if thousands is not None:
        whole = _GROUPED.replace("MARK", re.escape(thousands))
        grouped = pc.match_substring_regex(text, rf"^{whole}({re.escape(decimal)}\d+)?$")
        text = pc.if_else(grouped, pc.replace_substring(text, thousands, ""), text)
    if decimal == ",":
        _refuse_points(text, name, thousands)
        text = pc.replace_substring(text, ",", ".")
    return text


def _refuse_points(text: pa.ChunkedArray, name: str, thousands: str | None) -> None:
    """Raise where a number has a point although the decimal mark is a comma: 1.234 may be 1234."""
    pointed = text.filter(pc.match_substring_regex(text, r"^[+-]?\d[\d.,]*$"))
    pointed = pointed.filter(pc.match_substring(pointed, "."))
    if not len(pointed):
        return
    fix = ""
    changes: tuple[Change, ...] = (
        Change({"data.thousands": "."}, "if the points separate thousands"),
        Change({"data.decimal": "."}, "if they are the decimal mark"),
    )
    if thousands == ".":
        fix = "correct these cells: thousands have three digits"
        changes = ()
    elif pc.any(pc.match_substring(pointed, ",")).as_py():
        changes = (Change({"data.thousands": "."}),)
    raise BadTableError(
        "point_and_comma",
        f"{name} contains {pointed[0].as_py()!r} in {counted(len(pointed), 'row')}, and "
        f"decimal is ','",
        fix,
        settings=changes,
        asks=len(changes) > 1,
    )


def _explain(bad: list[str]) -> tuple[str, str, tuple[Change, ...]]:
    """Return code, explanation and changes of settings for cells that are not numbers."""
    by_point = _GROUPED.replace("MARK", r"\.")
    by_comma = _GROUPED.replace("MARK", ",")
    by_space = _GROUPED.replace("MARK", " ")
    by_apostrophe = _GROUPED.replace("MARK", "'")
    point = r"(\.\d+)?"
    comma = r"(,\d+)?"
    thousands = "which seems to have a thousands separator"
    if _all(bad, rf"{by_point}{comma}|{_COMMA}") and not _all(bad, _COMMA):
        return (
            "thousands",
            f"{thousands} and a decimal comma",
            (_marks(".", ","),),
        )
    if _all(bad, by_comma) and not any(cell.count(",") > 1 for cell in bad):
        changes = (
            Change({"data.thousands": ","}, "if the comma separates thousands"),
            Change({"data.decimal": ","}, "if it is a decimal mark"),
        )
        return "thousands", thousands, changes
    for whole, mark in ((by_comma, ","), (by_space, " "), (by_apostrophe, "'")):
        if _all(bad, whole + point):
            return "thousands", thousands, (Change({"data.thousands": mark}),)
    for whole, mark in ((by_space, " "), (by_apostrophe, "'")):
        if _all(bad, rf"{whole}{comma}|{_COMMA}") and not _all(bad, _COMMA):
            return "thousands", f"{thousands} and a decimal comma", (_marks(mark, ","),)
    if _all(bad, _COMMA):
        change = Change({"data.decimal": ","})
        return "decimal_comma", "which seems to have a decimal comma", (change,)
    return "no_number", "which is not a number", ()


def _marks(thousands: str, decimal: str) -> Change:
    return Change({"data.thousands": thousands, "data.decimal": decimal})


def _all(cells: list[str], pattern: str) -> bool:
    return all(re.fullmatch(pattern, cell) for cell in cells)
