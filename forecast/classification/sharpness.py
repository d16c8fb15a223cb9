"""The power that makes the mean of several networks as sure as it is right.

Mixtures, dropout and the mean of several networks make probabilities too cautious; few sequences
make them too sure. One power for all, chosen on sequences that the networks have not learned from,
mends both and changes no class (temperature scaling: Guo et al. 2017, arXiv 1706.04599).
"""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import log_loss

POWERS = tuple(2.0 ** (step / 4) for step in range(-8, 9))
"""Powers that are tried, from a quarter to 4."""


def sharpened(probabilities: FloatArray, power: float) -> FloatArray:
    """Return (N, K) probabilities raised to a power, with sum 1."""
    raised = (probabilities / probabilities.max(axis=1, keepdims=True)) ** power
    shares: FloatArray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def best_power(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the power with the least log loss.

    Args:
        probabilities: (N, K) of networks that have not learned from these sequences.
        truth: (N,) places of the true classes.
    """
    losses = [log_loss(sharpened(probabilities, power), truth) for power in POWERS]
    return POWERS[int(np.argmin(losses))]
