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

TIE = 1e-10
"""Share of its mean squared error that each member counts as noise of its own.

It decides between weights of equal error: the more even ones have less noise.
"""

ROUNDING = 1e-13
"""Share of the summed numbers up to which a gradient counts as 0."""


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
    G = E E'. An active-set method finds its minimum exactly, up to rounding.

    Several weights may have the least error, for example where members are alike. Then the most
    even of them are returned: equal members share equally, and so do members without any error.

    Args:
        errors: (M, n) forecast minus actual of each member.

    Returns:
        (M,) weights.
    """
    gram = errors @ errors.T
    size = np.sqrt(np.diag(gram))  # (M,)
    is_perfect = size < np.sqrt(np.finfo(np.float64).tiny)
    if is_perfect.any():
        return is_perfect / is_perfect.sum()

    # In units of each member's own error: members of unlike size cost no digits.
    scaled = gram / np.outer(size, size)
    scaled[np.diag_indices_from(scaled)] += TIE
    # The minimum of x' G x / 2 - sum x over x >= 0 points in the same direction as the weights:
    # both have gradients that are equal where x > 0, and not smaller elsewhere.
    found = _nonnegative_minimum(scaled, size.min() / size) / size
    return found / found.sum()


def _nonnegative_minimum(gram: FloatArray, linear: FloatArray) -> FloatArray:
    """Return the (M,) x >= 0 that minimises x' `gram` x / 2 - `linear`' x.

    Source: Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23, on the Gram matrix
    as in Bro and De Jong, A fast non-negativity-constrained least squares algorithm, 1997.

    Args:
        gram: (M, M), positive definite.
        linear: (M,), positive.
    """
    found = np.zeros(len(gram))
    free = np.zeros(len(gram), bool)  # the rest is held at 0
    for _ in range(3 * len(gram)):  # each round lowers the objective; a bound against rounding
        descent = np.where(free, 0.0, linear - gram @ found)
        entering = int(np.argmax(descent))
        if descent[entering] <= ROUNDING * (linear + np.abs(gram) @ found)[entering]:
            break
        free[entering] = True
        found = _minimum_within(gram, linear, found, free)
        free = found > 0
    return found


def _minimum_within(
    gram: FloatArray, linear: FloatArray, start: FloatArray, free: NDArray[np.bool_]
) -> FloatArray:
    """Return the minimum over the `free` numbers alone, fewer of them until none is below 0."""
    found = start
    free = free.copy()
    while True:
        solved = np.zeros(len(gram))
        solved[free] = np.linalg.solve(gram[np.ix_(free, free)], linear[free])
        is_blocked = free & (solved < 0)
        if not is_blocked.any():
            return solved
        steps = np.full(len(gram), np.inf)
        steps[is_blocked] = found[is_blocked] / (found - solved)[is_blocked]
        first = int(np.argmin(steps))
        found = found + steps[first] * (solved - found)
        free[first] = False
        found[first] = 0.0


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
