"""A small regression on the values one season before, for series with a day and a week."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.baselines.lengths import SMOOTHED_ROWS, Steps, forward_filled, of_equal_length

NUM_LAGS = 2
"""Latest days, and latest weeks, whose values are read; 3, 4 and 7 were no better."""

PENALTY = 0.3
"""Ridge penalty, in units of the mean squared input, towards equal weights of all lags."""

LEAST_ROWS = 3
"""Rows per lag that a regression is fitted on, at least."""

LEAST_UNIT = 1e-290
"""Least mean squared input, so that constant series have equal weights."""


def seasonal_lags(history: FloatArray, steps: Steps) -> FloatArray:
    """Forecast from the same step of the latest days and weeks, with weights fitted to the history.

    Values count as differences from the mean of a season that ends a horizon before, so the same
    weights serve all steps. The error of the last row goes on in the forecast, and shrinks by its
    autocorrelation with each step.

    Source: seasonal lags are those of seasonal autoregression, Box and Jenkins, Time Series
    Analysis, 1970; shrinkage towards equal weights: Diebold and Shin, Machine learning for
    regularized survey forecast combination, 2019.
    """
    num_windows, _, num_targets = history.shape
    period, count = steps.median_periods
    read = forward_filled(history[:, -max(SMOOTHED_ROWS, period * count) :])
    rows = read.swapaxes(1, 2).reshape(-1, read.shape[1])
    out = np.full((len(rows), steps.horizon), np.nan)
    lags = _lags(steps.horizon, steps.season_length, period)
    for members, values in of_equal_length(rows):
        out[members] = _forecast(values, lags, steps.horizon, steps.season_length)
    return out.reshape(num_windows, num_targets, steps.horizon).swapaxes(1, 2)


def _lags(horizon: int, season_length: int, period: int) -> IntArray:
    """Return the lags of seasons and of longer periods, none shorter than the horizon."""
    lags = set()
    for cycle in {season_length, period}:
        nearest = -(-horizon // cycle)  # rounded up
        lags |= {cycle * (nearest + number) for number in range(NUM_LAGS)}
    return np.array(sorted(lags))


def _forecast(values: FloatArray, lags: IntArray, horizon: int, season_length: int) -> FloatArray:
    """Return (S, H) forecasts of series of equal length T from as many lags as T allows."""
    num_rows = values.shape[1]
    before = horizon + season_length - 1  # rows that the level of a row needs
    while len(lags) > 1 and num_rows - max(lags[-1], before) < LEAST_ROWS * len(lags):
        lags = lags[:-1]
    first = max(int(lags[-1]), before)
    if num_rows - first < LEAST_ROWS:
        return _last_season(values, int(lags[0]), horizon)

    learned = np.arange(first, num_rows)
    ahead = np.arange(num_rows, num_rows + horizon)
    level = _levels(values, horizon, season_length)
    inputs = np.stack([values[:, learned - lag] - level[:, learned] for lag in lags], axis=2)
    actual = values[:, learned] - level[:, learned]
    weights = _weights(inputs, actual)
    error = actual - np.einsum("srl,sl->sr", inputs, weights)
    known = np.stack([values[:, ahead - lag] - level[:, ahead] for lag in lags], axis=2)
    made = level[:, ahead] + np.einsum("srl,sl->sr", known, weights)

    size = np.maximum(np.square(error).sum(axis=1), LEAST_UNIT)
    memory = np.clip((error[:, 1:] * error[:, :-1]).sum(axis=1) / size, 0.0, 1.0)
    left: FloatArray = error[:, -1:] * memory[:, None] ** np.arange(1, horizon + 1)
    return made + left


def _levels(values: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """Return (S, T + H) the mean of the season that ends a horizon before each row, or else 0."""
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    means = (sums[:, season_length:] - sums[:, :-season_length]) / season_length
    return np.pad(means, ((0, 0), (horizon + season_length - 1, 0)))


def _weights(inputs: FloatArray, actual: FloatArray) -> FloatArray:
    """Return (S, F) ridge weights of inputs (S, R, F), shrunk towards 1 / F."""
    num_rows, num_lags = inputs.shape[1:]
    gram = inputs.swapaxes(1, 2) @ inputs / num_rows
    cross = np.einsum("srl,sr->sl", inputs, actual) / num_rows
    unit = np.maximum(np.trace(gram, axis1=1, axis2=2) / num_lags, LEAST_UNIT)
    penalty = PENALTY * unit[:, None]
    gram += penalty[:, :, None] * np.eye(num_lags)
    found: FloatArray = np.linalg.solve(gram, (cross + penalty / num_lags)[:, :, None])[:, :, 0]
    return found


def _last_season(values: FloatArray, lag: int, horizon: int) -> FloatArray:
    """Return (S, H) the values one lag before, or the last one where there are fewer rows."""
    num_rows = values.shape[1]
    rows = np.full(horizon, num_rows - 1)
    if num_rows >= lag:
        rows = num_rows + np.arange(horizon) - lag
    return values[:, rows]
