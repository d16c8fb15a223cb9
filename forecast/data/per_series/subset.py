"""Panels made from a panel: some of its series, or some rows of each series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.panel import Panel


def select_series(panel: Panel, keep: IntArray) -> Panel:
    """Return the panel of some series, in the given order.

    Args:
        panel: the series.
        keep: (N',) indices in `panel.series_ids`.
    """
    selection = slice_series(panel, keep, panel.offsets[keep])
    return replace(selection, future=_future_of(panel.future, selection.series_ids))


def last_rows(panel: Panel, steps: int) -> Panel:
    """Return the last `steps` rows of every series and what a missing-value policy needs before.

    That is all rows back to one without a missing value, so that a policy for missing values makes
    the same of the last `steps` rows as with the whole history.

    Args:
        panel: the series.
        steps: rows of each series; a shorter series is kept whole.
    """
    begin = panel.offsets[:-1]
    first = np.maximum(panel.offsets[1:] - steps, begin)
    if not np.isfinite(panel.values[first]).all():
        complete = np.isfinite(panel.values).all(axis=1)
        # (R,) last complete row up to each row
        latest = np.maximum.accumulate(np.where(complete, np.arange(panel.num_rows), 0))
        first = np.maximum(latest[first], begin)
    selection = slice_series(panel, np.arange(panel.num_series), first)
    if panel.future is None:
        return selection
    return replace(selection, future=panel.future)


def rows_before(panel: Panel, last: IntArray, *, most: int | None = None) -> Panel:
    """Return the start of every series, without later rows; a series with no row left is dropped.

    Args:
        panel: the series.
        last: (N,) row of the panel that each series ends before.
        most: rows of each series that are kept, the latest ones; default: all.
    """
    keep = np.flatnonzero(last > panel.offsets[:-1])
    first = panel.offsets[keep]
    if most is not None:
        first = np.maximum(first, last[keep] - most)
    return slice_series(panel, keep, first, last[keep])


def slice_series(
    panel: Panel, series: IntArray, first: IntArray, last: IntArray | None = None
) -> Panel:
    """Return the panel of some series (N',), each from row `first` (N',) to before `last` (N',).

    The default of `last` is the end of each series. The result has no future rows: those of the
    whole panel come after its end.
    """
    if last is None:
        last = panel.offsets[series + 1]
    lengths = last - first
    ends = np.cumsum(lengths)
    rows = np.repeat(first - (ends - lengths), lengths) + np.arange(int(lengths.sum()))
    weights = panel.weights
    if weights is not None:
        weights = weights[rows]
    return replace(
        panel,
        series_ids=panel.series_ids[series],
        offsets=np.concatenate([[0], ends]).astype(np.int64),
        timestamps=panel.timestamps[rows],
        positions=panel.positions[rows],
        values=np.ascontiguousarray(panel.values[rows]),
        static_values=panel.static_values[series],
        future=None,
        weights=weights,
    )


def _future_of(future: Panel | None, series_ids: NDArray[np.object_]) -> Panel | None:
    """Return the future rows of some series; None where they have none."""
    if future is None:
        return None
    wanted = set(series_ids.tolist())
    keep = np.flatnonzero([series_id in wanted for series_id in future.series_ids])
    if not len(keep):
        return None
    return select_series(future, keep)
