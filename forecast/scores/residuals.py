"""Residuals of several series on one scale, and their autocorrelation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import find_rows
from forecast.scores.evaluation import BacktestResult

MOSTLY = 0.9
"""Share of the windows that must be as far from the next one of their series as the nearest are."""


def comparable_residuals(result: BacktestResult) -> tuple[FloatArray, bool]:
    """Residuals (W, H, D) of the judged model, and whether each was divided by the `seasonal_error` of its series.

    They are where there are several series or targets, so that those of different size can be drawn
    together.
    """
    residuals = result.actual - result.forecasts[result.alias]
    several = residuals.shape[2] > 1 or len(np.unique(result.series)) > 1
    if not several:
        return residuals, False
    usable = np.isfinite(result.scale) & (result.scale > 0)
    return residuals / np.where(usable, result.scale, np.nan)[:, None], True


def cutoff_step(series: IntArray, positions: IntArray) -> int | None:
    """Steps from one window of a series to the next; None where there is none, or where they differ too much.

    They differ where a part of the windows was left out here and there.

    Args:
        series: (W,).
        positions: (W,) place of each cutoff on the grid of time.
    """
    order = np.lexsort((positions, series))
    apart = np.diff(positions[order])[np.diff(series[order]) == 0]
    step = int(apart.min(initial=np.iinfo(np.int64).max))
    return step if len(apart) and np.mean(apart == step) >= MOSTLY else None


def autocorrelation(
    residuals: FloatArray, series: IntArray, positions: IntArray, num_lags: int
) -> tuple[FloatArray, int]:
    """Autocorrelation of one-step residuals, pooled over series and targets.

    Every series is centred on its own mean; windows of one series whose cutoffs are `lag` times the
    `cutoff_step` apart make the pairs of a lag.

    Args:
        residuals: (W, D), NaN where nothing was measured.
        series: (W,).
        positions: (W,) place of each cutoff on the grid of time.
        num_lags: largest lag.

    Returns:
        (num_lags,) values for lags 1 to `num_lags`, NaN where there is no pair, and the number of
        residuals.
    """
    number = np.unique(series, return_inverse=True)[1]
    step = cutoff_step(series, positions)
    order = np.lexsort((positions, series))
    scaled = np.stack([_standardised(column, number) for column in residuals.T], axis=1)[order]
    kept = np.isfinite(scaled)
    total = float(np.sum(scaled**2, where=kept))
    values = np.full(num_lags, np.nan)
    if step is None or total <= 0:
        return values, int(kept.sum())
    number, positions = number[order], positions[order]
    for lag in range(1, num_lags + 1):
        later = find_rows(number, positions, number, positions + lag * step)
        earlier = np.flatnonzero(later >= 0)
        later = later[earlier]
        pairs = kept[earlier] & kept[later]
        if pairs.any():
            values[lag - 1] = np.sum(scaled[earlier] * scaled[later], where=pairs) / total
    return values, int(kept.sum())


def _standardised(values: FloatArray, group: NDArray[np.int64]) -> FloatArray:
    """(W,) values with mean 0 and variance 1 in every group, 0 where they are all the same; NaN stays."""
    kept = np.isfinite(values)
    count = np.maximum(np.bincount(group, kept), 1)
    centred = values - (np.bincount(group, np.where(kept, values, 0.0)) / count)[group]
    spread = np.sqrt(np.bincount(group, np.where(kept, centred, 0.0) ** 2) / count)
    return centred / np.where(spread > 0, spread, 1.0)[group]
