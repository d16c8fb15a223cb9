"""Small panels made by hand, for tests that need one without reading a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecast.data.frequency import Frequency
from forecast.data.panel import USUAL_ROLES, Columns, Panel
from forecast.scores.forecast import Forecast


def forecast_after(panel: Panel, values: np.ndarray, **more: Any) -> Forecast:
    """A forecast of the steps after the last row of every series.

    Args:
        panel: the N series.
        values: (N, H, D).
        more: further fields.
    """
    last = panel.offsets[1:] - 1
    positions = panel.positions[last][:, None] + 1 + np.arange(values.shape[1])
    return Forecast(
        series_ids=panel.series_ids,
        cutoffs=panel.timestamps[last],
        stamps=np.stack([panel.freq.stamps(row) for row in positions]),
        values=values,
        columns=panel.columns,
        freq=panel.freq,
        **more,
    )


def panel_of(
    series: Sequence[Sequence[int]],
    values: object = None,
    *,
    columns: Columns | None = None,
    alias: str | None = None,
) -> Panel:
    """One series `s0`, `s1`, ... per list of positions.

    Args:
        series: positions of the rows of each series.
        values: (R, C); the row number where left out.
        columns: their roles.
        alias: frequency of timestamps; an integer index where left out.
    """
    freq = Frequency.parse(alias) if alias else Frequency("1", is_integer=True)
    columns = (columns or USUAL_ROLES).with_usual_names()
    positions = np.array([place for one in series for place in one], np.int64)
    table = np.arange(len(positions)) if values is None else np.asarray(values)
    return Panel(
        columns=columns,
        freq=freq,
        series_ids=np.array([f"s{i}" for i in range(len(series))], object),
        offsets=np.cumsum([0, *map(len, series)]).astype(np.int64),
        timestamps=freq.stamps(positions),
        positions=positions,
        values=table.astype(np.float64).reshape(len(positions), len(columns.dynamic)),
        static_values=np.zeros((len(series), 0)),
    )
