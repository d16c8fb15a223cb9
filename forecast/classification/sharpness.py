"""The power that makes the mean of several networks as sure as it is right.

Mixtures, dropout and the mean of several networks make probabilities too cautious; few sequences
make them too sure. One power for all, chosen on sequences that the networks have not learned from,
mends both and changes no class (temperature scaling: Guo et al. 2017, arXiv 1706.04599).
"""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import LEAST_PROBABILITY, losses_of

POWERS = tuple(2.0 ** (step / 4) for step in range(-8, 9))
"""Powers that are tried, from a quarter to 4."""


def sharpened(probabilities: FloatArray, power: float) -> FloatArray:
    """Return (N, K) probabilities raised to a power, with sum 1."""
    raised = (probabilities / probabilities.max(axis=1, keepdims=True)) ** power
    shares: FloatArray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def best_power(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the power nearest to 1 whose log loss cannot be told apart from the least.

    It is larger by at most the standard error of the difference over the sequences (the one
    standard error rule of Breiman et al. 1984). One further sequence counts, of all classes alike
    (the rule of succession): of a few sequences that are all right, the least loss would else be
    that of the largest power.

    Args:
        probabilities: (N, K) of networks that have not learned from these sequences.
        truth: (N,) places of the true classes.
    """
    num_sequences = len(truth)
    losses = np.zeros((len(POWERS), num_sequences))
    for place, power in enumerate(POWERS):
        given = sharpened(probabilities, power)
        of_any = -np.log(np.maximum(given, LEAST_PROBABILITY)).mean(axis=1)
        losses[place] = losses_of(given, truth) + of_any / num_sequences
    more = losses - losses[np.argmin(losses.mean(axis=1))]  # (powers, N)
    error = more.std(axis=1) / np.sqrt(num_sequences)
    is_as_good = more.mean(axis=1) <= error
    distance = np.where(is_as_good, np.abs(np.log(POWERS)), np.inf)
    return POWERS[int(np.argmin(distance))]
