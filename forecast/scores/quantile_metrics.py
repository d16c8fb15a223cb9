"""Scores of quantile forecasts and of intervals, on plain arrays.

Shapes, axes and missing values are as in `metrics`: values that were not measured are not scored,
a score of nothing is NaN, and a forecast of NaN where something was measured makes the score NaN.
Two things are particular to intervals:

- an infinite end is honest where nothing bounds the outcome: it covers everything on its side, and
  width and Winkler score are then infinite, however rare such intervals are;
- ends in the wrong order are refused, since their negative width would look like a good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError, DataError, ShapeError
from forecast.scores.measure import Axis, Score, divide, mean_where_measured


def pinball(
    actual: FloatArray, quantiles: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Quantile loss: max(q (y - f), (q - 1) (y - f)), averaged over the levels q.

    It is in the unit of the data; at the level 0.5 alone it is half of `mae`.

    Args:
        actual: any shape.
        quantiles: the same shape with one more axis, one entry per level.
        levels: (Q,) quantile levels in (0, 1).
        axis: axes of `actual` to average over; default: all.

    Raises:
        ShapeError: `quantiles` is not `actual` with an axis of Q added.
        ConfigError: a level lies outside (0, 1).

    Source: Koenker and Bassett, Regression Quantiles, 1978.
    """
    losses = _quantile_losses(actual, quantiles, levels)
    return mean_where_measured(losses.mean(axis=-1), actual, axis)


def weighted_quantile_loss(
    actual: FloatArray, quantiles: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Weighted quantile loss: 2 * sum of `pinball` losses / sum |y|, averaged over the levels.

    With the level 0.5 alone it is a hundredth of `wape`. NaN where all actual values are 0: there
    is nothing to weight by. Arguments and errors are those of `pinball`; the sums run over `axis`.

    Source: `mean_weighted_sum_quantile_loss` of GluonTS (Alexandrov et al., GluonTS: Probabilistic
    and Neural Time Series Modeling in Python, 2020); Salinas et al., DeepAR, 2020, for one level.
    """
    loss = np.asarray(pinball(actual, quantiles, levels, axis=axis))
    size = np.asarray(mean_where_measured(np.abs(actual), actual, axis))
    return divide(2.0 * loss, size, at_zero=np.nan)[()]


def crps(
    actual: FloatArray, quantiles: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Continuous ranked probability score of the distribution that the quantiles stand for.

    The score is twice the integral of the quantile loss over all levels, in the unit of the data.
    Each quantile stands for the levels that are nearer to its own than to another, the outermost
    ones up to 0 and 1. For the levels (i - 1/2) / Q that is exactly the score of a sample of Q
    values; for one quantile at 0.5 it is `mae`. Levels that leave the tails out (0.1 to 0.9) say
    nothing about them: compare such scores only with those of the same levels. The score is
    proper: every level counts by a loss that its true quantile minimises.

    Args:
        actual: any shape.
        quantiles: the same shape with one more axis, one entry per level.
        levels: (Q,) ascending quantile levels in (0, 1).
        axis: axes of `actual` to average over; default: all.

    Raises:
        ShapeError: `quantiles` is not `actual` with an axis of Q added.
        ConfigError: a level lies outside (0, 1), or they do not ascend.

    Source: Gneiting and Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, 2007,
    section 4.2, for the score; Gneiting and Ranjan, Comparing density forecasts using threshold-
    and quantile-weighted scoring rules, 2011, for the integral of quantile losses; Broecker,
    Evaluating raw ensembles with the continuous ranked probability score, 2012, for the sample.
    """
    losses = _quantile_losses(actual, quantiles, levels)
    level = np.asarray(levels, np.float64)
    if (np.diff(level) <= 0).any():
        raise ConfigError(
            f"quantile levels are {list(levels)}; expected ascending ones: sort them and the "
            f"forecasts"
        )
    edges = np.concatenate([[0.0], (level[1:] + level[:-1]) / 2, [1.0]])
    return mean_where_measured(2.0 * losses @ np.diff(edges), actual, axis)


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray, *, axis: Axis = None) -> Any:
    """Share of the actual values inside their interval or on one of its ends, in 0..1.

    Args:
        actual: any shape.
        lower: same shape.
        upper: same shape.
        axis: axes to average over; default: all.

    Raises:
        ShapeError: the shapes differ.
        DataError: a lower end lies above its upper end.
    """
    below, above = _outside(actual, lower, upper)
    unknown = np.isnan(below) | np.isnan(above)
    inside = (below <= 0) & (above <= 0)
    return mean_where_measured(np.where(unknown, np.nan, inside), actual, axis)


def width(actual: FloatArray, lower: FloatArray, upper: FloatArray, *, axis: Axis = None) -> Any:
    """Mean of upper - lower over the measured values, in the unit of the data.

    Arguments and errors are those of `coverage`.
    """
    _outside(actual, lower, upper)
    return mean_where_measured(np.asarray(upper, np.float64) - lower, actual, axis)


def winkler(
    actual: FloatArray, lower: FloatArray, upper: FloatArray, nominal: float, *, axis: Axis = None
) -> Any:
    """Winkler (interval) score: the width, plus 2 / (1 - nominal) times the distance of a miss.

    It is in the unit of the data, and lowest for the true quantiles (1 - nominal) / 2 and
    (1 + nominal) / 2.

    Args:
        actual: any shape.
        lower: same shape.
        upper: same shape.
        nominal: share of the outcomes that the interval should cover: 0.8 for `lo-80` and `hi-80`.
        axis: axes to average over; default: all.

    Raises:
        ShapeError: the shapes differ.
        DataError: a lower end lies above its upper end.
        ConfigError: `nominal` lies outside (0, 1).

    Source: Winkler, A Decision-Theoretic Approach to Interval Estimation, 1972; Gneiting and
    Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, 2007, equation 43.
    """
    if not 0 < nominal < 1:
        raise ConfigError(
            f"nominal is {nominal}; expected the share that intervals should cover, between 0 and 1"
        )
    below, above = _outside(actual, lower, upper)
    missed = np.maximum(below, 0.0) + np.maximum(above, 0.0)
    scores = np.asarray(upper, np.float64) - lower + 2.0 / (1.0 - nominal) * missed
    return mean_where_measured(scores, actual, axis)


QUANTILE_SCORES: dict[str, Score] = {
    "pinball": Score(pinball, needs=("quantiles", "levels")),
    "WQL": Score(weighted_quantile_loss, needs=("quantiles", "levels")),
    "CRPS": Score(crps, needs=("quantiles", "levels")),
    # The best coverage is the nominal one, which differs by interval, and a narrow interval is
    # good only where it covers enough: the Winkler score weighs the two.
    "coverage": Score(coverage, needs=("lower", "upper"), best="none", style=".1%"),
    "width": Score(width, needs=("lower", "upper"), best="none"),
    "Winkler": Score(winkler, needs=("lower", "upper", "nominal")),
}
"""Rows of `SCORES` that need quantiles or intervals."""


def central_pairs(quantile_levels: Sequence[float]) -> dict[float, tuple[int, int]]:
    """Find the central intervals among quantile levels, narrow ones first.

    Returns:
        Nominal share, such as 0.8 -> indices of the lower and the upper end.
    """
    pairs = {}
    for lower, low in enumerate(quantile_levels):
        for upper, high in enumerate(quantile_levels):
            if low < 0.5 and abs(low + high - 1.0) < 1e-9:
                pairs[round(1.0 - 2.0 * low, 10)] = (lower, upper)
    return dict(sorted(pairs.items()))


def _quantile_losses(
    actual: FloatArray, quantiles: FloatArray, levels: Sequence[float]
) -> FloatArray:
    """Return the loss of `pinball` for every value and level, in the shape of `quantiles`."""
    level = np.asarray(levels, np.float64)
    if level.ndim != 1 or not len(level) or not ((level > 0) & (level < 1)).all():
        raise ConfigError(
            f"quantile levels are {list(levels)}; expected at least one, each between 0 and 1"
        )
    expected = (*actual.shape, len(level))
    if quantiles.shape != expected:
        raise ShapeError(f"quantile forecast has shape {quantiles.shape}; expected {expected}")
    residual = np.asarray(actual, np.float64)[..., None] - quantiles
    return np.maximum(level * residual, (level - 1.0) * residual)


def _outside(
    actual: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distances of the actual value below the lower and above the upper end; negative inside."""
    if not actual.shape == lower.shape == upper.shape:
        raise ShapeError(
            f"actual has shape {actual.shape}, lower {lower.shape} and upper {upper.shape}; "
            f"expected equal shapes"
        )
    crossed = np.asarray(lower > upper)
    if crossed.any():
        raise DataError(
            f"the lower end is above the upper one in {int(crossed.sum())} of {crossed.size} "
            f"intervals; expected "
            "lower <= upper: sort the quantiles of each step first"
        )
    measured = np.asarray(actual, np.float64)
    return lower - measured, measured - upper
