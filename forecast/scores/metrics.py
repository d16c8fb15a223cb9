"""Scores of point and quantile forecasts, on plain arrays.

Every score compares arrays of exactly equal shape, (W, H, D) or any other, and averages over `axis`
(all axes if left out; one axis or several give, for example, the error of each step of the
horizon). Places where `actual` is NaN are left out. Where nothing is left the score is NaN, without
a warning: there is no number to give. A NaN in `forecast` where something was measured makes the
score NaN, so a model is never rewarded for keeping silent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError, ShapeError

Axis = int | tuple[int, ...] | None


PointMetric = Callable[..., Any]


def mse(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Mean squared error, in the unit of the data squared."""
    return mean_where_measured(_residual(actual, forecast) ** 2, actual, axis)


def mae(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Mean absolute error, in the unit of the data."""
    return mean_where_measured(np.abs(_residual(actual, forecast)), actual, axis)


def rmse(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Square root of `mse`, in the unit of the data."""
    return np.sqrt(mse(actual, forecast, axis=axis))


def mape(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Mean absolute percentage error, in percent; places where `actual` is 0 have no percentage and are left out."""
    size = np.abs(actual)
    share = _divide(np.abs(_residual(actual, forecast)), size, at_zero=0.0)
    return mean_where_measured(100.0 * share, np.where(size == 0, np.nan, size), axis)


def smape(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Symmetric mean absolute percentage error, mean of 200 |y - f| / (|y| + |f|), in 0..200; 0/0 counts 0.

    Source: Makridakis et al., The M4 Competition, 2020.
    """
    error = np.abs(_residual(actual, forecast))
    return mean_where_measured(
        200.0 * _divide(error, np.abs(actual) + np.abs(forecast), at_zero=0.0), actual, axis
    )


def mase(actual: FloatArray, forecast: FloatArray, scale: FloatArray, *, axis: Axis = None) -> Any:
    """Mean absolute scaled error: below 1 is better than a one-step seasonal naive forecast inside the history.

    A scale of 0 or NaN (a history that repeats itself exactly, or is shorter than a season) gives
    no unit to measure in: those windows are left out, and the score is NaN where none is left.

    Args:
        actual: (W, H) or (W, H, D).
        forecast: same shape.
        scale: (W,) or (W, D), the `seasonal_error` of the history of each window's series.
        axis: axes to average over; all if left out.

    Raises:
        ShapeError: the shapes do not fit together.

    Source: Hyndman and Koehler, Another look at measures of forecast accuracy, 2006.
    """
    return mean_where_measured(*_scaled(actual, forecast, scale), axis)


def rmsse(actual: FloatArray, forecast: FloatArray, scale: FloatArray, *, axis: Axis = None) -> Any:
    """Root mean squared scaled error: the squared counterpart of `mase`, which large errors weigh more in.

    The root is taken after the mean over `axis`. The competition's number for many series is the
    mean over the series of `rmsse(..., axis=1)`. A scale of 0 or NaN is treated as in `mase`.

    Args:
        actual: (W, H) or (W, H, D).
        forecast: same shape.
        scale: (W,) or (W, D), the `seasonal_deviation` of the history of each window's series.
        axis: axes to average over; all if left out.

    Raises:
        ShapeError: the shapes do not fit together.

    Source: Makridakis et al., The M5 competition: Background, organization, and implementation,
    2022.
    """
    scaled, usable = _scaled(actual, forecast, scale)
    return np.sqrt(mean_where_measured(scaled**2, usable, axis))


def owa(smape: float, mase: float, *, reference: tuple[float, float]) -> float:
    """Overall weighted average: the mean of sMAPE and MASE, each divided by that of a reference; below 1 is better.

    It is a number for a whole set of series: of their mean sMAPE and mean MASE, not a mean of
    ratios.

    Args:
        smape: of the forecasts, in any unit that the reference shares.
        mase: of the forecasts.
        reference: sMAPE and MASE of the reference. In the M4 competition that is Naive2: the last
            value of the series without its season (multiplicative, by classical decomposition,
            where an autocorrelation test at 90 % finds one), with the season put back.

    Returns:
        The average; NaN where a number is missing or one of the reference is 0, which leaves
        nothing to compare with.

    Source: Makridakis et al., The M4 Competition, 2020.
    """
    scores = np.array([smape, mase]), np.array(reference, np.float64)
    return float(_divide(*scores, at_zero=np.nan).mean())


def wape(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Weighted absolute percentage error, 100 * sum |y - f| / sum |y|, in percent; NaN where all actuals are 0."""
    size = np.asarray(mean_where_measured(np.abs(actual), actual, axis))
    return _divide(np.asarray(mae(actual, forecast, axis=axis)) * 100.0, size, at_zero=np.nan)[()]


def bias(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Mean of forecast - actual, in the unit of the data: positive where the forecast is too high."""
    return mean_where_measured(-_residual(actual, forecast), actual, axis)


def pinball(
    actual: FloatArray, forecast: FloatArray, levels: Sequence[float], *, axis: Axis = None
) -> Any:
    """Quantile loss, averaged over the levels: max(q (y - f), (q - 1) (y - f)), in the unit of the data.

    Args:
        actual: any shape.
        forecast: the same shape with one more axis, one entry per level.
        levels: (Q,) quantile levels in (0, 1).
        axis: axes of `actual` to average over; all if left out.

    Raises:
        ShapeError: `forecast` is not `actual` with an axis of Q added.
        ConfigError: a level lies outside (0, 1).

    Source: Koenker and Bassett, Regression Quantiles, 1978.
    """
    return mean_where_measured(
        quantile_losses(actual, forecast, levels).mean(axis=-1), actual, axis
    )


def quantile_losses(
    actual: FloatArray, forecast: FloatArray, levels: Sequence[float]
) -> FloatArray:
    """The loss of `pinball` in every place and for every level, in the shape of `forecast`; arguments as there."""
    level = np.asarray(levels, np.float64)
    if level.ndim != 1 or not len(level) or not ((level > 0) & (level < 1)).all():
        raise ConfigError(
            f"quantile levels are {list(levels)}; expected at least one, each between 0 and 1"
        )
    if forecast.shape != (*actual.shape, len(level)):
        raise ShapeError(
            f"quantile forecast has shape {forecast.shape}; expected {(*actual.shape, len(level))}"
        )
    residual = np.asarray(actual, np.float64)[..., None] - forecast
    return np.maximum(level * residual, (level - 1.0) * residual)


def seasonal_error(history: FloatArray, season_length: int) -> Any:
    """Mean |y_t - y_(t-m)| of one series before the cutoff: the scale of `mase`.

    Args:
        history: (T,) or (T, D), rows one step apart, NaN where missing.
        season_length: m, at least 1.

    Returns:
        One value per target; NaN where no two values lie a season apart.

    Raises:
        ConfigError: the season length is below 1.
    """
    change = np.abs(_seasonal_change(history, season_length))
    return mean_where_measured(change, change, 0)


def seasonal_deviation(history: FloatArray, season_length: int) -> Any:
    """Root of the mean (y_t - y_(t-m))^2 of one series before the cutoff: the scale of `rmsse`.

    Arguments, result and errors are those of `seasonal_error`. Competitions take m = 1 whatever the
    season, and begin the history at the first value that is not 0.
    """
    change = _seasonal_change(history, season_length) ** 2
    return np.sqrt(mean_where_measured(change, change, 0))


def mean_where_measured(values: FloatArray, actual: FloatArray, axis: Axis) -> Any:
    """Mean of the values whose actual is not NaN; NaN where there is none."""
    kept = ~np.isnan(actual)
    count = kept.sum(axis=axis)
    total = np.where(kept, values, 0.0).sum(axis=axis)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))[()]


METRICS: dict[str, PointMetric] = {
    "mse": mse,
    "mae": mae,
    "rmse": rmse,
    "mape": mape,
    "smape": smape,
    "wape": wape,
    "bias": bias,
}


def _residual(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """Actual - forecast in float64; equal shapes only, because NumPy would broadcast silently."""
    if actual.shape != forecast.shape:
        raise ShapeError(
            f"actual has shape {actual.shape} and forecast {forecast.shape}; expected equal shapes"
        )
    return np.asarray(actual, np.float64) - np.asarray(forecast, np.float64)


def _scaled(
    actual: FloatArray, forecast: FloatArray, scale: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Absolute errors over the scale of their window, and the actual values with NaN where there is no scale."""
    error, unit = np.abs(_residual(actual, forecast)), np.asarray(scale, np.float64)
    if error.ndim < 2 or unit.shape not in (error.shape[:1], error.shape[:1] + error.shape[2:]):
        raise ShapeError(
            f"scale has shape {unit.shape}; expected one value per window of {error.shape}, (W,) "
            f"or (W, D)"
        )
    unit = np.expand_dims(unit, 1) if unit.ndim > 1 else unit.reshape(-1, *(1,) * (error.ndim - 1))
    usable = np.broadcast_to(np.isfinite(unit) & (unit > 0), error.shape)
    return _divide(error, np.where(usable, unit, 1.0), at_zero=0.0), np.where(
        usable, actual, np.nan
    )


def _seasonal_change(history: FloatArray, season_length: int) -> FloatArray:
    if season_length < 1:
        raise ConfigError(
            f"season_length is {season_length}; expected a whole number of at least 1"
        )
    return history[season_length:] - history[:-season_length]


def _divide(numerator: FloatArray, denominator: FloatArray, *, at_zero: float) -> FloatArray:
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, at_zero, numerator / safe)
