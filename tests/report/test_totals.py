"""Totals per period equal those of loops over days, and say which of them are complete."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from panels import forecast_after

from forecast.data.frequency import Frequency
from forecast.data.load import load_panel
from forecast.data.panel import Columns, Panel
from forecast.report.totals import COLUMNS, period_totals, periods_of
from forecast.scores.forecast import Forecast

NAMES = {"day": "D", "week": "W-SUN", "month": "M", "year": "Y", "hour": "h", "minute": "min"}


def a_panel(stamps: dict[str, pd.DatetimeIndex], seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": index, "y": rng.normal(10, 3, len(index))})
        for name, index in stamps.items()
    ]
    return load_panel(pd.concat(parts, ignore_index=True), gaps="fill")


def ahead_of(panel: Panel, horizon: int, seed: int = 1) -> Forecast:
    """A forecast of random numbers from the last row of every series."""
    values = np.random.default_rng(seed).normal(10, 3, (panel.num_series, horizon, 1))
    return forecast_after(panel, values, alias="a")


def by_hand(panel: Panel, forecast: Forecast, name: str, year: pd.DateOffset) -> dict:
    """The same totals, period by period with the calendar of pandas."""
    found = {}
    for row, series in enumerate(panel.series_ids):
        own = slice(panel.offsets[row], panel.offsets[row + 1])
        actual = pd.Series(
            panel.targets[own, 0], panel.freq.local(panel.timestamps[own]).tz_localize(None)
        )
        predicted = pd.Series(
            forecast.values[row, :, 0], panel.freq.local(forecast.stamps[row]).tz_localize(None)
        )
        for period in sorted(set(predicted.index.to_period(NAMES[name]))):
            inside = predicted.index.to_period(NAMES[name]) == period
            known = actual[actual.index.to_period(NAMES[name]) == period].dropna()
            other = pd.Period(period.start_time - year, NAMES[name])
            before = actual[actual.index.to_period(NAMES[name]) == other]
            total = predicted[inside].sum() + known.sum()
            found[series, period.start_time] = (inside.sum(), len(known), total, before.sum())
    return found


@pytest.mark.parametrize(
    ("freq", "rows", "horizon", "name", "year"),
    [
        ("D", 800, 45, "week", pd.DateOffset(weeks=52)),
        ("D", 800, 45, "month", pd.DateOffset(years=1)),
        ("B", 600, 30, "week", pd.DateOffset(weeks=52)),
        ("B", 600, 30, "month", pd.DateOffset(years=1)),
        ("h", 9_000, 72, "day", pd.DateOffset(weeks=52)),
        ("15min", 36_000, 96, "hour", pd.DateOffset(weeks=52)),
        ("MS", 60, 12, "year", pd.DateOffset(years=1)),
        ("ME", 60, 12, "year", pd.DateOffset(years=1)),
        ("QE", 40, 6, "year", pd.DateOffset(years=1)),
        ("W-SUN", 200, 52, "year", pd.DateOffset(years=1)),
    ],
)
def test_totals_are_those_of_a_loop(freq, rows, horizon, name, year):
    index = pd.date_range("2021-02-10", periods=rows, freq=freq)
    panel = a_panel({"a": index, "b": index[: -rows // 10]})
    forecast = ahead_of(panel, horizon)
    table = period_totals(forecast, panel)
    table = table[table["period"] == name]
    wanted = by_hand(panel, forecast, name, year)
    assert len(table) == len(wanted) > 0
    compared = 0
    for row in table.to_dict("records"):
        predicted, known, total, before = wanted[row["series"], row["start"]]
        assert (row["forecast_steps"], row["actual_steps"]) == (predicted, known)
        assert row["total"] == pytest.approx(total)
        if np.isfinite(row["year_before"]):
            compared += 1
            assert row["forecast_steps"] + row["actual_steps"] == row["steps"]
            assert row["year_before"] == pytest.approx(before)
    assert compared, "one period is complete and has a complete one before it"


def test_a_day_of_23_hours_is_complete():
    index = pd.date_range("2022-03-01", "2023-03-25 23:00", freq="h", tz="Europe/Berlin")
    panel = load_panel(pd.DataFrame({"ds": index, "y": 1.0}))
    table = period_totals(ahead_of(panel, 48), panel)
    days = table[table["period"] == "day"].set_index("start")
    assert days["steps"].tolist() == [23, 24, 24]
    assert days["forecast_steps"].tolist() == [23, 24, 1], "clocks go forward on March 26"
    # 52 weeks before March 26 the clocks of 2022 go forward; the last day is cut off
    assert days["year_before"].iloc[:2].tolist() == [23.0, 24.0]
    assert np.isnan(days["year_before"].iloc[2])


def test_a_gap_leaves_a_period_incomplete_and_without_comparison():
    index = pd.date_range("2022-01-01", "2023-06-14", freq="D")
    with_gap = index.delete([index.get_loc("2022-06-20"), index.get_loc("2023-06-12")])
    whole = period_totals(*reversed_pair(a_panel({"a": index})))
    holed = period_totals(*reversed_pair(a_panel({"a": with_gap})))
    assert whole["year_before"].notna().sum() > holed["year_before"].notna().sum()
    first = holed[holed["period"] == "week"].iloc[0]
    assert (first["actual_steps"], first["forecast_steps"], first["steps"]) == (2, 4, 7)
    assert np.isnan(first["year_before"])


def reversed_pair(panel: Panel) -> tuple[Forecast, Panel]:
    return ahead_of(panel, 30), panel


def test_a_whole_number_index_and_odd_steps_have_no_periods():
    assert periods_of(Frequency.parse("5", is_integer=True)) == ()
    assert periods_of(Frequency.parse("3D")) == ()
    assert periods_of(Frequency.parse("YS")) == ()
    panel = load_panel(pd.DataFrame({"ds": np.arange(50), "y": np.arange(50.0)}))
    table = period_totals(ahead_of(panel, 5), panel)
    assert len(table) == 0
    assert list(table) == ["series", *COLUMNS]


def test_a_month_of_which_little_is_forecast_is_left_out():
    index = pd.date_range("2022-01-01", "2023-03-29", freq="D")
    panel = a_panel({"a": index})
    assert set(period_totals(ahead_of(panel, 4), panel)["period"]) == {"week"}
    assert set(period_totals(ahead_of(panel, 40), panel)["period"]) == {"week", "month"}


def test_a_day_that_lacks_its_last_hour_is_shown_as_far_as_it_goes():
    index = pd.date_range("2024-01-01", "2024-03-31 22:00", freq="h")
    panel = load_panel(pd.DataFrame({"ds": index, "y": 1.0}))
    table = period_totals(ahead_of(panel, 24), panel)
    days = table[table["period"] == "day"]
    assert days["steps"].tolist() == [24, 24]
    assert days["actual_steps"].tolist() == [23, 0]
    assert days["forecast_steps"].tolist() == [1, 23]
    assert days["year_before"].isna().all()


def test_several_targets_and_many_series_are_added_up_each_for_itself():
    index = pd.date_range("2022-01-01", periods=500, freq="D")
    rng = np.random.default_rng(0)
    frame = pd.concat(
        [
            pd.DataFrame({"shop": f"s{n}", "ds": index, "a": rng.random(500), "b": n * 1.0})
            for n in range(20)
        ]
    )
    panel = load_panel(frame, Columns(id_col="shop", target_cols=("a", "b")))
    values = np.ones((20, 31, 2))
    one = ahead_of(load_panel(frame, Columns(id_col="shop", target_cols=("a",))), 31)
    forecast = Forecast(
        "m", one.series_ids, one.cutoffs, one.stamps, values, panel.columns, panel.freq
    )
    table = period_totals(forecast, panel)
    before = table[(table["target"] == "b") & table["year_before"].notna()]
    numbers = before["series"].str[1:].astype(float)
    assert len(before) >= 20
    assert np.allclose(before["year_before"], numbers * before["steps"])


@pytest.mark.timeout(20)
def test_steps_of_a_year_are_not_counted_where_no_day_is_forecast() -> None:
    index = pd.date_range("2026-01-01", periods=300, freq="100ms")
    panel = a_panel({"a": index})
    # a year of 100 ms has 315 million steps
    assert period_totals(ahead_of(panel, 20), panel).empty
