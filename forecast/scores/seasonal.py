"""Errors of the seasonal naive forecast on history: the scale of MASE."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel
from forecast.windows.splits import Part


def seasonal_errors(panel: Panel, season_length: int, *, part: Part) -> FloatArray:
    """Mean |y_t - y_(t-m)| of each series over its rows in `part`: the scale of MASE.

    Pairs are a season apart in time, so a gap between them does no harm.

    Args:
        panel: the series.
        season_length: m, in steps.
        part: the training rows.

    Returns:
        (N, D) in the unit of the data, NaN where a series has no such pair.
    """
    series = panel.series_of_rows()
    rows = np.arange(panel.num_rows)
    rows = rows[(rows >= part.first[series]) & (rows < part.last[series])]
    later, earlier = _pairs_apart(panel.positions[rows], series[rows], season_length)
    change = np.abs(panel.targets[rows[later]] - panel.targets[rows[earlier]])

    group = series[rows[later]]
    known = np.isfinite(change)
    count = _sums_by_group(known, group, panel.num_series)
    total = _sums_by_group(np.where(known, change, 0.0), group, panel.num_series)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))


def _sums_by_group(values: FloatArray, group: IntArray, num_groups: int) -> FloatArray:
    """(N, D) sums of (R, D) values over the rows of each group."""
    sums = [np.bincount(group, column, num_groups) for column in values.T]
    return np.stack(sums, axis=1)


def _pairs_apart(positions: IntArray, series: IntArray, steps: int) -> tuple[IntArray, IntArray]:
    """Indices of rows, and of the rows of the same series `steps` earlier, where there are such."""
    if not len(positions):
        return positions, positions
    # one ascending number for series and time, so that a sorted search finds the earlier row
    start = positions.min()
    span = int(positions.max() - start) + steps + 1
    key = series * span + (positions - start)
    earlier = np.minimum(np.searchsorted(key, key - steps), len(key) - 1)
    is_there = key[earlier] == key - steps
    return np.flatnonzero(is_there), earlier[is_there]
