"""One step has one meaning, however it is spelled, and stamps with equal steps have that step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.cli import main
from forecast.data.frequency import Frequency
from forecast.data.infer import infer_frequency
from forecast.data.known import read_known
from forecast.data.load import load_panel
from forecast.data.read import TableFormat
from forecast.errors import DataError
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import DataConfig, Experiment
from forecast.windows.calendar import default_calendar

SPELLINGS = [
    # start, the usual name, season, calendar, other spellings of the same step on these stamps
    (
        "2024-01-01",
        "W-MON",
        52,
        ("week_of_year",),
        ("7D", "168h", "10080min", "604800s", "1W-MON", "5B"),
    ),
    ("2024-01-03", "W-WED", 52, ("week_of_year",), ("7D", "168h", "5B")),
    ("2024-01-05", "2W-FRI", 26, ("week_of_year",), ("14D", "336h", "10B")),
    ("2024-01-01", "3W-MON", 1, ("week_of_year",), ("21D", "504h", "15B")),
    (
        "2024-01-01",
        "D",
        7,
        ("weekday", "day_of_year"),
        ("24h", "1440min", "86400s", "1D", "86400000ms"),
    ),
    ("2024-01-01", "2D", 1, ("weekday", "day_of_year"), ("48h",)),
    ("2024-01-01", "30D", 1, ("weekday", "day_of_year"), ("720h",)),
    ("2024-01-01", "36h", 1, ("hour", "weekday", "day_of_year"), ("2160min",)),
    ("2024-01-01", "h", 24, ("hour", "weekday"), ("60min", "3600s", "H")),
    ("2024-01-01", "15min", 96, ("minute", "hour", "weekday"), ("900s", "15T")),
    ("2024-01-01", "12h", 2, ("hour", "weekday"), ("720min",)),
    ("2024-01-01", "min", 1440, ("minute", "hour", "weekday"), ("60s", "60000ms")),
    ("2024-01-01", "QS-JAN", 4, ("quarter",), ("3MS", "QS-APR", "QS")),
    ("2024-02-01", "QS-FEB", 4, ("quarter",), ("3MS", "QS-NOV")),
    ("2024-03-31", "QE-DEC", 4, ("quarter",), ("3ME", "QE-MAR", "Q")),
    ("2024-01-01", "6MS", 2, ("quarter",), ("2QS", "2QS-JAN")),
    ("2024-04-01", "YS-APR", 1, (), ("12MS", "4QS", "4QS-APR")),
    ("2024-06-30", "YE-JUN", 1, (), ("12ME", "4QE")),
    ("2024-01-01", "2YS-JAN", 1, (), ("24MS", "8QS")),
]
CASES = [
    pytest.param(start, usual, (season, calendar), spelling, id=f"{spelling}-{usual}")
    for start, usual, season, calendar, others in SPELLINGS
    for spelling in (usual, *others)
]


def utc(index: pd.DatetimeIndex) -> np.ndarray:
    """The stamps as a panel holds them."""
    return (index if index.tz is None else index.tz_convert(None)).to_numpy(dtype="datetime64[ns]")


@pytest.mark.parametrize("tz", [None, "UTC", "Asia/Kolkata", "Europe/Berlin"])
@pytest.mark.parametrize(("start", "usual", "meaning", "spelling"), CASES)
def test_spellings_of_one_step_are_one_frequency(start, usual, meaning, spelling, tz):
    index = pd.date_range(start, periods=30, freq=usual, tz=tz)
    freq = Frequency.parse(spelling, tz=tz)
    assert (freq.season_length, default_calendar(freq)) == meaning
    aligned = freq.aligned_to(utc(index))
    assert aligned == Frequency.parse(usual, tz=tz).aligned_to(utc(index))
    assert aligned.alias == usual
    assert (aligned.season_length, default_calendar(aligned)) == meaning
    assert aligned.steps_per_week == freq.steps_per_week
    longer = pd.date_range(start, periods=60, freq=usual, tz=tz)
    ahead = aligned.positions(utc(index))[-1] + 1 + np.arange(30)
    assert np.array_equal(aligned.stamps(ahead), utc(longer)[30:])


@pytest.mark.parametrize(("start", "usual", "meaning", "spelling"), CASES)
def test_what_is_declared_is_what_is_inferred(start, usual, meaning, spelling):
    index = pd.date_range(start, periods=30, freq=usual)
    frame = pd.DataFrame({"ds": index, "y": np.arange(30.0)})
    declared = load_panel(frame, freq=spelling)
    assert declared.freq.alias == usual
    assert (declared.freq.season_length, default_calendar(declared.freq)) == meaning
    assert load_panel(frame).freq == declared.freq


@pytest.mark.parametrize(
    "step",
    ["36h", "30h", "25h", "21h", "30D", "10D", "91D", "365D", "45min", "90s", "100ms", "33h"],
)
@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_equal_steps_are_the_frequency(step, tz):
    index = pd.date_range("2019-01-07 03:00", periods=40, freq=pd.Timedelta(step), tz=tz)
    stamps = np.concatenate([utc(index), utc(index)[:7]])
    freq = infer_frequency(stamps, np.array([0, 40, 47]), tz)
    positions = freq.positions(stamps)
    assert np.array_equal(np.diff(positions)[:39], np.ones(39))
    longer = pd.date_range("2019-01-07 03:00", periods=80, freq=pd.Timedelta(step), tz=tz)
    assert np.array_equal(freq.stamps(positions[39] + 1 + np.arange(40)), utc(longer)[40:])
    if tz is None:
        assert freq == Frequency.parse(step).aligned_to(stamps)


@given(minutes=st.integers(1, 60 * 24 * 27), start=st.integers(0, 10**9), rows=st.integers(5, 60))
def test_any_equal_step_is_found_or_is_a_rule_of_the_calendar_with_the_same_stamps(
    minutes, start, rows
):
    ticks = (np.int64(start) * 10**9 + np.arange(rows) * np.int64(minutes) * 60 * 10**9).view(
        "datetime64[ns]"
    )
    freq = infer_frequency(ticks, np.array([0, rows]))
    assert np.array_equal(np.diff(freq.positions(ticks)), np.ones(rows - 1))
    assert freq.on_grid(ticks).all()


@pytest.mark.parametrize(
    "first", ["2023-07-15", "2024-01-15", "2021-05-10", "2020-12-15", "2019-02-15"]
)
@pytest.mark.parametrize("months", [1, 3, 12])
def test_the_same_day_of_each_month_is_no_number_of_days(first, months):
    """As few rows as months and years of equal length make are not taken for a step of days."""
    stamps = [pd.Timestamp(first) + pd.DateOffset(months=months * row) for row in range(12)]
    for rows in range(2, 13):
        held = utc(pd.DatetimeIndex(stamps[:rows]))
        steps = np.diff(held).astype("timedelta64[D]").astype(int)
        if (steps % 7 == 0).all():
            continue  # 91 days are 13 weeks
        with pytest.raises(DataError, match="move each timestamp to the first day of its period"):
            infer_frequency(held, np.array([0, rows]))


@pytest.mark.parametrize(
    ("start", "alias"), [("2024-01-01", "QS-JAN"), ("2023-02-01", "MS"), ("2024-01-01", "MS")]
)
@pytest.mark.parametrize("rows", [2, 3, 4, 12])
def test_first_days_of_months_are_months_though_a_few_of_them_are_weeks_apart(start, alias, rows):
    stamps = utc(pd.date_range(start, periods=rows, freq=alias))
    assert infer_frequency(stamps, np.array([0, rows])).alias == alias


def test_steps_of_24_hours_that_do_not_follow_the_clocks_stay_hours():
    index = pd.date_range("2024-03-01", periods=60, freq="24h", tz="Europe/Berlin")
    assert index.hour.nunique() == 2
    inferred = infer_frequency(utc(index), np.array([0, 60]), "Europe/Berlin")
    assert inferred == Frequency.parse("24h", tz="Europe/Berlin").aligned_to(utc(index))
    assert inferred.alias == "24h"
    assert (inferred.season_length, default_calendar(inferred)) == (7, ("weekday", "day_of_year"))
    local = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin")
    assert Frequency.parse("24h", tz="Europe/Berlin").aligned_to(utc(local)).alias == "D"
    weeks = pd.date_range("2024-03-01", periods=60, freq="168h", tz="Europe/Berlin")
    inferred = infer_frequency(utc(weeks), np.array([0, 60]), "Europe/Berlin")
    assert (inferred.alias, inferred.season_length, inferred.steps_per_week) == ("168h", 52, None)


def test_a_declared_anchor_is_kept():
    index = pd.date_range("2024-01-01", periods=30, freq="QS-JAN")
    with pytest.raises(DataError, match="QS-JAN"):
        load_panel(pd.DataFrame({"ds": index, "y": 1.0}), freq="QS-FEB")
    with pytest.raises(DataError, match="YS-JAN"):
        load_panel(pd.DataFrame({"ds": index[::4], "y": 1.0}), freq="4QS-FEB")
    with pytest.raises(DataError, match="W-MON"):
        load_panel(
            pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=30, freq="7D"), "y": 1.0}),
            freq="W",
        )


def weekly(rows: int = 80) -> pd.DataFrame:
    """Mondays with a known covariate."""
    y = 10 + np.sin(np.arange(rows) * 2 * np.pi / 52)
    index = pd.date_range("2022-01-03", periods=rows, freq="W-MON")
    return pd.DataFrame({"ds": index, "y": y, "promo": np.arange(rows) % 3 * 1.0})


@pytest.mark.parametrize("spelling", ["7D", "168h", "W-MON", "5B"])
def test_experiments_in_every_spelling_are_one(spelling, tmp_path, capsys):
    def prepared(freq: str | None):
        data = DataConfig(freq=freq, known_covariates=("promo",))
        config = Experiment(data=data, windows={"horizon": 4}, evaluation={"test_size": 8})
        return prepare(config, weekly())

    spelled, inferred = prepared(spelling), prepared(None)
    assert spelled.config == inferred.config
    assert spelled.config.data.freq == "W-MON"
    first, second = (
        one.training.batch(np.arange(len(one.training))) for one in (spelled, inferred)
    )
    for one, other in zip(first, second, strict=True):
        for name, values in one.items() if isinstance(one, dict) else [("target", one)]:
            assert np.array_equal(values, other[name] if isinstance(other, dict) else other), name
    weekly().to_csv(tmp_path / "weeks.csv", index=False)
    assert main(["check", str(tmp_path / "weeks.csv"), f"--set=data.freq={spelling}"]) == 0
    assert "freq    W-MON" in capsys.readouterr().out


def test_a_model_saved_with_another_spelling_reads_its_tables():
    """What a saved model holds is the alias; earlier versions wrote `7D`."""
    panel = load_panel(weekly(), freq="7D")
    assert panel.freq == load_panel(weekly().tail(9)).freq
    known = read_known(panel, weekly().tail(2)[["ds", "promo"]], table_format=TableFormat())
    assert known.freq == panel.freq
