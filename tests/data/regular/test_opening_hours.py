"""Tables with rows at certain hours alone: positions count steps, and none is ahead at night."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from data.regular.test_closures import HOLIDAYS
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.doctor import diagnose
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, parse_grid
from forecast.data.load import load_panel
from forecast.data.opening_hours import WEEK, find_hours, read_hours, write_hours
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError
from forecast.experiment.check_table import settings_for_all

HALF_HOUR = 1800 * 10**9
MARKET = ("09:30", "15:30", "30min")


def bars(
    days: pd.DatetimeIndex, first: str = "09:30", last: str = "15:30", step: str = "30min"
) -> pd.DatetimeIndex:
    """Every step from one time of day to another, on each of some days."""
    times = pd.timedelta_range(f"{first}:00", f"{last}:00", freq=step)
    return pd.DatetimeIndex([day + time for day in days for time in times])


def market_days(start: str = "2024-09-03", end: str = "2025-02-28") -> pd.DatetimeIndex:
    days = pd.bdate_range(start, end)
    return days[~days.isin(HOLIDAYS)]


def table(stamps: pd.DatetimeIndex) -> pd.DataFrame:
    values = 100 + np.random.default_rng(0).normal(size=len(stamps)).cumsum()
    return pd.DataFrame({"ds": stamps, "y": values})


def lunch() -> pd.DatetimeIndex:
    stamps = bars(pd.bdate_range("2024-06-03", "2024-08-30"), "09:00", "14:45", "15min")
    minutes = stamps.hour * 60 + stamps.minute
    return stamps[(minutes < 690) | (minutes >= 750)]


def currencies() -> pd.DatetimeIndex:
    """Hours from Sunday 22:00 to Friday 21:00."""
    hours = pd.date_range("2024-01-01", "2024-06-30", freq="h")
    of_week = hours.day_of_week * 24 + hours.hour
    return hours[(of_week < 4 * 24 + 22) | (of_week >= 6 * 24 + 22)]


def shop() -> pd.DatetimeIndex:
    """Hours of a shop: shorter on Saturday, closed on Sunday."""
    days = pd.date_range("2024-01-01", "2024-06-30")
    week = bars(days[days.day_of_week < 5], "08:00", "19:00", "h")
    return week.append(bars(days[days.day_of_week == 5], "08:00", "13:00", "h")).sort_values()


TABLES = {
    "half hours": (bars(market_days()), "30min@MON-FRI/09:30-15:30", 13),
    "five days of minutes": (
        bars(market_days("2025-02-03", "2025-02-07"), "09:30", "15:59", "1min"),
        "min@MON-FRI/09:30-15:59",
        390,
    ),
    "three days of minutes": (
        bars(market_days("2025-02-04", "2025-02-06"), "09:30", "15:59", "1min"),
        "min@MON-FRI/09:30-15:59",
        390,
    ),
    "a break for lunch": (lunch(), "15min@MON-FRI/09:00-11:15+12:30-14:45", 20),
    "currencies": (currencies(), "h@MON-THU/00:00-23:00,FRI/00:00-21:00,SUN/22:00-23:00", 24),
    "a shop": (shop(), "h@MON-FRI/08:00-19:00,SAT/08:00-13:00", 12),
    "every day": (
        bars(pd.date_range("2024-01-01", periods=60), "06:00", "21:00", "h"),
        "h@MON-SUN/06:00-21:00",
        16,
    ),
    "twice a day": (
        bars(pd.date_range("2024-01-01", periods=90), "09:00", "17:00", "8h"),
        "8h@MON-SUN/09:00-17:00",
        2,
    ),
}


@pytest.mark.parametrize(("stamps", "alias", "season"), TABLES.values(), ids=TABLES)
def test_nights_and_weekends_are_no_gaps(stamps: pd.DatetimeIndex, alias: str, season: int) -> None:
    panel = load_panel(table(stamps))
    assert panel.freq.alias == alias
    assert (np.diff(panel.positions) == 1).all()
    assert (panel.freq.stamps(panel.positions) == panel.timestamps).all()
    assert panel.freq.season_length == season
    assert any("these times are the steps" in note for note in panel.notes)


@pytest.mark.parametrize("name", TABLES)
def test_the_steps_ahead_are_at_the_times_of_the_rows(name: str) -> None:
    stamps, alias, _ = TABLES[name]
    panel = load_panel(table(stamps))
    ahead = pd.DatetimeIndex(panel.freq.stamps(panel.positions[-1] + np.arange(1, 600)))
    weeks = pd.date_range(stamps[-1].normalize(), periods=900, freq="D")
    wanted = {(stamp.day_of_week, stamp.time()) for stamp in stamps}
    if "three days" in name:  # the other days of the week are taken to be like these
        wanted = {(day, stamp.time()) for day in range(5) for stamp in stamps}
    times = sorted({stamp.time() for stamp in stamps})
    every = [pd.Timestamp.combine(day.date(), time) for day in weeks for time in times]
    expected = [
        stamp
        for stamp in every
        if stamp > stamps[-1] and (stamp.day_of_week, stamp.time()) in wanted
    ]
    assert list(ahead) == expected[: len(ahead)]
    assert panel.freq.alias == alias


def test_holidays_and_short_days_are_no_steps_either() -> None:
    stamps = bars(market_days())
    is_short = (stamps.normalize() == "2024-11-29") & (stamps.hour >= 13)
    panel = load_panel(table(stamps[~is_short]))
    assert (np.diff(panel.positions) == 1).all()
    assert panel.freq.closed is not None
    whole = bars(pd.bdate_range("2024-09-03", "2025-02-28"))
    assert len(panel.freq.closed) == len(whole) - len(stamps) + int(is_short.sum())


def test_a_long_hole_stays_a_gap() -> None:
    stamps = bars(market_days())
    hole = (stamps >= "2024-11-01") & (stamps < "2024-11-20")
    findings = diagnose(table(stamps[~hole])).errors
    assert [finding.code for finding in findings] == ["gaps"]
    assert "in 1 gap" in findings[0].message


def test_local_time_keeps_its_hours_when_clocks_change() -> None:
    stamps = bars(market_days()).tz_localize("America/New_York")
    panel = load_panel(table(stamps))
    assert panel.freq.alias == "30min@MON-FRI/09:30-15:30"
    assert (np.diff(panel.positions) == 1).all()
    ahead = panel.freq.local(panel.freq.stamps(panel.positions[-1] + np.arange(1, 400)))
    assert {str(time) for time in ahead.strftime("%H:%M")} <= {
        stamp.strftime("%H:%M") for stamp in stamps
    }


@pytest.mark.parametrize(
    "stamps",
    [
        pd.date_range("2024-01-01", periods=60, freq="h"),
        pd.date_range("2024-01-01", periods=5000, freq="h").delete([50, 700, 701, 4000]),
        pd.date_range("2024-01-01", periods=3, freq="12h"),
        pd.date_range("2024-01-01 00:00:07.5", periods=90, freq="8h"),
    ],
    ids=["a few days", "some gaps", "two days", "not on whole seconds"],
)
def test_tables_that_never_close_have_no_hours(stamps: pd.DatetimeIndex) -> None:
    freq = diagnose(table(stamps)).freq
    assert freq is not None
    assert "@" not in str(freq)


def test_many_missing_steps_are_asked_about_and_the_answer_works() -> None:
    stamps = bars(market_days())
    kept = np.random.default_rng(0).random(len(stamps)) > 0.15
    kept[:26] = True
    first = diagnose(table(stamps[kept]))
    assert [finding.code for finding in first.errors] == ["gaps"]
    settings = settings_for_all(first.errors, {})
    given = {path.split(".")[1]: value for path, value in settings.items()}
    missing = given.pop("missing", "refuse") != "refuse"
    gaps = given.pop("gaps", "refuse")
    second = diagnose(
        table(stamps[kept]), table_format=TableFormat(**given), gaps=gaps, allow_missing=missing
    )
    assert second.errors == ()


def test_false_makes_gaps_of_nights() -> None:
    with_gaps = diagnose(table(bars(market_days())), table_format=TableFormat(trading_days=False))
    assert [finding.code for finding in with_gaps.errors] == ["gaps"]


def test_the_hours_are_known_from_a_few_rows_once_they_are_settled() -> None:
    panel = load_panel(table(bars(market_days())))
    few = bars(market_days("2025-02-27", "2025-02-28"))[3:]
    later = load_panel(
        table(few), freq=panel.freq.alias, table_format=TableFormat(trading_days=True)
    )
    ahead = later.freq.stamps(later.positions[-1] + np.arange(1, 3))
    assert ahead.astype("datetime64[m]").astype(str).tolist() == [
        "2025-03-03T09:30",
        "2025-03-03T10:00",
    ]


def test_known_covariates_of_the_next_session_are_found() -> None:
    stamps = bars(market_days())
    frame = table(stamps).assign(promo=np.arange(len(stamps)) % 3.0)
    frame.loc[frame.index[-13:], "y"] = np.nan
    panel = load_panel(frame, Columns(known_covariates=("promo",)))
    assert panel.future is not None
    assert (panel.future.positions == panel.positions[-1] + np.arange(1, 14)).all()


@given(st.sets(st.integers(0, WEEK // HALF_HOUR - 1), min_size=1, max_size=60))
def test_hours_are_written_and_read_back(places: set[int]) -> None:
    hours = tuple(place * HALF_HOUR for place in sorted(places))
    text = write_hours(hours, HALF_HOUR)
    assert read_hours(text, HALF_HOUR) == hours
    assert parse_grid(f"30min@{text}").alias == f"30min@{text}"
    freq = Frequency.parse(f"30min@{text}")
    positions = np.arange(-100, 100)
    stamps = freq.stamps(positions)
    assert (freq.positions(stamps) == positions).all()
    assert (np.diff(stamps.astype(np.int64)) > 0).all()
    since_monday = (stamps.astype(np.int64) + 3 * DAY) % WEEK
    assert set(since_monday.tolist()) <= set(hours)


def test_hours_of_no_rows() -> None:
    assert find_hours(np.empty(0, np.int64), HALF_HOUR) == ()


@pytest.mark.parametrize(
    "text",
    ["30min@MON", "30min@XXX/09:00", "30min@MON/9", "30min@MON/09:00-09:10", "D@MON/09:00"],
)
def test_words_that_are_no_hours_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="freq is '"):
        Frequency.parse(text)
