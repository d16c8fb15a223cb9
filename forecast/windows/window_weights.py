"""Weights of rows: how much the error of each forecast row counts where a model learns.

A row of weight 0 has no target to learn, as a row whose value is missing has none. The others count
by their weight divided by the mean weight of all cells that the training windows forecast: a batch
then adds to the gradient as much as its rows weigh, and a constant weight changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.windows.index import WindowIndex

MOST_AT_ONCE = 1_000_000
"""Windows that are counted at a time."""


def learned_targets(
    target: NDArray[np.float32], weights: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Return (R, D) targets to learn: those of rows of weight 0 are NaN.

    Args:
        target: (R, D).
        weights: (R,); None: all rows count alike.
    """
    if weights is None or weights.all():
        return target
    return np.where(weights[:, None] > 0, target, np.float32(np.nan))


def as_float32(weights: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    """Return the weights of a panel for batches; None where it has none."""
    if weights is None:
        return None
    return weights.astype(np.float32)


def of_mean_one(
    weights: NDArray[np.float32] | None, target: NDArray[np.float32], index: WindowIndex
) -> NDArray[np.float32] | None:
    """Return (R,) weights divided by the mean weight of the cells that windows forecast.

    Args:
        weights: (R,); None for none.
        target: (R, D), NaN where nothing is learned.
        index: the training windows.
    """
    if weights is None:
        return None
    count = forecast_counts(index, len(weights)) * np.isfinite(target).sum(axis=1)
    total = float(count.sum())
    mean = float(count @ weights.astype(np.float64)) / max(total, 1.0)
    if not mean:
        return weights
    return (weights / mean).astype(np.float32)


def forecast_counts(index: WindowIndex, num_rows: int) -> IntArray:
    """Return (R,) how many windows forecast each row."""
    change = np.zeros(num_rows + 1, np.int64)
    for start in range(0, len(index), MOST_AT_ONCE):
        numbers = np.arange(start, min(start + MOST_AT_ONCE, len(index)))
        begins = index.locate(numbers)[1] + index.context_length
        change += np.bincount(begins, minlength=num_rows + 1)
        change -= np.bincount(begins + index.horizon, minlength=num_rows + 1)
    return np.cumsum(change)[:num_rows]


def window_weights(weights: FloatArray, index: WindowIndex, first: IntArray) -> FloatArray:
    """Return (B,) the mean weight of the rows that windows forecast.

    Args:
        weights: (R,).
        index: the windows.
        first: (B,) first context row of each.
    """
    mean: FloatArray = weights[index.horizon_rows(first)].mean(axis=1)
    return mean
