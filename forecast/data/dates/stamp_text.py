"""Timestamps that are text: read in one format, with the hour 24:00 and with intervals."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.dates.date_formats import find_format, is_iso, is_year_first
from forecast.data.dates.lookalikes import no_stamps, refuse_lookalikes
from forecast.data.dates.number_dates import NUMBER_FORMATS, read_numbers
from forecast.data.dates.short_years import with_two_digits
from forecast.data.findings import BadTableError, Choice, FindingLog, counted
from forecast.data.table import Table
from forecast.errors import ConfigError

_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
_NUMBERS = re.compile(r"[+-]?\d+([.]\d+)?", re.ASCII)
_MISSING = ("", "NaT", "nan", "NaN", "None")
_SAMPLE = 1000
_MIDNIGHT = r"([ T])24:00((?::00(?:[.]0+)?)?)(Z| ?[+-]\d|$)"
_INTERVAL = r"^(.*\d:\d{2}\S*) (?:-|to|" + "\u2013" + r") (.*\d:\d{2}\S*)$"  # also with an en dash
_CLOSE_INTERVAL = r"^(.*?(\d{1,2}:\d{2}))-(\d{1,2}:\d{2})$"
_PLAIN = r"^\d{4}-\d{2}-\d{2}([ T]([01]\d|2[0-3]):\d{2}(:\d{2})?)?$"
_YEAR_OR_MONTH = r"^\d{4}(-\d{1,2})?$"
_DAY = np.timedelta64(86_400, "s")


def read_text(
    column: pa.ChunkedArray, table: Table, time_format: str | None, log: FindingLog
) -> pa.ChunkedArray:
    """Read text as timestamps, null where a cell does not fit the format of the others.

    Where no cell fits `time_format` and all are dates such as 2020-01-31, the format in which
    forecasts are written, they are read in that format.

    Args:
        column: the cells.
        table: the table, for its columns and its decimal mark.
        time_format: as in `TableFormat`; None: guessed.
        log: gets notes on a guessed format, on intervals and on the hour 24:00.

    Raises:
        BadTableError: the dates could be read in two ways, or in none.
        ConfigError: there is no such format.
    """
    name = table.columns.time_col
    text = pc.utf8_trim_whitespace(column)
    if time_format is None and _are_plain(text):
        return parse(text, "ISO8601")
    text = pc.if_else(pc.is_in(text, pa.array(_MISSING)), None, text)
    if time_format in NUMBER_FORMATS:
        numbers = text
        if table.decimal == ",":
            numbers = pc.replace_substring(text, ",", ".")
        stamps = read_numbers(numbers, time_format)
        if not len(stamps.drop_null()) and is_iso(text):
            return parse(text, "ISO8601")
        return stamps

    if time_format is None or "%H.%M" not in time_format:
        text = with_colons(text)
    text = _interval_starts(text, name, log)
    midnight = None
    if pc.any(pc.match_substring(text, "24:00")).as_py():
        midnight = pc.match_substring_regex(text, _MIDNIGHT).fill_null(False)
        text = pc.replace_substring_regex(text, _MIDNIGHT, r"\100:00\2\3")
    stamps = _read_dates(text, name, time_format, log)
    if midnight is not None:
        stamps = _next_day(stamps, midnight, name, log)
    return stamps


def _are_plain(text: pa.ChunkedArray) -> bool:
    """Return whether every cell is a date such as 2020-01-31 or 2020-01-31 13:00, as most are.

    Such a column has one reading, so that nothing needs to be guessed.
    """
    if not len(text) or text.null_count:
        return False
    is_plain: bool = pc.all(pc.match_substring_regex(text, _PLAIN)).as_py()
    return is_plain


def with_colons(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write the time of day after a date, such as 18.00.00 or 18.30, with colons.

    Args:
        text: trimmed dates.
    """
    for seconds in (r"[.](\d{2})", ""):
        dotted = rf"^(.*\d[ T]\d{{1,2}})[.](\d{{2}}){seconds}$"
        if re.fullmatch(dotted, _first(text)):
            written = r"\1:\2:\3" if seconds else r"\1:\2"
            return pc.replace_substring_regex(text, dotted, written)
    return text


def _first(text: pa.ChunkedArray) -> str:
    """Return the first cell that is not missing; empty where there is none."""
    present = text.drop_null()
    if not len(present):
        return ""
    cell: str = present[0].as_py()
    return cell


def counts_to_24(column: pa.ChunkedArray) -> bool:
    """Return whether the last hour of a day is 24:00 and no hour is 00:00."""
    if not pc.any(pc.match_substring_regex(column, _MIDNIGHT)).as_py():
        return False
    return not pc.any(pc.match_substring_regex(column, r"[ T]0?0:00")).as_py()


def _interval_starts(text: pa.ChunkedArray, name: str, log: FindingLog) -> pa.ChunkedArray:
    """Return the start of every cell that is an interval, where most are."""
    sample = text.drop_null().slice(0, _SAMPLE).to_pylist()
    pattern = _INTERVAL
    intervals = [match for match in map(re.compile(pattern).fullmatch, sample) if match]
    if not intervals:
        pattern = _CLOSE_INTERVAL
        intervals = [match for match in map(re.compile(pattern).fullmatch, sample) if match]
        if not _have_equal_lengths(intervals):  # 13:00-01:00 has an offset from UTC
            return text
    if len(intervals) * 2 <= len(sample):
        return text
    first = intervals[0]
    log.note(
        "intervals",
        f"{name} contains intervals such as {first[0]!r}: their start is the timestamp, here "
        f"{first[1]!r}",
    )
    return pc.replace_substring_regex(text, pattern, r"\1")


def _have_equal_lengths(intervals: list[re.Match[str]]) -> bool:
    """Return whether the second time of day follows the first at one distance, in several hours."""
    starts = np.array([_minutes(match[2]) for match in intervals], dtype=np.int64)
    ends = np.array([_minutes(match[3]) for match in intervals], dtype=np.int64)
    lengths = np.unique((ends - starts) % 1440)
    return len(lengths) == 1 and len(np.unique(starts)) > 2


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return 60 * int(hours) + int(minutes)


def _next_day(
    stamps: pa.ChunkedArray, midnight: pa.ChunkedArray, name: str, log: FindingLog
) -> pa.ChunkedArray:
    """Move the rows of `midnight`, read as 00:00, to the end of their day."""
    count = pc.sum(midnight).as_py()
    if not count:
        return stamps
    log.note(
        "hour_24", f"{name} is 24:00 in {counted(count, 'row')}: read as 00:00 of the next day"
    )
    return pc.if_else(midnight, pc.add(stamps, pa.scalar(_DAY)), stamps)


def _read_dates(
    text: pa.ChunkedArray, name: str, time_format: str | None, log: FindingLog
) -> pa.ChunkedArray:
    """Read dates in the given format, or in that of most cells."""
    if time_format is None:
        _refuse_numbers(text, name)
        found, note = find_format(text, name)
        if note:
            log.note("guessed_format", note)
            log.decisions["data.time_format"] = Choice(found, note)
        if found in NUMBER_FORMATS:
            return read_numbers(text, found)
        if found == "ISO8601":
            text = _without_coarser(text)
        return parse(text, found)
    if "." not in time_format:
        # a column of whole numbers and an empty cell is often written 202001.0
        digits = pc.replace_substring_regex(text, r"^(\d+)[.]0$", r"\1")
    else:
        digits = text
    stamps = parse(digits, time_format)
    if not len(stamps.drop_null()) and is_iso(text):
        return parse(text, "ISO8601")
    return stamps


def _without_coarser(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates, null where a year or a month is among days or hours: it names no row's time."""
    is_coarse = pc.match_substring_regex(text, _YEAR_OR_MONTH).fill_null(False)
    count = pc.sum(is_coarse).as_py() or 0
    if not 0 < 2 * count < len(text.drop_null()):
        return text
    return pc.if_else(is_coarse, None, text)


def _refuse_numbers(text: pa.ChunkedArray, name: str) -> None:
    """Raise where there is no cell, or where the cells are numbers.

    Raises:
        BadTableError: always then; the fix names the format of numbers that look like dates.
    """
    sample = text.drop_null().slice(0, _SAMPLE).to_pylist()
    if not sample:
        raise BadTableError(
            "missing_stamps", f"{name} is empty in every row", "give each row its timestamp"
        )
    if all(_NUMBERS.fullmatch(cell) for cell in sample):
        refuse_lookalikes(pa.chunked_array([pa.array(sample)]), None, name)
        if not is_year_first(sample):  # 2020.01 is a number too
            raise no_stamps(name, "numbers as text")


def parse(text: pa.ChunkedArray, time_format: str) -> pa.ChunkedArray:
    """Read text in one `strptime` format, null where a cell does not fit.

    Raises:
        ConfigError: there is no such format.
    """
    if time_format == "ISO8601":
        zoned = pc.any(pc.match_substring_regex(text, _ZONE)).as_py()
        try:
            return text.cast(pa.timestamp("ns", "UTC" if zoned else None))
        except pa.ArrowInvalid:
            pass  # some cell does not fit: the slower reader below marks it as null
    cells = with_two_digits(text, time_format).to_pandas()
    # without %z, the end of 31-01-2020 is a year
    reads_zone = time_format in ("ISO8601", "mixed") or "%z" in time_format
    has_zone = cells.str.contains(_ZONE if reads_zone else "Z$", na=False)
    zoned = bool(has_zone.mean() * 2 > 1)
    usual = cells.where(has_zone == zoned)  # a cell is null if it differs from most in that
    try:
        index = pd.DatetimeIndex(
            pd.to_datetime(usual, format=time_format, errors="coerce", utc=True)
        )
    except ValueError as error:
        raise ConfigError(
            f"time_format is {time_format!r}; expected a strptime format ({error})"
        ) from error
    if not zoned:
        index = index.tz_localize(None)
    return pa.chunked_array([pa.array(index)])
