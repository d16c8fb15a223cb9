"""Intervals whose width follows from cutoff to cutoff what was observed until then."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.intervals.levels import central_levels, nested
from forecast.scores.evaluation import BacktestResult

RATE = 0.05
"""Of adaptive intervals: by so many of its first widths an interval grows where every series leaves
it."""


def adapt_intervals(
    result: BacktestResult, *, rate: float = RATE, lowest: FloatArray | float = -math.inf
) -> BacktestResult:
    """The same evaluation with intervals that widen and narrow from cutoff to cutoff, by what was seen until then.

    Args:
        result: an evaluation with intervals.
        rate: of `forecast.intervals.adaptive.adaptive_factors`.
        lowest: (D,), or (W, 1, D) of each window, below which no interval ends, unless the point
            does.

    Returns:
        The result with other quantiles; no interval knows what came after its cutoff.
    """
    if result.quantiles is None:
        return result
    forecast, quantiles = result.forecasts[result.alias], result.quantiles.copy()
    positions = result.freq.positions(result.cutoffs)
    for level, (low, high) in central_levels(result).items():
        below, above = forecast - quantiles[..., low], quantiles[..., high] - forecast
        error = result.actual - forecast
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(error == 0, 0.0, np.abs(error) / np.where(error > 0, above, below))
        ratios = np.where(np.isnan(result.actual), np.nan, ratios)
        factors = adaptive_factors(ratios, positions, level / 100.0, rate=rate)
        quantiles[..., low] = np.minimum(np.maximum(forecast - factors * below, lowest), forecast)
        quantiles[..., high] = forecast + factors * above
    return replace(result, quantiles=nested(result.quantile_levels, quantiles, forecast))


def adaptive_factors(
    ratios: FloatArray, positions: IntArray, share: float, *, rate: float = RATE
) -> FloatArray:
    """By how much intervals are widened at each cutoff so that in the long run they hold the share they should.

    For every step of the horizon a factor follows what was seen: it grows by `rate` times the share
    of series that left their interval beyond the 1 - `share` that may, and shrinks where fewer did.
    At a cutoff only steps count that were over by then, so nothing looks ahead. If ratios stay
    below b, where b is at least 1, the mean coverage of T cutoffs is short of `share` by at most (b
    + rate k) / (rate T), whatever the data, where k cutoffs at most wait for their step at a time
    (k = h where every stamp is a cutoff): nothing is missed from a factor of b on, but windows that
    are open by then may still push it up k times. It is above `share` by no more than (1 + rate k)
    / (rate T) unless factors were held at 0, where intervals are points. Source: for k = 1 quantile
    tracking (Angelopoulos, Candes and Tibshirani, Conformal PID Control for Time Series Prediction,
    2023, proposition 1); after Gibbs and Candes, Adaptive Conformal Inference Under Distribution
    Shift, 2021, which tracks the level where this tracks the width, so that none is ever infinite.

    Args:
        ratios: (W, H, D) size of each error in half widths of its interval on that side, NaN where
            none is known.
        positions: (W,) place of each window's cutoff on the grid of time.
        share: that the intervals are to hold, in (0, 1).
        rate: see above.

    Returns:
        (W, H, D), at least 0.
    """
    cutoffs, place = np.unique(positions, return_inverse=True)
    order, bounds = (
        np.argsort(place, kind="stable"),
        np.searchsorted(np.sort(place), np.arange(len(cutoffs) + 1)),
    )
    horizon = ratios.shape[1]
    factors = np.empty((len(cutoffs), *ratios.shape[1:]))
    missed = np.zeros_like(factors)
    now, over = (
        np.ones(ratios.shape[1:]),
        np.zeros(horizon, np.int64),
    )  # cutoffs whose step has counted
    for number, cutoff in enumerate(cutoffs):
        known = np.searchsorted(cutoffs, cutoff - np.arange(1, horizon + 1), side="right")
        while (late := np.flatnonzero(over < known)).size:
            now[late] = np.maximum(now[late] + rate * missed[over[late], late], 0.0)
            over[late] += 1
        factors[number] = now
        seen = ratios[order[bounds[number] : bounds[number + 1]]]
        count = np.isfinite(seen).sum(axis=0)
        left = np.where(np.isfinite(seen), seen > now, 0.0).sum(axis=0)
        missed[number] = np.where(count > 0, left / np.maximum(count, 1) - (1.0 - share), 0.0)
    return factors[place]


def factors_after(ratios: FloatArray, positions: IntArray, share: float) -> FloatArray:
    """(H, D) what `adaptive_factors` comes to once every step of every window is over; arguments as there."""
    end = positions.max(initial=0) + ratios.shape[1]
    later = np.concatenate([ratios, np.full((1, *ratios.shape[1:]), np.nan)])
    return adaptive_factors(later, np.append(positions, end), share)[-1]
