"""Scores of point forecasts on plain arrays, and the table of all scores.

Every score compares arrays of exactly equal shape, (W, H, D) or any other, and averages over `axis`
(default: all axes; one axis or several give, for example, the error of each step of the horizon).
Values where `actual` is NaN are not scored. The score of nothing is NaN, without a warning. A NaN
in `forecast` where something was measured makes the score NaN, so a model is never rewarded for
missing forecasts.

A new metric is a function and an entry of `SCORES`: the printed table, `scores.json`, `scores_by`,
the report and the objectives of a search read that table.

Example:
    >>> import numpy as np
    >>> from forecast import METRICS
    >>> actual = np.array([[10.0, 20.0], [30.0, 40.0]])
    >>> forecast = np.array([[12.0, 20.0], [27.0, 41.0]])
    >>> list(METRICS)
    ['mse', 'mae', 'bias', 'rmse', 'mape', 'smape', 'wape']
    >>> print(METRICS["mae"](actual, forecast))
    1.5
    >>> print(METRICS["bias"](actual, forecast))  # forecast - actual: 0 on average
    0.0
    >>> print(METRICS["mae"](actual, forecast, axis=0))  # of each step
    [2.5 0.5]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ShapeError
from forecast.scores.measure import Axis, Metric, Score, divide, mean_where_measured
from forecast.scores.quantile_metrics import QUANTILE_SCORES


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
    """Mean absolute percentage error, in percent; actual values of 0 are not scored."""
    size = np.abs(actual)
    share = divide(np.abs(_residual(actual, forecast)), size, at_zero=0.0)
    return mean_where_measured(100.0 * share, np.where(size == 0, np.nan, size), axis)


def smape(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Symmetric mean absolute percentage error: the mean of 200 |y - f| / (|y| + |f|), in 0..200.

    0 / 0 counts as 0.

    Source: Makridakis et al., The M4 Competition, 2020.
    """
    error = np.abs(_residual(actual, forecast))
    share = divide(error, np.abs(actual) + np.abs(forecast), at_zero=0.0)
    return mean_where_measured(200.0 * share, actual, axis)


def mase(actual: FloatArray, forecast: FloatArray, scale: FloatArray, *, axis: Axis = None) -> Any:
    """Mean absolute scaled error: the mean of |y - f| / scale.

    Below 1 is better than a one-step seasonal naive forecast inside the history. A scale of 0 or
    NaN (a history that repeats itself exactly, or is shorter than a season) gives no unit to
    measure in: those values are not scored.

    Args:
        actual: (W, H) or (W, H, D), or any shape if the scale has the same.
        forecast: same shape.
        scale: (W,) or (W, D), the `seasonal_errors` of each window's series; or the shape of
            `actual`.
        axis: axes to average over; default: all.

    Raises:
        ShapeError: the shapes do not fit together.

    Source: Hyndman and Koehler, Another look at measures of forecast accuracy, 2006.
    """
    error = np.abs(_residual(actual, forecast))
    unit = _spread_scale(np.asarray(scale, np.float64), error.shape)
    usable = np.isfinite(unit) & (unit > 0)
    scaled = divide(error, np.where(usable, unit, 1.0), at_zero=0.0)
    return mean_where_measured(scaled, np.where(usable, actual, np.nan), axis)


def owa(smape: float, mase: float, *, reference: tuple[float, float]) -> float:
    """Overall weighted average: the mean of sMAPE and MASE, each over that of a reference.

    Below 1 is better than the reference. It is a number for a whole set of series: of their mean
    sMAPE and mean MASE, not a mean of ratios.

    Args:
        smape: of the forecasts, in any unit that the reference shares.
        mase: of the forecasts.
        reference: sMAPE and MASE of the reference. In the M4 competition that is Naive2: the last
            value of the series without its season (multiplicative, by classical decomposition,
            where an autocorrelation test at 90 % finds one), with the season put back.

    Returns:
        The average; NaN where a number is missing or one of the reference is 0.

    Source: Makridakis et al., The M4 Competition, 2020.
    """
    scores = np.array([smape, mase])
    return float(divide(scores, np.array(reference, np.float64), at_zero=np.nan).mean())


def wape(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Weighted absolute percentage error, 100 * sum |y - f| / sum |y|; NaN where all y are 0."""
    size = np.asarray(mean_where_measured(np.abs(actual), actual, axis))
    error = np.asarray(mae(actual, forecast, axis=axis))
    return divide(error * 100.0, size, at_zero=np.nan)[()]


def bias(actual: FloatArray, forecast: FloatArray, *, axis: Axis = None) -> Any:
    """Mean of forecast - actual, in the unit of the data: above 0 where forecasts are too high."""
    return mean_where_measured(-_residual(actual, forecast), actual, axis)


SCORES: dict[str, Score] = {
    "MSE": Score(mse),
    "MAE": Score(mae),
    "bias": Score(bias, best="zero"),  # what the absolute values of MAE hide
    "RMSE": Score(rmse),
    "MAPE": Score(mape, printed=False),  # undefined at 0 and huge near it
    "sMAPE": Score(smape),
    "WAPE": Score(wape, printed=False),  # ranks models as MAE does
    "MASE": Score(mase, needs=("forecast", "scale")),
    **QUANTILE_SCORES,
}
"""Every score by its name in tables, in the order of their columns."""


METRICS: dict[str, Metric] = {
    name.lower(): score.function for name, score in SCORES.items() if score.needs == ("forecast",)
}
"""The scores that need an actual value and a point forecast alone, as plain functions."""


def _residual(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """Actual - forecast in float64; equal shapes only, because NumPy would broadcast silently."""
    if actual.shape != forecast.shape:
        raise ShapeError(
            f"actual has shape {actual.shape} and forecast {forecast.shape}; expected equal shapes"
        )
    return np.asarray(actual, np.float64) - np.asarray(forecast, np.float64)


def _spread_scale(scale: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return a scale per window, or per window and target, for every value of a shape."""
    if scale.shape == shape:
        return scale
    if len(shape) >= 2 and scale.shape == shape[:1]:
        return np.broadcast_to(scale.reshape(-1, *(1,) * (len(shape) - 1)), shape)
    if len(shape) >= 2 and scale.shape == shape[:1] + shape[2:]:
        return np.broadcast_to(np.expand_dims(scale, 1), shape)
    raise ShapeError(
        f"scale has shape {scale.shape}; expected one value per window of {shape}, (W,) or (W, D), "
        f"or one per value"
    )
