"""A small regression on the values one season before, for series with a day and a week."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.baselines.lengths import SMOOTHED_ROWS, Steps, last_rows, of_equal_length, sums_of

NUM_LAGS = 2
"""Latest days, and latest weeks, whose values are read; 3, 4 and 7 were no better."""

PENALTY = 0.3
"""Ridge penalty, in units of the mean squared input, towards equal weights of all inputs."""

PENALTY_OF_TWO = 0.1
"""The same where a day and a week give inputs: on 75 series of hours 0.1 saves 5 % beside 0.3."""

NUM_DAYS = 7
"""Latest days whose mean is read where a week has several days of several steps."""

LEAST_ROWS = 3
"""Rows per input that a regression is fitted on, at least."""

LEAST_UNIT = 1e-290
"""Least mean squared input, so that constant series have equal weights."""


class Inputs(NamedTuple):
    """Earlier values that the regression reads, by their distance in steps.

    Attributes:
        lags: one input each, ascending.
        means: lags whose mean is one input, of each cycle that has one.
        penalty: of the regression.
    """

    lags: IntArray
    means: tuple[IntArray, ...]
    penalty: float


def seasonal_lags(history: FloatArray, steps: Steps) -> FloatArray:
    """Forecast from the same step of the latest days and weeks, with weights fitted to the history.

    Values count as differences from the mean of a season that ends a horizon before, so the same
    weights serve all steps. Where steps have a place in a week, its mean over the latest weeks, and
    that of the step of the day over the latest days, are inputs too: two weeks alone hand their
    noise on. The error of the last row goes on in the forecast, and shrinks by its autocorrelation
    with each step.

    Source: seasonal lags are those of seasonal autoregression, Box and Jenkins, Time Series
    Analysis, 1970; shrinkage towards equal weights: Diebold and Shin, Machine learning for
    regularized survey forecast combination, 2019.
    """
    num_windows, _, num_targets = history.shape
    rows = last_rows(history, rows_read(steps))
    out = np.full((len(rows), steps.horizon), np.nan)
    inputs = inputs_of(steps)
    for members, values in of_equal_length(rows):
        out[members] = _forecast(values, inputs, steps.horizon, steps.season_length)
    return out.reshape(num_windows, num_targets, steps.horizon).swapaxes(1, 2)


def rows_read(steps: Steps) -> int:
    """Return the last rows of a history that are read."""
    period, count = steps.median_periods
    return max(SMOOTHED_ROWS, period * count)


def inputs_of(steps: Steps) -> Inputs:
    """Return what is read of seasons and of longer periods, no lag shorter than the horizon."""
    period, count = steps.median_periods
    counts = {}
    penalty = PENALTY
    if steps.week_length == period and steps.season_length <= period:
        counts[period] = count
    if counts and steps.season_length < period:
        counts[steps.season_length] = NUM_DAYS
        penalty = PENALTY_OF_TWO
    lags: set[int] = set()
    for cycle in {steps.season_length, period}:
        lags.update(cycle * (_nearest(steps, cycle) + np.arange(NUM_LAGS)))
    means = [
        cycle * (_nearest(steps, cycle) + np.arange(number)) for cycle, number in counts.items()
    ]
    return Inputs(np.array(sorted(lags)), tuple(means), penalty)


def _nearest(steps: Steps, cycle: int) -> int:
    """Return the number of cycles, at least 1, that are no shorter than the horizon."""
    return -(-steps.horizon // cycle)  # rounded up


def _forecast(values: FloatArray, inputs: Inputs, horizon: int, season_length: int) -> FloatArray:
    """Return (S, H) forecasts of series of equal length T from as many lags as T allows."""
    num_rows = values.shape[1]
    lags = inputs.lags
    before = horizon + season_length - 1  # rows that the level of a row needs
    while len(lags) > 1 and num_rows - max(lags[-1], before) < LEAST_ROWS * len(lags):
        lags = lags[:-1]
    first = max(int(lags[-1]), before)
    means = inputs.means
    with_means = max([first, *(int(among[0]) + before for among in means)])
    if num_rows - with_means < LEAST_ROWS * (len(lags) + len(means)):
        means = ()
    if means:
        first = with_means
    if num_rows - first < LEAST_ROWS:
        return _last_season(values, int(lags[0]), horizon)

    learned = slice(first, num_rows)
    ahead = slice(num_rows, num_rows + horizon)
    level = _levels(values, horizon, season_length)
    read = np.stack([_at_lag(values, level, lag) for lag in lags], axis=2)
    for among in means:
        mean = _mean_of_lags(values, level, among, before)
        read = np.concatenate([read, mean[:, :, None]], axis=2)
    actual = values[:, learned] - level[:, learned]
    weights = _weights(read[:, learned], actual, inputs.penalty)
    error = actual - np.einsum("srl,sl->sr", read[:, learned], weights)
    made = level[:, ahead] + np.einsum("srl,sl->sr", read[:, ahead], weights)

    size = np.maximum(np.square(error).sum(axis=1), LEAST_UNIT)
    memory = np.clip((error[:, 1:] * error[:, :-1]).sum(axis=1) / size, 0.0, 1.0)
    left: FloatArray = error[:, -1:] * memory[:, None] ** np.arange(1, horizon + 1)
    return made + left


def _levels(values: FloatArray, horizon: int, season_length: int) -> FloatArray:
    """Return (S, T + H) the mean of the season that ends a horizon before each row, or else 0."""
    num_series, num_rows = values.shape
    levels = np.zeros((num_series, num_rows + horizon))
    levels[:, horizon + season_length - 1 :] = sums_of(values, season_length) / season_length
    return levels


def _at_lag(values: FloatArray, level: FloatArray, lag: int) -> FloatArray:
    """Return (S, T + H) the value a lag before each row less the level of the row; 0 before."""
    num_rows = values.shape[1]
    read = np.zeros_like(level)
    stop = min(num_rows + lag, level.shape[1])
    read[:, lag:stop] = values[:, : stop - lag] - level[:, lag:stop]
    return read


def _mean_of_lags(values: FloatArray, level: FloatArray, lags: IntArray, before: int) -> FloatArray:
    """Return (S, T + H) the mean difference from their level of values at some lags.

    Args:
        values: (S, T).
        level: (S, T + H) of each row, 0 in the first ones.
        lags: in steps; each row has the mean of those that reach a row with a level, or else 0.
        before: rows without a level.
    """
    num_rows = values.shape[1]
    away = values - level[:, :num_rows]
    total = np.zeros_like(level)
    count = np.zeros(level.shape[1])
    for lag in lags[lags + before < level.shape[1]]:
        stop = min(num_rows + lag, level.shape[1])
        total[:, lag + before : stop] += away[:, before : stop - lag]
        count[lag + before : stop] += 1.0
    mean: FloatArray = total / np.maximum(count, 1.0)
    return mean


def _weights(inputs: FloatArray, actual: FloatArray, share: float) -> FloatArray:
    """Return (S, F) ridge weights of inputs (S, R, F), shrunk towards 1 / F by a penalty."""
    num_rows, num_inputs = inputs.shape[1:]
    gram = inputs.swapaxes(1, 2) @ inputs / num_rows
    cross = np.einsum("srl,sr->sl", inputs, actual) / num_rows
    unit = np.maximum(np.trace(gram, axis1=1, axis2=2) / num_inputs, LEAST_UNIT)
    penalty = share * unit[:, None]
    gram += penalty[:, :, None] * np.eye(num_inputs)
    found: FloatArray = np.linalg.solve(gram, (cross + penalty / num_inputs)[:, :, None])[:, :, 0]
    return found


def _last_season(values: FloatArray, lag: int, horizon: int) -> FloatArray:
    """Return (S, H) the values one lag before, or the last one where there are fewer rows."""
    num_rows = values.shape[1]
    rows = np.full(horizon, num_rows - 1)
    if num_rows >= lag:
        rows = num_rows + np.arange(horizon) - lag
    return values[:, rows]
