"""Weights of ensembles against a search over all supports, optimality conditions and grids."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.training.ensemble_weights import (
    CAUTION,
    best_weights,
    cautious_weights,
    robust_weights,
)


def random_errors(kind: str, num_members: int, seed: int) -> np.ndarray:
    """(M, n) errors of one of the `KINDS`."""
    draw = np.random.default_rng(seed)
    errors = draw.normal(size=(num_members, 50))
    match kind:
        case "alike":
            errors += 3 * draw.normal(size=50)
        case "duplicates":
            errors = errors[draw.integers(0, num_members, num_members)]
        case "few windows":
            errors = errors[:, :2]
        case "dependent":
            errors = draw.normal(size=(num_members, 2)) @ draw.normal(size=(2, 50))
        case "nearly equal":
            errors = 1e-6 * errors + 1e3 * draw.normal(size=50)
        case "unlike sizes":
            errors *= 10.0 ** draw.uniform(-6, 6, (num_members, 1))
    return errors


KINDS = (
    "plain",
    "alike",
    "duplicates",
    "few windows",
    "dependent",
    "nearly equal",
    "unlike sizes",
)


def residual(errors: np.ndarray, weights: np.ndarray) -> float:
    """Return by how much the optimality conditions are missed, relative to the summed numbers.

    At the minimum of w'Gw over the simplex every gradient (Gw)_i is at least w'Gw, and equal to it
    where w_i > 0 (Karush, Kuhn and Tucker).
    """
    precise = errors.astype(np.longdouble)
    gram = precise @ precise.T
    gradient = gram @ weights
    excess = gradient - weights @ gradient
    missed = np.where(weights > 0, np.abs(excess), np.maximum(-excess, 0))
    summed = np.abs(gram) @ weights
    return float(np.max(missed / (summed + weights @ summed)))


@given(
    kind=st.sampled_from(KINDS),
    num_members=st.integers(1, 20),
    power=st.sampled_from([-12, 0, 12]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_weights_are_optimal(kind: str, num_members: int, power: int, seed: int) -> None:
    errors = random_errors(kind, num_members, seed) * 10.0**power
    weights = best_weights(errors)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert residual(errors, weights) <= 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_members", [2, 4, 6])
def test_no_choice_of_members_has_better_weights(kind: str, num_members: int) -> None:
    """Slow oracle: for each set of members the weights with sum 1, kept where none is below 0."""
    errors = random_errors(kind, num_members, seed=num_members)
    least = np.inf
    for count in range(1, num_members + 1):
        for chosen in itertools.combinations(range(num_members), count):
            first, *others = errors[list(chosen)]
            weights = np.ones(1)
            if others:  # e_1 + sum v_i (e_i - e_1), by orthogonal factors of the errors themselves
                moves = np.stack(others) - first
                solved = np.linalg.lstsq(moves.T, -first)[0]
                weights = np.array([1 - solved.sum(), *solved])
            if (weights >= 0).all():
                least = min(least, float(np.square(weights @ errors[list(chosen)]).sum()))
    found = float(np.square(best_weights(errors) @ errors).sum())
    assert found <= least + 1e-9 * np.square(errors).sum(axis=1).min()


def test_a_hundred_members_take_no_time() -> None:
    for kind in ("plain", "alike", "dependent"):
        errors = random_errors(kind, 100, seed=0)
        began = time.process_time()
        weights = best_weights(errors)
        assert time.process_time() - began < 0.5  # some 0.01 s on an idle core
        assert residual(errors, weights) <= 1e-9


def test_members_without_any_error_share_equally() -> None:
    errors = np.random.default_rng(0).normal(size=(4, 30))
    errors[[1, 3]] = 0.0
    np.testing.assert_array_equal(best_weights(errors), [0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(best_weights(np.zeros((2, 5))), [0.5, 0.5])


@pytest.mark.parametrize("copies", [2, 3, 7])
def test_equal_members_share_equally_beside_others(copies: int) -> None:
    draw = np.random.default_rng(copies)
    one, other = draw.normal(size=(2, 300))
    alone = best_weights(np.stack([one, other]))
    weights = best_weights(np.stack([other, *[one] * copies]))
    np.testing.assert_allclose(weights[1:], alone[0] / copies, atol=1e-6)
    assert weights[0] == pytest.approx(alone[1], abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_weights_are_those_of_a_fine_grid(seed: int) -> None:
    draw = np.random.default_rng(seed)
    errors = draw.normal(size=(3, 400)) * draw.uniform(0.5, 2, (3, 1)) + draw.normal(
        size=400
    ) * draw.uniform(0, 1)
    weights = best_weights(errors)
    grid = np.linspace(0, 1, 201)
    points = [
        np.array([a, b, 1 - a - b]) for a, b in itertools.product(grid, grid) if a + b <= 1 + 1e-12
    ]
    squares = [float(np.square(point @ errors).mean()) for point in points]
    assert np.square(weights @ errors).mean() <= min(squares) + 1e-12
    np.testing.assert_allclose(weights, points[int(np.argmin(squares))], atol=0.01)


def test_a_member_that_is_worse_in_every_way_gets_nothing() -> None:
    good = np.random.default_rng(0).normal(size=500)
    np.testing.assert_allclose(best_weights(np.stack([good, 3 * good])), [1, 0], atol=1e-9)
    np.testing.assert_allclose(best_weights(np.stack([good, good])), [0.5, 0.5], atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_robust_weights_are_those_of_a_fine_grid(seed: int) -> None:
    """The sum over windows of the roots of their squared errors is least there; one window in ten
    is wild."""
    draw = np.random.default_rng(seed)
    size = np.where(np.arange(200) % 10, 1.0, 50.0)[:, None]
    errors = draw.normal(size=(2, 200, 6)) * size * np.array([1.0, 1.3])[:, None, None]
    errors[0] *= np.where(size > 1, 2.0, 1.0)  # the first is better but for the wild ones
    weights = robust_weights(errors)
    grid = np.linspace(0, 1, 2001)
    sums = [
        np.sqrt(np.square(a * errors[0] + (1 - a) * errors[1]).mean(axis=1)).sum() for a in grid
    ]
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] == pytest.approx(grid[int(np.argmin(sums))], abs=0.03)
    assert weights[0] > best_weights(errors.reshape(2, -1))[0]


@pytest.mark.parametrize("robust", [False, True])
def test_the_less_there_is_to_choose_on_the_more_the_linear_members_weigh(robust: bool) -> None:
    """One window says nothing; after it, `CAUTION` more are worth half."""
    errors = (
        np.random.default_rng(0).normal(size=(4, 100, 3))
        * np.array([1.0, 1.5, 2.0, 3.0])[:, None, None]
    )
    is_linear = np.array([False, False, True, True])
    best, simple = (
        robust_weights(some) if robust else best_weights(some.reshape(len(some), -1))
        for some in (errors, errors[2:])
    )
    for evidence, trust in (
        (0.5, 0.0),
        (1.0, 0.0),
        (1 + CAUTION, 0.5),
        (1 + 3 * CAUTION, 0.75),
        (1e12, 1.0),
    ):
        weights = cautious_weights(errors, is_linear, evidence, robust=robust)
        np.testing.assert_allclose(
            weights, trust * best + (1 - trust) * np.array([0, 0, *simple]), atol=1e-9
        )
    alike = cautious_weights(errors, np.zeros(4, bool), 0.0, robust=robust)
    np.testing.assert_allclose(alike, 0.25)
