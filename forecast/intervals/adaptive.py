"""Adaptive intervals: their width follows the coverage that was observed before each cutoff."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.intervals.levels import central_levels, nested
from forecast.scores.evaluation import BacktestResult

RATE = 0.05
"""Learning rate of adaptive intervals: growth, in units of the first width, after a cutoff at which
every series is outside its interval."""


def adapt_intervals(
    result: BacktestResult, *, rate: float = RATE, lowest: FloatArray | float = -math.inf
) -> BacktestResult:
    """Widen and narrow the intervals of an evaluation from cutoff to cutoff.

    Args:
        result: an evaluation with intervals.
        rate: as in `adaptive_factors`.
        lowest: (D,), or (W, 1, D) of each window: no interval ends below, unless the point forecast
            does.

    Returns:
        The result with other quantiles; no interval depends on values after its cutoff.
    """
    if result.quantiles is None:
        return result
    forecast = result.forecasts[result.alias]
    quantiles = result.quantiles.copy()
    positions = result.freq.positions(result.cutoffs)
    error = result.actual - forecast
    for level, (low, high) in central_levels(result).items():
        below = forecast - quantiles[..., low]
        above = quantiles[..., high] - forecast
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.abs(error) / np.where(error > 0, above, below)
        ratios = np.where(error == 0, 0.0, ratios)
        ratios = np.where(np.isnan(result.actual), np.nan, ratios)

        factors = adaptive_factors(ratios, positions, level / 100.0, rate=rate)
        lower = np.maximum(forecast - factors * below, lowest)
        quantiles[..., low] = np.minimum(lower, forecast)
        quantiles[..., high] = forecast + factors * above
    return replace(result, quantiles=nested(result.quantile_levels, quantiles, forecast))


def adaptive_factors(
    ratios: FloatArray, positions: IntArray, share: float | FloatArray, *, rate: float = RATE
) -> FloatArray:
    """Online scale factors (quantile tracking) that keep long-run coverage at the nominal share.

    Every step of the horizon has a factor. After each cutoff it grows by `rate` times (share of
    series outside their interval - (1 - `share`)), so it shrinks where fewer are outside than the
    nominal share allows. At a cutoff only steps count that were over by then, so nothing looks
    ahead.

    If ratios stay below b, where b is at least 1, the mean coverage of T cutoffs is short of
    `share` by at most (b + rate k) / (rate T), whatever the data, where k cutoffs at most wait for
    their step at a time (k = h where every stamp is a cutoff): nothing is missed from a factor of b
    on, but windows that are open by then may still push it up k times. It is above `share` by no
    more than (1 + rate k) / (rate T) unless factors stayed at 0, where intervals are points.

    Args:
        ratios: (W, H, D) size of each error in half widths of its interval on that side, NaN where
            none is known; further axes may follow.
        positions: (W,) position of each window's cutoff on the time grid, in steps.
        share: nominal coverage, in (0, 1), also one for each place of the last axis.
        rate: see above.

    Returns:
        (W, H, D), at least 0.

    Source: for k = 1 quantile tracking (Angelopoulos, Candes and Tibshirani, Conformal PID Control
    for Time Series Prediction, 2023, proposition 1); after Gibbs and Candes, Adaptive Conformal
    Inference Under Distribution Shift, 2021, which tracks the level where this tracks the width, so
    that no interval is ever infinite.
    """
    cutoffs, cutoff_of = np.unique(positions, return_inverse=True)
    order = np.argsort(cutoff_of, kind="stable")
    bounds = np.searchsorted(np.sort(cutoff_of), np.arange(len(cutoffs) + 1))
    horizon = ratios.shape[1]
    factors = np.empty((len(cutoffs), *ratios.shape[1:]))
    excess = np.zeros_like(factors)  # share outside, less the nominal one, by cutoff
    factor = np.ones(ratios.shape[1:])  # (H, D)
    num_counted = np.zeros(horizon, np.int64)  # cutoffs whose step has counted
    for number, cutoff in enumerate(cutoffs):
        # a step of the horizon is over where its stamp is not after this cutoff
        num_over = np.searchsorted(cutoffs, cutoff - np.arange(1, horizon + 1), side="right")
        while (late := np.flatnonzero(num_counted < num_over)).size:
            moved = factor[late] + rate * excess[num_counted[late], late]
            factor[late] = np.maximum(moved, 0.0)
            num_counted[late] += 1
        factors[number] = factor

        seen = ratios[order[bounds[number] : bounds[number + 1]]]
        is_known = np.isfinite(seen)
        count = is_known.sum(axis=0)
        outside = np.where(is_known, seen > factor, 0.0).sum(axis=0)
        share_outside = outside / np.maximum(count, 1)
        excess[number] = np.where(count > 0, share_outside - (1.0 - share), 0.0)
    return factors[cutoff_of]


def factors_after(ratios: FloatArray, positions: IntArray, share: float | FloatArray) -> FloatArray:
    """Return (H, D) the `adaptive_factors` once every step of every window is over.

    Args:
        ratios: as there.
        positions: as there.
        share: as there.
    """
    end = positions.max(initial=0) + ratios.shape[1]
    later = np.concatenate([ratios, np.full((1, *ratios.shape[1:]), np.nan)])
    return adaptive_factors(later, np.append(positions, end), share)[-1]
