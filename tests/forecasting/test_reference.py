"""The baseline beside a forecast equals loops, and is the best where it could be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Experiment, Forecaster
from forecast.baselines.lengths import Steps
from forecast.baselines.simple import BASELINE_NAMES, BASELINES
from forecast.baselines.smoothing import Smoothing
from forecast.errors import ConfigError
from forecast.experiment.prepare import open_panel, prepare_panel
from forecast.forecasting.reference import best_on_validation
from tests.forecasting.test_ahead import table

SETTINGS: dict[str, Any] = {
    "windows": {"context_length": 10, "horizon": 4},
    "model": {"name": "bigru", "cell": "rnn", "bidirectional": False, "units": 2},
    "training": {"epochs": 1},
    "evaluation": {"validation_size": 10, "test_size": 0},
}


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster(Experiment.model_validate(SETTINGS)).fit(table(50, 2))


def by_hand(name: str, y: np.ndarray, steps: int) -> list[float]:
    """What a baseline forecasts, one step after the other."""
    ahead: list[float] = []
    for step in range(1, steps + 1):
        if name == "last_value":
            ahead.append(y[-1])
        elif name == "seasonal_naive":
            ahead.append([*y, *ahead][len(y) + step - 1 - 7])
        elif name == "seasonal_median":
            rows = [len(y) - 7 * lag + (step - 1) % 7 for lag in range(1, 9)]
            ahead.append(np.median([y[row] for row in rows if row >= 0]))
        elif name == "drift":
            ahead.append(y[-1] + step * (y[-1] - y[-10]) / 9)
        else:
            ahead.append(y[-10:].mean())
    return ahead


@pytest.mark.parametrize("horizon", [2, 4, 11])
@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_a_baseline_ahead_equals_loops(forecaster: Forecaster, name: str, horizon: int) -> None:
    forecast = forecaster.predict(horizon=horizon, baseline=name)
    frame = forecast.frame()
    assert list(frame) == ["unique_id", "ds", "cutoff", "bigru", name]
    for series_id, rows in table(50, 2).groupby("unique_id"):
        found = frame.loc[frame["unique_id"] == series_id, name].to_numpy()
        y = rows["y"].to_numpy()
        if name == "linear":
            ridge = forecaster.fitted.linear
            history = y[None, :, None]
            for _ in range(3):
                history = np.concatenate([history, ridge.predict(history)], axis=1)
            expected = history[0, 50 : 50 + horizon, 0].tolist()
        elif name in ("theta", "holt", "seasonal_lags"):
            steps = Steps(horizon, 10, 7, week_length=7)
            expected = BASELINES[name](y[None, :, None], steps)[0, :, 0].tolist()
        elif name == "ets":  # learned on the rows before the validation set
            smoothing = Smoothing.fit(y[None, :40, None], 7)
            made = smoothing.predict(y[None, :, None], np.array([0]), horizon)
            expected = made[0, :, 0].tolist()
        else:
            expected = by_hand(name, y, horizon)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(forecast.values, forecaster.predict(horizon=horizon).values)


def test_a_baseline_that_nobody_knows_is_refused(forecaster: Forecaster) -> None:
    with pytest.raises(ConfigError, match=r"'seasonal_naif' \(did you mean 'seasonal_naive'\?\)"):
        forecaster.predict(baseline="seasonal_naif")


LINE = np.arange(60.0)
PERIODIC = {"linear", "seasonal_lags"}


@pytest.mark.parametrize(
    ("y", "best"),
    [
        (np.tile([1.0, 5, 2, 8, 3, 9, 4], 9)[:60], {"seasonal_naive"}),
        (LINE, {"drift", "linear"}),
        (np.where(LINE % 2 < 1, 1.0, 3.0) + np.random.default_rng(0).normal(size=60), PERIODIC),
    ],
    ids=["weeks", "a line", "every other day"],
)
def test_the_best_baseline_is_that_of_the_smallest_error(y: np.ndarray, best: set[str]) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    rows = pd.DataFrame({"unique_id": "a", "ds": days, "y": y})
    config = Experiment.model_validate(SETTINGS)
    found = Forecaster(config).fit(rows)
    prepared = prepare_panel(config, open_panel(config.data, rows))
    assert best_on_validation(found.fitted, prepared) in best
