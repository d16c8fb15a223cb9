"""Weights of the members of an ensemble, chosen by their errors on validation windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.baselines.ridge import LEAST_ERROR

CAUTION = 8.0
"""Windows that do not overlap, beyond the first, which it takes for the best weights to count
half."""


ROUNDS = 10
"""In which windows are weighed by their errors."""


STEPS, TOLERANCE = 10_000, 1e-12
"""Of the search for the best weights: at most, and by which they still move at its end."""


def robust_weights(errors: FloatArray) -> FloatArray:
    """Weights of at least 0 with sum 1 that make the sum of the roots of the windows' squared errors least.

    Squared errors are dominated by the wildest series, which a network trained with absolute errors
    does not heed. Iteratively reweighted: every window counts by the inverse of its error in the
    round before.

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where nothing was measured.

    Returns:
        (M,) weights.
    """
    weights = best_weights(errors.reshape(len(errors), -1))
    for _ in range(ROUNDS):
        size = np.sqrt(np.square(np.tensordot(weights, errors, axes=1)).mean(axis=1))
        least = LEAST_ERROR * float(np.sqrt(np.square(size).mean())) + np.finfo(np.float64).tiny
        weighed = errors / np.sqrt(np.hypot(size, least))[:, None]
        weights = best_weights(weighed.reshape(len(errors), -1))
    return weights


def best_weights(errors: FloatArray) -> FloatArray:
    """Weights of at least 0 with sum 1 that make the squared error of the weighted sum least.

    The error of the sum is the sum of the errors, so what is minimised is w' G w with G = E E'. The
    way there is projected gradient descent (Duchi et al. 2008 for the projection onto the simplex),
    which ends at the minimum of this convex problem.

    Args:
        errors: (M, n) forecast minus actual of each member.

    Returns:
        (M,) weights.
    """
    gram = errors @ errors.T
    weights = np.full(len(gram), 1.0 / len(gram))
    length = 1.0 / max(float(np.linalg.eigvalsh(gram)[-1]), np.finfo(np.float64).tiny)
    for _ in range(STEPS):
        moved = onto_simplex(weights - length * (gram @ weights))
        if np.abs(moved - weights).max() < TOLERANCE:
            return moved
        weights = moved
    return weights


def cautious_weights(
    errors: FloatArray, is_linear: NDArray[np.bool_], evidence: float, *, robust: bool = False
) -> FloatArray:
    """The best weights, moved towards simple ones the further the less there is to choose them on.

    Of n windows that do not overlap, the best weights get the share (n - 1) / (n - 1 + CAUTION):
    one window alone says nothing of how the errors of another would differ. The rest
    goes to the linear members in their own best proportion, or to all alike where there are none:
    what is best on a few weeks of one series is often chance. Chosen on the two halves of
    validation parts, weights found on one half and scored on the other
    (`benchmarks/accuracy/README.md`).

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where nothing was measured.
        is_linear: (M,).
        evidence: number of validation windows that do not overlap.
        robust: choose by `robust_weights` in place of `best_weights`.

    Returns:
        (M,) weights of at least 0 with sum 1.
    """
    choose = robust_weights if robust else lambda some: best_weights(some.reshape(len(some), -1))
    simple = np.full(len(errors), 1.0 / len(errors))
    if is_linear.any():
        simple = np.zeros(len(errors))
        simple[is_linear] = choose(errors[is_linear])
    free = max(evidence - 1.0, 0.0)
    trust = free / (free + CAUTION)
    return trust * choose(errors) + (1 - trust) * simple


def onto_simplex(values: FloatArray) -> FloatArray:
    """The nearest (M,) numbers of at least 0 with sum 1 (Duchi et al. 2008, figure 1)."""
    descending = np.sort(values)[::-1]
    excess = (np.cumsum(descending) - 1.0) / np.arange(1, len(values) + 1)
    last = np.flatnonzero(descending > excess)[-1]
    return np.maximum(values - excess[last], 0.0)
