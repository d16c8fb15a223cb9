"""The Theta method for many series at once, in NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.lengths import (
    Steps,
    last_rows,
    lengths_of,
    of_equal_length,
    smoothed_season,
)

ALPHAS = np.linspace(0.02, 0.99, 30)
"""Grid of the share of an error by which the level moves."""


class Season(NamedTuple):
    """Season of S series: (S, m) factors, and (S, m) differences of those without factors."""

    ratio: FloatArray
    difference: FloatArray

    def removed(self, values: FloatArray) -> FloatArray:
        """Return (S, T) values from the first row on without their season."""
        phase = np.arange(values.shape[1]) % self.ratio.shape[1]
        return (values - self.difference[:, phase]) / self.ratio[:, phase]

    def added(self, values: FloatArray, first: int) -> FloatArray:
        """Return (S, H) values from a row on with their season."""
        phase = (first + np.arange(values.shape[1])) % self.ratio.shape[1]
        return values * self.ratio[:, phase] + self.difference[:, phase]


def theta(history: FloatArray, steps: Steps) -> FloatArray:
    """Smooth the deseasonalised values, and add half of their linear trend.

    The season is divided out where all values are positive, else subtracted, and only where the
    autocorrelation over a season differs from 0 (90 %), the rule of the M competitions.

    Source: Assimakopoulos and Nikolopoulos, The theta model, 2000, in the form of Hyndman and
    Billah, Unmasking the Theta method, 2003.
    """
    num_windows, _, num_targets = history.shape
    rows = last_rows(history, steps.season_length)
    season_length = smoothed_season(steps.season_length)
    out = np.full((len(rows), steps.horizon), np.nan)
    flat, seasons = without_season(rows, season_length)
    known = np.flatnonzero(lengths_of(flat) > 0)
    if len(known):
        out[known] = _flat_theta(flat[known], steps.horizon)
    for members, season in seasons:
        out[members] = season.added(out[members], int(lengths_of(flat[members[:1]])[0]))
    return out.reshape(num_windows, num_targets, steps.horizon).swapaxes(1, 2)


def without_season(
    rows: FloatArray, season_length: int
) -> tuple[FloatArray, list[tuple[IntArray, Season]]]:
    """Return series without their season, and the season of those of each length.

    Args:
        rows: (S, T) the latest last, NaN before the first value.
        season_length: m.
    """
    flat = np.full(rows.shape, np.nan)
    seasons = []
    for members, values in of_equal_length(rows):
        season = season_of(values, season_length)
        flat[members, -values.shape[1] :] = season.removed(values)
        seasons.append((members, season))
    return flat, seasons


def _flat_theta(flat: FloatArray, horizon: int) -> FloatArray:
    """Return (S, H) forecasts of series (S, T) without a season, NaN before the first value."""
    lengths = lengths_of(flat)
    order = np.argsort(-lengths, kind="stable")  # those that start first are first
    flat = flat[order]
    lengths = lengths[order, None]
    starts = flat.shape[1] - lengths[:, 0]

    centred = np.arange(flat.shape[1]) - starts[:, None] - (lengths - 1) / 2
    centred = np.where(np.isnan(flat), 0.0, centred)
    slope = (np.nan_to_num(flat) * centred).sum(axis=1, keepdims=True)
    slope /= np.maximum(np.square(centred).sum(axis=1, keepdims=True), 1.0)
    alpha, last = _smoothed(flat, starts)

    ahead = np.arange(horizon)
    drift = ahead + (1.0 - (1.0 - alpha) ** lengths) / alpha
    made = np.empty((len(flat), horizon))
    made[order] = last + 0.5 * slope * drift
    return made


def _smoothed(flat: FloatArray, starts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return (S, 1) the share of an error with the least squared errors, and the last level.

    Args:
        flat: (S, T) NaN before the first value.
        starts: (S,) row of the first value, ascending.
    """
    level = np.repeat(flat[np.arange(len(flat)), starts, None], len(ALPHAS), axis=1)
    squares = np.zeros(level.shape)
    error = np.empty(level.shape)
    product = np.empty(level.shape)
    changes = np.unique(starts)
    for first, stop in zip(changes, [*changes[1:], flat.shape[1]], strict=True):
        begun = int(np.searchsorted(starts, first, side="right"))
        own = level[:begun], squares[:begun], error[:begun], product[:begun]
        for row in range(first, stop):  # arrays are reused: with one series their making counts
            _follow(flat[:begun, row, None], *own)
    best = squares.argmin(axis=1)
    return ALPHAS[best][:, None], level[np.arange(len(level)), best][:, None]


def _follow(
    now: FloatArray, level: FloatArray, squares: FloatArray, error: FloatArray, product: FloatArray
) -> None:
    """Go on by values (S, 1): change level and squares (S, A), overwrite error and product."""
    np.subtract(now, level, out=error)
    squares += np.multiply(error, error, out=product)
    level += np.multiply(ALPHAS, error, out=product)


def season_of(values: FloatArray, season_length: int) -> Season:
    """Find the season of series of equal length, by factors where all values are positive.

    Args:
        values: (S, T) complete.
        season_length: m.
    """
    ratio = np.ones((len(values), max(season_length, 1)))
    difference = np.zeros_like(ratio)
    if season_length > 1 and values.shape[1] >= 2 * season_length + 1:
        is_positive = (values > 0).all(axis=1)
        is_seasonal = _is_seasonal(values, season_length)
        ratio = _ratios(values, is_positive & is_seasonal, season_length)
        difference = _differences(values, ~is_positive & is_seasonal, season_length)
    return Season(ratio, difference)


def _is_seasonal(values: FloatArray, season_length: int) -> NDArray[np.bool_]:
    """Return (S,) whether the autocorrelation at the lag of a season differs from 0."""
    centred = values - values.mean(axis=1, keepdims=True)
    variance = np.square(centred).sum(axis=1) + np.finfo(np.float64).tiny
    lags = [
        (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / variance
        for lag in range(1, season_length + 1)
    ]
    before = np.square(lags[:-1]).sum(axis=0)
    limit = 1.645 * np.sqrt((1.0 + 2.0 * before) / values.shape[1])
    return np.abs(lags[-1]) > limit


def _moving_average(values: FloatArray, season_length: int) -> tuple[FloatArray, int]:
    """Return the centred moving averages over a season, and the row of the first of them."""
    weights = np.ones(season_length) / season_length
    if season_length % 2 == 0:
        weights = np.concatenate([[0.5], np.ones(season_length - 1), [0.5]]) / season_length
    width = len(weights)
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)
    return windows @ weights, (width - 1) // 2


def _by_phase(values: FloatArray, first: int, season_length: int) -> FloatArray:
    """Return the (S, m) means of values by their place in the season; `first` is their row."""
    num_series, num_rows = values.shape
    before = first % season_length
    num_seasons = -(-(before + num_rows) // season_length)
    places = np.full((num_series, num_seasons * season_length), np.nan)
    places[:, before : before + num_rows] = values
    return np.nanmean(places.reshape(num_series, num_seasons, season_length), axis=1)


def _ratios(values: FloatArray, wanted: NDArray[np.bool_], season_length: int) -> FloatArray:
    """Return (S, m) seasonal factors of mean 1; 1 where not wanted or not above 0."""
    if not wanted.any():
        return np.ones((len(values), season_length))
    average, first = _moving_average(values, season_length)
    inside = values[:, first : first + average.shape[1]]
    factors = _by_phase(inside / np.where(average > 0, average, 1.0), first, season_length)
    mean = factors.mean(axis=1, keepdims=True)
    factors = factors / np.where(mean > 0, mean, 1.0)
    wanted = wanted & (factors > 0.01).all(axis=1)
    return np.where(wanted[:, None], factors, 1.0)


def _differences(values: FloatArray, wanted: NDArray[np.bool_], season_length: int) -> FloatArray:
    """Return (S, m) seasonal differences of mean 0; 0 where not wanted."""
    if not wanted.any():
        return np.zeros((len(values), season_length))
    average, first = _moving_average(values, season_length)
    inside = values[:, first : first + average.shape[1]]
    differences = _by_phase(inside - average, first, season_length)
    differences = differences - differences.mean(axis=1, keepdims=True)
    return np.where(wanted[:, None], differences, 0.0)
