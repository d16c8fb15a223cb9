"""The format of dates that are text: guessed from the cells, or asked about where two fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.counted_years import refuse_counted_years
from forecast.data.dates.fiscal_years import are_pairs, is_fiscal, without_letters
from forecast.data.dates.number_dates import TEXT_FORMATS, read_numbers
from forecast.data.dates.short_years import with_two_digits
from forecast.data.findings import BadTableError, Change, show_stamp

_CLOCK = r"\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>[.]\d+)?)?"
_YEAR_FIRST = re.compile(
    r"\d{4}(?P<sep>[-/.])\d{1,2}((?P=sep)\d{1,2}([ T]" + _CLOCK + r")?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
_WRITTEN = re.compile(
    r"(?P<date>.*?[A-Za-z\d])"
    r"(?:(?P<between>,? +|T|:)(?P<clock>" + _CLOCK + r"|\d{1,2}(?= ?[AaPp][Mm]))"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?[+-]\d{2}:?\d{2}|Z)?)?"
)
_PARTS = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS = {"%Y": "year", "%y": "year", "%m": "month", "%b": "month", "%B": "month", "%d": "day"}
_ORDERS = ("day month year", "month day year", "year month day")
_SAMPLE = 1000
_FEW_STEPS = 5  # fewer equal steps are no evidence
_MOST = 20_000  # distinct cells that are tried


@dataclass(frozen=True, eq=False)
class _Reading:
    """The dates of the sample in one format, NaT where a cell does not fit."""

    time_format: str
    dates: NDArray[np.datetime64]

    @property
    def count(self) -> int:
        """Cells that fit."""
        return int(np.sum(~np.isnat(self.dates)))


def is_iso(text: pa.ChunkedArray) -> bool:
    """Return whether the first cells are dates such as 2020-01-31, with or without a time."""
    sample = text.drop_null().slice(0, _SAMPLE).to_pylist()
    matches = [_YEAR_FIRST.fullmatch(cell) for cell in sample]
    return all(match is not None and match["sep"] == "-" for match in matches)


def is_year_first(sample: list[str]) -> bool:
    """Return whether most cells are dates that begin with a year of four digits."""
    return sum(_YEAR_FIRST.fullmatch(cell) is not None for cell in sample) * 2 > len(sample)


def find_format(text: pa.ChunkedArray, name: str) -> tuple[str, str]:
    """Return the format of most cells, and a note where it is a guess.

    Args:
        text: trimmed cells that are not numbers, at least one of them not null.
        name: name of the column.

    Raises:
        BadTableError: the dates could be read in two ways, or in none.
    """
    sample = text.drop_null().slice(0, _SAMPLE).to_pylist()
    if are_pairs(sample):
        return "fiscal_year", _note_on_years(sample[0], name)
    year_first = [match for match in map(_YEAR_FIRST.fullmatch, sample) if match]
    if len(year_first) * 2 > len(sample):
        return _year_first_format(year_first[0]), ""
    cells = _distinct(text)
    refuse_counted_years(cells, name)
    readings = [_read(cells, time_format) for time_format in _candidates(cells)]
    best = _best(readings)
    if not best or best[0].count * 2 <= len(cells):
        raise BadTableError(
            "unreadable_dates",
            f"{name} contains {sample[0]!r}; expected dates such as 2020-01-31 13:00",
            "pass `data.time_format`, or write the dates like that",
        )
    if len(best) > 1:
        raise _ask(best, cells, name)
    chosen = best[0]
    _refuse_days_without_year(chosen, cells, name)
    return chosen.time_format, _note(chosen, readings, cells, name)


def _note_on_years(cell: str, name: str) -> str:
    return f"{name} is read with time_format 'fiscal_year': {cell!r} is the year {cell[:4]}"


def _year_first_format(match: re.Match[str]) -> str:
    """Return the strptime format of one date that begins with its year."""
    text = match.group()
    sep = match.group("sep")
    if sep == "-" and re.match(r"\d{4}-\d{2}-\d{2}", text) and not re.search(r"[ T]\d:", text):
        return "ISO8601"
    if text.count(sep) == 1:
        return f"%Y{sep}%m"
    time_format = f"%Y{sep}%m{sep}%d"
    if ":" in text:
        time_format += "T" if "T" in text else " "
        time_format += _clock_format(match)
    if match.group("zone"):
        time_format += "%z"
    return time_format


def _clock_format(match: re.Match[str], hour: str = "%H") -> str:
    """Return the format of a time of day; `match` has the groups `seconds` and `fraction`."""
    time_format = f"{hour}:%M"
    if match["seconds"]:
        time_format += ":%S"
    if match["fraction"]:
        time_format += ".%f"
    return time_format


def _distinct(text: pa.ChunkedArray) -> list[str]:
    """Return the distinct cells in the order of the table; of very many, evenly spaced ones."""
    cells = pc.unique(text.drop_null())
    if len(cells) > _MOST:
        chosen = np.unique(np.linspace(0, len(cells) - 1, _MOST).astype(np.int64))
        cells = cells.take(pa.array(chosen))
    distinct: list[str] = cells.to_pylist()
    return distinct


def _candidates(cells: list[str]) -> list[str]:
    """Return every format that the shape of the first cells allows."""
    formats: dict[str, None] = {}
    for cell in cells[:3]:  # the first may be a line of units
        formats.update(dict.fromkeys(_formats_of(cell)))
    return list(formats)


def _formats_of(cell: str) -> Iterator[str]:
    """Yield the formats that the shape of one cell allows."""
    named = ["fiscal_year"] if is_fiscal(cell) else []
    plain = without_letters(pa.chunked_array([[cell]]))[0].as_py()
    for name in ("year_quarter", "year_week"):
        if re.fullmatch(TEXT_FORMATS[name], plain):
            named.append(name)
    if re.fullmatch(r"\d{4}-W\d{2}-[1-7]", cell):
        named = ["%G-W%V-%u"]
    yield from named
    if named:
        return
    match = _WRITTEN.fullmatch(cell)
    if match is None or len(cell) > 60:
        return
    rest = ""
    if match["clock"]:
        rest = match["between"] + _clock_of(match)
    if match["zone"]:
        rest += " %z" if match["zone"].startswith(" ") else "%z"
    for date_format in _date_formats(match["date"]):
        yield date_format + rest


def _clock_of(match: re.Match[str]) -> str:
    half = match["half"]
    hour = "%I" if half else "%H"
    written = _clock_format(match, hour) if ":" in match["clock"] else hour
    if not half:
        return written
    return written + half[:-2] + "%p"


def _date_formats(date: str) -> Iterator[str]:
    """Yield the formats of a date without its time of day."""
    parts = _PARTS.findall(date)
    options = [_options(part) for part in parts]
    if not all(options) or not 2 <= len(parts) <= 7:
        return
    has_month = any("%b" in option for option in options)
    for chosen in product(*options):
        names = [_FIELDS[part] for part in chosen if part in _FIELDS]
        if re.search("[Mm]%[^m]", "".join(chosen)):
            continue  # the number after the letter is the month: 2015M01
        is_short = ("%y", 1) in zip(chosen, map(len, parts), strict=True)
        if is_short and not (has_month and len(names) == 2):
            continue  # a year of one digit stands beside the name of a month alone
        if _is_date(names, has_month):
            yield "".join(chosen)


def _options(part: str) -> tuple[str, ...]:
    """Return the directives that one part of a date may be, or the part itself; () if none."""
    if part.isdigit():
        return {4: ("%Y",), 2: ("%d", "%m", "%y"), 1: ("%d", "%m", "%y")}.get(len(part), ())
    word = part.lower()
    if word[:3] in _MONTHS:
        return "%b", "%B"
    if word[:3] in _WEEKDAYS:
        return "%a", "%A"
    if (part.isalpha() and word != "m") or "%" in part:
        return ()
    return (part,)


def _is_date(names: list[str], has_month: bool) -> bool:
    """Return whether the fields in this order are a date that somebody writes."""
    if len(set(names)) < len(names):
        return False
    if has_month:
        return sorted(names) in (["month", "year"], ["day", "month"], ["day", "month", "year"])
    if len(names) == 3:
        return " ".join(names) in _ORDERS
    return names in (["year", "month"], ["month", "year"])


def _read(cells: list[str], time_format: str) -> _Reading:
    if time_format in TEXT_FORMATS:
        stamps = read_numbers(pa.chunked_array([pa.array(cells)]), time_format).to_pandas()
        return _Reading(time_format, pd.DatetimeIndex(stamps).to_numpy("datetime64[s]"))
    stamps = _parsed(cells, time_format)
    if not _has_year(time_format) and stamps.hasnans:  # perhaps only February 29 of no leap year
        stamps = _parsed([f"{cell} 2000" for cell in cells], f"{time_format} %Y")
    return _Reading(time_format, stamps.tz_convert(None).to_numpy("datetime64[s]"))


def _parsed(cells: list[str], time_format: str) -> pd.DatetimeIndex:
    written = with_two_digits(pa.array(cells), time_format).to_pandas()
    return pd.to_datetime(pd.Index(written), format=time_format, errors="coerce", utc=True)


def _best(readings: list[_Reading]) -> list[_Reading]:
    """Return the readings that fit the most cells, one of those that give the same dates.

    Where several fit all the same, the one in which the dates make equal steps is taken, if there
    is one such.
    """
    most = max((reading.count for reading in readings), default=0)
    best: list[_Reading] = []
    for reading in readings:
        known = any(np.array_equal(reading.dates, other.dates, equal_nan=True) for other in best)
        if reading.count == most and not known:
            best.append(reading)
    even = [reading for reading in best if _is_even(reading.dates)]
    if len(even) == 1:
        return even
    return best


def _has_year(time_format: str) -> bool:
    return "%" not in time_format or re.search("%[YyG]", time_format) is not None


def _is_even(dates: NDArray[np.datetime64]) -> bool:
    """Return whether the dates make equal steps, of time or of months."""
    distinct = np.unique(dates[~np.isnat(dates)])
    if len(distinct) <= _FEW_STEPS:
        return False
    months = distinct.astype("datetime64[M]")
    day_of_month = distinct - months
    if (day_of_month == day_of_month[0]).all():
        distinct = months
    steps = np.diff(distinct)
    return bool((steps == steps[0]).all())


def _ask(readings: list[_Reading], cells: list[str], name: str) -> BadTableError:
    """Return the error for dates that can be read in several ways, with the first dates of each."""
    dates = np.array([reading.dates for reading in readings])
    first = int(np.argmax((dates != dates[0]).any(axis=0)))
    formats = [f"'{reading.time_format}'" for reading in readings]
    evidence = "; ".join(
        f"{time_format} reads {_first_dates(reading, first)}"
        for time_format, reading in zip(formats, readings, strict=True)
    )
    starts = dict.fromkeys(_first_field(reading.time_format) for reading in readings)
    could_be = "which can be read in two orders"
    if len(starts) > 1:
        could_be = f"which could be {' or '.join(starts)} first"
    fix = "write the dates as 2020-01-31"
    meanings = [f"if {cells[first]!r} is {_first_date(reading, first)}" for reading in readings]
    with_year = [reading for reading in readings if _has_year(reading.time_format)]
    if len(with_year) < len(readings):
        could_be = "whose number could be the year or the day"
        evidence = f"as a year, the first dates are {_first_dates(with_year[0], first)}"
        fix = "write the year into every date"
        meanings = ["if it is the year"]
    changes = [
        Change({"data.time_format": reading.time_format}, meaning)
        for reading, meaning in zip(with_year, meanings, strict=True)
    ]
    message = f"{name} contains {cells[first]!r}, {could_be} ({evidence})"
    return BadTableError("ambiguous_dates", message, fix, settings=changes, asks=True)


def _first_date(reading: _Reading, first: int) -> str:
    return show_stamp(reading.dates[first])


def _first_dates(reading: _Reading, first: int) -> str:
    return ", ".join(show_stamp(date) for date in reading.dates[first : first + 3])


def _first_field(time_format: str) -> str:
    directives = re.findall("%.", time_format)
    return next(_FIELDS[directive] for directive in directives if directive in _FIELDS)


def _refuse_days_without_year(chosen: _Reading, cells: list[str], name: str) -> None:
    """Raise where the dates have no year.

    Raises:
        BadTableError: always then: a forecast needs the year.
    """
    if not _has_year(chosen.time_format):
        raise BadTableError(
            "no_year",
            f"{name} contains {cells[0]!r}, a day without its year",
            "write the year into every date",
            settings=(Change({"data.time_col": "none"}, "to count the rows"),),
        )


def _note(chosen: _Reading, readings: list[_Reading], cells: list[str], name: str) -> str:
    """Return the note that says how the dates are read, and which cell decided."""
    fits = np.flatnonzero(~np.isnat(chosen.dates))
    reason = ""
    rivals = [
        reading
        for reading in readings
        if reading.count and not np.array_equal(reading.dates, chosen.dates, equal_nan=True)
    ]
    rivals.sort(key=lambda reading: -reading.count)
    if rivals and rivals[0].count == chosen.count:
        fits = np.flatnonzero(rivals[0].dates != chosen.dates)
        reason = f", and the steps are equal, unlike with '{rivals[0].time_format}'"
    elif rivals:
        fits = np.flatnonzero(~np.isnat(chosen.dates) & np.isnat(rivals[0].dates))
        reason = f", which '{rivals[0].time_format}' would not read"
    first = int(fits[0])
    return (
        f"{name} is read with time_format '{chosen.time_format}': {cells[first]!r} is "
        f"{show_stamp(chosen.dates[first])}{reason}"
    )
