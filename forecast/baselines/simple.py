"""Simple baselines, which a model has to beat, and which are members of ensembles.

They are functions of `history` (B, M, D) float64, the rows before each cutoff, latest last, NaN
where a series has no row that early; they return (B, H, D), in the unit of the history. A missing
value is filled with the one before it, and a series without any value gets NaN.

Example:
    >>> import numpy as np
    >>> from forecast import BASELINES
    >>> from forecast.baselines.lengths import Steps
    >>> history = np.array([10.0, 20.0, 12.0, 22.0]).reshape(1, 4, 1)
    >>> steps = Steps(horizon=2, context_length=4, season_length=2)
    >>> for name, baseline in BASELINES.items():
    ...     print(name, baseline(history, steps).ravel().round(1))
    last_value [22. 22.]
    seasonal_naive [12. 22.]
    seasonal_median [11. 21.]
    drift [26. 30.]
    window_mean [16. 16.]
    theta [20.1 21.5]
    holt [24.4 27.7]
    seasonal_lags [12. 22.]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.baselines.holt import holt
from forecast.baselines.lengths import Steps, forward_filled
from forecast.baselines.seasonal_lags import seasonal_lags
from forecast.baselines.theta import theta

Baseline = Callable[[FloatArray, IntArray], FloatArray]
"""From histories (B, M, D) and the numbers of their series (B,) to forecasts (B, H, D)."""


def last_value(history: FloatArray, steps: Steps) -> FloatArray:
    """Repeat the last value."""
    return np.repeat(forward_filled(history)[:, -1:], steps.horizon, axis=1)


def seasonal_naive(history: FloatArray, steps: Steps) -> FloatArray:
    """Repeat the last season, y_(t+h-m), or the last value where that one is not known."""
    step = np.arange(steps.horizon) % steps.season_length
    row = history.shape[1] - steps.season_length + step
    season = history[:, np.maximum(row, 0)]
    known = np.isfinite(season) & (row >= 0)[:, None]
    return np.where(known, season, last_value(history, steps))


def seasonal_median(history: FloatArray, steps: Steps) -> FloatArray:
    """Take the median of the same step in the last eight weeks, or else the last four seasons.

    Of a shorter history those that it has; the last value where it has none.
    """
    period, count = steps.median_periods
    step = np.arange(steps.horizon) % period
    lags = period * np.arange(1, count + 1)[:, None]
    rows = history.shape[1] - lags + step  # (count, H)
    seasons = history[:, np.maximum(rows, 0)]  # (B, count, H, D)
    is_known = np.isfinite(seasons) & (rows >= 0)[None, :, :, None]
    # Missing ones go to the end of the order, and the middle of the others is taken.
    ordered = np.sort(np.where(is_known, seasons, np.inf), axis=1)
    num_known = is_known.sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(num_known - 1, 0) // 2, axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum(num_known // 2, count - 1), axis=1)[:, 0]
    is_none = num_known[:, 0] == 0
    middle = np.where(is_none, 0.0, low) / 2 + np.where(is_none, 0.0, high) / 2
    return np.where(is_none, last_value(history, steps), middle)


def drift(history: FloatArray, steps: Steps) -> FloatArray:
    """Extend the line through the first and the last value of the context.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2.
    """
    window = forward_filled(history[:, -steps.context_length :])
    first = np.isfinite(window).argmax(axis=1)[:, None]  # (B, 1, D)
    last = window[:, -1:]
    change = last - np.take_along_axis(window, first, axis=1)
    per_step = change / np.maximum(window.shape[1] - 1 - first, 1)
    line: FloatArray = last + per_step * np.arange(1, steps.horizon + 1)[:, None]
    return line


def window_mean(history: FloatArray, steps: Steps) -> FloatArray:
    """Repeat the mean of the context."""
    window = history[:, -steps.context_length :]
    known = np.isfinite(window)
    total = np.where(known, window, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    mean = np.where(count == 0, np.nan, total / np.maximum(count, 1))
    return np.repeat(mean[:, None], steps.horizon, axis=1)


BASELINES: dict[str, Callable[[FloatArray, Steps], FloatArray]] = {
    "last_value": last_value,
    "seasonal_naive": seasonal_naive,
    "seasonal_median": seasonal_median,
    "drift": drift,
    "window_mean": window_mean,
    "theta": theta,
    "holt": holt,
    "seasonal_lags": seasonal_lags,
}


ETS = "ets"
"""Name of exponential smoothing, which is fitted and therefore not among `BASELINES`."""

LINEAR = "linear"
"""Name of the ridge baseline, which is fitted too."""

BASELINE_NAMES = (*BASELINES, ETS, LINEAR)
