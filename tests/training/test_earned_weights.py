"""Weights that leave the simple ones only as far as the errors at other cutoffs show a gain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from forecast.experiment.choices import LEAST_BLOCKS
from forecast.training import earned_weights as rules
from forecast.training.earned_weights import Errors, drawn_weights, earned_weights

H = 6


def errors_of(
    sizes: list[float], *, blocks: int = 10, series: int = 1, seed: int = 0
) -> tuple[Errors, np.ndarray]:
    """Independent errors of members with given standard deviations; the first is the simple one."""
    rng = np.random.default_rng(seed)
    count = blocks * series
    values = rng.normal(size=(len(sizes), count, H)) * np.array(sizes)[:, None, None]
    numbers = np.arange(count)
    simple = np.zeros(len(sizes))
    simple[0] = 1.0
    return Errors(values, numbers % blocks, numbers // blocks), simple


def test_much_better_members_take_nearly_all_weight() -> None:
    errors, simple = errors_of([10.0, 1.0, 1.0])
    weights, trust = earned_weights(errors, simple)
    assert trust > 0.9
    assert weights[0] < 0.1
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()


def test_worse_members_get_none() -> None:
    errors, simple = errors_of([1.0, 5.0, 5.0])
    np.testing.assert_array_equal(earned_weights(errors, simple)[0], simple)


def test_members_that_are_equal_up_to_chance_cost_nothing() -> None:
    """The errors of four members differ by chance alone: equal weights are the best ones."""
    ratios = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(4, 8, H)) + 0.5 * rng.normal(size=(1, 8, H))
        simple = np.full(4, 0.25)
        weights, _ = earned_weights(Errors(values, np.arange(8), np.zeros(8, int)), simple)
        # The expected squared error of weights w is |w|^2 + 0.25.
        ratios.append((weights @ weights + 0.25) / (simple @ simple + 0.25))
    assert np.mean(ratios) < 1.02
    assert np.mean(np.array(ratios) > 1.0) < 0.1


def test_few_stretches_of_few_series_are_no_evidence() -> None:
    errors, simple = errors_of([5.0, 1.0], blocks=LEAST_BLOCKS - 1, series=3)
    np.testing.assert_array_equal(earned_weights(errors, simple)[0], simple)
    errors, simple = errors_of([5.0, 1.0], blocks=1, series=40)
    assert earned_weights(errors, simple)[1] > 0.9


def test_the_trust_follows_from_the_gains_of_the_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gains = np.array([0.1, 0.3, 0.2, 0.4])
    monkeypatch.setattr(rules, "_gains", lambda *_: gains)
    errors, simple = errors_of([2.0, 1.0], blocks=4)
    counts = 0.5 ** (np.arange(4) / rules.RECENT)
    mean = np.average(gains, weights=counts)
    effective = counts.sum() ** 2 / np.square(counts).sum()
    spread = np.average(np.square(gains - mean), weights=counts) / (effective - 1)
    one_error = stats.t.ppf(stats.norm.cdf(1), round(effective - 1))
    expected = 1 - (one_error * np.sqrt(spread) / mean) ** 2
    assert earned_weights(errors, simple)[1] == pytest.approx(expected, abs=1e-3)


def test_without_ages_the_error_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=40)
    mean, error = rules.mean_and_error(values, np.ones(40))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(stats.sem(values))


def test_the_error_of_a_discounted_mean_is_what_it_varies_by() -> None:
    counts = 0.5 ** (np.arange(60) / 10)
    draws = np.random.default_rng(0).normal(size=(4000, 60))
    found = np.array([rules.mean_and_error(draw, counts) for draw in draws])
    assert np.sqrt(np.square(found[:, 1]).mean()) == pytest.approx(found[:, 0].std(), rel=0.03)


def test_what_was_long_ago_counts_less() -> None:
    """Of two members one was the better one in the older half of the time, the other is since."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 12, 4000))
    values[0, :6] *= 3.0  # the latest stretches have the lowest numbers
    values[1, 6:] *= 3.0
    errors = Errors(values, np.arange(12), np.zeros(12, int))
    counts = 0.5 ** (np.arange(12) / rules.RECENT)
    squares = [np.average([9.0] * 6 + [1.0] * 6, weights=counts)]
    squares.append(np.average([1.0] * 6 + [9.0] * 6, weights=counts))
    # independent errors are weighted by the inverse of their mean squares
    expected = squares[0] / sum(squares)
    assert errors.best_weights()[1] == pytest.approx(expected, abs=0.01)
    assert expected > 0.6


def test_one_standard_error_is_that_of_students_t() -> None:
    for degrees, value in enumerate(rules.STUDENT, start=1):
        assert value == pytest.approx(stats.t.ppf(stats.norm.cdf(1), degrees), abs=6e-3)


def test_one_wild_stretch_does_not_decide() -> None:
    """A member that saves much in one stretch and loses a little in all others is not better."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 12, H))
    values[1] *= 1.5
    values[0, 3] *= 200.0
    errors = Errors(values, np.arange(12), np.zeros(12, int))
    weights, trust = earned_weights(errors, np.array([1.0, 0.0]))
    assert trust == 0.0
    np.testing.assert_array_equal(weights, [1.0, 0.0])


def test_a_gain_is_measured_with_weights_from_other_stretches() -> None:
    """A member that is right in a single stretch alone gains nothing elsewhere."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 10, H))
    values[1] *= 3.0
    values[1, 4] = 0.0
    errors = Errors(values, np.arange(10), np.zeros(10, int))
    weights, _ = earned_weights(errors, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(weights, [1.0, 0.0])


@pytest.mark.parametrize("seed", range(6))
def test_drawn_weights_are_the_minimum_that_is_written_down(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a general optimiser, on the objective as its docstring states it."""
    monkeypatch.setattr(rules, "MIN_WEIGHT", 0.0)
    rng = np.random.default_rng(seed)
    num_members, num_windows = 4, 3 + seed
    scale = np.array([1.0, 1.1, 0.8, 3.0])[:, None, None]
    values = rng.normal(0, 1, (num_members, num_windows, 5)) * scale + rng.normal(0, 1, (1, 1, 5))
    blocks = np.arange(num_windows) % 3
    simple = np.array([0.5, 0.5, 0.0, 0.0])
    counts = 0.5 ** (blocks / rules.RECENT)

    def mean_square(weights: np.ndarray) -> float:
        together = np.einsum("m,mwh->wh", weights, values)
        return float(np.average(np.square(together).mean(axis=1), weights=counts))

    def objective(weights: np.ndarray) -> float:
        distance = float(np.square(weights - simple).sum())
        return mean_square(weights) + mean_square(simple) * rules.PRIOR_STRETCHES / 3 * distance

    best = minimize(
        objective,
        np.full(num_members, 1 / num_members),
        bounds=[(0, 1)] * num_members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    found = drawn_weights(Errors(values, blocks, np.zeros(num_windows, int)), simple)
    assert objective(found) <= best.fun * (1 + 1e-9)
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_many_stretches_draw_weights_to_the_best_ones_and_few_to_simple_ones() -> None:
    rng = np.random.default_rng(0)
    simple = np.array([1.0, 0.0])
    moved = []
    for num_blocks in (1, 4, 40, 4000):
        values = np.stack([np.full((num_blocks, 1), 2.0), np.full((num_blocks, 1), 1.0)])
        values = values * rng.choice([-1, 1], (2, num_blocks, 1))
        blocks = np.zeros(num_blocks, int) if num_blocks == 1 else np.arange(num_blocks)
        errors = Errors(values, blocks, np.zeros(num_blocks, int))
        moved.append(drawn_weights(errors, simple)[1])
    assert moved == sorted(moved)
    assert moved[0] < 0.5 < moved[-1]


def test_a_bad_simple_member_draws_nothing() -> None:
    """Neither by its share nor by its error: the weights are those where it has no simple one."""
    values = np.random.default_rng(0).normal(size=(3, 6, 4))
    errors = Errors(values * np.array([[[10.0]], [[1.0]], [[0.8]]]), np.arange(6), np.zeros(6, int))
    found = drawn_weights(errors, np.array([0.5, 0.5, 0.0]))
    np.testing.assert_array_equal(found, drawn_weights(errors, np.array([0.0, 1.0, 0.0])))
    assert found[0] == 0.0


def test_members_near_the_best_one_are_equal_where_no_simple_one_is() -> None:
    values = np.ones((3, 5, 4)) * np.array([9.0, 1.0, 1.0])[:, None, None]
    values[2, :, ::2] *= -1.0  # the errors of the two are not correlated
    errors = Errors(values, np.arange(5), np.zeros(5, int))
    found = drawn_weights(errors, np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(found, [0.0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("size", "blocks", "is_kept"), [(1.9, 3, True), (2.1, 3, False), (2.1, 2, True)]
)
def test_twice_the_least_error_is_the_bound(size: float, blocks: int, is_kept: bool) -> None:
    """Three stretches show it; the weights are then those of the simple weights without it."""
    values = np.tile([[[size, size]], [[1.0, -1.0]]], (1, blocks, 1))
    errors = Errors(values, np.arange(blocks), np.zeros(blocks, int))
    first, second = (drawn_weights(errors, np.array(each)) for each in ([1.0, 0.0], [0.0, 1.0]))
    assert (first[0] > second[0]) == is_kept
