"""Errors of the seasonal naive forecast on history: the scale of MASE and RMSSE."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray
from forecast.data.panel import Panel, find_rows
from forecast.windows.splits import Part


def seasonal_errors(panel: Panel, season_length: int, *, part: Part) -> FloatArray:
    """Mean |y_t - y_(t-m)| of each series over its rows in `part`: the scale of MASE.

    Pairs are a season apart in time, so a gap between them does no harm.

    Args:
        panel: the series.
        season_length: m.
        part: the training rows.

    Returns:
        (N, D), NaN where a series has no such pair.
    """
    series = panel.series_of_rows()
    rows = np.arange(panel.num_rows)
    rows = rows[(rows >= part.first[series]) & (rows < part.last[series])]
    of, positions = series[rows], panel.positions[rows]
    earlier = find_rows(of, positions, of, positions - season_length)
    later = np.flatnonzero(earlier >= 0)
    change = np.abs(panel.targets[rows[later]] - panel.targets[rows[earlier[later]]])
    known, place = np.isfinite(change), of[later]
    count = np.stack([np.bincount(place, column, panel.num_series) for column in known.T], axis=1)
    total = np.stack(
        [np.bincount(place, column, panel.num_series) for column in np.where(known, change, 0.0).T],
        axis=1,
    )
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))
