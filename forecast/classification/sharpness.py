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


def sharpened(probabilities: FloatArray, power: float, *, are_sets: bool = False) -> FloatArray:
    """Return (N, K) probabilities raised to a power, with sum 1.

    Args:
        probabilities: (N, K).
        power: the larger, the surer.
        are_sets: whether a sequence has any number of the classes: then the sum of each and its
            complement stays 1.
    """
    if are_sets:
        own = probabilities**power
        return np.asarray(own / (own + (1.0 - probabilities) ** power), np.float64)
    raised = (probabilities / probabilities.max(axis=1, keepdims=True)) ** power
    shares: FloatArray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def cautious_losses(probabilities: FloatArray, truth: IntArray) -> FloatArray:
    """Return the (N,) log losses as if one further sequence had each class alike.

    So of a few sequences that are all right, the surest probabilities are not the best ones (the
    rule of succession: the next one may be wrong with probability 1 / (N + 2)).

    Args:
        probabilities: (N, K).
        truth: (N,) places of the true classes, or (N, K) 1 for each that a sequence has.
    """
    if truth.ndim == 2:
        either = np.maximum([probabilities, 1.0 - probabilities], LEAST_PROBABILITY)
        return losses_of(probabilities, truth) - np.log(either).mean(axis=(0, 2)) / len(truth)
    of_any = -np.log(np.maximum(probabilities, LEAST_PROBABILITY)).mean(axis=1)
    return losses_of(probabilities, truth) + of_any / len(truth)


def best_power(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the power nearest to 1 whose log loss cannot be told apart from the least.

    It is larger by at most the standard error of the difference over the sequences (the one
    standard error rule of Breiman et al. 1984).

    Args:
        probabilities: (N, K) of networks that have not learned from these sequences.
        truth: (N,) places of the true classes, or (N, K) 1 for each that a sequence has.
    """
    are_sets = truth.ndim == 2
    surer = [sharpened(probabilities, power, are_sets=are_sets) for power in POWERS]
    losses = np.array([cautious_losses(each, truth) for each in surer])
    more = losses - losses[np.argmin(losses.mean(axis=1))]  # (powers, N)
    error = more.std(axis=1) / np.sqrt(len(truth))
    is_as_good = more.mean(axis=1) <= error
    distance = np.where(is_as_good, np.abs(np.log(POWERS)), np.inf)
    return POWERS[int(np.argmin(distance))]
