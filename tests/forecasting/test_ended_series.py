"""Series that end before the others: named, and forecast as `data.ended_series` says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.data.known import covers, future_frame
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.per_series.ended import ended_notes, reach_of, steps_behind
from forecast.errors import ConfigError, DataError
from forecast.experiment.check_table import check_table
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.scores.forecast import Forecast

HORIZON = 4
LENGTHS = {"a": 60, "late": 59, "b": 60, "long ago": 41, "last week": 53}
SETTINGS: dict[str, Any] = {
    "model": {"name": "bigru", "bidirectional": False, "decoder": "direct", "units": [4]},
    "windows": {"context_length": 8, "horizon": HORIZON},
    "training": {"epochs": 1, "seed": 3},
    "evaluation": {"validation_size": 4, "test_size": 8},
}


def daily(freq: str = "D", tz: str | None = None) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frames = []
    for level, (name, rows) in enumerate(LENGTHS.items()):
        step = np.arange(rows)
        stamps = pd.date_range("2024-01-01", periods=rows, freq=freq, tz=tz)
        values = 10 * level + np.sin(step) + draw.normal(0, 0.1, rows)
        frames.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": values}))
    return pd.concat(frames, ignore_index=True)


def config(how: str, **data: Any) -> Experiment:
    return Experiment.model_validate({**SETTINGS, "data": {"ended_series": how, **data}})


def under(forecaster: Forecaster, how: str) -> Forecaster:
    """The same training under another setting."""
    other = copy.copy(forecaster)
    settings = forecaster.fitted.config.with_settings({"data.ended_series": how})
    other._fitted = replace(forecaster.fitted, config=settings)
    return other


@pytest.fixture(scope="module", name="fitted")
def _fitted() -> Callable[[str], Forecaster]:
    return partial(under, Forecaster(config("own_end")).fit(daily()))


def by_series(forecast: Forecast) -> dict[str, pd.DataFrame]:
    return dict(iter(forecast.frame().groupby("unique_id")))


def test_own_ends_are_the_default(fitted: Callable[[str], Forecaster]) -> None:
    assert Experiment().data.ended_series == "own_end"
    ends = daily().groupby("unique_id")["ds"].max()
    for name, rows in by_series(fitted("own_end").predict()).items():
        expected = pd.date_range(ends[name], periods=HORIZON + 1, freq="D")[1:]
        assert rows["ds"].tolist() == expected.tolist()
        assert rows["cutoff"].unique().tolist() == [ends[name]]


@pytest.mark.parametrize("horizon", [None, 2, 7])
def test_the_common_end_is_reached_as_with_a_longer_horizon(
    fitted: Callable[[str], Forecaster], horizon: int | None
) -> None:
    steps = horizon or HORIZON
    common = by_series(fitted("common_end").predict(horizon=horizon, baseline="drift"))
    last = daily()["ds"].max()
    days = pd.date_range(last, periods=steps + 1, freq="D")[1:].tolist()
    for name, rows in common.items():
        assert rows["ds"].tolist() == days
        behind = LENGTHS["a"] - LENGTHS[name]
        # alone in its table a series is the last to end, so it is forecast from its own end
        alone = daily().query("unique_id == @name")
        longer = fitted("own_end").predict(alone, horizon=behind + steps, baseline="drift").frame()
        for column in ("bigru", "drift"):
            np.testing.assert_allclose(rows[column], longer[column].tail(steps), rtol=1e-6)
        assert rows["cutoff"].unique().tolist() == [alone["ds"].max()]


def test_series_are_left_out_of_the_forecast_alone(fitted: Callable[[str], Forecaster]) -> None:
    forecaster = fitted("leave_out")
    left = by_series(forecaster.predict(level=50, baseline="drift"))
    usual = by_series(fitted("own_end").predict(level=50, baseline="drift"))
    assert list(left) == ["a", "b"]
    for name, rows in left.items():
        pd.testing.assert_frame_equal(
            rows.reset_index(drop=True), usual[name].reset_index(drop=True)
        )
    assert "long ago" in forecaster.fitted.series.ids


def test_intervals_end_with_the_steps_they_are_calibrated_for(
    fitted: Callable[[str], Forecaster],
) -> None:
    forecast = fitted("common_end").predict(level=50)
    step = np.arange(1, HORIZON + 1)
    for name, rows in by_series(forecast).items():
        ends = rows[["bigru-lo-50", "bigru-hi-50"]].isna().to_numpy()
        behind = LENGTHS["a"] - LENGTHS[name]
        assert ends.tolist() == [[late, late] for late in behind + step > HORIZON]
    assert any("intervals end 4 steps after the last row" in note for note in forecast.notes)


CONSEQUENCES = {
    "own_end": "are forecast from their last rows",
    "common_end": "are forecast to the same last step as the others",
    "leave_out": "are learned from and not forecast",
}


@pytest.mark.parametrize("how", CONSEQUENCES)
def test_they_are_named_with_their_ends_at_check_fit_and_predict(
    fitted: Callable[[str], Forecaster], how: str
) -> None:
    checked = [
        finding.message
        for finding in check_table(config(how), daily()).findings
        if finding.code == "ended_series"
    ]
    at_fit = [note for note in prepare(config(how), daily()).notes if "end before" in note]
    at_predict = [note for note in fitted(how).predict().notes if "end before" in note]
    assert checked == at_fit == at_predict
    assert len(checked) == 1
    assert checked[0].startswith(f"3 of 5 series end before 2024-02-29 and {CONSEQUENCES[how]}")
    assert checked[0].endswith(
        ": 'long ago' (2024-02-10, 19 steps behind), 'last week' (2024-02-22, 7 steps behind), "
        "'late' (2024-02-28, 1 step behind)"
    )


@pytest.mark.parametrize("freq", ["h", "15min", "B", "W-MON", "MS", "QE"])
def test_steps_behind_are_counted_on_the_grid(freq: str) -> None:
    panel = load_panel(daily(freq, "Europe/Berlin" if freq in ("h", "15min") else None))
    expected = {name: LENGTHS["a"] - rows for name, rows in LENGTHS.items()}
    assert dict(zip(panel.series_ids, steps_behind(panel), strict=True)) == expected


def test_an_index_of_whole_numbers_has_no_common_end() -> None:
    table = daily()
    table["ds"] = table.groupby("unique_id").cumcount()
    panel = load_panel(table)
    assert not steps_behind(panel).any()
    assert ended_notes(panel, "leave_out") == ()
    assert reach_of(panel, "leave_out").panel.num_series == len(LENGTHS)


def with_price(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(price=rows["ds"].dt.day_of_week + 0.5)


def test_known_covariates_are_asked_for_up_to_the_common_end() -> None:
    columns = Columns(known_covariates=("price",))
    panel = load_panel(with_price(daily()), columns)
    sizes = {
        how: future_frame(panel, HORIZON, how).groupby("unique_id").size().to_dict()
        for how in CONSEQUENCES
    }
    assert sizes["own_end"] == dict.fromkeys(LENGTHS, HORIZON)
    assert sizes["leave_out"] == {"a": HORIZON, "b": HORIZON}
    assert sizes["common_end"] == {
        name: HORIZON + LENGTHS["a"] - rows for name, rows in LENGTHS.items()
    }


def test_a_table_covers_the_steps_that_the_setting_needs() -> None:
    history = with_price(daily())
    days = pd.date_range("2024-02-29", periods=HORIZON + 1, freq="D")[1:]
    ahead = [pd.DataFrame({"unique_id": name, "ds": days, "y": np.nan}) for name in "ab"]
    table = with_price(pd.concat([history, *ahead]))
    panel = load_panel(table, Columns(known_covariates=("price",)))
    covered = {how: covers(panel, HORIZON, how) for how in CONSEQUENCES}
    assert covered == {"own_end": False, "common_end": False, "leave_out": True}


def test_forecasts_with_known_covariates_reach_the_common_end() -> None:
    table = with_price(daily())
    own = Forecaster(config("own_end", known_covariates=["price"])).fit(table)
    common = under(own, "common_end")
    with pytest.raises(DataError, match="no known covariates were given"):
        common.predict()
    known = with_price(common.make_future_frame())
    rows = by_series(common.predict(known=known))
    for name, length in LENGTHS.items():
        alone = table.query("unique_id == @name")
        steps = HORIZON + LENGTHS["a"] - length
        given = with_price(own.make_future_frame(alone, horizon=steps))
        longer = own.predict(alone, known=given, horizon=steps).frame()
        np.testing.assert_allclose(rows[name]["bigru"], longer["bigru"].tail(HORIZON), rtol=1e-6)
    with pytest.raises(DataError, match="known covariates are missing in 1 of 47 rows"):
        common.predict(known=known.drop(index=known.index[-1]))


def test_past_covariates_reach_no_further_than_the_horizon() -> None:
    settings = config("common_end", past_covariates=["price"])
    for use in (prepare, check_table):
        with pytest.raises(
            ConfigError, match=r"series 'long ago' ends 19 steps before .* \(price\)"
        ):
            use(settings, with_price(daily()))
    longer = settings.with_settings({"data.ended_series": "leave_out"})
    assert prepare(longer, with_price(daily())).panel.num_series == len(LENGTHS)


def test_one_table_for_all_that_have_ended(fitted: Callable[[str], Forecaster]) -> None:
    table = daily().query("unique_id == 'late'")
    for how in CONSEQUENCES:
        forecast = fitted(how).predict(table)
        assert forecast.frame()["ds"].min() == table["ds"].max() + pd.Timedelta(days=1)
        assert not any("end before" in note or "ends before" in note for note in forecast.notes)


@pytest.mark.proof
@pytest.mark.parametrize("how", CONSEQUENCES)
def test_the_run_keeps_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    daily().to_csv("sales.csv", index=False)
    small = ["--set", "model.name=bigru", "--set", "model.units=4", "--set", "training.epochs=1"]
    small += ["--horizon", "4", "--set", f"data.ended_series={how}"]
    assert main(["fit", "sales.csv", "--out", "run", *small]) == 0
    assert CONSEQUENCES[how] in capsys.readouterr().out
    assert main(["predict", "run", "--output", "again.csv"]) == 0
    assert CONSEQUENCES[how] in capsys.readouterr().err
    written = pd.read_csv("run/forecast.csv")
    pd.testing.assert_frame_equal(written, pd.read_csv("again.csv"))
    assert len(written) == HORIZON * (2 if how == "leave_out" else 5)
    assert main(["report", "run"]) == 0
    assert main(["plot", "run"]) == 0
