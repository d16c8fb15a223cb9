"""Errors of the seasonal naive forecast on history: the scale of MASE."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel, find_rows
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
    series = series[rows]
    positions = panel.positions[rows]
    earlier = find_rows(series, positions, series, positions - season_length)
    later = np.flatnonzero(earlier >= 0)
    change = np.abs(panel.targets[rows[later]] - panel.targets[rows[earlier[later]]])

    group = series[later]
    known = np.isfinite(change)
    count = _sums_by_group(known, group, panel.num_series)
    total = _sums_by_group(np.where(known, change, 0.0), group, panel.num_series)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))


def _sums_by_group(values: FloatArray, group: IntArray, num_groups: int) -> FloatArray:
    """(N, D) sums of (R, D) values over the rows of each group."""
    sums = [np.bincount(group, column, num_groups) for column in values.T]
    return np.stack(sums, axis=1)
