"""Dates written as numbers: counted from a day, or as a year and a fraction or part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.fiscal_years import PAIR, without_letters

Numbers = NDArray[np.int64] | NDArray[np.float64]


Instants = NDArray[np.datetime64]


UNIX = {"unix_s": 10**9, "unix_ms": 10**6, "unix_us": 10**3, "unix_ns": 1}
"""Nanoseconds of the unit in which each format counts from 1970, in UTC."""


_DAY = 86_400  # seconds


_EXCEL_1970 = 25_569  # days from 1899-12-30 to 1970-01-01


_MONTH_ERROR = 0.1  # of a month: 1949.08 is February, with two digits only


_FIRST_YEAR = 1500


_LAST_YEAR = 2200


_LARGEST = 2.0**62  # what is larger has no date in any unit


_WHOLE = r"^[+-]?\d{1,18}$|^\d{19}$"


_NUMBER = r"^[+-]?\d+([.]\d*)?([eE][+-]?\d+)?$"


TEXT_FORMATS = {
    "year_quarter": r"(?i)^(?:(\d{4})[-_/. ]?Q([1-4])|Q([1-4])[-_/. ]?(\d{4}))$",
    "year_week": r"(?i)^(\d{4})[- ]?W(\d{2})(?:-?1)?$",
    "fiscal_year": PAIR,
}
"""Quarters and weeks with a letter, such as 2010-Q1, Q1 2010 and 2015-W03, and financial years such
as 2019/20, as a pattern."""


def read_numbers(text: pa.ChunkedArray, number_format: str) -> pa.ChunkedArray:
    """Read numbers as timestamps.

    Args:
        text: the numbers, trimmed; quarters and weeks also as in `TEXT_FORMATS`.
        number_format: a key of `NUMBER_FORMATS`.

    Returns:
        Timestamps, UTC for Unix time, null where a cell is not a number or not a date.
    """
    if number_format in TEXT_FORMATS:
        text = _without_letter(text, number_format)
    valid = pc.match_substring_regex(text, _NUMBER).fill_null(False).to_numpy()
    numbers = _numbers(pc.if_else(pa.array(valid), text, "0"))
    stamps, is_date = NUMBER_FORMATS[number_format](numbers)
    zone = "UTC" if number_format in UNIX else None
    unit = np.datetime_data(stamps.dtype)[0]
    return pa.chunked_array([pa.array(stamps, pa.timestamp(unit, zone), mask=~(valid & is_date))])


def _without_letter(text: pa.ChunkedArray, number_format: str) -> pa.ChunkedArray:
    """Write 2010-Q1 as 201001, 2015-W03 as 201503 and 2019/20 as 2019; others stay as they are."""
    if number_format in ("year_quarter", "fiscal_year"):
        text = without_letters(text)
    # a group that did not match is empty; `\40` is the fourth group and a zero
    digits = {"year_quarter": r"\1\40\2\3", "year_week": r"\1\2", "fiscal_year": r"\1"}
    return pc.replace_substring_regex(text, TEXT_FORMATS[number_format], digits[number_format])


def _numbers(text: pa.ChunkedArray) -> Numbers:
    """Return whole numbers as they are, since nanoseconds since 1970 do not fit into float64."""
    if pc.all(pc.match_substring_regex(text, _WHOLE)).as_py():
        try:
            whole: NDArray[np.int64] = text.cast(pa.int64()).to_numpy()
            return whole
        except pa.ArrowInvalid:
            pass  # beyond int64
    fractions: NDArray[np.float64] = text.cast(pa.float64()).to_numpy()
    return fractions


def _since_1970(unit: int) -> Callable[[Numbers], tuple[Instants, NDArray[np.bool_]]]:
    """Return the reading of counts of `unit` nanoseconds; fractions are kept to the microsecond."""

    def read(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
        if numbers.dtype.kind == "i":
            name = {10**9: "s", 10**6: "ms", 10**3: "us", 1: "ns"}[unit]
            return numbers.astype(f"datetime64[{name}]"), np.ones(len(numbers), dtype=bool)
        return _rounded(numbers * (unit / 1000), "us")

    return read


def _excel(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
    """Read days since 1899-12-30, to the second."""
    return _rounded((numbers - _EXCEL_1970) * float(_DAY), "s")


def _decimal_year(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
    """Read years with months as twelfths, such as 1949.0833 for February."""
    months = (numbers - 1970) * 12.0
    stamps, is_date = _rounded(months, "M")
    return stamps.astype("datetime64[s]"), is_date & (
        np.abs(months - np.rint(months)) < _MONTH_ERROR
    )


def _year(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
    """Read years."""
    stamps, is_date = _rounded((numbers - 1970) * 12.0, "M")
    is_year = (numbers % 1 == 0) & (numbers >= _FIRST_YEAR) & (numbers <= _LAST_YEAR)
    return stamps.astype("datetime64[s]"), is_date & is_year


def _year_quarter(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
    """Read years followed by their quarter, 202004 or 20204."""
    base = np.where(numbers >= 100_000, 100, 10)
    year, quarter = np.divmod(numbers, base)
    stamps, is_date = _rounded((year - 1970) * 12.0 + (quarter - 1) * 3, "M")
    return stamps.astype("datetime64[s]"), is_date & np.isin(quarter, (1, 2, 3, 4))


def _year_week(numbers: Numbers) -> tuple[Instants, NDArray[np.bool_]]:
    """Read years followed by their ISO week, 202053, as the Monday of that week."""
    year, week = np.divmod(numbers, 100)
    is_date = (
        (year >= 1)
        & (year <= 9999)
        & (week >= 1)
        & (week <= weeks_in_iso_year(year))
        & (week % 1 == 0)
    )
    year, week = (np.where(is_date, part, 1).astype(np.int64) for part in (year, week))
    first = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    fourth = first + 3  # 4 January, always in week 1
    monday = fourth - (fourth + 3) % 7  # 1970-01-01 was a Thursday
    return (monday + 7 * (week - 1)).astype("datetime64[D]").astype("datetime64[s]"), is_date


def _rounded(counts: NDArray[np.floating[Any]], unit: str) -> tuple[Instants, NDArray[np.bool_]]:
    """Return counts since 1970 as stamps, and which of them have a date at all."""
    largest = _LARGEST / {"M": 32 * _DAY, "s": 1, "us": 1}[unit]
    is_date = np.abs(counts) < largest
    whole = np.rint(np.where(is_date, counts, 0)).astype(np.int64)
    return whole.astype(f"datetime64[{unit}]"), is_date


NUMBER_FORMATS: dict[str, Callable[[Numbers], tuple[Instants, NDArray[np.bool_]]]] = {
    **{name: _since_1970(unit) for name, unit in UNIX.items()},
    "excel": _excel,
    "decimal_year": _decimal_year,
    "year_quarter": _year_quarter,
    "year_week": _year_week,
    "fiscal_year": _year,
}
"""Every `time_format` for numbers, as the function that reads them."""


def are_years(column: pa.ChunkedArray) -> bool:
    """Return whether numbers with a decimal point are whole years all the same, such as 1950.0."""
    if not pa.types.is_floating(column.type):
        return False
    limits = pc.min_max(column).as_py()
    if limits["min"] is None or limits["min"] < _FIRST_YEAR or limits["max"] > _LAST_YEAR:
        return False
    return bool(pc.all(pc.equal(pc.floor(column), column)).as_py())


def write_stamps(stamps: pd.Series, time_format: str) -> pd.Series:
    """Write timestamps in the format of the table.

    Args:
        stamps: timestamps, with or without a zone.
        time_format: a key of `NUMBER_FORMATS` or a `strptime` format.
    """
    if time_format not in NUMBER_FORMATS:
        return stamps.dt.strftime(time_format)
    wall = stamps.dt.tz_localize(None)
    if time_format == "year_quarter":
        return wall.dt.year * 100 + wall.dt.quarter
    if time_format == "fiscal_year":
        return wall.dt.year
    if time_format == "year_week":
        iso = wall.dt.isocalendar()
        return iso["year"].astype(np.int64) * 100 + iso["week"].astype(np.int64)
    if time_format == "decimal_year":
        return (wall.dt.year + (wall.dt.month - 1) / 12).round(4)
    if time_format == "excel":
        return _divided(wall, _DAY * 10**9) + _EXCEL_1970
    utc = wall if stamps.dt.tz is None else stamps.dt.tz_convert(None)
    return _divided(utc, UNIX[time_format])


def _divided(stamps: pd.Series, unit: int) -> pd.Series:
    """Return units of `unit` nanoseconds since 1970, as whole numbers where all are whole."""
    ticks = stamps.astype("datetime64[ns]").astype(np.int64)
    if (ticks % unit == 0).all():
        return ticks // unit
    return ticks / unit


def weeks_in_iso_year(year: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 52 or 53 weeks of each ISO 8601 year.

    A year has 53 weeks if it ends on a Thursday or the year before ended on a Wednesday.
    """
    ends_on, before = ((y + y // 4 - y // 100 + y // 400) % 7 for y in (year, year - 1))
    return np.where((ends_on == 4) | (before == 3), 53, 52)
