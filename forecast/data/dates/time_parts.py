"""Time in several columns, such as a date and a time of day: joined into one column of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.names import join_names, split_names
from forecast.data.table import Table
from forecast.errors.interface import Settings

_WORDS = {
    "date": ("date", "datum", "fecha"),
    "time": ("time", "hour", "hr", "uhrzeit", "zeit", "stunde", "hora", "heure"),
    "year": ("year", "yr", "jahr", "annee"),
    "quarter": ("quarter", "qtr", "quartal"),
    "week": ("week", "wk", "woche", "kw"),
    "month": ("month", "monat", "mes", "mois"),
    "day": ("day", "tag", "dia", "jour"),
}
_YEAR = r"^\d{4}$"
_DIGITS = r"^\d{1,2}$"
_ORDERS = (
    ("date", "time"),
    ("year", "quarter"),
    ("year", "month", "day", "time"),
    ("year", "month", "day"),
    ("year", "month"),
    ("year", "week"),
)
_MISSING = ("", "NA", "NaN", "nan", "NaT", "None", "null", "NULL")


def parts_of(given: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a setting lists, or itself where it is a column or no list.

    Args:
        given: `time_col` or `id_col`: a name, or several with commas between, quoted as in CSV.
        names: the columns of the table.
    """
    if given in names or "," not in given:
        return (given,)
    parts = split_names(given)
    if not set(parts) & set(names):
        return (given,)
    return tuple(parts)


def proposed_names(names: Sequence[str], first: str | None = None) -> tuple[str, ...]:
    """Return the columns that seem to hold the parts of a time, or none.

    Args:
        names: the columns of the table.
        first: the column that must be the first of the parts; None: any.
    """
    known = {name.strip().lower(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for kind, words in _WORDS.items():
        present = [known[word] for word in words if word in known]
        if present:
            found[kind] = present[0]
    for kinds in _ORDERS:
        if not set(kinds) <= set(found):
            continue
        if first in (None, found[kinds[0]]):
            return tuple(found[kind] for kind in kinds)
    return ()


def _in_order(parts: Sequence[str]) -> list[Settings]:
    """Return the change to the order that the names of the parts tell, if it is another one."""
    ordered = proposed_names(parts)
    if set(ordered) != set(parts) or ordered == tuple(parts):
        return []
    return [{"data.time_col": ordered}]


def join_parts(table: Table, parts: Sequence[str]) -> Table:
    """Return the table with the parts of the time as one column of text.

    Args:
        table: a table that has all of them.
        parts: names of a date and a time of day or an hour, or of year, month, day, hour and minute
            in this order; a quarter or a week may stand in the place of the month.

    Raises:
        BadTableError: the parts are not numbers of such a time.
    """
    columns = table.columns
    used = {*columns.dynamic, *columns.static_covariates, *columns.weight_cols, columns.id_col}
    data = dict(table.data)
    texts = {name: _as_text(data[name]) for name in parts}
    for name in parts:
        if name not in used:
            data.pop(name, None)
    first = texts[parts[0]]
    if _all_match(first, _YEAR):
        joined = _from_year(texts, parts)
    elif any(_all_match(texts[name], _YEAR) for name in parts[2:]):
        raise BadTableError(
            "order_of_parts",
            f"`data.time_col` is {join_names(parts)!r}, and {parts[0]} contains "
            f"{_first_cell(first)!r}",
            "name the columns in the order year, month, day, hour, minute",
            settings=_in_order(parts),
        )
    else:
        joined = _with_clock(first, [texts[name] for name in parts[1:]])
    data[columns.time_col] = joined
    shown = f"{listed(parts)}: the first is {_first_cell(joined)!r}"
    note = Finding("time_parts", "note", f"time is joined from the columns {shown}")
    return replace(table, data=data, notes=(*table.notes, note))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a part as trimmed text, null where it is missing; days without their 00:00:00."""
    kind = column.type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    text = pc.replace_substring_regex(text, r"^(\d+)[.]0$", r"\1")
    text = pc.replace_substring_regex(text, r"^(\d.*:\d\d)[.]0+$", r"\1")
    if pa.types.is_timestamp(kind) or _all_match(text, r"^\d{4}-\d\d-\d\d 00:00:00$"):
        text = pc.replace_substring_regex(text, r" 00:00:00$", "")
    return pc.if_else(pc.is_in(text, pa.array(_MISSING)), None, text)


def _all_match(text: pa.ChunkedArray, pattern: str) -> bool:
    """Return whether there are cells and all of them match; None where all are missing."""
    fits = pc.all(pc.match_substring_regex(text, pattern)).as_py()
    return bool(fits) and text.null_count < len(text)


def _first_cell(text: pa.ChunkedArray) -> str | None:
    cells = text.drop_null()
    if not len(cells):
        return None
    cell: str = cells[0].as_py()
    return cell


def _from_year(texts: dict[str, pa.ChunkedArray], parts: Sequence[str]) -> pa.ChunkedArray:
    """Join year, month, day, hour and minute, or year and quarter or week.

    Raises:
        BadTableError: a number is too large for its place.
    """
    year = texts[parts[0]]
    second = texts[parts[1]]
    name = parts[1].strip().lower()
    if name in _WORDS["quarter"]:
        return _joined([year, pc.replace_substring_regex(second, "^[Qq]?", "Q")], "-")
    if name in _WORDS["week"]:
        digits = pc.replace_substring_regex(second, "^[Ww]?", "")
        return _joined([year, _two_digits(digits)], "-W")
    if not _all_match(second, _DIGITS):  # the name of a month
        date = _joined([year, *(texts[name] for name in parts[1:3])], " ")
        return _with_clock(date, [texts[name] for name in parts[3:]])
    for name, most in zip(parts[1:3], (12, 31), strict=False):
        wrong = pc.greater(pc.cast(_only_digits(texts[name]), pa.int64()), most)
        if pc.any(wrong).as_py():
            shown = _first_cell(texts[name].filter(wrong.fill_null(False)))
            raise BadTableError(
                "order_of_parts",
                f"{name} contains {shown!r}; expected a {'month' if most == 12 else 'day'}",
                "name the columns of `data.time_col` in the order year, month, day, hour, minute; "
                "a column of quarters or weeks must be called quarter or week",
            )
    date = _joined([year, *(_two_digits(texts[name]) for name in parts[1:3])], "-")
    return _with_clock(date, [texts[name] for name in parts[3:]])


def _with_clock(date: pa.ChunkedArray, rest: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Join a date and a time of day: 13:00, 13, 1300 or 1:00 PM, or an hour and a minute."""
    if not rest:
        return date
    hour = rest[0]
    if _all_match(hour, _DIGITS):
        minutes = [_two_digits(part) for part in rest[1:]]
        hour = _joined([_two_digits(hour), *minutes], ":")
        if not minutes:
            hour = pc.replace_substring_regex(hour, "$", ":00")
    elif _all_match(hour, r"^\d{1,4}$"):
        hour = pc.replace_substring_regex(pc.utf8_lpad(hour, 4, "0"), r"^(..)", r"\1:")
    else:
        hour = _joined(rest, " ")
    return _joined([date, hour], " ")


def _two_digits(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_lpad(text, 2, "0")


def _only_digits(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.match_substring_regex(text, _DIGITS), text, None)


def _joined(texts: list[pa.ChunkedArray], separator: str) -> pa.ChunkedArray:
    """Join cell by cell; null where one of them is."""
    whole = [text.combine_chunks() for text in texts]
    return pa.chunked_array([pc.binary_join_element_wise(*whole, separator)])
