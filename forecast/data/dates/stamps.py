"""The time column: text, dates, zones and whole numbers as one array of timestamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.local_time import NamesStep, localise, localise_ends
from forecast.data.dates.lookalikes import no_stamps, refuse_lookalikes
from forecast.data.dates.number_dates import are_years
from forecast.data.dates.stamp_text import counts_to_24, read_text
from forecast.data.findings import BadTableError, Choice, FindingLog, counted
from forecast.data.frequency import check_zone
from forecast.data.panel import NO_TIME
from forecast.data.per_series.ids import Ids
from forecast.data.table import RowNames, Table
from forecast.errors import ConfigError
from forecast.section import AUTO

_LARGEST_INDEX = 2**63 - 2**32
"""Largest number of an index, and the most between two: the steps after it have 64 bits too."""

_MOST_FAR = 0.5
"""Share of dates out of range from which the calendar is another one."""


@dataclass(frozen=True, eq=False)
class TimeColumn:
    """The timestamp of every row.

    Attributes:
        stamps: (R,) datetime64[ns], UTC where `tz` is set, or int64.
        tz: time zone of the timestamps in the table.
        readable: (R,) whether the row has a timestamp; None where all have.
        at_end: whether timestamps name the end of their steps.
    """

    stamps: NDArray[np.generic]
    tz: str | None = None
    readable: NDArray[np.bool_] | None = None
    at_end: bool = False


def read_stamps(
    table: Table,
    ids: Ids | None,
    log: FindingLog,
    *,
    time_format: str | None,
    tz: str | None,
    is_index: bool = False,
    names_step: NamesStep = "start",
) -> TimeColumn:
    """Read the time column.

    Args:
        table: the table; the column is removed from it.
        ids: series of the rows, to name rows and to resolve repeated hours.
        log: gets findings about single rows.
        time_format: `strptime` format of timestamps that are text or digits, or a key of
            `NUMBER_FORMATS`.
        tz: zone of timestamps that carry none; where they carry one, the zone they are shown in.
        is_index: whether whole numbers are known to be an index, even where they look like dates.
        names_step: whether a timestamp names the start or the end of its step; `auto`: the end
            where the hours are 01:00 to 24:00.

    Raises:
        BadTableError: the column contains no timestamps, or dates that can be read in two ways.
        ConfigError: there is no such zone or format.
    """
    check_zone(tz)
    name = table.columns.time_col
    if name == NO_TIME and name not in table.data:
        return _counted(table, ids, log)
    rows = RowNames(table)
    if ids is not None:
        rows = RowNames(table, ids.names, ids.codes)
    column = _usable(table.take(name), name, time_format)
    if pa.types.is_integer(column.type):
        if not is_index:
            refuse_lookalikes(column, rows.codes, name)
        _refuse_missing(column, column, rows, log, name)
        _refuse_far_numbers(column, name)
        return TimeColumn(column.cast(pa.int64()).fill_null(0).to_numpy(), None, _readable(column))

    stamps = column
    if pa.types.is_string(column.type):
        stamps = read_text(column, table, time_format, log)
    at_end = _at_end(names_step, column, log)
    given = stamps.type.tz
    _refuse_unknown_zone(given, name)
    exact = _in_nanoseconds(stamps)
    far = 0 if exact is not None else _count_far(stamps)
    if far <= _MOST_FAR * len(stamps):  # else no date was read as it is meant
        _refuse_missing(stamps, column, rows, log, name, time_format)
    if exact is None:
        raise BadTableError(
            "date_range",
            f"{name} contains dates before 1678 or after 2261",
            "correct them, or pass `data.time_format`",
        )
    ticks = _ticks(exact)
    readable = _readable(stamps)
    if given is not None:
        return TimeColumn(ticks.view("datetime64[ns]"), tz or given, readable, at_end)
    if tz is not None:
        ticks = (localise_ends if at_end else localise)(ticks, tz, rows, log)
        readable = _without_unclear(ticks, readable)
    return TimeColumn(ticks.view("datetime64[ns]"), tz, readable, at_end)


def _refuse_far_numbers(column: pa.ChunkedArray, name: str) -> None:
    """Raise where steps from a number of the index on may leave 64 bits."""
    low, high = pc.min_max(column).as_py().values()
    if low is not None and max(-low, high, high - low) > _LARGEST_INDEX:
        raise no_stamps(name, f"numbers from {low} to {high}, more than 64 bits reach")


def _refuse_unknown_zone(zone: str | None, name: str) -> None:
    """Raise where timestamps carry a zone that this machine does not know."""
    try:
        check_zone(zone)
    except ConfigError as error:
        raise BadTableError(
            "no_stamps",
            f"{name} contains timestamps whose {error}",
            "write them in UTC or without a zone",
        ) from error


def _at_end(names_step: NamesStep, column: pa.ChunkedArray, log: FindingLog) -> bool:
    """Return whether timestamps name the end of their steps; where that is open, decide it."""
    if names_step != AUTO:
        return names_step == "end"
    at_end = pa.types.is_string(column.type) and counts_to_24(column)
    reason = "the hours are 01:00 to 24:00" if at_end else "no hour is 24:00"
    log.decisions["data.stamps"] = Choice("end" if at_end else "start", reason)
    return at_end


def _counted(table: Table, ids: Ids | None, log: FindingLog) -> TimeColumn:
    """Count the rows of each series from 0, in the order of the table."""
    series = np.zeros(table.num_rows, np.int32)
    if ids is not None:
        series = ids.codes
    counts = pd.Series(series).groupby(series).cumcount().to_numpy(np.int64)
    rows = counted(table.num_rows, "row")
    log.note("counted", f"there are no timestamps: {rows} are counted from 0")
    return TimeColumn(counts)


def _readable(column: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """Return (R,) whether a row has a timestamp; None where all have."""
    if not column.null_count:
        return None
    return column.is_valid().to_numpy()


def _in_nanoseconds(stamps: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return dates in nanoseconds; None where 64 bits do not reach one of them."""
    try:
        return stamps.cast(pa.timestamp("ns", stamps.type.tz))
    except pa.ArrowInvalid:
        return None


def _count_far(stamps: pa.ChunkedArray) -> int:
    """Return the number of dates that nanoseconds of 64 bits do not reach, of at least one."""
    years = pc.year(stamps)
    is_far = pc.or_(pc.less(years, 1678), pc.greater(years, 2261))
    return max(int(pc.sum(is_far).as_py()), 1)  # the first and last of these years are cut


def _ticks(stamps: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return dates as whole numbers, 0 for a missing one."""
    numbers = stamps.cast(pa.int64())
    if numbers.null_count:
        numbers = numbers.fill_null(0)
    ticks: NDArray[np.int64] = numbers.to_numpy()
    return ticks


def _without_unclear(
    ticks: NDArray[np.int64], readable: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return (R,) whether a row has a timestamp that the clocks of its zone show exactly once."""
    unclear = np.isnat(ticks.view("datetime64[ns]"))
    if not unclear.any():
        return readable
    if readable is None:
        return ~unclear
    return readable & ~unclear


def _usable(column: pa.ChunkedArray, name: str, time_format: str | None) -> pa.ChunkedArray:
    """Return the column as whole numbers, text or timestamps.

    Raises:
        BadTableError: it contains something else, or dates as eight digits without a format.
    """
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_floating(kind):
        column = _whole_where_possible(column, name, time_format)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        if time_format is None:
            return column
        return column.cast(pa.string())
    if pa.types.is_date32(kind):
        return column.cast(pa.timestamp("s"))
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms"))
    if pa.types.is_string(kind) or pa.types.is_timestamp(kind):
        return column
    if pa.types.is_null(kind):
        raise BadTableError(
            "missing_stamps", f"{name} is empty in every row", "give each row its timestamp"
        )
    raise no_stamps(name, f"{kind} values")


def _whole_where_possible(
    column: pa.ChunkedArray, name: str, time_format: str | None
) -> pa.ChunkedArray:
    """Return floating-point numbers as whole ones where none has a fraction; NaN becomes null.

    Raises:
        BadTableError: there is no `time_format`, without which they are not timestamps.
    """
    column = column.cast(pa.float64())
    column = pc.if_else(pc.is_nan(column), None, column)
    if time_format is None:
        refuse_lookalikes(column, None, name)
    try:
        whole = column.cast(pa.int64())
    except pa.ArrowInvalid as error:  # fractions
        if time_format is None:
            raise no_stamps(name, "floating-point numbers with fractions") from error
        return column
    if time_format is None and not are_years(column):
        raise no_stamps(name, "floating-point numbers")
    return whole


def _refuse_missing(
    stamps: pa.ChunkedArray,
    cells: pa.ChunkedArray,
    rows: RowNames,
    log: FindingLog,
    name: str,
    time_format: str | None = None,
) -> None:
    """Report rows without a timestamp: empty cells and text that could not be read."""
    if not stamps.null_count:
        return
    bad = np.flatnonzero(stamps.is_null().to_numpy())
    values = cells.take(pa.array(bad[:1000])).to_pylist()
    unread = [
        int(row)
        for row, value in zip(bad, values, strict=False)
        if isinstance(value, str) and value.strip()
    ]
    if unread:
        shown = repr(cells[unread[0]].as_py())
        expected = "the format of the other rows"
        if time_format is not None and stamps.null_count == len(stamps):
            expected = f"time_format {time_format!r}"
        log.error(
            "unreadable_stamp",
            f"{name} contains {shown}, which does not fit {expected}: {rows.several(unread)}",
            "correct these cells, or remove the rows",
        )
    if len(bad) > len(unread):
        empty = [int(row) for row in bad[:1000] if int(row) not in set(unread)]
        named = rows.several(empty, len(bad) - len(unread))
        log.error(
            "missing_stamps",
            f"{name} is empty: {named}",
            "give each row its timestamp, or remove the row",
        )
