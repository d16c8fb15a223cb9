"""Holidays and the days around them, counted one day at a time by hand."""

from __future__ import annotations

import datetime as dt
import sys

import numpy as np
import pandas as pd
import pytest

from forecast.data.frequency import Frequency
from forecast.errors import ConfigError
from forecast.experiment.file import experiment_from
from forecast.forecasting.forecaster import Forecaster
from forecast.windows.calendar import calendar_columns, calendar_features, holiday_names

LISTS = {
    # of the law of 1971 and later, each year's dates as published by the Office of Personnel
    # Management (United States) and by the Bavarian Ministry of the Interior
    "US": ("2023-11-23", "2023-12-25", "2024-01-01", "2024-01-15", "2024-02-19"),
    "DE-BY": ("2023-11-01", "2023-12-25", "2023-12-26", "2024-01-01", "2024-01-06"),
}


def by_hand(days: list[dt.date], holidays: set[dt.date], counted: set[int]) -> np.ndarray:
    """(R, 3) flags, by walking from each day to the next and the last holiday."""
    table = []
    for day in days:
        row = [float(day in holidays)]
        for direction in (1, -1):
            steps = 0
            other = day
            while True:
                if direction == 1:
                    steps += other.weekday() in counted
                other += dt.timedelta(days=direction)
                if direction == -1:
                    steps += (other + dt.timedelta(days=1)).weekday() in counted
                if other in holidays:
                    break
            row.append(float(steps == 1))
        table.append(row)
    return np.array(table)


@pytest.mark.parametrize("code", LISTS)
@pytest.mark.parametrize(("alias", "counted"), [("D", set(range(7))), ("B", set(range(5)))])
def test_flags_are_those_of_a_walk_from_day_to_day(
    code: str, alias: str, counted: set[int]
) -> None:
    holidays = {dt.date.fromisoformat(text) for text in LISTS[code]}
    index = pd.date_range("2023-11-24", "2024-01-05", freq=alias)
    found = calendar_features(index.to_numpy(), Frequency(alias), holiday_names([code]))
    expected = by_hand([stamp.date() for stamp in index], holidays, counted)
    np.testing.assert_array_equal(found, expected)
    assert calendar_columns(holiday_names([code])) == (
        f"holiday:{code}",
        f"before_holiday:{code}",
        f"after_holiday:{code}",
    )


def test_hours_have_the_numbers_of_their_local_day() -> None:
    days = pd.date_range("2023-12-20", "2023-12-31")
    of_days = calendar_features(days.to_numpy(), Frequency("D"), holiday_names(["US"]))
    hours = pd.date_range("2023-12-20", periods=24 * 12, freq="h", tz="America/New_York")
    utc = hours.tz_convert(None).to_numpy()
    of_hours = calendar_features(utc, Frequency("h", tz="America/New_York"), holiday_names(["US"]))
    np.testing.assert_array_equal(of_hours, np.repeat(of_days, 24, axis=0))


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    epiphany = np.array(["2024-01-06"], "datetime64[ns]")
    for code, flag in {"DE": 0, "DE-BY": 1, "DE-BE": 0}.items():
        assert calendar_features(epiphany, Frequency("D"), holiday_names([code]))[0, 0] == flag


def sales(rows: int = 365) -> pd.DataFrame:
    """Days on which shops sell a third on holidays, and twice as much the day before."""
    import holidays

    draw = np.random.default_rng(0)
    days = pd.date_range("2022-06-01", periods=rows)
    factor = np.ones(rows)
    off = pd.to_datetime(sorted(holidays.country_holidays("US", years=(2022, 2023, 2024))))
    factor[days.isin(off - pd.Timedelta(days=1))] = 2.0
    factor[days.isin(off)] = 0.3
    return pd.DataFrame({"ds": days, "y": 100.0 * factor + draw.normal(size=rows)})


@pytest.mark.proof
def test_a_holiday_ahead_is_forecast_after_saving_and_without_a_table_of_covariates(
    tmp_path: object,
) -> None:
    table = sales(730)  # up to 30 May 2024
    before = table[table["ds"] < "2024-05-20"]
    settings = {"horizon": 10, "epochs": 4, "seeds": 1, "context_lengths": [28]}
    with_days = Forecaster(**settings, holidays="US").fit(before, verbose=0)
    without = Forecaster(**settings).fit(before, verbose=0)
    with_days.save(f"{tmp_path}/model")
    loaded = Forecaster.load(f"{tmp_path}/model")
    assert loaded.config.data.holidays == ("US",)
    ahead = loaded.predict(before)
    np.testing.assert_array_equal(ahead.values, with_days.predict().values)
    memorial_day = list(pd.to_datetime(ahead.stamps[0])).index(pd.Timestamp("2024-05-27"))
    error = abs(ahead.values[0, memorial_day, 0] - 30.0)
    assert error < 0.3 * abs(without.predict().values[0, memorial_day, 0] - 30.0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ZZ", "holidays 'ZZ' names no known country"),
        ("us", r"names no known country \(did you mean 'US'\?\)"),
        ("DE-XX", "names no known part of DE; expected one of BB, BE"),
        ("FI-1", "names no known part of FI"),
    ],
)
def test_codes_are_checked(code: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        calendar_columns(holiday_names([code]))


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    names = holiday_names(["US"])
    weeks = pd.date_range("2024-01-07", periods=3, freq="W").to_numpy()
    with pytest.raises(ConfigError, match=r"holidays is US, but the table has steps of W-SUN"):
        calendar_features(weeks, Frequency("W-SUN"), names)
    for alias in ("2D", "36h", "MS"):
        with pytest.raises(ConfigError, match=rf"has steps of {alias}; expected steps of a day"):
            calendar_features(weeks, Frequency(alias), names)
    five_hours = np.array(["2024-12-25T05:00"], "datetime64[ns]")
    assert calendar_features(five_hours, Frequency("5h"), names)[0, 0] == 1
    with pytest.raises(ConfigError, match=r"holidays is US, but the table has whole numbers"):
        calendar_features(np.arange(3), Frequency("1", is_integer=True), names)
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(
        ConfigError,
        match=r"holidays 'US' needs the package holidays: pip install 'bigru-forecast\[holidays\]'",
    ):
        calendar_columns(names)


@pytest.mark.parametrize("given", ["US,DE-BY", ["US", "DE-BY"]])
def test_a_text_or_a_list(given: object) -> None:
    config = experiment_from({"data": {"holidays": given}})
    assert config.data.holidays == ("US", "DE-BY")
