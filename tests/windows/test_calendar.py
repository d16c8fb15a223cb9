"""Calendar features against the standard library, stamp by stamp."""

from __future__ import annotations

import calendar as standard
import datetime as dt
import math
import sys
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.dates.number_dates import weeks_in_iso_year
from forecast.data.frequency import Frequency
from forecast.errors import ConfigError
from forecast.windows.calendar import (
    CALENDAR_FEATURES,
    calendar_columns,
    calendar_features,
    default_calendar,
)

moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2199, 12, 31)).map(
    lambda t: t.replace(microsecond=0)
)

SHARES = {
    "minute": lambda t: (t.minute + t.second / 60) / 60,
    "hour": lambda t: (t.hour + t.minute / 60) / 24,
    "weekday": lambda t: t.weekday() / 7,
    "day_of_month": lambda t: (t.day - 1) / standard.monthrange(t.year, t.month)[1],
    "day_of_year": lambda t: (
        (t.timetuple().tm_yday - 1) / (366 if standard.isleap(t.year) else 365)
    ),
    "week_of_year": lambda t: (
        (t.isocalendar()[1] - 1) / dt.date(t.isocalendar()[0], 12, 28).isocalendar()[1]
    ),
    "month": lambda t: (t.month - 1) / 12,
    "quarter": lambda t: (t.month - 1) // 3 / 4,
}


def stamps_of(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[ns]")


@given(
    st.lists(moments, min_size=1, max_size=20),
    st.sampled_from([None, "Europe/Berlin", "America/New_York"]),
)
def test_every_feature_equals_the_standard_library(times, tz):
    freq = Frequency("s", tz=tz)
    local = [t.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(tz)) if tz else t for t in times]
    table = calendar_features(
        stamps_of(*(t.isoformat() for t in times)), freq, list(CALENDAR_FEATURES)
    )
    names = calendar_columns(list(CALENDAR_FEATURES))
    for name, share in SHARES.items():
        angles = [2 * math.pi * share(t) for t in local]
        np.testing.assert_allclose(table[:, names.index(f"{name}_sin")], np.sin(angles), atol=1e-6)
        np.testing.assert_allclose(table[:, names.index(f"{name}_cos")], np.cos(angles), atol=1e-6)
    assert table[:, names.index("weekend")].tolist() == [float(t.weekday() > 4) for t in local]
    assert set(SHARES) | {"weekend"} == set(CALENDAR_FEATURES), "a new feature needs its line above"


def test_iso_years_have_the_weeks_of_the_standard_library():
    years = np.arange(1900, 2300)
    expected = [dt.date(int(y), 12, 28).isocalendar()[1] for y in years]
    assert weeks_in_iso_year(years).tolist() == expected


@pytest.mark.parametrize("year", ["2023", "2024"])
def test_the_year_closes_without_a_jump(year):
    days = np.arange(f"{year}-12-25", f"{int(year) + 1}-01-08", dtype="datetime64[D]").astype(
        "datetime64[ns]"
    )
    table = calendar_features(days, Frequency("D"), ["day_of_year"]).astype(float)
    steps = np.hypot(*np.diff(table, axis=0).T)
    np.testing.assert_allclose(steps, 2 * np.pi / 365.5, rtol=0.003)


def test_holidays_of_a_country_in_its_own_zone():
    stamps = stamps_of(
        "2024-07-04T03:00",
        "2024-07-04T05:00",
        "2024-07-05T03:00",
        "2024-07-05T05:00",
        "2023-12-25T12:00",
    )
    table = calendar_features(stamps, Frequency("h", tz="America/New_York"), ["holiday:US"])
    assert table[:, 0].tolist() == [0, 1, 1, 0, 1]
    german = calendar_features(
        stamps_of("2024-10-03", "2024-07-04"), Frequency("D"), ["weekend", "holiday:DE"]
    )
    assert german.tolist() == [[0, 1], [0, 0]]
    assert calendar_columns(["weekend", "holiday:DE", "hour"]) == (
        "weekend",
        "holiday:DE",
        "hour_sin",
        "hour_cos",
    )


def test_rows_beyond_one_chunk_are_the_rows_computed_alone():
    stamps = np.arange("2000-01-01", "2035-01-01", dtype="datetime64[h]").astype("datetime64[ns]")
    assert len(stamps) > 1 << 18
    names = ["hour", "week_of_year", "holiday:FR"]
    table = calendar_features(stamps, Frequency("h"), names)
    for rows in (slice(0, 99), slice((1 << 18) - 50, (1 << 18) + 50), slice(-99, None)):
        np.testing.assert_array_equal(
            table[rows], calendar_features(stamps[rows], Frequency("h"), names)
        )


def test_refusals():
    day = stamps_of("2024-01-01")
    with pytest.raises(
        ConfigError,
        match=r"'weekdya' is unknown \(did you mean 'weekday'\?\); expected one of minute",
    ):
        calendar_features(day, Frequency("D"), ["weekdya"])
    with pytest.raises(
        ConfigError, match=r"'holiday:de' names no known country \(did you mean 'DE'\?\)"
    ):
        calendar_columns(["holiday:de"])
    with pytest.raises(ConfigError, match=r"calendar is hour, but the index is whole numbers"):
        calendar_features(np.arange(3), Frequency("1", is_integer=True), ["hour"])
    assert calendar_features(np.arange(3), Frequency("1", is_integer=True), []).shape == (3, 0)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(
        ConfigError, match=r"needs the package holidays: pip install 'bigru-forecast\[holidays\]'"
    ):
        calendar_columns(["holiday:US"])


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("15min", ("minute", "hour", "weekday")), ("h", ("hour", "weekday")), ("6h", ("hour",
        "weekday")),
        ("D", ("weekday", "day_of_year")), ("B", ("weekday", "day_of_year")), ("W-SUN",
        ("week_of_year",)),
        ("ME", ("month",)), ("MS", ("month",)), ("2MS", ("month",)), ("QE-DEC", ("quarter",)),
        ("YS-JAN", ()),
    ],
)  # fmt: skip
def test_defaults_vary_with_every_step_of_the_frequency_and_with_nothing_slower_than_a_year(
    alias, expected
):
    freq = Frequency.parse(alias)
    assert default_calendar(freq) == expected
    stamps = freq.stamps(np.arange(40))
    table = calendar_features(stamps, freq, expected)
    assert (np.abs(np.diff(table, axis=0)).max(axis=1, initial=0) > 1e-3).all() == bool(expected)
