"""Holt's linear trend for many series at once, in NumPy."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.lengths import (
    Steps,
    last_rows,
    lengths_of,
    smoothed_rows,
    smoothed_season,
)
from forecast.baselines.recursion import ALPHAS, BETAS, Form, smooth
from forecast.baselines.theta import without_season

DAMPING = 0.97
"""Factor by which the trend shrinks with each step; 1, 0.95 and 0.9 were no better on years."""

LAST_ROWS = 100
"""Rows that are smoothed, or five seasons where these are more."""

LINE = Form(is_logarithm=False, has_trend=True, has_season=False)

GRID = np.array([(alpha, alpha * beta, 0.0, DAMPING) for alpha in ALPHAS for beta in BETAS])
"""(G, 4) alpha, beta, gamma and damping."""


def holt(history: FloatArray, steps: Steps) -> FloatArray:
    """Go on along the trend of the last rows, hardly damped.

    The season is taken out before and put back after, as in `theta.theta`. Theta adds half of a
    slope and exponential smoothing may damp it or have none: both are too flat where a trend lasts.

    Source: Holt, Forecasting seasonals and trends by exponentially weighted moving averages, 1957;
    Gardner and McKenzie, Forecasting Trends in Time Series, 1985 (damping).
    """
    num_windows, _, num_targets = history.shape
    rows = last_rows(history, smoothed_rows(steps.season_length))
    out = np.full((len(rows), steps.horizon), np.nan)
    season_length = smoothed_season(steps.season_length)
    count = rows_smoothed(season_length)
    flat, seasons = without_season(rows[:, -count:], season_length)
    known = np.flatnonzero(lengths_of(flat) > 0)
    if len(known):
        out[known] = _line(flat[known], steps.horizon)
    for members, season in seasons:
        out[members] = season.added(out[members], int(lengths_of(flat[members[:1]])[0]))
    return out.reshape(num_windows, num_targets, steps.horizon).swapaxes(1, 2)


def rows_smoothed(season_length: int) -> int:
    """Return the last rows of a history that are read, for a season that can be smoothed."""
    return max(LAST_ROWS, 5 * season_length)


def _line(values: FloatArray, horizon: int) -> FloatArray:
    """Return (S, H) forecasts of series (S, T), by the set of the least squared error.

    A series above 0 that falls does so by factors, so that it does not fall below 0.
    """
    states = smooth(values, GRID[None], LINE, 1)
    best = states.squares.argmin(axis=1)[:, None]
    level = np.take_along_axis(states.level, best, axis=1)
    trend = np.take_along_axis(states.trend, best, axis=1)
    is_positive = ((values > 0) | np.isnan(values)).all(axis=1, keepdims=True)
    level = np.where(is_positive & (level <= 0), values[:, -1:], level)
    growth = np.cumsum(DAMPING ** np.arange(1, horizon + 1))
    line: FloatArray = level + trend * growth
    is_falling = is_positive & (trend < 0)
    rate = np.divide(trend, level, out=np.zeros_like(trend), where=is_falling)
    return np.where(is_falling, level * np.exp(rate * growth), line)
