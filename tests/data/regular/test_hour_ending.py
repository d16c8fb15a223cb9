"""Timestamps that name the end of their steps, against the same rows that name the start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import Columns, Panel
from forecast.data.read import TableFormat
from forecast.experiment.file import experiment_from
from forecast.experiment.prepare import prepare
from forecast.report.totals import period_totals
from forecast.scores.forecast import Forecast
from forecast.windows.calendar import CALENDAR_FEATURES, calendar_features

END = TableFormat(stamps="end")


def starts(freq: str = "h", tz: str | None = None, days: int = 60) -> pd.DataFrame:
    rows = days * pd.Timedelta(1, "D") // step_of(freq)
    stamps = pd.date_range("2024-01-01", periods=rows, freq=freq, tz=tz)
    values = np.random.default_rng(0).normal(size=len(stamps)).round(3)
    return pd.DataFrame({"ds": stamps, "y": values})


def step_of(freq: str) -> pd.Timedelta:
    return pd.Timedelta(1, "h") if freq == "h" else pd.Timedelta(freq)


def ends(freq: str = "h", tz: str | None = None) -> pd.DataFrame:
    table = starts(freq, tz)
    return table.assign(ds=table["ds"] + step_of(freq))


def counted_to_24(table: pd.DataFrame) -> pd.DataFrame:
    """Write midnight as 24:00 of the day before."""
    stamps = table["ds"]
    is_midnight = stamps == stamps.dt.normalize()
    day = (stamps - pd.Timedelta(1, "ns")).dt.strftime("%Y-%m-%d")
    clock = stamps.dt.strftime("%H:%M").where(~is_midnight, "24:00")
    return table.assign(ds=day + " " + clock)


def features(panel: Panel) -> np.ndarray:
    return calendar_features(panel.timestamps, panel.freq, tuple(CALENDAR_FEATURES))


@pytest.mark.parametrize("tz", [None, "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("freq", ["h", "15min", "6h"])
def test_the_calendar_is_that_of_the_start(freq: str, tz: str | None) -> None:
    at_start = load_panel(starts(freq, tz))
    at_end = load_panel(ends(freq, tz), table_format=END)
    assert np.array_equal(features(at_end), features(at_start))
    assert not np.array_equal(features(load_panel(ends(freq, tz))), features(at_start))
    assert (np.diff(at_end.positions) == 1).all()
    moved = at_start.timestamps + step_of(freq).to_timedelta64()
    assert (at_end.timestamps == moved).all(), "timestamps stay as the table has them"


@pytest.mark.parametrize(("freq", "first"), [("D", "2023-12-31"), ("MS", "2023-12-01")])
def test_days_and_months_are_those_before(freq: str, first: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=40, freq=freq)
    panel = load_panel(pd.DataFrame({"ds": stamps, "y": np.arange(40.0)}), table_format=END)
    assert panel.freq.begins(panel.timestamps)[0] == np.datetime64(first)


@pytest.mark.parametrize("freq", ["W-SUN", "ME", "QE-DEC"])
def test_grids_that_name_their_last_day_stay(freq: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=40, freq=freq)
    panel = load_panel(pd.DataFrame({"ds": stamps, "y": np.arange(40.0)}), table_format=END)
    assert (panel.freq.begins(panel.timestamps) == panel.timestamps).all()


@pytest.mark.parametrize("made", ["D", "6h", "W-SUN", "MS"])
def test_intervals_hold_the_same_rows(made: str) -> None:
    settings: dict[str, Any] = {"resample": made, "aggregate": "sum"}
    expected = load_panel(starts(), table_format=TableFormat(**settings))
    found = load_panel(ends(), table_format=TableFormat(stamps="end", **settings))
    assert np.array_equal(found.values, expected.values)
    begins = found.freq.begins(found.timestamps)
    assert (begins == expected.timestamps).all()
    names = expected.timestamps
    if made == "6h":  # steps below a day are named like those of the table
        names = names + np.timedelta64(6, "h")
    assert (found.timestamps == names).all()


def test_hours_to_24_are_known_for_ends() -> None:
    panel = load_panel(counted_to_24(ends()))
    assert panel.freq.at_end
    assert np.array_equal(features(panel), features(load_panel(starts())))
    assert panel.decisions["data.stamps"].value == "end"


@pytest.mark.parametrize("stamps", ["auto", "start"])
def test_one_24_among_hours_of_0_decides_nothing(stamps: Any) -> None:
    table = counted_to_24(ends())
    table.loc[23, "ds"] = "2024-01-02 00:00"
    assert not load_panel(table, table_format=TableFormat(stamps=stamps)).freq.at_end


def test_the_choice_is_settled() -> None:
    config = experiment_from({"windows": {"horizon": 24}})
    prepared = prepare(config, counted_to_24(ends()))
    assert prepared.config.data.stamps == "end"
    assert prepare(config, starts()).config.data.stamps == "start"
    again = prepare(prepared.config, ends()).panel
    assert (again.timestamps == prepared.panel.timestamps).all()
    assert again.freq == prepared.panel.freq


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney"])
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_local_time_in_a_year_of_both_changes(zone: str, freq: str) -> None:
    utc = pd.date_range("2023-01-01", "2023-12-31", freq=freq, tz="UTC")
    local = utc.tz_convert(zone).tz_localize(None)
    step = step_of(freq)
    y = np.arange(len(utc)) % 7.0
    written = pd.DataFrame({"ds": local + step, "y": y})
    shown = pd.DataFrame({"ds": (utc + step).tz_convert(zone).tz_localize(None), "y": y})
    for table in (written, shown):
        panel = load_panel(table, table_format=TableFormat(tz=zone, stamps="end"))
        begins = panel.freq.begins(panel.timestamps)
        assert (begins == utc.tz_localize(None).to_numpy()).all()


def test_a_skipped_hour_is_named_as_it_is_written() -> None:
    hours = pd.date_range("2024-03-30", periods=72, freq="h")
    table = pd.DataFrame({"ds": hours, "y": 1.0})
    found = diagnose(table, table_format=TableFormat(tz="Europe/Berlin", stamps="end")).errors
    assert [finding.code for finding in found] == ["skipped_hour"]
    assert "2024-03-31 03:00" in found[0].message, "the hour from 2 to 3"


def test_totals_of_a_day_end_at_its_midnight() -> None:
    panel = load_panel(ends().assign(y=1.0), table_format=END)
    ahead = panel.freq.stamps(panel.positions[-1] + np.arange(1, 49))
    forecast = Forecast(
        alias="m",
        series_ids=panel.series_ids,
        cutoffs=panel.timestamps[-1:],
        stamps=ahead[None],
        values=np.ones((1, 48, 1)),
        columns=panel.columns,
        freq=panel.freq,
    )
    totals = period_totals(forecast, panel)
    days = totals[totals["period"] == "day"]
    assert days["start"].dt.strftime("%m-%d").tolist() == ["03-01", "03-02"]
    assert days["total"].tolist() == [24.0, 24.0]


def test_a_frame_of_known_values_is_read_in_the_same_way() -> None:
    table = counted_to_24(ends().assign(promo=1.0))
    table.loc[table.index[-24:], "y"] = np.nan
    panel = load_panel(table, Columns(known_covariates=("promo",)))
    assert panel.future is not None
    assert (panel.future.positions == panel.positions[-1] + np.arange(1, 25)).all()
