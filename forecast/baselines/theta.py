"""The Theta method for many series at once, in NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.compiled_recursions import compiled_recursions
from forecast.baselines.lengths import (
    MEDIAN_WEEKS,
    Steps,
    last_rows,
    lengths_of,
    of_equal_length,
    smoothed_rows,
    smoothed_season,
    sums_of,
)

ALPHAS = np.linspace(0.02, 0.99, 30)
"""Grid of the share of an error by which the level moves."""

LEAST_WEEKS = 3
"""Weeks that a season of a week is found from, at least."""

LONGEST_WEEK = 1_000
"""Steps of a week that may be a season, at most: a week of quarter hours has 672."""


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
    autocorrelation over a season differs from 0 (90 %), the rule of the M competitions. Where a
    week has several seasons, days of several hours, it is taken as the season of those series whose
    errors one step ahead are so much smaller that Akaike's criterion prefers it.

    Source: Assimakopoulos and Nikolopoulos, The theta model, 2000, in the form of Hyndman and
    Billah, Unmasking the Theta method, 2003.
    """
    num_windows, _, num_targets = history.shape
    rows = last_rows(history, smoothed_rows(steps.season_length))
    out, _ = _seasonal_theta(rows, smoothed_season(steps.season_length), steps.horizon)
    week = week_of(steps)
    if week is not None:
        weeks = last_rows(history, week * MEDIAN_WEEKS)
        members = np.flatnonzero(lengths_of(weeks) >= LEAST_WEEKS * week)
        made, by_week = _seasonal_theta(weeks[members], week, steps.horizon)
        _, by_season = _seasonal_theta(weeks[members], steps.season_length, steps.horizon)
        is_better = by_week < by_season
        out[members[is_better]] = made[is_better]
    return out.reshape(num_windows, num_targets, steps.horizon).swapaxes(1, 2)


def week_of(steps: Steps) -> int | None:
    """Return the steps of a week that may be a season; None where there is no such week."""
    week = steps.week_length or 0
    if steps.season_length < week <= LONGEST_WEEK:
        return week
    return None


def rows_of_theta(steps: Steps) -> int:
    """Return the last rows of a history that are read."""
    week = week_of(steps) or 0
    return max(smoothed_rows(steps.season_length), week * MEDIAN_WEEKS)


def _seasonal_theta(
    rows: FloatArray, season_length: int, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Return (S, H) forecasts of series (S, T), NaN before the first value, and AICc (S,).

    The criterion is that of the errors one step ahead, with a parameter for each step of a season.

    Source: Hurvich and Tsai, Regression and time series model selection in small samples, 1989.
    """
    out = np.full((len(rows), horizon), np.nan)
    criterion = np.full(len(rows), np.inf)
    flat, seasons = without_season(rows, season_length)
    known = np.flatnonzero(lengths_of(flat) > 0)
    if len(known):
        out[known], squares = _flat_theta(flat[known], horizon)
        criterion[known] = _corrected(squares, lengths_of(flat[known]), season_length)
    for members, season in seasons:
        out[members] = season.added(out[members], int(lengths_of(flat[members[:1]])[0]))
    return out, criterion


def _corrected(squares: FloatArray, lengths: IntArray, season_length: int) -> FloatArray:
    """Return (S,) AICc of sums of squared errors."""
    fit = lengths * np.log(squares / lengths + np.finfo(np.float64).tiny)
    few = np.maximum(lengths - season_length - 1, 1)
    return fit + 2.0 * season_length + 2.0 * season_length * (season_length + 1) / few


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


def _flat_theta(flat: FloatArray, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Return (S, H) forecasts of series (S, T) without a season, and (S,) their squared errors.

    Values before the first are NaN; errors are those one step ahead.
    """
    is_known = np.isfinite(flat)
    lengths = is_known.sum(axis=1)
    order = np.argsort(-lengths, kind="stable")  # those that start first are first
    flat = flat[order]
    is_known = is_known[order]
    lengths = lengths[order, None]
    starts = flat.shape[1] - lengths[:, 0]

    centred = np.arange(flat.shape[1]) - starts[:, None] - (lengths - 1) / 2
    centred = np.where(is_known, centred, 0.0)
    slope = (np.where(is_known, flat, 0.0) * centred).sum(axis=1, keepdims=True)
    slope /= np.maximum(np.square(centred).sum(axis=1, keepdims=True), 1.0)
    alpha, last, least = _smoothed(flat, starts)

    ahead = np.arange(horizon)
    drift = ahead + (1.0 - (1.0 - alpha) ** lengths) / alpha
    made = np.empty((len(flat), horizon))
    made[order] = last + 0.5 * slope * drift
    squares = np.empty(len(flat))
    squares[order] = least[:, 0]
    return made, squares


def _smoothed(flat: FloatArray, starts: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (S, 1) the share of an error with the least squared errors, the last level, and these.

    Args:
        flat: (S, T) NaN before the first value.
        starts: (S,) row of the first value, ascending.
    """
    series = np.arange(len(flat))
    level = np.repeat(flat[series, starts, None], len(ALPHAS), axis=1)
    squares = np.zeros(level.shape)
    compiled = compiled_recursions()
    if compiled is not None:
        compiled.smooth_levels(np.ascontiguousarray(flat), starts, ALPHAS, level, squares)
    else:
        _follow_all(flat, starts, level, squares)
    best = squares.argmin(axis=1)
    return ALPHAS[best, None], level[series, best, None], squares[series, best, None]


def _follow_all(flat: FloatArray, starts: IntArray, level: FloatArray, squares: FloatArray) -> None:
    """Go on by all values (S, T) from the first rows `starts`: change level and squares (S, A)."""
    error = np.empty(level.shape)
    product = np.empty(level.shape)
    changes = np.unique(starts)
    for first, stop in zip(changes, [*changes[1:], flat.shape[1]], strict=True):
        begun = int(np.searchsorted(starts, first, side="right"))
        own = level[:begun], squares[:begun], error[:begun], product[:begun]
        for row in range(first, stop):  # arrays are reused: with one series their making counts
            _follow(flat[:begun, row, None], *own)


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
    # Products at all lags at once: those of the spectrum, with room for the longest lag.
    room = 1 << (values.shape[1] + season_length).bit_length()  # a power of 2 is quick
    power = np.square(np.abs(np.fft.rfft(centred, room, axis=1)))
    products = np.fft.irfft(power, room, axis=1)
    lags = (products[:, 1 : season_length + 1] / (products[:, :1] + np.finfo(np.float64).tiny)).T
    before = np.square(lags[:-1]).sum(axis=0)
    limit = 1.645 * np.sqrt((1.0 + 2.0 * before) / values.shape[1])
    return np.abs(lags[-1]) > limit


def _moving_average(values: FloatArray, season_length: int) -> tuple[FloatArray, int]:
    """Return the centred moving averages over a season, and the row of the first of them."""
    width = season_length + 1 - season_length % 2
    total = sums_of(values, width)
    if width > season_length:  # an even season: the first and the last value count half
        total -= 0.5 * (values[:, : -width + 1] + values[:, width - 1 :])
    return total / season_length, (width - 1) // 2


def _by_phase(values: FloatArray, first: int, season_length: int) -> FloatArray:
    """Return the (S, m) means of values by their place in the season; `first` is their row."""
    num_series, num_rows = values.shape
    before = first % season_length
    num_seasons = -(-(before + num_rows) // season_length)
    places = np.zeros((num_series, num_seasons * season_length))
    places[:, before : before + num_rows] = values
    total = places.reshape(num_series, num_seasons, season_length).sum(axis=1)
    count = np.bincount((before + np.arange(num_rows)) % season_length, minlength=season_length)
    mean: FloatArray = total / count
    return mean


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
