"""Scores of quantiles and intervals against loops, closed forms and a peer."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as peer
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import ConfigError, DataError, ShapeError
from forecast.scores.metrics import mae, wape
from forecast.scores.quantile_metrics import coverage, crps, weighted_quantile_loss, width, winkler

LEVELS = (0.1, 0.5, 0.9)
INTERVAL_METRICS: dict[str, Callable[..., Any]] = {
    "coverage": coverage,
    "width": width,
    "winkler": lambda actual, lower, upper, **rest: winkler(actual, lower, upper, 0.8, **rest),
}


def interval_loop(actual: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> dict[str, float]:
    """The three scores of an 80 % interval, value by value."""
    cells = [
        cell
        for cell in zip(actual.flat, lower.flat, upper.flat, strict=True)
        if not np.isnan(cell[0])
    ]
    missed = [low - y if y < low else y - high if y > high else 0.0 for y, low, high in cells]
    widths = [high - low for _, low, high in cells]
    return {
        "coverage": sum(one == 0 for one in missed) / len(cells),
        "width": sum(widths) / len(cells),
        "winkler": sum(wide + 2 / 0.2 * one for wide, one in zip(widths, missed, strict=True))
        / len(cells),
    }


@given(seed=st.integers(0, 2**32 - 1))
def test_interval_scores_equal_a_loop(seed):
    rng = np.random.default_rng(seed)
    actual, lower = rng.integers(-3, 4, (2, 4, 3, 2)).astype(float)
    actual[rng.random(actual.shape) < 0.3] = np.nan
    actual[0] = 1.0
    upper = lower + rng.integers(0, 4, lower.shape)
    expected = interval_loop(actual, lower, upper)
    for name, metric in INTERVAL_METRICS.items():
        assert metric(actual, lower, upper) == pytest.approx(expected[name], rel=1e-12)
        steps = [
            interval_loop(actual[:, one], lower[:, one], upper[:, one])[name] for one in range(3)
        ]
        np.testing.assert_allclose(metric(actual, lower, upper, axis=(0, 2)), steps, rtol=1e-12)


def a_table() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Actual values (6, 8), quantiles (6, 8, 3) and the same as a long table."""
    rng = np.random.default_rng(3)
    actual, quantiles = rng.normal(5, 1, (6, 8)), np.sort(rng.normal(5, 1, (6, 8, 3)), axis=-1)
    columns = {
        "m-lo-80": quantiles[..., 0],
        "m-median": quantiles[..., 1],
        "m-hi-80": quantiles[..., 2],
    }
    keys = {
        "unique_id": np.repeat(np.arange(6), 8),
        "ds": np.tile(np.arange(8), 6),
        "y": actual.ravel(),
    }
    return (
        actual,
        quantiles,
        pd.DataFrame(keys | {name: values.ravel() for name, values in columns.items()}),
    )


def test_scores_agree_with_utilsforecast():
    actual, quantiles, table = a_table()
    ends = quantiles[..., 0], quantiles[..., 2]
    np.testing.assert_allclose(
        coverage(actual, *ends, axis=1), peer.coverage(table, ["m"], 80)["m"], rtol=1e-12
    )
    np.testing.assert_allclose(
        winkler(actual, *ends, 0.8, axis=1), peer.winkler_score(table, ["m"], 80)["m"]
    )
    names = {"m": ["m-lo-80", "m-median", "m-hi-80"]}
    expected = peer.scaled_crps(table, names, np.array(LEVELS))["m"]
    np.testing.assert_allclose(
        weighted_quantile_loss(actual, quantiles, LEVELS, axis=1), expected, rtol=1e-12
    )


def test_weighted_quantile_loss_is_a_ratio_of_sums_not_a_mean_of_ratios():
    actual, forecast = np.array([[1.0], [100.0]]), np.array([[[2.0]], [[100.0]]])
    assert weighted_quantile_loss(actual, forecast, [0.5]) == pytest.approx(1 / 101)
    assert 100 * weighted_quantile_loss(actual, forecast, [0.5]) == pytest.approx(
        wape(actual, forecast[..., 0])
    )


def sample_crps(actual: float, sample: np.ndarray) -> float:
    """E|X - y| - E|X - X'| / 2 over all pairs of a sample (Gneiting and Raftery, 2007, equation
    21)."""
    return float(np.abs(sample - actual).mean() - np.abs(sample[:, None] - sample).mean() / 2)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_crps_of_evenly_spread_levels_is_that_of_a_sample(seed, size):
    rng = np.random.default_rng(seed)
    actual, quantiles = rng.normal(size=(3, 2)), np.sort(rng.normal(size=(3, 2, size)), axis=-1)
    expected = np.mean(
        [sample_crps(actual[place], quantiles[place]) for place in np.ndindex(actual.shape)]
    )
    assert crps(actual, quantiles, (np.arange(size) + 0.5) / size) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("outcome", [-1.3, 0.0, 2.5])
def test_crps_of_many_levels_is_that_of_the_normal_distribution(outcome):
    """The closed form of Gneiting et al., Calibrated Probabilistic Forecasting, 2005, equation
    5."""
    normal = NormalDist()
    expected = (
        outcome * (2 * normal.cdf(outcome) - 1) + 2 * normal.pdf(outcome) - 1 / np.sqrt(np.pi)
    )
    levels = np.concatenate([[0.001], np.arange(1, 100) / 100, [0.999]])
    quantiles = np.array([normal.inv_cdf(one) for one in levels])
    assert crps(np.array([outcome]), quantiles[None], levels) == pytest.approx(expected, rel=0.01)


def test_crps_of_a_point_forecast_is_its_absolute_error():
    actual, forecast = np.random.default_rng(5).normal(size=(2, 4, 3))
    assert crps(actual, forecast[..., None], [0.5]) == pytest.approx(mae(actual, forecast))


@pytest.mark.parametrize("score", ["crps", "winkler"])
def test_scores_are_least_for_the_true_quantiles(score):
    """Ends of uneven levels moved off the truth cost something, on average."""
    normal, sample = NormalDist(), np.random.default_rng(6).normal(size=40_000)
    levels = (0.1, 0.9) if score == "winkler" else (0.05, 0.3, 0.9)
    truth = np.array([normal.inv_cdf(one) for one in levels])

    def mean_score(quantiles: np.ndarray) -> float:
        told = np.tile(quantiles, (len(sample), 1))
        if score == "crps":
            return float(crps(sample, told, levels))
        return float(winkler(sample, told[:, 0], told[:, 1], 0.8))

    best = mean_score(truth)
    for place, move in [(place, move) for place in range(len(levels)) for move in (-0.15, 0.15)]:
        assert mean_score(truth + move * (np.arange(len(levels)) == place)) > best


def test_missing_zero_and_constant_values_have_the_documented_answers():
    none, some = np.full((2, 3), np.nan), np.ones((2, 3))
    holed = np.where(np.arange(3) == 1, np.nan, some)
    for metric in INTERVAL_METRICS.values():
        assert np.isnan(metric(none, some, some))
        assert np.isnan(metric(some, holed, some)), "silence is not rewarded"
        assert np.isnan(metric(some, some, holed))
        assert np.isfinite(metric(holed, holed, holed)), "what was not measured needs no forecast"
    quantiles = np.repeat(some[..., None], 2, axis=-1)
    for metric in (crps, weighted_quantile_loss):
        assert np.isnan(metric(none, quantiles, [0.2, 0.8]))
        assert np.isnan(metric(some, np.repeat(holed[..., None], 2, axis=-1), [0.2, 0.8]))
        assert metric(some, quantiles, [0.2, 0.8]) == 0
    assert np.isnan(weighted_quantile_loss(0 * some, quantiles, [0.2, 0.8]))
    np.testing.assert_array_equal(
        weighted_quantile_loss(np.diag([1.0, 0.0]), np.ones((2, 2, 1)), [0.5], axis=1), [1, np.nan]
    )
    assert (
        coverage(some, some, some),
        width(some, some, some),
        winkler(some, some, some, 0.8),
    ) == (1, 0, 0)


def test_an_infinite_end_covers_its_side_and_is_infinitely_wide():
    actual, upper = np.array([1.0, 2.0, np.nan]), np.full(3, np.inf)
    lower = np.array([0.0, 3.0, 0.0])
    assert coverage(actual, lower, upper) == 0.5
    assert coverage(actual, -upper, upper) == 1.0
    assert width(actual, lower, upper) == winkler(actual, lower, upper, 0.9) == np.inf


def test_wrong_ends_levels_and_shapes_are_refused():
    ones = np.ones((2, 3))
    for metric in INTERVAL_METRICS.values():
        with pytest.raises(DataError, match="above the upper one in 1 of 6 intervals"):
            metric(ones, np.where(np.arange(6).reshape(2, 3) == 4, 2.0, 1.0), ones)
        with pytest.raises(ShapeError, match=r"\(2, 3\), lower \(2, 1\)"):
            metric(ones, ones[:, :1], ones)
    for wrong in (0.0, 1.0, 80):
        with pytest.raises(ConfigError, match=f"nominal is {wrong}"):
            winkler(ones, ones, ones, wrong)
    with pytest.raises(ConfigError, match="expected ascending"):
        crps(ones, np.ones((2, 3, 2)), [0.9, 0.1])
    for score in (crps, weighted_quantile_loss):
        with pytest.raises(ConfigError, match=r"\[0, 0.5\]"):
            score(ones, np.ones((2, 3, 2)), [0, 0.5])
        with pytest.raises(ShapeError, match=r"expected \(2, 3, 2\)"):
            score(ones, ones[..., None], [0.1, 0.5])
