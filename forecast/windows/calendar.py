"""Features made from timestamps alone: position in the day, week and year, and holidays.

A cyclic feature is a share of its cycle, written as a sine and a cosine so that the end of a cycle
is next to its beginning. Months, years and ISO years differ in length; their cycles are as long as
the one of the timestamp, so every cycle closes without a jump, in leap years too, which no fixed
period such as 365.25 does. All features use local time in the zone of the table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.dates.number_dates import weeks_in_iso_year
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, TICKS, parse_grid
from forecast.errors import ConfigError, nearest

_CHUNK = 1 << 18  # rows at a time: intermediate arrays stay small whatever the size of the panel


_HOLIDAY = "holiday:"


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
        names: keys of `CALENDAR_FEATURES`, or `holiday:XX` for the public holidays of a country by
            its ISO 3166 code.

    Returns:
        (R, K), columns as in `calendar_columns`.

    Raises:
        ConfigError: an unknown name or country, no `holidays` package, or stamps without dates.
    """
    columns = calendar_columns(names)
    if names and freq.is_integer:
        raise ConfigError(
            f"calendar is {', '.join(names)}, but the index is whole numbers, which have no dates: "
            "set calendar: [], or give timestamps"
        )
    features = np.empty((len(stamps), len(columns)), np.float32)
    if not names:
        return features
    for start in range(0, len(stamps), _CHUNK):
        index = freq.local(stamps[start : start + _CHUNK])
        columns_of_all = [column for name in names for column in _columns(name, index)]
        features[start : start + _CHUNK] = np.stack(columns_of_all, axis=1)
    return features


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
        if _is_flag(name):
            columns.append(name)
        else:
            columns += [f"{name}_sin", f"{name}_cos"]
    return tuple(columns)


def default_calendar(freq: Frequency) -> tuple[str, ...]:
    """Return the calendar features that suit a frequency.

    Steps below a day go without the position in the year: it takes several years of data to learn,
    and with less than a year the test set is in months that training has never seen.

    Args:
        freq: the frequency.
    """
    if freq.is_integer:
        return ()
    grid = parse_grid(freq.alias).in_longest_unit()
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


def _field(index: pd.DatetimeIndex, name: str) -> NDArray[Any]:
    """Return a field of every timestamp; the array below the index does not wrap it in an index."""
    return np.asarray(getattr(index.array, name))


def _columns(name: str, index: pd.DatetimeIndex) -> tuple[FloatArray, ...]:
    if name.startswith(_HOLIDAY):
        return (_holiday(index, name.removeprefix(_HOLIDAY)),)
    share = CALENDAR_FEATURES[name](index)
    if _is_flag(name):
        return (share,)
    return np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)


def _is_flag(name: str) -> bool:
    return name == "weekend" or name.startswith(_HOLIDAY)


def _holiday(index: pd.DatetimeIndex, country: str) -> FloatArray:
    """Return 1 on public holidays, else 0."""
    days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.isin(days, _holiday_days(country, int(years.min()), int(years.max()))).astype(
        np.float64
    )


@functools.lru_cache(maxsize=64)
def _holiday_days(country: str, first_year: int, last_year: int) -> NDArray[np.datetime64]:
    import holidays

    days = holidays.country_holidays(country, years=range(first_year, last_year + 1))
    return np.array(sorted(days), "datetime64[D]")


def _check_name(name: str) -> None:
    if not name.startswith(_HOLIDAY):
        if name not in CALENDAR_FEATURES:
            known = (*CALENDAR_FEATURES, f"{_HOLIDAY}US")
            raise ConfigError(
                f"calendar feature {name!r} is unknown{nearest(name, known)}; expected one of "
                f"{', '.join(known)}"
            )
        return
    try:
        import holidays
    except ImportError as error:
        raise ConfigError(
            f"calendar feature {name!r} needs the package holidays: pip install "
            f"'bigru-forecast[holidays]'"
        ) from error
    country = name.removeprefix(_HOLIDAY)
    known_countries = holidays.list_supported_countries()
    if country not in known_countries:
        raise ConfigError(
            f"calendar feature {name!r} names no known "
            f"country{nearest(country.upper(), known_countries)}; expected "
            f"{_HOLIDAY} and one of {len(known_countries)} ISO 3166 codes, such as {_HOLIDAY}US"
        )
