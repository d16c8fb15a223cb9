"""The regression on seasonal lags against loops, and on series that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.baselines.lengths import Steps
from forecast.baselines.seasonal_lags import PENALTY, seasonal_lags

DAY = 4
WEEK = 7 * DAY


def hours(num_rows: int, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(2)
    rows = np.arange(num_rows)
    week = np.repeat(rng.normal(0, 3, 7), DAY)
    day = np.array([0.0, 8.0, 4.0, -2.0])
    return 50 + week[rows % WEEK] + day[rows % DAY] + noise * rng.normal(size=num_rows)


@pytest.mark.parametrize(
    ("horizon", "lags"), [(4, (4, 8, 28, 56)), (3, (4, 8, 28, 56)), (6, (8, 12, 28, 56))]
)
def test_it_is_a_ridge_regression_on_days_and_weeks(horizon: int, lags: tuple[int, ...]) -> None:
    values = hours(200)
    steps = Steps(horizon, season_length=DAY, week_length=WEEK)
    made = seasonal_lags(values[None, :, None], steps)[0, :, 0]

    def shown(row: int) -> tuple[float, np.ndarray]:
        level = np.mean([values[row - horizon - step] for step in range(DAY)])
        return level, np.array([values[row - lag] for lag in lags]) - level

    inputs = [shown(row) for row in range(max(lags), 200)]
    x = np.array([each[1] for each in inputs])
    y = values[max(lags) :] - np.array([each[0] for each in inputs])
    penalty = len(x) * PENALTY * np.square(x).mean()
    # Shrinkage towards equal weights: further rows of the regression.
    more = np.sqrt(penalty) * np.eye(4)
    stacked = np.concatenate([x, more])
    weights = np.linalg.lstsq(stacked, np.concatenate([y, more @ np.full(4, 0.25)]), rcond=None)[0]
    error = y - x @ weights
    memory = max(0.0, float(error[1:] @ error[:-1]) / float(error @ error))
    history = np.concatenate([values, np.zeros(horizon)])
    for step in range(horizon):
        level = np.mean([values[200 + step - horizon - back] for back in range(DAY)])
        known = np.array([history[200 + step - lag] for lag in lags]) - level
        expected = level + known @ weights + error[-1] * memory ** (step + 1)
        np.testing.assert_allclose(made[step], expected)


def test_a_week_that_repeats_goes_on_better_than_by_its_days() -> None:
    values = hours(260, noise=0.0)
    steps = Steps(WEEK, season_length=DAY, week_length=WEEK)
    made = seasonal_lags(values[None, :232, None], steps)[0, :, 0]
    error = np.abs(made - values[232:]).mean()
    by_day = np.abs(np.tile(values[228:232], 7) - values[232:]).mean()
    assert error < 0.5 * by_day


@pytest.mark.parametrize("num_rows", [1, 3, 4, 9, 12, 20])
def test_few_rows_repeat_the_last_season_or_the_last_value(num_rows: int) -> None:
    values = hours(20)[:num_rows]
    steps = Steps(4, season_length=DAY)
    made = seasonal_lags(values[None, :, None], steps)[0, :, 0]
    assert np.isfinite(made).all()
    if num_rows < DAY:
        np.testing.assert_array_equal(made, values[-1])
    elif num_rows < 10:
        np.testing.assert_array_equal(made, values[-4:])
