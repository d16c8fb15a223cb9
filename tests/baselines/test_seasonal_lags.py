"""The regression on seasonal lags against loops, and on series that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.baselines.lengths import Steps
from forecast.baselines.seasonal_lags import PENALTY, PENALTY_OF_TWO, seasonal_lags

DAY = 4
WEEK = 7 * DAY


def hours(num_rows: int, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(2)
    rows = np.arange(num_rows)
    week = np.repeat(rng.normal(0, 3, 7), DAY)
    day = np.array([0.0, 8.0, 4.0, -2.0])
    return 50 + week[rows % WEEK] + day[rows % DAY] + noise * rng.normal(size=num_rows)


class Slow:
    """The regression as loops over rows and steps."""

    def __init__(
        self, values: np.ndarray, horizon: int, season: int, lags: tuple[int, ...], first: int
    ) -> None:
        self.values = values
        self.horizon = horizon
        self.season = season
        self.lags = lags
        self.first = first

    def level(self, row: int) -> float:
        return float(np.mean([self.values[row - self.horizon - k] for k in range(self.season)]))

    def mean(self, row: int, lags: tuple[int, ...]) -> float:
        """Mean difference from the level at the lags that reach a row with a level."""
        before = self.horizon + self.season - 1
        at = [row - lag for lag in lags if row - lag >= before]
        return float(np.mean([self.values[there] - self.level(there) for there in at]))

    def inputs(self, row: int, means: tuple[tuple[int, ...], ...]) -> np.ndarray:
        single = [self.values[row - lag] - self.level(row) for lag in self.lags]
        return np.array(single + [self.mean(row, lags) for lags in means])

    def forecast(self, means: tuple[tuple[int, ...], ...], share: float) -> np.ndarray:
        num_rows = len(self.values)
        learned = range(self.first, num_rows)
        x = np.array([self.inputs(row, means) for row in learned])
        y = np.array([self.values[row] - self.level(row) for row in learned])
        # Shrinkage towards equal weights: further rows of the regression.
        more = np.sqrt(len(x) * share * np.square(x).mean()) * np.eye(x.shape[1])
        equal = more @ np.full(x.shape[1], 1 / x.shape[1])
        weights = np.linalg.lstsq(np.concatenate([x, more]), np.append(y, equal), rcond=None)[0]
        error = y - x @ weights
        memory = max(0.0, float(error[1:] @ error[:-1]) / float(error @ error))
        made = []
        for step in range(self.horizon):
            row = num_rows + step
            left = error[-1] * memory ** (step + 1)
            made.append(self.level(row) + self.inputs(row, means) @ weights + left)
        return np.array(made)


@pytest.mark.parametrize(("horizon", "day"), [(4, 4), (3, 4), (6, 8)])
def test_it_is_a_ridge_regression_on_days_and_weeks(horizon: int, day: int) -> None:
    values = hours(300)
    steps = Steps(horizon, season_length=DAY, week_length=WEEK)
    made = seasonal_lags(values[None, :, None], steps)[0, :, 0]
    slow = Slow(values, horizon, DAY, (day, day + 4, 28, 56), first=56)
    weeks = tuple(28 * number for number in range(1, 9))
    days = tuple(day + 4 * number for number in range(7))
    np.testing.assert_allclose(made, slow.forecast((weeks, days), PENALTY_OF_TWO))


def test_steps_of_a_week_read_the_mean_of_weeks() -> None:
    values = hours(120)
    steps = Steps(10, season_length=7, week_length=7)
    made = seasonal_lags(values[None, :, None], steps)[0, :, 0]
    weeks = tuple(7 * number for number in range(2, 10))
    slow = Slow(values, 10, 7, (14, 21), first=14 + 10 + 6)
    np.testing.assert_allclose(made, slow.forecast((weeks,), PENALTY))


def test_seasons_without_a_week_are_read_by_their_lags() -> None:
    values = hours(90)
    made = seasonal_lags(values[None, :, None], Steps(5, season_length=4))[0, :, 0]
    slow = Slow(values, 5, 4, (8, 12), first=12)
    np.testing.assert_allclose(made, slow.forecast((), PENALTY))


@pytest.mark.parametrize(("num_rows", "with_means"), [(40, False), (49, False), (50, True)])
def test_a_short_history_is_read_without_means(num_rows: int, with_means: bool) -> None:
    values = hours(num_rows)
    steps = Steps(4, season_length=DAY, week_length=WEEK)
    made = seasonal_lags(values[None, :, None], steps)[0, :, 0]
    weeks = tuple(28 * number for number in range(1, 9))
    days = tuple(4 * number for number in range(1, 8))
    means = (weeks, days) if with_means else ()
    # Two weeks back there are too few rows to learn from.
    slow = Slow(values, 4, DAY, (4, 8, 28), first=28 + 7 * with_means)
    np.testing.assert_allclose(made, slow.forecast(means, PENALTY_OF_TWO))


def test_the_mean_of_weeks_is_calmer_than_two_of_them() -> None:
    # Weeks of pure noise around a profile: the best forecast is the profile.
    steps = Steps(WEEK, season_length=DAY, week_length=WEEK)
    values = hours(9 * WEEK + WEEK, noise=4.0)
    profile = hours(WEEK, noise=0.0)
    made = seasonal_lags(values[None, : 9 * WEEK, None], steps)[0, :, 0]
    two = (values[8 * WEEK : 9 * WEEK] + values[7 * WEEK : 8 * WEEK]) / 2
    assert np.abs(made - profile).mean() < 0.8 * np.abs(two - profile).mean()


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
