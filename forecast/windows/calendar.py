"""Features made from timestamps alone: position in the day, week and year, and holidays.

A cyclic feature is a share of its cycle, written as a sine and a cosine so that the end of a cycle
is next to its beginning. Months, years and ISO years differ in length; their cycles are as long as
the one of the timestamp, so every cycle closes without a jump, in leap years too, which no fixed
period such as 365.25 does. All features use local time in the zone of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.dates.number_dates import weeks_in_iso_year
from forecast.data.frequency import Frequency, in_longest_unit, wall_clock
from forecast.data.grid import DAY, TICKS
from forecast.errors import ConfigError, nearest
from forecast.windows.public_holidays import beside_holiday, check_holidays, on_holiday

_CHUNK = 1 << 18  # rows at a time: intermediate arrays stay small whatever the size of the panel


_WEEKDAY_OF_1970 = 3  # January 1 was a Thursday

_HOLIDAY = "holiday:"
_WITH_NEXT_DAYS = "holidays:"


def minute(index: pd.DatetimeIndex) -> FloatArray:
    """Return the share of the hour, seconds included."""
    return (_field(index, "minute") + _field(index, "second") / 60) / 60


def hour(index: pd.DatetimeIndex) -> FloatArray:
    """Return the share of a day of 24 hours, minutes included."""
    return (_field(index, "hour") + _field(index, "minute") / 60) / 24


def weekday(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole days since Monday as a share of the week."""
    return _field(index, "day_of_week") / 7


def day_of_month(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole days since the first as a share of this month."""
    return (_field(index, "day") - 1) / _field(index, "days_in_month")


def day_of_year(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole days since 1 January as a share of this year."""
    return (_field(index, "day_of_year") - 1) / np.where(_field(index, "is_leap_year"), 366, 365)


def week_of_year(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole weeks since the first as a share of this ISO year."""
    iso = index.isocalendar()
    year = iso["year"].to_numpy(np.int64)
    return (iso["week"].to_numpy(np.int64) - 1) / weeks_in_iso_year(year)


def month(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole months since January as a share of the year."""
    return (_field(index, "month") - 1) / 12


def quarter(index: pd.DatetimeIndex) -> FloatArray:
    """Return the whole quarters since the first as a share of the year."""
    return (_field(index, "quarter") - 1) / 4


def weekend(index: pd.DatetimeIndex) -> FloatArray:
    """Return 1 on Saturday and Sunday, else 0."""
    return (_field(index, "day_of_week") >= 5).astype(np.float64)


CALENDAR_FEATURES: dict[str, Callable[[pd.DatetimeIndex], FloatArray]] = {
    "minute": minute,
    "hour": hour,
    "weekday": weekday,
    "day_of_month": day_of_month,
    "day_of_year": day_of_year,
    "week_of_year": week_of_year,
    "month": month,
    "quarter": quarter,
    "weekend": weekend,
}
"""Every feature by name, but for the holidays of a country, `holiday:XX`."""


def calendar_features(
    stamps: NDArray[np.generic], freq: Frequency, names: Sequence[str]
) -> NDArray[np.float32]:
    """Compute features from timestamps.

    Args:
        stamps: (R,) datetime64[ns], UTC where `freq.tz` is set.
        freq: the frequency of the stamps.
        names: keys of `CALENDAR_FEATURES`, `holiday:XX` for the public holidays of a country by its
            ISO 3166 code, or `holidays:XX` for these and the days beside them.

    Returns:
        (R, K), columns as in `calendar_columns`.

    Raises:
        ConfigError: an unknown name or country, no `holidays` package, or stamps without dates.
    """
    columns = calendar_columns(names)
    _check_steps(names, freq)
    features = np.empty((len(stamps), len(columns)), np.float32)
    if not names:
        return features
    for start in range(0, len(stamps), _CHUNK):
        index = freq.local(freq.begins(stamps[start : start + _CHUNK]))
        columns_of_all = [column for name in names for column in _columns(name, index, freq)]
        features[start : start + _CHUNK] = np.stack(columns_of_all, axis=1)
    return features


def holiday_names(codes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the features of holidays and the days beside them.

    Args:
        codes: of countries, such as `US`, or of parts of them, such as `DE-BY`.
    """
    return tuple(f"{_WITH_NEXT_DAYS}{code}" for code in codes)


def calendar_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the K columns: `<name>_sin` and `<name>_cos`, or of a flag its name.

    Args:
        names: as in `calendar_features`.

    Raises:
        ConfigError: an unknown name or country, or no `holidays` package.
    """
    columns: list[str] = []
    for name in names:
        _check_name(name)
        code = name.removeprefix(_WITH_NEXT_DAYS)
        if _is_flag(name):
            columns.append(name)
        elif name.startswith(_WITH_NEXT_DAYS):
            columns += [f"{_HOLIDAY}{code}", f"before_holiday:{code}", f"after_holiday:{code}"]
        else:
            columns += [f"{name}_sin", f"{name}_cos"]
    return tuple(columns)


def weekdays_of(stamps: NDArray[np.generic], freq: Frequency) -> NDArray[np.int8] | None:
    """Return the local weekday of every timestamp, Monday 0; None where steps are beyond a day.

    Args:
        stamps: datetime64[ns] of any shape, UTC where `freq.tz` is set.
        freq: the frequency of the stamps.
    """
    if not _has_days(freq):
        return None
    flat = stamps.ravel()
    days = np.empty(len(flat), np.int8)
    for start in range(0, len(flat), _CHUNK):
        begins = freq.begins(flat[start : start + _CHUNK])
        day = wall_clock(begins.view(np.int64), freq.tz) // DAY
        days[start : start + _CHUNK] = (day + _WEEKDAY_OF_1970) % 7
    return days.reshape(stamps.shape)


def default_calendar(freq: Frequency) -> tuple[str, ...]:
    """Return the calendar features that suit a frequency.

    Steps below a day go without the position in the year: it takes several years of data to learn,
    and with less than a year the test set is in months that training has never seen.

    Args:
        freq: the frequency.
    """
    if freq.is_integer:
        return ()
    grid = in_longest_unit(freq.alias)
    if grid.tick > DAY:
        return ("hour", "weekday", "day_of_year")
    if grid.tick and grid.tick < TICKS["h"]:
        return ("minute", "hour", "weekday")
    if grid.tick:
        return ("hour", "weekday")
    if grid.months:
        in_months = grid.months * grid.multiple
        if in_months < 3:
            return ("month",)
        if in_months < 12:
            return ("quarter",)
        return ()
    if grid.base == "W":
        return ("week_of_year",)
    return ("weekday", "day_of_year")


def _has_days(freq: Frequency) -> bool:
    """Return whether a step is a day or less."""
    if freq.is_integer:
        return False
    grid = in_longest_unit(freq.alias)
    return 0 < grid.tick < DAY or (grid.base in ("D", "B") and grid.multiple == 1)


def _field(index: pd.DatetimeIndex, name: str) -> NDArray[Any]:
    """Return a field of every timestamp; the array below the index does not wrap it in an index."""
    return np.asarray(getattr(index.array, name))


def _columns(name: str, index: pd.DatetimeIndex, freq: Frequency) -> tuple[FloatArray, ...]:
    if name.startswith(_HOLIDAY):
        return (on_holiday(index, name.removeprefix(_HOLIDAY)),)
    if name.startswith(_WITH_NEXT_DAYS):
        code = name.removeprefix(_WITH_NEXT_DAYS)
        return on_holiday(index, code), *beside_holiday(index, code, freq)
    share = CALENDAR_FEATURES[name](index)
    if _is_flag(name):
        return (share,)
    return np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)


def _is_flag(name: str) -> bool:
    return name == "weekend" or name.startswith(_HOLIDAY)


def _check_steps(names: Sequence[str], freq: Frequency) -> None:
    """Refuse features of dates for stamps without dates, and holidays for steps beyond a day."""
    codes = [
        name.removeprefix(_WITH_NEXT_DAYS) for name in names if name.startswith(_WITH_NEXT_DAYS)
    ]
    if codes and not _has_days(freq):
        kind = f"steps of {freq.alias}"
        if freq.is_integer:
            kind = "whole numbers, which have no dates"
        raise ConfigError(
            f"`data.holidays` is {', '.join(codes)}, but the table has {kind}; expected steps of a "
            f"day or less: leave holidays out"
        )
    if names and freq.is_integer:
        raise ConfigError(
            f"calendar is {', '.join(names)}, but the index is whole numbers, which have no dates: "
            "set calendar: [], or give timestamps"
        )


def _check_name(name: str) -> None:
    for kind in (_HOLIDAY, _WITH_NEXT_DAYS):
        if name.startswith(kind):
            setting = f"calendar feature {name!r}"
            if kind == _WITH_NEXT_DAYS:
                setting = f"`data.holidays` {name.removeprefix(kind)!r}"
            check_holidays(name.removeprefix(kind), setting)
            return
    if name not in CALENDAR_FEATURES:
        known = (*CALENDAR_FEATURES, f"{_HOLIDAY}US")
        raise ConfigError(
            f"calendar feature {name!r} is unknown{nearest(name, known)}; expected one of "
            f"{', '.join(known)}"
        )
