"""Names of columns that are dates: `2024-01`, `Jan-24`, `1990 [YR1990]`, `X2020.01.01`, `d_1`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.dates.date_formats import find_format
from forecast.data.dates.number_dates import NUMBER_FORMATS, read_numbers
from forecast.data.dates.stamp_text import parse
from forecast.data.findings import BadTableError

FEWEST = 3
"""Least number of dates in a header; two may be chance."""

MANY = 12
"""Number of dates that show the layout, however many other columns there are."""

_YEAR = r"(1[5-9]|20|21)\d\d"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"{_YEAR}"
    rf"|{_YEAR}(0[1-9]|1[0-2])([0-3]\d)?"
    rf"|{_YEAR}[-/._ ]?[qmw]\d{{1,2}}|q[1-4][-/._ ]?{_YEAR}"
    rf"|{_YEAR}[-/._ ]\d{{1,2}}([-/._ ]\d{{1,2}})?([ t]\d{{1,2}}:\d\d.*)?"
    r"|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}([ t]\d{1,2}:\d\d.*)?|\d{1,2}[-/.]\d{4}"
    rf"|(\d{{1,2}}[-/. ]*)?{_MONTH}[-/.,' ]*(\d{{1,2}},? )?\d{{2,4}}|{_YEAR}[-/. ]?{_MONTH}",
    re.IGNORECASE,
)
"""A date, by its shape alone."""

_FIRST = np.datetime64("1678-01-01", "us")
_LAST = np.datetime64("2262-01-01", "us")
"""Dates that nanoseconds reach, about."""

_DIGITS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d"}
"""Formats of dates that are digits alone, by their length."""

_STEP = re.compile(r"([A-Za-z]+)[ _.-]?(\d{1,6})")
_STEP_WORDS = ("d", "day", "w", "wk", "week", "m", "month", "q", "y", "h", "hour", "t", "step")
_FEWEST_STEPS = 8
_TIME_WORDS = ("ds", "date", "time", "timestamp", "datetime", "year", "month", "week", "day")


@dataclass(frozen=True, eq=False)
class DateLabels:
    """The columns of a table that are dates, or counted steps.

    Attributes:
        names: of these columns, in the order of the table.
        stamps: (T,) datetime64[ns] or int64, the time of each.
        time_format: format in which the names were read, where it was a guess.
        are_years: whether each is a year.
    """

    names: tuple[str, ...]
    stamps: np.ndarray
    time_format: str | None = None
    are_years: bool = False


def find_dates(names: Sequence[str], time_format: str | None, *, is_asked: bool) -> DateLabels:
    """Return the columns of a header that are dates; none where the header is a usual one.

    Args:
        names: the header.
        time_format: format of the dates; None: guessed.
        is_asked: whether the header is said to have dates: then two are enough, and steps may have
            any word.

    Raises:
        BadTableError: the dates can be read in several ways.
    """
    for written in _spellings(names):
        dates = [place for place, text in enumerate(written) if _DATE.fullmatch(text)]
        if time_format is not None and not dates:
            dates = _fitting(written, time_format)
        if not _are_enough(len(dates), len(names), is_asked):
            continue
        texts = [written[place] for place in dates]
        stamps, found = _read(texts, time_format)
        fits = ~np.isnat(stamps)
        if len(np.unique(stamps[fits])) == fits.sum() and fits.mean() > 0.9:
            kept = [place for place, is_date in zip(dates, fits, strict=True) if is_date]
            are_years = all(re.fullmatch(r"\d{4}", text) for text in texts)
            return DateLabels(tuple(names[place] for place in kept), stamps[fits], found, are_years)
    return _find_steps(names, is_asked)


def _are_enough(number: int, columns: int, is_asked: bool) -> bool:
    if is_asked:
        return number >= 2
    return number >= FEWEST and (number * 2 >= columns or number >= MANY)


def _spellings(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the names without what is not a date: as they are, then without prefix and suffix."""
    plain = [re.sub(r"\s+", " ", name.strip()) for name in names]
    yield plain
    yield [re.sub(r" ?\[.*\]$", "", name) for name in plain]  # 1990 [YR1990]
    # X2020.01.01 of R, Y1961, FY2020, sales_2020_01
    bare = [re.sub(r"^[A-Za-z][A-Za-z _.-]*?(?=\d|Q[1-4])", "", name) for name in plain]
    yield [re.sub(r"(?<=\d)[._ ](?=\d)", "-", name) for name in bare]
    yield [re.sub(r"^(.*?) ?\(.*\)$", r"\1", name) for name in plain]  # 2020 (kWh)


def _fitting(written: list[str], time_format: str) -> list[int]:
    """Return the places of the names that fit a given format."""
    stamps = _parsed(written, time_format)
    return [int(place) for place in np.flatnonzero(~np.isnat(stamps))]


def _read(texts: list[str], time_format: str | None) -> tuple[np.ndarray, str | None]:
    """Return the dates (T,), NaT where a text is none, and the format where it was guessed."""
    if time_format is not None:
        stamps = _parsed(texts, time_format)
        if not np.isnat(stamps).all():
            return stamps, None
    lengths = {len(text) for text in texts}
    if all(text.isdigit() for text in texts) and len(lengths) == 1:
        return _parsed(texts, _DIGITS[lengths.pop()]), None
    try:
        found, note = find_format(pa.chunked_array([pa.array(texts)]), "the header")
    except BadTableError as error:
        if error.finding.code == "ambiguous_dates":
            raise
        return np.full(len(texts), "NaT", dtype="datetime64[ns]"), None
    return _parsed(texts, found), found if note else None


def _parsed(texts: list[str], time_format: str) -> np.ndarray:
    text = pa.chunked_array([pa.array(texts)])
    if time_format in NUMBER_FORMATS:
        stamps = read_numbers(text, time_format)
    else:
        stamps = parse(text, time_format)
    return _in_nanoseconds(pc.cast(stamps, pa.timestamp("us", stamps.type.tz)).to_numpy())


def _in_nanoseconds(stamps: np.ndarray) -> np.ndarray:
    """Return stamps as nanoseconds, NaT for years such as 1500, which these do not reach."""
    is_far = (stamps < _FIRST) | (stamps > _LAST)
    return np.where(is_far, np.datetime64("NaT", "us"), stamps).astype("datetime64[ns]")


def _find_steps(names: Sequence[str], is_asked: bool) -> DateLabels:
    """Return the columns that count steps one by one, such as d_1, d_2; none where none do."""
    nothing = DateLabels((), np.empty(0, np.int64))
    if not is_asked and any(name.strip().lower() in _TIME_WORDS for name in names):
        return nothing
    matches = [_STEP.fullmatch(name.strip()) for name in names]
    words = [match[1].lower() for match in matches if match]
    for word in dict.fromkeys(words):
        if word not in _STEP_WORDS and not is_asked:
            continue
        steps = {
            name: int(match[2])
            for name, match in zip(names, matches, strict=True)
            if match and match[1].lower() == word
        }
        counts = np.array(list(steps.values()), np.int64)
        is_enough = len(steps) >= _FEWEST_STEPS and len(steps) * 2 >= len(names)
        if (is_enough or (is_asked and len(steps) > 1)) and (np.diff(counts) == 1).all():
            return DateLabels(tuple(steps), counts)
    return nothing
