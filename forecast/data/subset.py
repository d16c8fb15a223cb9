"""Panels made from panels: fewer series, or rows for the steps to be forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.panel import Panel


def select_series(panel: Panel, keep: IntArray) -> Panel:
    """Return the panel with the numbered series only, in the order given.

    Args:
        panel: the series.
        keep: (N',) places in `panel.series_ids`.
    """
    part = _part_of(panel, keep, panel.offsets[keep])
    return replace(part, future=_future_of(panel.future, part.series_ids))


def last_rows(panel: Panel, steps: int) -> Panel:
    """Return the end of every series: `steps` rows, and those before them back to one with no missing value.

    What a policy for missing values makes of the last `steps` rows is the same as with all rows.

    Args:
        panel: the series.
        steps: rows wanted of each series; a shorter series is kept whole.
    """
    begin = panel.offsets[:-1]
    first = np.maximum(panel.offsets[1:] - steps, begin)
    if not np.isfinite(panel.values[first]).all():
        complete = np.isfinite(panel.values).all(axis=1)
        latest = np.maximum.accumulate(np.where(complete, np.arange(panel.num_rows), 0))
        first = np.maximum(latest[first], begin)
    return replace(_part_of(panel, np.arange(panel.num_series), first), future=panel.future)


def rows_before(panel: Panel, last: IntArray, *, most: int | None = None) -> Panel:
    """Return the start of every series, as if later rows had never been; a series with no row left is left out.

    Args:
        panel: the series.
        last: (N,) row of the panel that each series ends before.
        most: rows of each series that are kept, the latest ones; all of them if left out.
    """
    kept = np.flatnonzero(last > panel.offsets[:-1])
    first = (
        panel.offsets[kept] if most is None else np.maximum(panel.offsets[kept], last[kept] - most)
    )
    return _part_of(panel, kept, first, last[kept])


def _part_of(
    panel: Panel, series: IntArray, first: IntArray, last: IntArray | None = None
) -> Panel:
    """The panel of some series (N',), each from its row `first` (N',) to before `last` (N',), its end if left out.

    It has no rows of the future: those of the whole panel come after its end.
    """
    lengths = (panel.offsets[series + 1] if last is None else last) - first
    ends = np.cumsum(lengths)
    rows = np.repeat(first - (ends - lengths), lengths) + np.arange(int(lengths.sum()))
    return replace(
        panel,
        series_ids=panel.series_ids[series],
        offsets=np.concatenate([[0], ends]).astype(np.int64),
        timestamps=panel.timestamps[rows],
        positions=panel.positions[rows],
        values=np.ascontiguousarray(panel.values[rows]),
        static_values=panel.static_values[series],
        future=None,
    )


def _future_of(future: Panel | None, series_ids: NDArray[np.object_]) -> Panel | None:
    """The rows of the future of some series; None where they have none."""
    if future is None:
        return None
    wanted = set(series_ids.tolist())
    kept = np.flatnonzero([series_id in wanted for series_id in future.series_ids])
    return select_series(future, kept) if len(kept) else None
