"""Residuals of several series on one scale, and their autocorrelation."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import find_rows
from forecast.scores.evaluation import BacktestResult

SIGNS = "residual = actual - forecast; bias = mean(forecast - actual)"
"""The signs, written wherever both are shown: a bias above 0 means that forecasts are too high."""


MOSTLY = 0.9
"""Share of the windows that must be as far from the next one of their series as the nearest are."""


def comparable_residuals(result: BacktestResult) -> tuple[FloatArray, bool]:
    """Return residuals of the evaluated model on one scale.

    Where there are several series or targets, each residual is divided by the `seasonal_errors` of
    its series, so that those of different size can be drawn together.

    Args:
        result: an evaluation.

    Returns:
        (W, H, D) actual - forecast, and whether they were divided.
    """
    residuals = result.actual - result.forecasts[result.alias]
    several = residuals.shape[2] > 1 or len(np.unique(result.series)) > 1
    if not several:
        return residuals, False
    usable = np.isfinite(result.scale) & (result.scale > 0)
    return residuals / np.where(usable, result.scale, np.nan)[:, None], True


def cutoff_step(series: IntArray, positions: IntArray) -> int | None:
    """Steps from one window of a series to the next.

    Args:
        series: (W,) number of each window's series.
        positions: (W,) position of each cutoff on the time grid, in steps.

    Returns:
        The smallest distance; None where no series has two windows, or where too many are further
        apart, as where some windows were left out here and there.
    """
    order = np.lexsort((positions, series))
    is_same_series = np.diff(series[order]) == 0
    distances = np.diff(positions[order])[is_same_series]
    step = int(distances.min(initial=np.iinfo(np.int64).max))
    if not len(distances) or np.mean(distances == step) < MOSTLY:
        return None
    return step


def autocorrelation(
    residuals: FloatArray, series: IntArray, positions: IntArray, num_lags: int
) -> tuple[FloatArray, int]:
    """Autocorrelation of one-step residuals, pooled over series and targets.

    Every series is centred on its own mean; windows of one series whose cutoffs are `lag` times the
    `cutoff_step` apart are the pairs of a lag.

    Args:
        residuals: (W, D), NaN where nothing was measured.
        series: (W,) number of each window's series.
        positions: (W,) position of each cutoff on the time grid, in steps.
        num_lags: largest lag.

    Returns:
        (num_lags,) values for lags 1 to `num_lags`, NaN where there is no pair, and the number of
        residuals.
    """
    number = np.unique(series, return_inverse=True)[1]
    step = cutoff_step(series, positions)
    order = np.lexsort((positions, series))
    columns = [_standardised(column, number) for column in residuals.T]
    scaled = np.stack(columns, axis=1)[order]
    measured = np.isfinite(scaled)
    count = int(measured.sum())
    total = float(np.sum(scaled**2, where=measured))
    values = np.full(num_lags, np.nan)
    if step is None or total <= 0:
        return values, count

    number = number[order]
    positions = positions[order]
    for lag in range(1, num_lags + 1):
        later = find_rows(number, positions, number, positions + lag * step)
        earlier = np.flatnonzero(later >= 0)
        later = later[earlier]
        pairs = measured[earlier] & measured[later]
        if pairs.any():
            values[lag - 1] = np.sum(scaled[earlier] * scaled[later], where=pairs) / total
    return values, count


def _standardised(values: FloatArray, group: IntArray) -> FloatArray:
    """(W,) values with mean 0 and variance 1 in every group, 0 where all are equal; NaN stays."""
    known = np.isfinite(values)
    count = np.maximum(np.bincount(group, known), 1)
    centred = values - (np.bincount(group, np.where(known, values, 0.0)) / count)[group]
    spread = np.sqrt(np.bincount(group, np.where(known, centred, 0.0) ** 2) / count)
    return centred / np.where(spread > 0, spread, 1.0)[group]
