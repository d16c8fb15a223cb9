"""Weights of the members of an ensemble, chosen by their errors on validation windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.baselines.ridge import LEAST_ERROR

CAUTION = 8.0
"""Windows without overlap, beyond the first, at which the best weights count half."""

ROUNDS = 10
"""Rounds of reweighting the windows by their errors."""

STEPS = 10_000
"""Steps of the search for the best weights, at most."""

TOLERANCE = 1e-12
"""Change of the weights in a step at which the search ends."""


def robust_weights(errors: FloatArray) -> FloatArray:
    """Return simplex weights that minimise the sum over windows of root mean squared errors.

    Squared errors are dominated by outliers, which count less in training with absolute errors.
    The method is iteratively reweighted least squares: every window counts by the inverse of its
    error in the round before.

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where the actual is missing.

    Returns:
        (M,) weights.
    """
    weights = best_weights(errors.reshape(len(errors), -1))
    for _ in range(ROUNDS):
        size = np.sqrt(np.square(np.tensordot(weights, errors, axes=1)).mean(axis=1))
        least = LEAST_ERROR * float(np.sqrt(np.square(size).mean())) + np.finfo(np.float64).tiny
        reweighted = errors / np.sqrt(np.hypot(size, least))[:, None]
        weights = best_weights(reweighted.reshape(len(errors), -1))
    return weights


def best_weights(errors: FloatArray) -> FloatArray:
    """Return simplex-constrained least-squares weights: at least 0, with sum 1.

    The error of the weighted sum is the weighted sum of the errors, so the objective is w' G w with
    G = E E'. Projected gradient descent finds the minimum of this convex problem (Duchi et al. 2008
    for the projection onto the simplex).

    Args:
        errors: (M, n) forecast minus actual of each member.

    Returns:
        (M,) weights.
    """
    gram = errors @ errors.T
    weights = np.full(len(gram), 1.0 / len(gram))
    step_size = 1.0 / max(float(np.linalg.eigvalsh(gram)[-1]), np.finfo(np.float64).tiny)
    for _ in range(STEPS):
        moved = onto_simplex(weights - step_size * (gram @ weights))
        if np.abs(moved - weights).max() < TOLERANCE:
            return moved
        weights = moved
    return weights


def cautious_weights(
    errors: FloatArray, is_linear: NDArray[np.bool_], evidence: float, *, robust: bool = False
) -> FloatArray:
    """Return the best weights, shrunk towards simple weights where there are few windows.

    With n windows that do not overlap the best weights count (n - 1) / (n - 1 + CAUTION): one
    window alone is no evidence of how the errors of another would differ. The simple weights are
    the best ones of the linear members alone, or equal weights where there are none: the best
    member on a few weeks of one series is often chance. `CAUTION` was chosen on the two halves of
    validation sets, with weights from one half scored on the other
    (`benchmarks/accuracy/README.md`).

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where the actual is missing.
        is_linear: (M,) whether a member is linear.
        evidence: number of validation windows that do not overlap.
        robust: whether to use `robust_weights` in place of `best_weights`.

    Returns:
        (M,) weights of at least 0 with sum 1.
    """

    def choose(of_members: FloatArray) -> FloatArray:
        if robust:
            return robust_weights(of_members)
        return best_weights(of_members.reshape(len(of_members), -1))

    simple = np.full(len(errors), 1.0 / len(errors))
    if is_linear.any():
        simple = np.zeros(len(errors))
        simple[is_linear] = choose(errors[is_linear])
    free = max(evidence - 1.0, 0.0)
    trust = free / (free + CAUTION)
    return trust * choose(errors) + (1 - trust) * simple


def onto_simplex(values: FloatArray) -> FloatArray:
    """Return the nearest (M,) numbers of at least 0 with sum 1 (Duchi et al. 2008, figure 1)."""
    descending = np.sort(values)[::-1]
    excess = (np.cumsum(descending) - 1.0) / np.arange(1, len(values) + 1)
    last = np.flatnonzero(descending > excess)[-1]
    return np.maximum(values - excess[last], 0.0)
