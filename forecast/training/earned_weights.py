"""Weights that members of a combination earn by their errors at earlier cutoffs.

A combination starts from simple weights, and leaves them as far as the errors at many cutoffs show
that other weights are better: best weights on a few cutoffs are often chance, and equal weights of
good members are hard to beat (Claeskens et al., The forecast combination puzzle, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.experiment.choices import LEAST_BLOCKS, LEAST_SERIES
from forecast.training.ensemble_weights import best_weights

T_VALUES = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""97.5 % points of Student's t with 1 to 10 degrees of freedom."""

T_VALUE = 2.1
"""The same with more degrees of freedom, rounded up."""

MIN_WEIGHT = 0.02
"""Smaller weights become 0: a member costs time and says little."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of all members on the same windows.

    Attributes:
        values: (M, W, H) forecast minus actual in units of the series, 0 where not measured.
        blocks: (W,) number of the stretch of one horizon that a window forecasts.
        series: (W,) number of its series.
        of_mean: whether the mean is forecast, so that squared errors count; else absolute ones.
    """

    values: FloatArray
    blocks: IntArray
    series: IntArray
    of_mean: bool = False

    def losses(self, weights: FloatArray, windows: NDArray[np.bool_]) -> FloatArray:
        """Return the (W',) mean losses of a weighted sum on some windows (W,)."""
        together = np.tensordot(weights, self.values[:, windows], axes=1)
        if self.of_mean:
            return np.square(together).mean(axis=1)
        return np.abs(together).mean(axis=1)


def earned_weights(errors: Errors, simple: FloatArray) -> tuple[FloatArray, float]:
    """Return simple weights, moved towards the best ones as far as the evidence goes.

    The best weights are least squares on the simplex. Their gain over the simple weights is
    measured on each stretch of time with weights from the other stretches. With its mean g and the
    half width c of its 95 % interval, the best weights count 1 - (c / g)^2, and nothing where g is
    below c (positive-part shrinkage; James and Stein, Estimation with quadratic loss, 1961). The
    interval is the wider one of those over stretches and over series.

    Args:
        errors: on windows before the test set.
        simple: (M,) weights without evidence.

    Returns:
        (M,) weights of at least 0 with sum 1, and the trust in the best ones, 0 to 1.
    """
    blocks = np.unique(errors.blocks)
    series = np.unique(errors.series)
    if len(blocks) < LEAST_BLOCKS and len(series) < LEAST_SERIES:
        return simple, 0.0
    folds = errors.blocks
    if len(blocks) < LEAST_BLOCKS:
        folds = errors.series % LEAST_SERIES
    gains = _gains(errors, simple, folds)
    gain = float(gains.mean())
    half_width = 0.0
    for groups in (errors.blocks, errors.series):
        half_width = max(half_width, _half_width(gains, groups))
    if gain <= half_width:
        return simple, 0.0
    trust = 1.0 - (half_width / gain) ** 2
    best = best_weights(errors.values.reshape(len(errors.values), -1))
    return _without_small(trust * best + (1.0 - trust) * simple), trust


def _gains(errors: Errors, simple: FloatArray, folds: IntArray) -> FloatArray:
    """Return (W,) what the best weights of the other folds save of the mean loss."""
    gains = np.zeros(len(folds))
    for fold in np.unique(folds):
        is_inside = folds == fold
        # A window that overlaps the stretch is in the one before or after it.
        is_near = np.abs(folds - fold) <= 1
        others = errors.values[:, ~is_near]
        if not others.shape[1]:
            others = errors.values[:, ~is_inside]
        if not others.shape[1]:
            continue
        weights = best_weights(others.reshape(len(others), -1))
        gains[is_inside] = errors.losses(simple, is_inside) - errors.losses(weights, is_inside)
    return gains


def _half_width(gains: FloatArray, groups: IntArray) -> float:
    """Return half the width of the 95 % interval of a mean over groups; 0 for a single group."""
    _, number = np.unique(groups, return_inverse=True)
    means = np.bincount(number, gains) / np.bincount(number)
    if len(means) < 2:
        return 0.0
    error = float(means.std(ddof=1)) / np.sqrt(len(means))
    degrees = len(means) - 1
    quantile = T_VALUES[degrees - 1] if degrees <= len(T_VALUES) else T_VALUE
    return quantile * error


def _without_small(weights: FloatArray) -> FloatArray:
    """Return weights of sum 1 without those below `MIN_WEIGHT`."""
    kept: NDArray[np.bool_] = weights >= MIN_WEIGHT
    if not kept.any():
        return weights
    left: FloatArray = np.where(kept, weights, 0.0)
    return left / left.sum()
