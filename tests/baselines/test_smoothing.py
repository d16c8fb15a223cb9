"""Exponential smoothing and Theta against statsmodels, published errors and simple cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel

from forecast.baselines import recursion, smoothing
from forecast.baselines.holt import holt
from forecast.baselines.lengths import Steps
from forecast.baselines.recursion import FORMS, Form, go_on, smooth
from forecast.baselines.smoothing import Smoothing
from forecast.baselines.theta import theta

MONTHS = 12


def seasonal_series(num_rows: int = 96, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.arange(num_rows)
    season = 20 * np.sin(2 * np.pi * rows / MONTHS)
    return 100 + 0.8 * rows + season + rng.normal(0, 4, num_rows).cumsum() / 3


@pytest.mark.parametrize("form", [form for form in FORMS if not form.is_logarithm])
def test_the_recursion_is_that_of_statsmodels(form: Form) -> None:
    values = seasonal_series()
    parameters = np.array(
        [0.35, 0.05 * form.has_trend, 0.2 * form.has_season, 0.9 * form.has_trend]
    )
    kinds = np.array([form.has_trend]), np.array([form.has_season])
    given = recursion.Smoothed(values[None], parameters[None, None], *kinds)
    level, trend, season = recursion._first_states(given, np.zeros(1, int), MONTHS)
    known = {"initial_level": level[0]}
    used = [True, form.has_trend, form.has_season, form.has_trend]
    if form.has_trend:
        known["initial_trend"] = trend[0]
    if form.has_season:
        known["initial_seasonal"] = season[0]
    theirs = ETSModel(
        values,
        error="add",
        trend="add" if form.has_trend else None,
        damped_trend=form.has_trend,
        seasonal="add" if form.has_season else None,
        seasonal_periods=MONTHS if form.has_season else None,
        initialization_method="known",
        **known,
    )
    result = theirs.smooth([*parameters[used], *_flat(known)])

    ours = smooth(values[None], parameters[None, None], form, MONTHS)
    made = go_on(ours, parameters[None, 3], len(values), 30)
    np.testing.assert_allclose(made[0], result.forecast(30), rtol=1e-9)
    np.testing.assert_allclose(ours.squares[0, 0], np.square(result.resid).sum(), rtol=1e-9)


def _flat(known: dict[str, np.ndarray]) -> list[float]:
    return np.concatenate([np.ravel(value) for value in known.values()]).tolist()


def test_the_grid_comes_near_to_the_likelihood_of_statsmodels() -> None:
    """The average over forms is about as good as the best form that a package estimates."""
    ours = []
    theirs = []
    for seed in range(6):
        values = seasonal_series(108, seed)
        learned, later = values[:96], values[96:]
        history = learned[None, :, None]
        made = Smoothing.fit(history, MONTHS).predict(history, np.array([0]), MONTHS)[0, :, 0]
        ours.append(np.abs(made - later).mean())
        model = ETSModel(
            learned,
            trend="add",
            damped_trend=True,
            seasonal="add",
            seasonal_periods=MONTHS,
            initialization_method="heuristic",
        )
        theirs.append(np.abs(model.fit(disp=False).forecast(MONTHS) - later).mean())
    assert np.mean(ours) < 1.1 * np.mean(theirs)


@pytest.mark.parametrize("seed", range(4))
def test_theta_is_that_of_statsmodels(seed: int) -> None:
    values = pd.Series(np.random.default_rng(seed).normal(0.3, 1, 80).cumsum() + 50)
    expected = ThetaModel(values, period=1, deseasonalize=False).fit().forecast(10, theta=2)
    made = theta(values.to_numpy()[None, :, None], Steps(10, 1, 1))[0, :, 0]
    np.testing.assert_allclose(made, expected, rtol=5e-3)  # the grid of alpha has steps of 0.033


def naive_errors(values: np.ndarray, start: tuple[float, float], sets: np.ndarray) -> np.ndarray:
    alpha, beta, _, damping = sets
    level, trend = start
    errors = []
    for now in values:
        error = now - level - damping * trend
        level = level + damping * trend + alpha * error
        trend = damping * trend + beta * error
        errors.append(error)
    return np.array([*errors, level, trend])


@pytest.mark.parametrize("has_trend", [False, True])
def test_without_a_season_the_first_states_are_those_of_the_least_squares(has_trend: bool) -> None:
    rng = np.random.default_rng(3)
    values = 50 + rng.normal(2, 3, (4, 25)).cumsum(axis=1)
    sets = np.array([[0.4, 0.1, 0, 0.97], [0.05, 0.0, 0, 1.0], [0.95, 0.5, 0, 0.8]]) * 1.0
    if not has_trend:
        sets[:, [1, 3]] = 0.0
    form = Form(is_logarithm=False, has_trend=has_trend, has_season=False)
    ours = smooth(values, sets[None], form, 1)
    for series, number in np.ndindex(4, 3):
        # Errors are an affine function of the two first states.
        base = naive_errors(values[series], (0.0, 0.0), sets[number])
        moved = [naive_errors(0 * values[0], start, sets[number]) for start in ((1, 0), (0, 1))]
        columns = np.stack(moved[: 1 + has_trend], axis=1)
        start = np.linalg.lstsq(columns[:-2], -base[:-2], rcond=None)[0]
        best = base + columns @ start
        squares = np.square(best[:-2]).sum()
        np.testing.assert_allclose(ours.squares[series, number], squares, rtol=1e-6)
        np.testing.assert_allclose(ours.level[series, number], best[-2], rtol=1e-6)
        np.testing.assert_allclose(ours.trend[series, number], best[-1], atol=1e-5)


def test_the_grid_of_years_comes_near_to_the_likelihood_of_statsmodels() -> None:
    values = 100 + np.random.default_rng(5).normal(3, 4, 40).cumsum()
    result = ETSModel(values, error="add", trend="add").fit(disp=False)
    ours = smooth(values[None], FORMS[2].grid[None], FORMS[2], 1).squares.min()
    assert FORMS[2] == Form(is_logarithm=False, has_trend=True, has_season=False)
    assert ours <= 1.05 * np.square(result.resid).sum()


def test_holt_goes_on_along_a_line_with_a_season() -> None:
    rows = np.arange(60)
    season = np.tile([10.0, -10.0, 5.0, -5.0], 18)
    values = 1000 + 3.0 * np.arange(72)
    steps = Steps(horizon=12, season_length=4)
    made = holt((values + season)[:60].reshape(1, -1, 1), steps).ravel()
    growth = 3.0 * np.cumsum(0.97 ** np.arange(1, 13))
    np.testing.assert_allclose(made, values[59] + growth + season[60:], atol=3.0)
    alone = holt(values[:60].reshape(1, -1, 1), Steps(horizon=12)).ravel()
    np.testing.assert_allclose(alone, values[rows[-1]] + growth, rtol=1e-2)


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1e-3, 1e3))
def test_holt_stays_above_0_and_lets_factors_through(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(-0.1, 0.2, (2, 30, 1)).cumsum(axis=1))
    made = holt(values, Steps(horizon=20))
    assert (made >= 0).all()
    np.testing.assert_allclose(holt(factor * values, Steps(horizon=20)), factor * made, rtol=1e-6)


def test_theta_divides_out_the_season() -> None:
    values = pd.Series(seasonal_series(), index=pd.date_range("2020", periods=96, freq="MS"))
    expected = ThetaModel(values, period=MONTHS, method="multiplicative").fit().forecast(24)
    made = theta(values.to_numpy()[None, :, None], Steps(24, 1, MONTHS))[0, :, 0]
    np.testing.assert_allclose(made, expected, rtol=0.01)


def weeks_of_hours(weekend: float, noise: float = 2.0) -> np.ndarray:
    """Return six weeks of hours with a day of 6 steps, and days of rest at another level."""
    rng = np.random.default_rng(7)
    rows = np.arange(6 * 42)
    day = np.array([60.0, 50.0, 90.0, 120.0, 110.0, 80.0])[rows % 6]
    rest = np.where(rows % 42 >= 30, weekend, 1.0)
    return day * rest + noise * rng.normal(size=len(rows))


def test_theta_takes_the_week_as_season_where_days_differ() -> None:
    values = weeks_of_hours(weekend=0.6)
    series = pd.Series(values, index=pd.date_range("2020", periods=len(values), freq="h"))
    expected = ThetaModel(series, period=42, method="multiplicative").fit().forecast(42)
    made = theta(values[None, :, None], Steps(42, 1, 6, week_length=42))[0, :, 0]
    np.testing.assert_allclose(made, expected, rtol=0.01)


@pytest.mark.parametrize(("weekend", "num_rows"), [(1.0, 252), (0.6, 125)])
def test_theta_keeps_the_day_as_season(weekend: float, num_rows: int) -> None:
    """Where all days are alike, and where the history has less than three weeks."""
    values = weeks_of_hours(weekend)[None, -num_rows:, None]
    made = theta(values, Steps(24, 1, 6, week_length=42))
    np.testing.assert_array_equal(made, theta(values, Steps(24, 1, 6)))


def test_theta_decides_about_the_week_series_by_series() -> None:
    both = np.stack([weeks_of_hours(0.6), weeks_of_hours(1.0)])[:, :, None]
    steps = Steps(24, 1, 6, week_length=42)
    alone = np.concatenate([theta(values[None], steps) for values in both])
    np.testing.assert_allclose(theta(both, steps), alone)


@pytest.mark.parametrize(
    ("frequency", "horizon", "season_length", "published"),
    [("yearly", 6, 1, 16.90), ("quarterly", 8, 4, 8.96), ("monthly", 18, 12, 13.85)],
)
@pytest.mark.proof
def test_published_errors_of_theta_on_m3(
    shared_data: Path, frequency: str, horizon: int, season_length: int, published: float
) -> None:
    """sMAPE of Theta in the competition (Makridakis and Hibon, 2000), which was tuned by hand."""
    table = pd.read_parquet(shared_data / "m3" / f"m3_{frequency}.parquet")
    errors = []
    for _, series in table.groupby("unique_id"):
        values = series["y"].to_numpy(float)
        later = values[-horizon:]
        history = values[None, :-horizon, None]
        made = theta(history, Steps(horizon, 1, season_length))[0, :, 0]
        errors.append((200 * np.abs(made - later) / (np.abs(made) + np.abs(later))).mean())
    assert np.mean(errors) == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("season_length", [1, 4, MONTHS])
def test_series_of_one_panel_do_not_change_each_other(season_length: int) -> None:
    """Series of many lengths are smoothed together, each from its own first row on."""
    lengths = [96, 95, 66, 25, 24, 23, 9, 8, 7, 3, 1]
    history = np.full((len(lengths), 96, 1), np.nan)
    for number, length in enumerate(lengths):
        below = 200.0 * (number % 3 == 1)  # some have values below 0, without logarithms
        history[number, 96 - length :, 0] = seasonal_series(length, number) - below
    numbers = np.arange(len(lengths))
    together = Smoothing.fit(history, season_length).predict(history, numbers, 12)
    steps = Steps(12, 1, season_length)
    assert np.isfinite(together).all()
    for number, length in enumerate(lengths):
        alone = history[[number], -length:]
        made = Smoothing.fit(alone, season_length).predict(alone, np.array([0]), 12)
        np.testing.assert_allclose(together[number], made[0])
        for method in (theta, holt):
            np.testing.assert_allclose(method(history, steps)[number], method(alone, steps)[0])


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_factor_goes_through(factor: float) -> None:
    history = seasonal_series()[None, :, None]
    made = Smoothing.fit(history, MONTHS).predict(history, np.array([0]), 12)
    scaled = Smoothing.fit(factor * history, MONTHS).predict(factor * history, np.array([0]), 12)
    np.testing.assert_allclose(scaled, factor * made, rtol=1e-6)
    steps = Steps(12, 1, MONTHS)
    np.testing.assert_allclose(theta(factor * history, steps), factor * theta(history, steps))


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_goes_on(value: float) -> None:
    history = np.full((1, 50, 1), value)
    made = Smoothing.fit(history, MONTHS).predict(history, np.array([0]), 5)
    np.testing.assert_allclose(made, value, atol=1e-9)
    np.testing.assert_allclose(theta(history, Steps(5, 1, MONTHS)), value, atol=1e-9)


def test_a_linear_trend_goes_on_without_noise() -> None:
    rows = np.arange(60.0)
    history = (5 + 2 * rows)[None, :, None]
    made = Smoothing.fit(history, 1).predict(history, np.array([0]), 4)[0, :, 0]
    np.testing.assert_allclose(made, 5 + 2 * np.arange(60, 64), rtol=0.02)


def test_short_series_and_series_without_a_value() -> None:
    history = np.full((2, 10, 1), np.nan)
    history[1, -1] = 4.0
    smoothing = Smoothing.fit(history, 4)
    made = smoothing.predict(history, np.arange(2), 3)
    assert np.isnan(made[0]).all()
    np.testing.assert_allclose(made[1], 4.0)


def test_a_window_that_a_logarithm_cannot_read_is_forecast_by_the_other_forms() -> None:
    history = np.exp(np.random.default_rng(0).normal(0, 0.3, (1, 60, 1)) + 2)
    smoothing = Smoothing.fit(history, 1)
    history[0, -1] = 0.0
    assert np.isfinite(smoothing.predict(history, np.array([0]), 6)).all()


def test_more_series_than_are_fitted_share_the_parameters_of_those(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = np.stack([seasonal_series(96, seed) for seed in range(9)])[:, :, None]
    own = Smoothing.fit(history, MONTHS)
    monkeypatch.setattr(smoothing, "FITTED_SERIES", 3)
    some = Smoothing.fit(history, MONTHS)
    np.testing.assert_array_equal(some.parameters[[0, 4, 8]], own.parameters[[0, 4, 8]])
    np.testing.assert_array_equal(some.parameters[1], some.parameters[7])
    made = some.predict(history, np.arange(9), 12)
    spread = history.std()
    assert np.abs(made - own.predict(history, np.arange(9), 12)).mean() < 0.2 * spread


def test_state_and_order_of_series() -> None:
    history = np.stack([seasonal_series(96, seed) for seed in range(3)])[:, :, None]
    smoothing = Smoothing.fit(history, MONTHS)
    again = Smoothing.from_state(smoothing.to_state())
    expected = smoothing.predict(history, np.arange(3), 12)
    np.testing.assert_array_equal(again.predict(history, np.arange(3), 12), expected)
    turned = smoothing.take(np.array([2, 0]))
    np.testing.assert_array_equal(
        turned.predict(history[[2, 0]], np.arange(2), 12), expected[[2, 0]]
    )
    with_new = smoothing.take(np.array([1, -1]), smoothing.take(np.array([0, 2])))
    np.testing.assert_array_equal(
        with_new.predict(history[[1, 2]], np.arange(2), 12), expected[[1, 2]]
    )
