"""Ridge regression with weights of its own for each step of the season, beside slow oracles."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.baselines.seasonal_ridge import SeasonalPairs, SeasonalRidge

P, F, H = 3, 4, 2


def drawn(num: int, spread: float, *, seed: int = 0, noise: float = 0.1) -> SeasonalPairs:
    """Pairs whose maps differ by `spread` from step to step of the season."""
    draw = np.random.default_rng(7)
    common = draw.normal(size=(F, H))
    own = spread * draw.normal(size=(P, F, H))
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(num, F))
    steps = draw.integers(0, P, num)
    y = np.einsum("sf,sfh->sh", x, common + own[steps]) + noise * draw.normal(size=(num, H))
    return SeasonalPairs(x.astype(np.float32), y.astype(np.float32), steps, P)


def naive_ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """The weights with the least squared errors and penalty, as ordinary least squares on rows
    that are added for the penalty."""
    x = x.astype(np.float64)
    unit = np.square(x).mean()
    rows = np.sqrt(penalty * unit * len(x)) * np.eye(F)
    target = np.concatenate([y.astype(np.float64), np.zeros((F, H))])
    return np.linalg.lstsq(np.concatenate([x, rows]), target, rcond=None)[0]


def test_weights_are_those_of_least_squares() -> None:
    pairs = drawn(200, 0.5)
    ridge = SeasonalRidge.fit(pairs, pairs, penalties=(0.1, 0.03))
    common = naive_ridge(pairs.regressors, pairs.ahead, 0.1)
    for step in range(P):
        chosen = pairs.steps == step
        left = pairs.ahead[chosen] - pairs.regressors[chosen] @ common
        expected = common + naive_ridge(pairs.regressors[chosen], left, 0.03)
        np.testing.assert_allclose(ridge.weights[step], expected, rtol=1e-3, atol=1e-4)
    made = ridge.predict(pairs.regressors, pairs.steps)
    expected = [x @ ridge.weights[s] for x, s in zip(pairs.regressors, pairs.steps, strict=True)]
    np.testing.assert_allclose(made, expected, rtol=1e-6)


@pytest.mark.parametrize("robust", [False, True])
def test_steps_that_differ_have_maps_of_their_own(robust: bool) -> None:
    ridge = SeasonalRidge.fit(drawn(600, 1.0), drawn(200, 1.0, seed=1), robust=robust)
    later = drawn(300, 1.0, seed=2)
    error = later.ahead - ridge.predict(later.regressors, later.steps)
    assert np.sqrt(np.square(error).mean()) < 0.12  # noise of 0.1
    assert ridge.deviation_penalty is not None


def test_steps_that_do_not_differ_share_one_map() -> None:
    learned = drawn(40, 0.0, noise=1.0)
    ridge = SeasonalRidge.fit(learned, drawn(400, 0.0, seed=1, noise=1.0))
    common = naive_ridge(learned.regressors, learned.ahead, ridge.penalty)
    assert np.abs(ridge.weights - common).max() < 0.1
    assert ridge.deviation_penalty is None or ridge.deviation_penalty >= 1


def test_a_robust_fit_heeds_wild_windows_less() -> None:
    pairs = drawn(600, 1.0)
    wild = pairs.ahead.copy()
    wild[::20] += 50.0
    spoilt = SeasonalPairs(pairs.regressors, wild, pairs.steps, P)
    later = drawn(300, 1.0, seed=2)
    errors = {}
    for robust in (False, True):
        ridge = SeasonalRidge.fit(spoilt, spoilt, penalties=(1e-3, 1e-2), robust=robust)
        error = later.ahead - ridge.predict(later.regressors, later.steps)
        errors[robust] = np.abs(error).mean()
    assert errors[True] < 0.3 * errors[False]


def test_a_step_without_windows_has_the_common_map() -> None:
    pairs = drawn(300, 1.0)
    kept = pairs.steps != 1
    few = SeasonalPairs(pairs.regressors[kept], pairs.ahead[kept], pairs.steps[kept], P)
    ridge = SeasonalRidge.fit(few, few, penalties=(0.01, 0.01))
    expected = naive_ridge(few.regressors, few.ahead, 0.01)
    np.testing.assert_allclose(ridge.weights[1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("deviation_penalty", [0.01, None])
def test_it_is_stored_in_single_precision(deviation_penalty: float | None) -> None:
    penalties = (0.01, deviation_penalty)
    ridge = SeasonalRidge.fit(drawn(300, 1.0), drawn(1, 1.0), penalties=penalties)
    state = ridge.to_state()
    assert all(np.isfinite(array).all() for array in state.values())  # files hold nothing else
    again = SeasonalRidge.from_state(state)
    np.testing.assert_array_equal(again.weights, ridge.weights)
    assert (again.penalty, again.deviation_penalty) == penalties


def test_deviations_that_gain_nothing_are_left_out() -> None:
    """The judged windows contradict what the learned ones say of single steps."""
    learned = drawn(60, 1.0, noise=2.0)
    common = SeasonalRidge.fit(learned, learned, penalties=(1.0, None)).weights[0]
    judged = drawn(300, 0.0, seed=1)
    ahead = (judged.regressors @ common).astype(np.float32)
    ridge = SeasonalRidge.fit(learned, SeasonalPairs(judged.regressors, ahead, judged.steps, P))
    assert ridge.deviation_penalty is None
    assert np.ptp(ridge.weights, axis=0).max() == 0
