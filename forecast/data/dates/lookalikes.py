"""Numbers that look like dates: refused, with the settings that read them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.dates.number_dates import NUMBER_FORMATS, UNIX, Numbers, read_numbers
from forecast.data.findings import BadTableError, Change, show_stamp
from forecast.data.grid import most_common

_YEAR = r"(19|20|21)\d\d"
_MONTH = r"(0[1-9]|1[0-2])"
_DAY = r"(0[1-9]|[12]\d|3[01])"
_HOUR = r"([01]\d|2[0-3])"
_SIXTY = r"[0-5]\d"
_DIGITS = {
    "%Y%m%d": _YEAR + _MONTH + _DAY,
    "%Y%m": _YEAR + _MONTH,
    "%Y%m%d%H": _YEAR + _MONTH + _DAY + _HOUR,
    "%Y%m%d%H%M": _YEAR + _MONTH + _DAY + _HOUR + _SIXTY,
    "%Y%m%d%H%M%S": _YEAR + _MONTH + _DAY + _HOUR + _SIXTY * 2,
}
_RARE_DIGITS = {  # rarely dates: only where the numbers jump, from one year or month to the next
    "year_quarter": _YEAR + "[1-4]",
    "%y%m%d": r"\d\d" + _MONTH + _DAY,  # weeks of 2020 go beyond 202031, days do not
    "year_week": _YEAR + r"(0[1-9]|[1-4]\d|5[0-3])",
    "%Y%j": _YEAR + r"(00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6])",
}
_QUARTER = _YEAR + "0[1-4]"
_SECONDS = (315_532_800, 4_102_444_800)  # 1980 to 2100 in seconds since 1970
_EXCEL = (32_874, 54_789)  # 1990 to 2050 in days since 1899-12-30
_EXCEL_STEPS = (
    1,
    7,
    14,
    28,
    29,
    30,
    31,
    90,
    91,
    92,
    365,
    366,
)  # days that are usual between two rows
_YEARS = (1700, 2200)
_SAMPLE = 1000
_USUAL_SHARE = 0.95  # share of numbers that must look like dates
_INDEX_SHARE = 0.9  # share of equal steps in an index with gaps
_NAMES = {
    "%Y%m": "months",
    "%Y%j": "years and days",
    "unix_s": "seconds since 1970",
    "unix_ms": "milliseconds since 1970",
    "unix_us": "microseconds since 1970",
    "unix_ns": "nanoseconds since 1970",
    "excel": "Excel days",
    "decimal_year": "years with months as fractions",
    "year_quarter": "quarters",
    "year_week": "years and weeks",
}


def refuse_lookalikes(
    column: pa.ChunkedArray, codes: NDArray[np.integer] | None, name: str
) -> None:
    """Raise where a column of numbers contains dates, or could.

    Args:
        column: whole numbers, numbers with fractions, or text of such.
        codes: (R,) series of each row, where it is known.
        name: name of the column.

    Raises:
        BadTableError: the numbers look like dates; the fix names the setting for each reading.
    """
    missing = column.is_null().to_numpy()
    values = _as_numbers(column)
    if codes is None:
        codes = np.zeros(len(values), np.int32)
    values = values[~missing]
    codes = codes[~missing]
    if not len(values):
        return
    readings = _readings(values)
    if not readings:
        return
    steps = _steps(values, codes)
    step = 1
    if len(steps):
        step = most_common(steps.astype(np.int64))
    is_even = bool((steps == step).all())
    if readings[0] in _RARE_DIGITS and is_even:
        return
    if readings == ("excel",) and not _is_daily(values, step):
        return

    shown, dates = _example(values, readings)
    looks = " or ".join(
        f"{_NAMES.get(reading, 'dates')} ({date})"
        for reading, date in zip(readings, dates, strict=True)
    )
    kind = "whole numbers" if values.dtype.kind == "i" else "numbers"
    changes = [_as_format(reading, len(readings) > 1) for reading in readings]
    is_nearly_even = (
        bool(np.mean(steps == step) > _INDEX_SHARE) and readings[0] not in _DIGITS | _RARE_DIGITS
    )
    if pa.types.is_integer(column.type) and (is_even or is_nearly_even):
        changes.append(Change({"data.freq": str(step)}, "if they only number the rows"))
    raise BadTableError(
        "number_dates",
        f"{name} contains {kind} such as {shown} that look like {looks}",
        settings=changes,
        asks=len(changes) > 1,
    )


def no_stamps(name: str, content: str) -> BadTableError:
    """Return the error of a column of numbers that are no index."""
    fix = "cast it to whole numbers for an integer index, or give timestamps"
    if "fractions" in content:
        fix = "give timestamps, or number the rows of each series with whole numbers"
    return BadTableError(
        "no_stamps",
        f"column {name!r} contains {content}; expected timestamps or whole numbers",
        fix,
    )


def _as_numbers(column: pa.ChunkedArray) -> Numbers:
    """Return whole numbers where all are, 0 where a cell is missing."""
    missing: int | str = 0
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        missing = "0"
    column = column.fill_null(missing)
    try:
        whole: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
        return whole
    except pa.ArrowInvalid:  # fractions, or beyond 64 bits with a sign
        fractions: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
        return fractions


def _readings(values: Numbers) -> tuple[str, ...]:
    """Return the formats in which the numbers could be dates, by their size and digits alone."""
    if values.dtype.kind == "i":
        formats = _digit_formats([str(value) for value in values[:_SAMPLE]])
        if formats:
            return formats
    low = values.min()
    high = values.max()
    if low >= _EXCEL[0] and high <= _EXCEL[1]:
        return ("excel",)
    if values.dtype.kind == "f" and low >= _YEARS[0] and high <= _YEARS[1]:
        months = values * 12
        if np.mean(np.abs(months - np.rint(months)) < 0.1) >= _USUAL_SHARE:
            return ("decimal_year",)
        return ()
    for number_format, unit in UNIX.items():
        first, last = (seconds * (10**9 // unit) for seconds in _SECONDS)
        if np.mean((values >= first) & (values <= last)) >= _USUAL_SHARE:
            return (number_format,)
    return ()


def _digit_formats(sample: list[str]) -> tuple[str, ...]:
    """Return the formats whose digits nearly all numbers have."""
    patterns = _DIGITS | _RARE_DIGITS
    fitting = [name for name, pattern in patterns.items() if _mostly_match(sample, pattern)]
    if not fitting:
        return ()
    if fitting[0] != "%Y%m" or not _mostly_match(sample, _QUARTER):
        return (fitting[0],)
    # 1 to 4 in several years are quarters, within one year they may be months
    is_whole_years = (
        len({text[-1] for text in sample}) == 4 and len({text[:4] for text in sample}) > 1
    )
    if is_whole_years:
        return ("year_quarter",)
    return ("%Y%m", "year_quarter")


def _mostly_match(sample: list[str], pattern: str) -> bool:
    match = re.compile(pattern).fullmatch
    return sum(match(text) is not None for text in sample) >= _USUAL_SHARE * len(sample)


def _is_daily(values: Numbers, step: float) -> bool:
    return values.dtype.kind == "f" or step in _EXCEL_STEPS


def _steps(values: Numbers, codes: NDArray[np.integer]) -> Numbers:
    """Return the positive differences between neighbours of one series."""
    order = np.lexsort((values, codes))
    steps: Numbers = np.diff(values[order])[np.diff(codes[order]) == 0]
    return steps[steps > 0]


def _example(values: Numbers, readings: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the first number that has a date in every reading, and those dates."""
    if values.dtype.kind == "f":
        text = [f"{value:.13g}" for value in values[values % 1 != 0][:_SAMPLE]]
    else:
        text = [str(value) for value in values[:_SAMPLE]]
    dates = [_dates(text, reading) for reading in readings]
    first = int(np.argmax(~np.any([np.isnat(column) for column in dates], axis=0)))
    return text[first], [show_stamp(column[first]) for column in dates]


def _dates(text: list[str], time_format: str) -> NDArray[np.datetime64]:
    if time_format in NUMBER_FORMATS:
        index = pd.DatetimeIndex(
            read_numbers(pa.chunked_array([pa.array(text)]), time_format).to_pandas()
        )
    else:
        index = pd.to_datetime(pd.Index(text), format=time_format, errors="coerce")
    if index.tz is not None:
        index = index.tz_convert(None)
    return index.to_numpy()


def _as_format(time_format: str, is_one_of_several: bool) -> Change:
    """Return the change for a format, with its meaning where there is a choice."""
    purpose = ""
    if is_one_of_several:
        purpose = f"for {_NAMES[time_format]}"
    return Change({"data.time_format": time_format}, purpose)
