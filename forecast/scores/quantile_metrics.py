"""Scores of quantile forecasts and of intervals, on plain arrays.

Shapes, axes and missing values are as in `metrics`: what was not measured is left out, a score of
nothing is NaN, and a forecast of NaN where something was measured makes the score NaN. Two things
are particular to intervals:

- an infinite end is an honest answer where nothing bounds the outcome: it covers everything on its
  side, and width and Winkler score are then infinite, however rare such intervals are;
- ends in the wrong order are refused, since their negative width would look like a good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError, DataError, ShapeError
from forecast.scores.metrics import Axis, mean_where_measured, quantile_losses


def weighted_quantile_loss(
    actual: FloatArray, forecast: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Quantile loss over the size of what happened: mean over the levels of 2 * sum of losses / sum |y|, a share.

    With the level 0.5 alone it is a hundredth of `wape`. Where all actual values are 0 there is
    nothing to weigh by: the score is NaN.

    Args:
        actual: any shape.
        forecast: the same shape with one more axis, one entry per level.
        levels: (Q,) quantile levels in (0, 1).
        axis: axes of `actual` to sum over; all if left out.

    Raises:
        ShapeError: `forecast` is not `actual` with an axis of Q added.
        ConfigError: a level lies outside (0, 1).

    Source: Salinas et al., DeepAR, 2020, for one level; Ansari et al., Chronos, 2024, for the mean
    over several.
    """
    loss = mean_where_measured(
        2.0 * quantile_losses(actual, forecast, levels).mean(axis=-1), actual, axis
    )
    size = np.asarray(mean_where_measured(np.abs(actual), actual, axis))
    return np.where(size > 0, loss / np.where(size > 0, size, 1.0), np.nan)[()]


def crps(
    actual: FloatArray, forecast: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Continuous ranked probability score of the distribution that quantiles stand for, in the unit of the data.

    The score is twice the integral of the quantile loss over all levels. Each quantile stands for
    the levels that are nearer to its own than to another, the outermost ones up to 0 and 1. For the
    levels (i - 1/2) / Q that is exactly the score of a sample of Q values; for one quantile at 0.5
    it is `mae`. Levels that leave the tails out (0.1 to 0.9) say nothing of them: compare such
    scores only with each other. Every level counts by a loss that its true quantile makes least, so
    the score cannot be improved by saying something else than one believes.

    Args:
        actual: any shape.
        forecast: the same shape with one more axis, one entry per level.
        levels: (Q,) ascending quantile levels in (0, 1).
        axis: axes of `actual` to average over; all if left out.

    Raises:
        ShapeError: `forecast` is not `actual` with an axis of Q added.
        ConfigError: a level lies outside (0, 1), or they do not ascend.

    Source: Gneiting and Ranjan, Comparing density forecasts using threshold- and quantile-weighted
    scoring rules, 2011; Broecker, Evaluating raw ensembles with the continuous ranked probability
    score, 2012, for the sample.
    """
    losses, level = quantile_losses(actual, forecast, levels), np.asarray(levels, np.float64)
    if (np.diff(level) <= 0).any():
        raise ConfigError(
            f"quantile levels are {list(levels)}; expected ascending ones: sort them and the "
            f"forecasts"
        )
    edges = np.concatenate([[0.0], (level[1:] + level[:-1]) / 2, [1.0]])
    return mean_where_measured(2.0 * losses @ np.diff(edges), actual, axis)


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray, *, axis: Axis = None) -> Any:
    """Share of what happened that lies between the ends of its interval, or on one of them, in 0..1.

    Args:
        actual: any shape.
        lower: same shape.
        upper: same shape.
        axis: axes to average over; all if left out.

    Raises:
        ShapeError: the shapes differ.
        DataError: a lower end lies above its upper end.
    """
    below, above = _outside(actual, lower, upper)
    inside = np.where(np.isnan(below) | np.isnan(above), np.nan, (below <= 0) & (above <= 0))
    return mean_where_measured(inside, actual, axis)


def width(actual: FloatArray, lower: FloatArray, upper: FloatArray, *, axis: Axis = None) -> Any:
    """Mean of upper - lower, in the unit of the data, over the places where something was measured.

    Arguments and errors are those of `coverage`.
    """
    _outside(actual, lower, upper)
    return mean_where_measured(np.asarray(upper, np.float64) - lower, actual, axis)


def winkler(
    actual: FloatArray, lower: FloatArray, upper: FloatArray, nominal: float, *, axis: Axis = None
) -> Any:
    """Winkler or interval score, in the unit of the data: the width, and 2 / (1 - nominal) times every miss.

    It is least for the true quantiles (1 - nominal) / 2 and (1 + nominal) / 2.

    Args:
        actual: any shape.
        lower: same shape.
        upper: same shape.
        nominal: share of the outcomes that the interval promises to hold: 0.8 for `lo-80` and
            `hi-80`.
        axis: axes to average over; all if left out.

    Raises:
        ShapeError: the shapes differ.
        DataError: a lower end lies above its upper end.
        ConfigError: `nominal` lies outside (0, 1).

    Source: Winkler, A Decision-Theoretic Approach to Interval Estimation, 1972; Gneiting and
    Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, 2007, equation 43.
    """
    if not 0 < nominal < 1:
        raise ConfigError(
            f"nominal is {nominal}; expected the share that intervals promise to hold, between 0 "
            f"and 1"
        )
    below, above = _outside(actual, lower, upper)
    missed = np.maximum(below, 0.0) + np.maximum(above, 0.0)
    return mean_where_measured(
        np.asarray(upper, np.float64) - lower + 2.0 / (1.0 - nominal) * missed, actual, axis
    )


def _outside(
    actual: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """How far the actual value lies below the lower and above the upper end; negative inside."""
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
