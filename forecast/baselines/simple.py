"""Simple baselines, which a model has to beat: last value, seasonal naive, drift and window mean.

They are functions of `history` (B, M, D) float64, the rows before each cutoff, latest last, NaN
where a series has no row that early; they return (B, H, D), in the unit of the history. A missing
value is filled with the one before it, and a series without any value gets NaN.

Example:
    >>> import numpy as np
    >>> from forecast import BASELINES
    >>> from forecast.baselines.simple import Steps
    >>> history = np.array([10.0, 20.0, 12.0, 22.0]).reshape(1, 4, 1)
    >>> steps = Steps(horizon=2, context_length=4, season_length=2)
    >>> for name, baseline in BASELINES.items():
    ...     print(name, baseline(history, steps).ravel())
    last_value [22. 22.]
    seasonal_naive [12. 22.]
    drift [26. 30.]
    window_mean [16. 16.]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray

Baseline = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Steps:
    """Lengths that a baseline reads, in steps.

    Attributes:
        horizon: H.
        context_length: L, rows that the evaluated model sees.
        season_length: m.
    """

    horizon: int
    context_length: int = 1
    season_length: int = 1

    @property
    def history_length(self) -> int:
        """M, rows before a cutoff that some baseline reads."""
        return max(self.context_length, self.season_length)


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
    "drift": drift,
    "window_mean": window_mean,
}


LINEAR = "linear"
"""Name of the ridge baseline, which is fitted and therefore not among `BASELINES`."""

BASELINE_NAMES = (*BASELINES, LINEAR)


def forward_filled(history: FloatArray) -> FloatArray:
    """Fill missing values along axis 1 with the one before; NaN before the first value stay."""
    known = np.isfinite(history)
    if known.all():
        return history
    steps = np.arange(history.shape[1])[:, None]
    latest = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    return np.take_along_axis(history, latest, axis=1)
