"""The ridge regression for each step of the season, as a member: where it is, what it reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.experiment.choices import LEAST_SEASONS
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.fitted import MODEL
from forecast.forecasting.seasonal_member import seasonal_forecasts
from forecast.windows.index import index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

SMALL: dict[str, Any] = {"units": 3, "epochs": 1, "seeds": 1, "context_length": 24}


def priced_hours(num_rows: int, *, num_series: int = 1, missing: float = 0.0) -> pd.DataFrame:
    """Values that follow a load by a factor that depends on the hour: strong by day, none at
    night."""
    tables = []
    for number in range(num_series):
        draw = np.random.default_rng(number)
        hour = np.arange(num_rows) % 24
        load = draw.normal(size=num_rows)
        factor = np.where((hour >= 8) & (hour < 20), 3.0, 0.0)
        values = 20.0 + factor * load + 0.1 * draw.normal(size=num_rows)
        values[draw.random(num_rows) < missing] = np.nan
        stamps = pd.date_range("2024-01-01", periods=num_rows, freq="h")
        one = {"unique_id": f"s{number}", "ds": stamps, "y": values, "load": load}
        tables.append(pd.DataFrame(one))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def fitted_on_hours() -> Forecaster:
    table = priced_hours(2_424).iloc[:-24]
    return Forecaster(horizon=6, known=["load"], **SMALL).fit(table, verbose=0)


def test_it_forecasts_what_depends_on_the_hour(fitted_on_hours: Forecaster) -> None:
    table = priced_hours(2_424)
    assert fitted_on_hours.fitted.weights[SEASONAL] > 0.5
    assert SEASONAL in fitted_on_hours.fitted.members
    errors = []
    for first in (2_400, 2_403, 2_406, 2_410, 2_415):
        ahead = table[first : first + 6]
        made = fitted_on_hours.predict(table[:first], known=ahead[["unique_id", "ds", "load"]])
        errors.append(np.abs(made.values[0, :, 0] - ahead["y"].to_numpy()).mean())
    assert np.mean(errors) < 0.4  # of a standard deviation of 2.1 by chance


def test_the_forecast_is_that_of_its_own_map(fitted_on_hours: Forecaster) -> None:
    """Beside sums written out for one cutoff at 2 o'clock and one at 15 o'clock."""
    table = priced_hours(2_424)
    fitted = fitted_on_hours.fitted
    alone = Forecaster(fitted_on_hours.config)
    alone._fitted = replace(fitted, weights={MODEL: 0.0, SEASONAL: 1.0})
    seasonal = fitted.seasonal
    assert seasonal is not None
    scaler = fitted.feature_map.target.stages[0]
    center = float(scaler.centre.ravel()[0])
    scale = float(scaler.scale.ravel()[0])
    for first in (2_402, 2_415):
        ahead = table[first : first + 6]
        made = alone.predict(table[:first], known=ahead[["unique_id", "ds", "load"]])
        values = (table["y"].to_numpy()[first - 24 : first] - center) / scale
        weights = seasonal.weights[first % 24]
        change = values[:-1] - values[-1]
        # Known are hour and weekday as waves, then the load of the steps ahead and of a day before.
        hour = 2 * np.pi * ahead["ds"].dt.hour.iloc[0] / 24
        weekday = 2 * np.pi * ahead["ds"].dt.day_of_week.iloc[0] / 7
        waves = [np.sin(hour), np.cos(hour), np.sin(weekday), np.cos(weekday)]
        covariates = fitted.feature_map.covariates
        load = table["load"].to_numpy()
        loads = np.concatenate([load[first : first + 6], load[first - 24 : first - 18]])
        loads = (loads - float(covariates.centre.ravel()[0])) / float(covariates.scale.ravel()[0])
        x = np.concatenate([change, waves, loads, [1.0]])
        expected = (values[-1] + x @ weights) * scale + center
        np.testing.assert_allclose(made.values[0, :, 0], expected, rtol=1e-4)


def test_it_survives_saving(fitted_on_hours: Forecaster, tmp_path: Path) -> None:
    table = priced_hours(2_424)
    ahead = table[2_400:2_406][["unique_id", "ds", "load"]]
    fitted_on_hours.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model").predict(table[:2_400], known=ahead)
    expected = fitted_on_hours.predict(table[:2_400], known=ahead)
    np.testing.assert_allclose(again.values, expected.values, rtol=1e-5)


def test_it_survives_saving_without_maps_of_its_own(tmp_path: Path) -> None:
    """Where the steps of the season do not differ, there is nothing but the common map."""
    days = pd.date_range("2021-01-01", periods=800)
    y = 50 + 20 * np.sin(np.arange(800) / 60) + np.random.default_rng(0).normal(size=800) / 10
    table = pd.DataFrame({"ds": days, "y": y})
    config = {**SMALL, "simple": ["seasonal_naive", SEASONAL]}
    forecaster = Forecaster(horizon=7, **config).fit(table, verbose=0)
    assert forecaster.fitted.seasonal is not None
    assert forecaster.fitted.seasonal.deviation_penalty is None
    forecaster.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model").predict(table)
    np.testing.assert_allclose(again.values, forecaster.predict(table).values, rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "horizon", "is_member"),
    [
        (priced_hours(24 * LEAST_SEASONS), 6, True),
        (priced_hours(24 * LEAST_SEASONS - 24), 6, False),
        (priced_hours(24 * LEAST_SEASONS).assign(ds=np.arange(24 * LEAST_SEASONS)), 6, False),
    ],
)
def test_the_default_has_it_where_seasons_are_many(
    table: pd.DataFrame, horizon: int, is_member: bool
) -> None:
    config = Experiment().with_settings(
        {"windows.horizon": horizon, "data.known_covariates": ["load"]}
    )
    if not is_member and table["ds"].dtype.kind == "i":
        config = config.with_settings({"data.season_length": 24})
    simple = prepare(config, table).config.ensemble.simple
    assert (SEASONAL in simple) == is_member


def test_a_table_that_is_too_short_goes_without() -> None:
    config = {**SMALL, "simple": ["seasonal_naive", SEASONAL]}
    forecaster = Forecaster(horizon=6, known=["load"], **config)
    forecaster.fit(priced_hours(400), verbose=0)
    assert forecaster.fitted.seasonal is None
    assert SEASONAL not in forecaster.fitted.weights


def test_windows_with_holes_and_new_series_are_forecast() -> None:
    table = priced_hours(2_424, num_series=2, missing=0.02)
    settings = {**SMALL, "missing": "interpolate", "simple": [SEASONAL], "training.refit": False}
    forecaster = Forecaster(horizon=6, known=["load"], **settings).fit(table, verbose=0)
    assert forecaster.fitted.weights[SEASONAL] > 0.5
    new = priced_hours(500, num_series=3).query("unique_id == 's2'")
    ahead = new.tail(6)[["unique_id", "ds", "load"]]
    made = forecaster.predict(new.iloc[:-6], known=ahead)
    assert np.abs(made.values[0, :, 0] - new["y"].to_numpy()[-6:]).mean() < 0.5


@pytest.mark.parametrize("late", ["y", "load"])
def test_nothing_after_the_horizon_is_read(fitted_on_hours: Forecaster, late: str) -> None:
    """Nor targets after the cutoff: windows of a table whose later values were changed."""
    fitted = fitted_on_hours.fitted
    table = priced_hours(2_424)
    changed = table.copy()
    cutoff = 2_300
    first_hidden = cutoff if late == "y" else cutoff + 6
    changed.loc[first_hidden:, late] += 7.0
    made = []
    for each in (table, changed):
        prepared = prepare(fitted_on_hours.config, each)
        panel = prepared.panel
        windows = WindowedFeatures(
            fitted.feature_map.apply(panel), index_windows(panel, 24, 6, part=Part.whole(panel))
        )
        last = windows.index.locate(np.arange(len(windows)))[1] + 24
        numbers = np.flatnonzero(last <= cutoff)
        assert len(numbers) == cutoff - 24 + 1
        made.append(seasonal_forecasts(fitted, panel, windows, numbers))
    np.testing.assert_array_equal(made[0], made[1])
