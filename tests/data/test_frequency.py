"""Frequencies against pandas' own date ranges."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.frequency import Frequency
from forecast.data.infer import infer_frequency
from forecast.errors import ConfigError, DataError

ALIASES = (
    "ns", "100us", "ms", "s", "30s", "min", "5min", "15min", "90min", "h", "2h", "6h", "12h", "D",
    "2D", "3D", "B",
    "2B", "W-SUN", "W-MON", "W-WED", "2W-FRI", "ME", "MS", "BME", "BMS", "2ME", "2MS", "6MS",
    "QE-DEC", "QE-NOV",
    "QE-OCT",
    "QS-JAN", "QS-FEB", "QS-MAR", "BQE-DEC", "BQS-FEB", "YE-DEC", "YE-JUN", "YS-JAN", "YS-APR",
    "BYE-DEC", "BYS-MAR",
    "2YS-JAN",
)  # fmt: skip
ZONES = (None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
INFERRED = tuple(
    alias for alias in ALIASES if alias not in ("2B", "2YS-JAN")
)  # two steps pandas itself cannot infer


def utc(index: pd.DatetimeIndex) -> np.ndarray:
    """The stamps as a panel holds them."""
    return (index if index.tz is None else index.tz_convert(None)).to_numpy(dtype="datetime64[ns]")


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("start", ["1951-03-05", "2019-10-20"])
@pytest.mark.parametrize("alias", ALIASES)
def test_positions_count_the_steps_of_date_range(alias, start, tz):
    stamps = utc(pd.date_range(start, periods=100, freq=alias, tz=tz))
    freq = Frequency.parse(alias, tz=tz).aligned_to(stamps)
    assert freq.alias == alias
    positions = freq.positions(stamps)
    assert np.array_equal(positions, positions[0] + np.arange(100))
    assert np.array_equal(freq.stamps(positions), stamps)
    assert freq.on_grid(stamps).all()
    assert not freq.on_grid(stamps[:1] + np.timedelta64(1, "ns")).any() or alias == "ns"


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("alias", INFERRED)
def test_inferred_grid_holds_the_stamps_with_consecutive_places(alias, tz):
    index = pd.date_range("2019-01-07", periods=100, freq=alias, tz=tz)
    stamps = utc(index)
    freq = infer_frequency(np.concatenate([stamps, stamps[:40]]), np.array([0, 100, 140]), tz)
    assert freq == Frequency.parse(alias, tz=tz).aligned_to(stamps)


@given(
    alias=st.sampled_from(["15min", "h", "D", "B", "W-TUE", "MS", "ME", "QS-JAN"]),
    dropped=st.sets(st.integers(1, 99), max_size=15),
    shift=st.integers(0, 59),
)
def test_gaps_and_the_time_of_day_do_not_change_what_is_inferred(alias, dropped, shift):
    index = pd.date_range("2019-01-07", periods=100, freq=alias) + pd.Timedelta(
        minutes=shift if alias != "15min" else 3
    )
    kept = utc(index.delete(sorted(dropped)))
    freq = infer_frequency(kept, np.array([0, len(kept)]))
    assert freq.alias == alias
    expected = np.delete(np.arange(100), sorted(dropped))
    positions = freq.positions(kept)
    assert np.array_equal(positions - positions[0], expected - expected[0])


@given(
    step=st.integers(1, 50),
    first=st.integers(-1000, 1000),
    dropped=st.sets(st.integers(1, 29), max_size=5),
)
def test_integer_index(step, first, dropped):
    stamps = np.delete(first + step * np.arange(30), sorted(dropped))
    freq = infer_frequency(stamps, np.array([0, len(stamps)]))
    assert (freq.alias, freq.is_integer) == (str(step), True)
    assert np.array_equal(freq.stamps(freq.positions(stamps)), stamps)
    assert np.array_equal(np.diff(freq.positions(stamps)) * step, np.diff(stamps))
    assert not freq.on_grid(stamps[:1] + 1).any() or step == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("H", "h"), ("T", "min"), ("15T", "15min"), ("S", "s"), ("L", "ms"), ("U", "us"), ("N",
        "ns"), ("M", "ME"),
        ("Q", "QE-DEC"), ("Q-NOV", "QE-NOV"), ("Y", "YE-DEC"), ("A", "YE-DEC"), ("A-JUN",
        "YE-JUN"), ("BM", "BME"),
        ("BQ", "BQE-DEC"), ("BA", "BYE-DEC"), ("AS", "YS-JAN"), ("BAS", "BYS-JAN"), ("W", "W-SUN"),
        ("2H", "2h"),
        ("60min", "h"), ("3600s", "h"), ("QS", "QS-JAN"), (" 3 ", "3"),
    ],
)  # fmt: skip
def test_old_and_long_spellings_are_translated(old, new):
    assert Frequency.parse(old).alias == new


@pytest.mark.parametrize(
    "alias",
    ["W", "QE", "QS", "YE", "YS", "BQE", "BQS", "BYE", "BYS", "2W", "D", "B", "ME", "15min"],
)
def test_default_anchors_are_those_of_pandas(alias):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Frequency.parse(alias).alias == pd.tseries.frequencies.to_offset(alias).freqstr


@pytest.mark.parametrize(
    "text", ["notafreq", "", "W-FOO", "D-MON", "1.5h", "SME", "h-", "0h", "-1D", "0", "-2", "-h"]
)
def test_nonsense_is_refused(text):
    with pytest.raises(ConfigError, match="expected"):
        Frequency.parse(text)


def test_hints():
    with pytest.raises(ConfigError, match="did you mean 'h'"):
        Frequency.parse("hourly")
    with pytest.raises(ConfigError, match="did you mean 'ME'"):
        Frequency.parse("monthly")
    with pytest.raises(ConfigError, match="time zone"):
        Frequency.parse("h", tz="Europe/Atlantis")
    with pytest.raises(ConfigError, match="whole numbers"):
        Frequency.parse("h", is_integer=True)


@pytest.mark.parametrize(
    ("alias", "length"),
    [
        # the M4 competition: hourly 24, monthly 12, quarterly 4, yearly 1
        ("h", 24), ("ME", 12), ("MS", 12), ("QE-DEC", 4), ("YE-DEC", 1),
        # days of a week, weeks of a year, and what follows for multiples
        ("D", 7), ("B", 5), ("W-SUN", 52), ("15min", 96), ("min", 1440), ("2h", 12), ("2ME", 6),
        ("5h", 1), ("s", 3600),
        ("1", 1),
    ],
)  # fmt: skip
def test_season_length(alias, length):
    assert Frequency.parse(alias).season_length == length


def test_midnights_in_a_zone_that_skips_one():
    """Clocks in Beirut go from 23:59 to 01:00: that day begins an hour late."""
    midnights = [pd.Timestamp(f"2021-03-{day}", tz="Asia/Beirut") for day in (26, 27)]
    midnights += [
        pd.Timestamp("2021-03-28 01:00", tz="Asia/Beirut"),
        pd.Timestamp("2021-03-29", tz="Asia/Beirut"),
    ]
    stamps = utc(pd.DatetimeIndex(midnights))
    freq = infer_frequency(stamps, np.array([0, 4]), "Asia/Beirut")
    assert freq.alias == "D"
    assert np.array_equal(np.diff(freq.positions(stamps)), [1, 1, 1])
    assert freq.on_grid(stamps).all()


def test_times_of_day_that_occur_twice_or_never():
    """At 02:30 in Berlin: the first of the two in autumn, the first moment after it in spring."""
    freq = Frequency.parse("D", tz="Europe/Berlin").aligned_to(
        np.array(["2020-10-24T00:30"], dtype="datetime64[ns]")
    )
    autumn = np.datetime64("2020-10-25", "D").astype(int)
    assert freq.stamps(np.array([autumn]))[0] == np.datetime64("2020-10-25T00:30")
    assert not freq.on_grid(np.array(["2020-10-25T01:30"], dtype="datetime64[ns]")).any()
    spring = np.datetime64("2020-03-29", "D").astype(int)
    assert freq.stamps(np.array([spring]))[0] == np.datetime64("2020-03-29T01:00")


@given(day=st.integers(-20_000, 40_000), alias=st.sampled_from(["D", "B", "W-WED", "MS", "15min"]))
def test_stamps_beside_the_grid_are_rounded_down(day, alias):
    freq = Frequency.parse(alias)
    stamp = np.array([day], dtype="datetime64[D]").astype("datetime64[ns]") + np.timedelta64(
        1, "ns"
    )
    places = freq.positions(stamp)
    assert freq.stamps(places)[0] <= stamp[0] < freq.stamps(places + 1)[0]


def test_local_time_is_that_of_the_zone():
    index = pd.date_range("2020-03-28", periods=48, freq="h", tz="Europe/Berlin")
    freq = Frequency.parse("h", tz="Europe/Berlin")
    assert freq.local(utc(index)).equals(index)
    with pytest.raises(DataError, match="integer index"):
        Frequency.parse("1").local(np.arange(3))


def test_a_stray_first_stamp_does_not_move_the_grid():
    stamps = (
        pd.date_range("2024-01-01 00:30", periods=10, freq="h").to_numpy("datetime64[ns]").copy()
    )
    stamps[0] += np.timedelta64(7, "m")
    grid = Frequency.parse("h").aligned_to(stamps)
    assert grid.on_grid(stamps).tolist() == [False] + [True] * 9


def test_one_stamp_shows_no_frequency():
    with pytest.raises(DataError, match="give freq"):
        infer_frequency(
            np.array(["2020-01-01", "2020-01-01"], dtype="datetime64[ns]"), np.array([0, 2])
        )
