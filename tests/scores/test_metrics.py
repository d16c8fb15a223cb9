"""Scores against slow loops, a peer and the published figures of the M4 competition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as peer
from hypothesis import given
from hypothesis import strategies as st
from panels import panel_of

from forecast.errors import ConfigError, ShapeError
from forecast.scores.metrics import METRICS, bias, mae, mape, mase, mse, owa, rmse, smape, wape
from forecast.scores.quantile_metrics import pinball
from forecast.scores.seasonal import seasonal_errors
from forecast.windows.splits import Part


def scales_of(histories: Sequence[np.ndarray], season_length: int) -> np.ndarray:
    """(N,) scale of MASE of whole series, from the table that they would be read from."""
    panel = panel_of([range(len(one)) for one in histories], np.concatenate(histories))
    return seasonal_errors(panel, season_length, part=Part.whole(panel))[:, 0]


def pairs(actual: np.ndarray, forecast: np.ndarray) -> list[tuple[float, float]]:
    return [
        (y, f)
        for y, f in zip(actual.ravel().tolist(), forecast.ravel().tolist(), strict=True)
        if not math.isnan(y)
    ]


def percentage_terms(kept: list[tuple[float, float]]) -> list[float]:
    return [100 * abs(y - f) / abs(y) for y, f in kept if y != 0]


SLOW = {
    "mse": lambda kept: sum((y - f) ** 2 for y, f in kept) / len(kept),
    "mae": lambda kept: sum(abs(y - f) for y, f in kept) / len(kept),
    "rmse": lambda kept: math.sqrt(sum((y - f) ** 2 for y, f in kept) / len(kept)),
    "mape": lambda kept: sum(percentage_terms(kept)) / len(percentage_terms(kept)),
    "smape": lambda kept: (
        sum(200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0 for y, f in kept) / len(kept)
    ),
    "wape": lambda kept: 100 * sum(abs(y - f) for y, f in kept) / sum(abs(y) for y, _ in kept),
    "bias": lambda kept: sum(f - y for y, f in kept) / len(kept),
}


def test_every_point_metric_has_an_oracle():
    assert METRICS.keys() == SLOW.keys()


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 2**32 - 1), holes=st.booleans())
def test_point_metric_equals_a_loop(name, seed, holes):
    rng = np.random.default_rng(seed)
    actual, forecast = rng.integers(-3, 4, (2, 4, 3, 2)).astype(float)
    if holes:
        actual[rng.random(actual.shape) < 0.3] = np.nan
    if percentage_terms(pairs(actual, forecast)):
        assert METRICS[name](actual, forecast) == pytest.approx(
            SLOW[name](pairs(actual, forecast)), rel=1e-12
        )


@pytest.mark.parametrize("name", METRICS)
def test_axis_gives_the_score_of_each_step(name):
    rng = np.random.default_rng(0)
    actual, forecast = rng.normal(size=(2, 5, 4, 3))
    actual[0, 1] = np.nan
    by_step = METRICS[name](actual, forecast, axis=(0, 2))
    expected = [SLOW[name](pairs(actual[:, step], forecast[:, step])) for step in range(4)]
    np.testing.assert_allclose(by_step, expected, rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_broadcasting_shapes_are_refused(name):
    with pytest.raises(ShapeError, match=r"\(4, 3, 1\).*\(4, 1, 3\)"):
        METRICS[name](np.ones((4, 3, 1)), np.ones((4, 1, 3)))


@pytest.mark.parametrize("name", METRICS)
def test_nothing_measured_has_no_score_and_silence_is_not_rewarded(name):
    assert np.isnan(METRICS[name](np.full((2, 3), np.nan), np.zeros((2, 3))))
    assert np.isnan(METRICS[name](np.ones((2, 3)), np.array([[np.nan, 1, 1], [1, 1, 1]])))


def test_zeros_have_the_documented_answers():
    zeros = np.zeros((1, 2))
    assert smape(zeros, zeros) == 0
    assert smape(zeros, np.ones((1, 2))) == 200
    assert np.isnan(mape(zeros, np.ones((1, 2))))
    assert np.isnan(wape(zeros, np.ones((1, 2))))
    assert mape(np.array([[0.0, 2.0]]), np.array([[5.0, 3.0]])) == 50


def test_a_forecast_that_is_too_high_has_a_positive_bias():
    assert bias(np.array([1.0, 2.0]), np.array([2.0, 5.0])) == 2.0


@given(seed=st.integers(0, 2**32 - 1), wide=st.booleans())
def test_mase_equals_a_loop(seed, wide):
    rng = np.random.default_rng(seed)
    actual, forecast = rng.normal(size=(2, 4, 3, 2))
    actual[rng.random(actual.shape) < 0.2] = np.nan
    scale = rng.choice([0.0, 0.5, 2.0, np.nan], (4, 2) if wide else 4)
    terms = []
    for w, h, d in np.ndindex(actual.shape):
        unit = scale[w, d] if wide else scale[w]
        if unit > 0 and not np.isnan(actual[w, h, d]):
            terms.append(abs(actual[w, h, d] - forecast[w, h, d]) / unit)
    expected = np.mean(terms) if terms else np.nan
    assert mase(actual, forecast, scale) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_mase_refuses_a_scale_that_would_broadcast():
    with pytest.raises(ShapeError, match=r"scale has shape \(3,\)"):
        mase(np.ones((2, 3, 1)), np.ones((2, 3, 1)), np.ones(3))
    with pytest.raises(ShapeError, match=r"scale has shape \(2, 1\)"):
        mase(np.ones((2, 3, 4)), np.ones((2, 3, 4)), np.ones((2, 1)))


def test_mase_takes_one_scale_per_value():
    rng = np.random.default_rng(3)
    actual, forecast = rng.normal(size=(2, 4, 3, 2))
    scale = rng.choice([0.0, 0.5, 2.0, np.nan], (4, 2))
    each = np.repeat(scale[:, None], 3, axis=1)
    assert mase(actual, forecast, each) == mase(actual, forecast, scale)


@pytest.mark.parametrize(
    ("smape", "mase", "naive2", "published"),
    [
        (9.328, 0.893, (18.383, 2.395), 0.4401),
        (17.192, 1.606, (18.383, 2.395), 0.8029),
        (7.625, 2.108, (9.161, 2.777), 0.7957),
        (7.817, 2.356, (9.161, 2.777), 0.8508),
    ],
    ids=["hourly, ES-RNN", "hourly, AutoETS", "weekly, FFORMA", "weekly, ES-RNN"],
)
def test_owa_of_the_m4_competition(smape, mase, naive2, published):
    assert owa(smape, mase, reference=naive2) == pytest.approx(published, abs=1e-4)


def test_owa_has_no_number_where_the_reference_is_perfect_or_missing():
    for reference in ((0.0, 1.0), (1.0, 0.0), (math.nan, 1.0)):
        assert math.isnan(owa(1.0, 1.0, reference=reference))
    assert math.isnan(owa(math.nan, 1.0, reference=(1.0, 1.0)))
    assert owa(0.0, 0.0, reference=(1.0, 1.0)) == 0


def test_scores_agree_with_utilsforecast():
    rng = np.random.default_rng(1)
    actual, forecast, low, high = rng.normal(5, 1, (4, 6, 8))
    train = rng.normal(5, 1, (6, 30))
    ids = np.arange(6)
    future = {
        "unique_id": np.repeat(ids, 8),
        "ds": np.tile(np.arange(30, 38), 6),
        "y": actual.ravel(),
    }
    table = pd.DataFrame(future | {"m": forecast.ravel(), "low": low.ravel(), "high": high.ravel()})
    past = pd.DataFrame(
        {"unique_id": np.repeat(ids, 30), "ds": np.tile(np.arange(30), 6), "y": train.ravel()}
    )
    for ours, theirs, factor in (
        (mse, peer.mse, 1),
        (mae, peer.mae, 1),
        (rmse, peer.rmse, 1),
        (bias, peer.bias, 1),
        (mape, peer.mape, 100),
        (smape, peer.smape, 200),
    ):
        np.testing.assert_allclose(
            ours(actual, forecast, axis=1), theirs(table, ["m"])["m"] * factor, rtol=1e-12
        )
    expected = peer.mase(table, ["m"], seasonality=7, train_df=past)["m"]
    np.testing.assert_allclose(
        mase(actual, forecast, scales_of(train, 7), axis=1), expected, rtol=1e-12
    )
    expected = peer.mqloss(table, {"m": ["low", "high"]}, quantiles=np.array([0.1, 0.9]))["m"]
    np.testing.assert_allclose(
        pinball(actual, np.stack([low, high], -1), (0.1, 0.9), axis=1), expected, rtol=1e-12
    )


def test_pinball_is_smallest_at_the_quantile():
    sample = np.random.default_rng(2).exponential(size=2000)
    candidates = np.linspace(0, 5, 501)
    losses = [pinball(sample, np.full((2000, 1), one), [0.9]) for one in candidates]
    assert candidates[np.argmin(losses)] == pytest.approx(np.quantile(sample, 0.9), abs=0.02)


def test_pinball_refuses_wrong_levels_and_shapes():
    with pytest.raises(ConfigError, match=r"\[0.5, 1.0\]"):
        pinball(np.ones(3), np.ones((3, 2)), [0.5, 1.0])
    with pytest.raises(ShapeError, match=r"expected \(3, 1\)"):
        pinball(np.ones(3), np.ones((1, 3)), [0.5])


def test_seasonal_errors_by_hand():
    assert scales_of([np.array([1.0, 5.0, 2.0, 9.0])], 2) == 2.5
    gap = np.array([1.0, np.nan, 4.0, 5.0, 3.0])
    np.testing.assert_array_equal(scales_of([gap, np.array([0.0, 3.0, 1.0])], 1), [1.5, 2.5])
    assert np.isnan(scales_of([np.array([1.0, 2.0])], 2)).all()


@pytest.mark.parametrize(
    ("group", "season", "lag", "published"),
    [
        ("hourly", 24, 1, (43.003, 11.608)),
        ("hourly", 24, 24, (13.912, 1.193)),
        ("weekly", 1, 1, (9.161, 2.777)),
    ],
)
def test_naive_scores_of_the_m4_competition(shared_data: Path, group, season, lag, published):
    train, test = (
        pd.read_parquet(shared_data / "m4" / f"m4_{group}_{part}.parquet")
        for part in ("train", "test")
    )
    past = {name: one.to_numpy() for name, one in train.groupby("unique_id")["y"]}
    actual = np.stack([one.to_numpy() for _, one in test.groupby("unique_id")["y"]])
    horizon = actual.shape[1]
    forecast = np.stack(
        [np.tile(one[-lag:], horizon // lag + 1)[:horizon] for one in past.values()]
    )
    scale = scales_of(list(past.values()), season)
    assert (round(smape(actual, forecast), 3), round(mase(actual, forecast, scale), 3)) == published
