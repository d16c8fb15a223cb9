"""Trading calendars, compared with those of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.tseries.holiday import USFederalHolidayCalendar

from forecast.data.doctor import diagnose
from forecast.data.frequency import Frequency
from forecast.data.grid import WEEKDAYS, business_grid, parse_grid
from forecast.data.load import load_panel
from forecast.data.panel import Columns, Panel
from forecast.data.read import TableFormat
from forecast.errors import ConfigError
from forecast.experiment.file import experiment_from
from forecast.experiment.prepare import prepare
from forecast.windows.index import contiguous_runs

HOLIDAYS = USFederalHolidayCalendar().holidays("2015-01-01", "2024-12-31")
GOLDEN_WEEK = pd.bdate_range("2019-04-29", "2019-05-06")  # 6 business days


def trading_days(last: str = "2019-12-31") -> pd.DatetimeIndex:
    """Business days of New York without the federal holidays."""
    days = pd.bdate_range("2016-01-04", last)
    return days[~days.isin(HOLIDAYS)]


def prices(days: pd.DatetimeIndex, tz: str | None = None) -> pd.DataFrame:
    values = 100 + np.random.default_rng(0).normal(size=len(days)).cumsum()
    return pd.DataFrame({"ds": days.tz_localize(tz), "y": values})


def num_runs(panel: Panel) -> int:
    """Stretches without a gap."""
    return len(contiguous_runs(panel)[0])


@pytest.mark.parametrize("tz", [None, "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("time_of_day", ["0h", "16h"])
def test_holidays_are_no_gaps(tz: str | None, time_of_day: str) -> None:
    days = trading_days()
    panel = load_panel(prices(days + pd.Timedelta(time_of_day), tz))
    assert panel.freq.alias == "B"
    assert (np.diff(panel.positions) == 1).all()
    assert (panel.freq.stamps(panel.positions) == panel.timestamps).all()
    closed = pd.bdate_range(days[0], days[-1]).difference(days)
    assert panel.freq.closed is not None
    assert len(panel.freq.closed) == len(closed)
    assert any(f"{len(closed)} business days without a row" in note for note in panel.notes)


def test_forecasts_are_for_the_business_days_after_the_last_row() -> None:
    days = trading_days("2019-12-30")
    panel = load_panel(prices(days))
    ahead = panel.freq.stamps(panel.positions[-1] + np.arange(1, 8))
    assert (ahead == pd.bdate_range("2019-12-31", periods=7).to_numpy()).all()


def test_holidays_among_the_future_rows_are_no_steps_either() -> None:
    days = trading_days("2020-01-08")
    table = prices(days).assign(promo=1.0)
    table.loc[table["ds"] > "2019-12-30", "y"] = np.nan
    panel = load_panel(table, Columns(known_covariates=("promo",)))
    ahead = panel.freq.stamps(panel.positions[-1] + np.arange(1, 6))
    assert (ahead == days[days > "2019-12-30"][:5].to_numpy()).all()
    assert panel.future is not None
    assert (panel.future.positions == panel.positions[-1] + np.arange(1, 7)).all()


@pytest.mark.parametrize(
    ("hole", "runs"),
    [
        (pd.bdate_range("2018-03-05", "2018-03-08"), 1),
        (GOLDEN_WEEK, 1),
        (pd.bdate_range("2018-03-05", "2018-03-15"), 2),
        (pd.bdate_range("2018-03-05", "2018-05-31"), 2),
    ],
    ids=["four days", "golden week", "nine days", "three months"],
)
def test_weeks_without_rows_stay_gaps(hole: pd.DatetimeIndex, runs: int) -> None:
    days = trading_days()
    panel = load_panel(prices(days[~days.isin(hole)]), gaps="skip")
    assert num_runs(panel) == runs
    assert (panel.freq.stamps(panel.positions) == panel.timestamps).all()


def test_a_day_that_another_series_has_is_a_gap() -> None:
    days = trading_days()
    table = pd.concat(
        [prices(days).assign(unique_id="a"), prices(days.delete(100)).assign(unique_id="b")]
    )
    findings = diagnose(table).errors
    assert [finding.code for finding in findings] == ["gaps"]
    assert "1 timestamp is missing in 1 gap: series 'b'" in findings[0].message


def test_many_missing_days_are_asked_about() -> None:
    days = trading_days()
    kept = np.random.default_rng(0).random(len(days)) > 0.1
    table = prices(days[kept])
    assert [finding.code for finding in diagnose(table).errors] == ["gaps"]
    assert load_panel(table, table_format=TableFormat(trading_days=True)).num_rows == len(table)


def test_a_market_that_never_closes_has_gaps() -> None:
    days = pd.date_range("2020-01-01", periods=400)
    table = prices(days.delete([50, 51, 200, 310]))
    assert [finding.code for finding in diagnose(table).errors] == ["gaps"]


@pytest.mark.parametrize("gaps", ["refuse", "skip"])
def test_false_makes_gaps_of_holidays(gaps: str) -> None:
    codes = {
        finding.code
        for finding in diagnose(
            prices(trading_days()), gaps=gaps, table_format=TableFormat(trading_days=False)
        ).errors
    }
    assert codes == ({"gaps"} if gaps == "refuse" else set())


def test_the_choice_is_settled_and_repeated_on_few_new_rows() -> None:
    config = experiment_from({"windows": {"horizon": 5}})
    prepared = prepare(config, prices(trading_days()))
    settled = prepared.config
    assert settled.data.trading_days is True
    assert settled.windows.context_length == 40
    assert (
        prepare(config, prices(pd.date_range("2020-01-01", periods=99))).config.data.trading_days
        is False
    )
    few = trading_days("2019-01-31")[-20:]  # a holiday and a day of mourning are 9 % of these
    assert load_panel(
        prices(few), freq=settled.data.freq, table_format=settled.data.table_format
    ).num_rows == len(few)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ConfigError, match="trading_days"):
        TableFormat(trading_days="perhaps")  # type: ignore[arg-type]


WEEKS = {
    "B": "Mon Tue Wed Thu Fri",
    "B-MON-SAT": "Mon Tue Wed Thu Fri Sat",
    "B-TUE-SUN": "Tue Wed Thu Fri Sat Sun",
    "B-SUN-THU": "Sun Mon Tue Wed Thu",
    "B-TUE-SAT": "Tue Wed Thu Fri Sat",
    "B-MON,WED,FRI": "Mon Wed Fri",
    "B-TUE,FRI": "Tue Fri",
}


@pytest.mark.parametrize(("alias", "week"), WEEKS.items(), ids=WEEKS)
def test_weeks_with_closed_days(alias: str, week: str) -> None:
    days = pd.date_range("2021-03-03", periods=200, freq=pd.offsets.CDay(weekmask=week))
    panel = load_panel(prices(days))
    assert panel.freq.alias == alias
    assert Frequency.parse(alias).alias == alias
    assert (np.diff(panel.positions) == 1).all()
    assert panel.freq.season_length == len(week.split())
    after = pd.date_range(days[-1], periods=30, freq=pd.offsets.CDay(weekmask=week))
    assert (panel.freq.stamps(panel.positions[-1] + np.arange(30)) == after.to_numpy()).all()


def test_a_few_closed_days_of_the_week_are_chance() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    table = prices(days[days.day_of_week < 6])
    assert [finding.code for finding in diagnose(table).errors] == ["gaps"]


def test_the_week_is_said() -> None:
    days = pd.date_range(
        "2021-03-01", periods=99, freq=pd.offsets.CDay(weekmask=WEEKS["B-MON-SAT"])
    )
    assert (
        "rows are on MON to SAT alone: these days are the steps ('B-MON-SAT')"
        in load_panel(prices(days)).notes
    )


@given(
    weekdays=st.sets(st.integers(0, 6), min_size=1, max_size=7),
    closed=st.sets(st.integers(-30, 60)),
)
def test_positions_and_stamps_are_inverse(weekdays: set[int], closed: set[int]) -> None:
    grid = business_grid(tuple(sorted(weekdays)))
    assert parse_grid(grid.alias) == grid
    freq = Frequency(grid.alias, closed=tuple(sorted(closed)))
    positions = np.arange(-50, 50)
    stamps = freq.stamps(positions)
    assert (freq.positions(stamps) == positions).all()
    days = pd.DatetimeIndex(stamps)
    assert set(days.day_of_week) <= weekdays
    every = Frequency(grid.alias).positions(stamps)
    open_days = [place for place in range(every[0], every[-1] + 1) if place not in closed]
    assert every.tolist() == open_days


@pytest.mark.parametrize("alias", ["B-MON-TUE-WED", "B-XXX", "B-MON-", "B-MON-SAT,SUN"])
def test_words_that_are_no_week_are_refused(alias: str) -> None:
    with pytest.raises(ConfigError, match="expected a pandas alias"):
        parse_grid(alias)


def test_names_of_days_are_those_of_pandas() -> None:
    assert [day.title() for day in WEEKDAYS] == [
        day[:3] for day in pd.date_range("2024-01-01", periods=7).day_name()
    ]
