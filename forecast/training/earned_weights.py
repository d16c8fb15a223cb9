"""Weights that members of a combination earn by their errors at earlier cutoffs.

A combination starts from simple weights, and leaves them as far as the errors at many cutoffs show
that other weights are better: best weights on a few cutoffs are often chance, and equal weights of
good members are hard to beat (Claeskens et al., The forecast combination puzzle, 2016).

`drawn_weights` are for members alike in cost. `earned_weights` leave simple weights only where the
gain is above its error: for a network, which takes long to train, and whose errors are known on the
windows alone that its training was stopped by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.experiment.choices import LEAST_BLOCKS, LEAST_SERIES
from forecast.training.ensemble_weights import best_weights

STUDENT = (1.84, 1.32, 1.20, 1.14, 1.11)
"""One standard error in quantiles of Student's t, with 1 to 5 degrees of freedom; more count 1."""

RECENT = 6.0
"""Stretches of time after which an error counts half: what a series was long ago says less of what
it becomes (Bates and Granger, The combination of forecasts, 1969). On small everyday tables kept
for development it saves 0.8 % of the error beside counting all alike, and on one whose season grows
tenfold 9 %; with 3 stretches chance decides more often."""

PRIOR_STRETCHES = 2.0
"""Stretches of time that simple weights are worth beside the errors: with 1 to 5 the error on 65
tables and 279 single series of M3, at cutoffs inside their training rows, varies by 1 %."""

MOST_ERROR = 2.0
"""Error of a member that has a simple weight, in units of the least root mean squared error, at
most: on the development tables of `benchmarks/accuracy/README.md` 1.5 and 3 are 0.4 and 0.3 %
behind."""

MIN_WEIGHT = 0.05
"""Smaller weights become 0: a member costs time and says little. On the tables of
`PRIOR_STRETCHES` it saves 0.5 % of the error beside 0.02."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of all members on the same windows.

    Attributes:
        values: (M, W, H) forecast minus actual in units of the series, 0 where not measured.
        blocks: (W,) number of the stretch of one horizon that a window forecasts; the latest is 0.
        series: (W,) number of its series.
        of_mean: whether the mean is forecast, so that squared errors count; else absolute ones.
        weights: (W, H) how much each row counts; None: all alike.
    """

    values: FloatArray
    blocks: IntArray
    series: IntArray
    of_mean: bool = False
    weights: FloatArray | None = None

    def take(self, windows: NDArray[np.bool_]) -> Errors:
        """Return the errors on some of the windows (W,)."""
        weights = self.weights
        if weights is not None:
            weights = weights[windows]
        return Errors(
            self.values[:, windows],
            self.blocks[windows],
            self.series[windows],
            self.of_mean,
            weights,
        )

    @property
    def counts(self) -> FloatArray:
        """(W,) how much each window counts, by its age."""
        return counts_of(self.blocks)

    @property
    def counted(self) -> FloatArray:
        """(M, W H) errors times the roots of what they count, by age and by the weight of rows."""
        counted = self.values * np.sqrt(self.counts)[:, None]
        if self.weights is not None:
            counted = counted * np.sqrt(self.weights)
        return counted.reshape(len(counted), -1)

    def best_weights(self) -> FloatArray:
        """Return the (M,) least-squares weights on the simplex, recent windows counting more."""
        return best_weights(self.counted)

    def losses(self, weights: FloatArray, windows: NDArray[np.bool_]) -> FloatArray:
        """Return the (W',) mean losses of a weighted sum on some windows (W,)."""
        together = np.tensordot(weights, self.values[:, windows], axes=1)
        losses = np.square(together) if self.of_mean else np.abs(together)
        if self.weights is not None:
            losses = losses * self.weights[windows]
        mean: FloatArray = losses.mean(axis=1)
        return mean


def counts_of(blocks: IntArray) -> FloatArray:
    """Return how much stretches of time count; the latest, number 0, counts 1."""
    counts: FloatArray = 0.5 ** (blocks / RECENT)
    return counts


def earned_weights(
    errors: Errors, simple: FloatArray, *, least_blocks: int = LEAST_BLOCKS
) -> tuple[FloatArray, float]:
    """Return simple weights, moved towards the best ones as far as the evidence goes.

    The best weights are least squares on the simplex. Their gain over the simple weights, as a
    share of both losses, is measured on each stretch of time with weights from the other stretches,
    or on groups of series where there are less than `least_blocks`. Recent stretches count more.
    With the mean g of the gains and its standard error e, the best weights count 1 - (e / g)^2, and
    nothing where g is below e (positive-part shrinkage; James and Stein, Estimation with quadratic
    loss, 1961).

    Args:
        errors: on windows before the test set.
        simple: (M,) weights without evidence.
        least_blocks: stretches that show how the gain varies, at least.

    Returns:
        (M,) weights of at least 0 with sum 1, and the trust in the best ones, 0 to 1.
    """
    blocks = np.unique(errors.blocks)
    series = np.unique(errors.series)
    if len(blocks) < least_blocks and len(series) < LEAST_SERIES:
        return simple, 0.0
    folds = errors.blocks
    counts = counts_of(blocks)
    if len(blocks) < least_blocks:
        folds = errors.series % LEAST_SERIES
        counts = np.ones(LEAST_SERIES)
    gains = _gains(errors, simple, folds)
    gain, error = mean_and_error(gains, counts)
    if gain <= error:
        return simple, 0.0
    trust = 1.0 - (error / gain) ** 2
    best = errors.best_weights()
    return _without_small(trust * best + (1.0 - trust) * simple), trust


def drawn_weights(errors: Errors, simple: FloatArray) -> FloatArray:
    """Return the least-squares weights on the simplex, drawn to simple ones.

    With B stretches, s the mean squared error of the simple weights and p `PRIOR_STRETCHES`, the
    mean squared error + s (p / B) |w - simple|^2 is minimised: few stretches move weights little.
    Simple weights are those of the members that are not much worse than the best one
    (`MOST_ERROR`), which `LEAST_BLOCKS` stretches may show. A bad one would draw twice: by its
    share, and by its error in s.

    Source: egalitarian ridge of Diebold and Shin, Machine learning for regularized survey forecast
    combination, 2019.

    Args:
        errors: on one window or more.
        simple: (M,) weights without evidence.

    Returns:
        (M,) weights of at least 0 with sum 1.
    """
    counted = errors.counted
    num_blocks = len(np.unique(errors.blocks))
    if num_blocks >= LEAST_BLOCKS:
        simple = _of_near_ones(simple, np.linalg.norm(counted, axis=1))
    size = float(np.linalg.norm(simple @ counted))
    # (w - simple)_j is the sum over i of w_i (1 where i = j, else 0, less simple_j).
    distance = np.eye(len(simple)) - simple
    penalty = size * np.sqrt(PRIOR_STRETCHES / num_blocks) * distance
    return _without_small(best_weights(np.concatenate([counted, penalty], axis=1)))


def mean_and_error(values: FloatArray, counts: FloatArray) -> tuple[float, float]:
    """Return the weighted mean of independent values, and its standard error.

    The error is that of as many values of one weight as have the same effect, (sum c)^2 / sum c^2
    (Kish, Survey sampling, 1965), times the quantile of Student's t where they are few.

    Args:
        values: (F,).
        counts: (F,) how much each counts.
    """
    shares = counts / counts.sum()
    number = 1.0 / float(np.square(shares).sum())
    mean = float(shares @ values)
    variance = float(shares @ np.square(values - mean)) * number / (number - 1.0)
    error = float(np.sqrt(variance / number))
    degrees = round(number - 1.0)
    if degrees <= len(STUDENT):
        error *= STUDENT[max(degrees, 1) - 1]
    return mean, error


def _of_near_ones(simple: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return (M,) simple weights of the members with an error near the least one.

    They are equal where none of these has a simple weight.

    Args:
        simple: (M,) weights without evidence.
        sizes: (M,) root mean squared errors, in any unit.
    """
    is_near = sizes <= MOST_ERROR * sizes.min()
    near = np.where(is_near, simple, 0.0)
    if not near.any():
        near = is_near.astype(np.float64)
    weights: FloatArray = near / near.sum()
    return weights


def _gains(errors: Errors, simple: FloatArray, folds: IntArray) -> FloatArray:
    """Return (F,) what the best weights of the other folds save, as a share of both losses.

    A share, so that no wild stretch decides for all.
    """
    gains = []
    for fold in np.unique(folds):
        is_inside = folds == fold
        # A window that overlaps the stretch is in the one before or after it.
        is_other = np.abs(folds - fold) > 1
        if not is_other.any():
            is_other = ~is_inside
        weights = errors.take(is_other).best_weights()
        before = float(errors.losses(simple, is_inside).mean())
        after = float(errors.losses(weights, is_inside).mean())
        gains.append((before - after) / max(before + after, np.finfo(np.float64).tiny))
    return np.array(gains)


def _without_small(weights: FloatArray) -> FloatArray:
    """Return weights of sum 1 without those below `MIN_WEIGHT`."""
    kept: NDArray[np.bool_] = weights >= MIN_WEIGHT
    if not kept.any():
        return weights
    left: FloatArray = np.where(kept, weights, 0.0)
    return left / left.sum()
