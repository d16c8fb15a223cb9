"""The parts of several predictions in their mixture, earned on what came.

A mixture of probabilities is a probability, and of two its log loss is above that of the better one
by no more than the logarithm of its part. The parts are those under which what came is most likely,
found by expectation maximisation (Jelinek & Mercer 1980, "Interpolated estimation of Markov source
parameters from sparse data").
"""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray

CAUTION = 3.0
"""Steps that count for the counts, before the network is judged: its loss on the validation steps
is too low, as its training was stopped by it. On 36 chains of 60 to 400 steps log loss was 0.013
below that of the best table with 3, 0.014 with 10 and 0.010 with 1; of a network that is good alone
10 steps cost three times as much."""

DOUBT = 1.0
"""Steps that count for equal parts, before counts are judged among each other."""

LEAST_SHARE = 0.01
"""Smaller parts become 0."""

_ROUNDS = 300

_TOLERANCE = 1e-5

_LEAST = 1e-15
"""Probabilities are at least this."""


def earned_shares(of_truth: FloatArray, cautious: FloatArray, *, overlap: int = 1) -> FloatArray:
    """Return the parts of some predictions in their mixture.

    Args:
        of_truth: (M, N) probability that each gave to what came, N may be 0.
        cautious: (M,) steps that count for each, before any is seen.
        overlap: predictions of each step, which count as one.

    Returns:
        (M,) parts with sum 1.

    Example:
        >>> right = np.full(200, 0.9)
        >>> earned_shares(np.array([right, 1 - right]), np.array([5.0, 5.0])).round(2).tolist()
        [0.98, 0.02]
    """
    of_truth = np.maximum(of_truth, _LEAST)
    num_members = len(of_truth)
    num_steps = of_truth.shape[1] / overlap
    weights = np.full(num_members, 1.0 / num_members)
    for _ in range(_ROUNDS):
        parts = weights[:, None] * of_truth
        parts /= parts.sum(axis=0)
        before = weights
        earned = parts.sum(axis=1) / overlap
        weights = (earned + cautious) / (num_steps + cautious.sum())
        if np.abs(weights - before).max() < _TOLERANCE:
            break
    weights = np.where(weights < LEAST_SHARE, 0.0, weights)
    shares: FloatArray = weights / weights.sum()
    return shares


def shares_of_tables(left_out: FloatArray, *, overlap: int = 1) -> FloatArray:
    """Return the (M,) parts of tables of counts among each other.

    Args:
        left_out: (M, N) probability that each gave to what came, which it had not counted or which
            was left out of its counts.
        overlap: predictions of each step, which count as one.
    """
    equal = np.full(len(left_out), DOUBT / len(left_out))
    return earned_shares(left_out, equal, overlap=overlap)


def with_network(
    network: FloatArray, tables: FloatArray, table_weights: FloatArray, *, overlap: int = 1
) -> FloatArray:
    """Return the parts of a network and of the tables of counts beside it.

    The tables keep their parts among each other: those are earned on the steps of training too.
    One number is left to be earned on the few steps of validation, and cautious is no network.

    Args:
        network: (N,) probability that the network gave to what came.
        tables: (M, N) those of the tables.
        table_weights: (M,) parts of the tables among each other.
        overlap: predictions of each step, which count as one.

    Returns:
        (1 + M,) parts, that of the network first.
    """
    together = table_weights @ tables
    cautious = np.array([0.0, CAUTION])
    both = earned_shares(np.stack([network, together]), cautious, overlap=overlap)
    return np.concatenate([both[:1], both[1] * table_weights])
