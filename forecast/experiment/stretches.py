"""Windows between gaps: why a set has none, and the settings with which it has some."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from forecast.axes import IntArray
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.data.regular.proposed_steps import FILL
from forecast.errors.interface import Settings
from forecast.windows.features import Features
from forecast.windows.index import index_windows
from forecast.windows.splits import Part


def gap_steps(panel: Panel) -> IntArray:
    """Return the missing timestamps of each gap (G,)."""
    inside = np.ones(max(panel.num_rows - 1, 0), dtype=bool)
    inside[panel.offsets[1:-1] - 1] = False  # from one series to the next
    steps: IntArray = np.diff(panel.positions)[inside] - 1
    return steps[steps > 0]


def explain_gaps(
    panel: Panel, features: Features, parts: Iterable[Part], length: int, horizon: int
) -> tuple[str, list[Settings]]:
    """Return why gaps leave a set without a window, and the settings that help; else nothing.

    Args:
        panel: the series.
        features: the inputs of the windows.
        parts: the sets that need a window.
        length: the context length L.
        horizon: the steps to forecast.
    """
    parts = list(parts)
    gaps = gap_steps(panel)
    if not len(gaps) or not all(_fits_without_gaps(panel, part, length, horizon) for part in parts):
        return "", []
    lengths = f"{gaps.min()}"
    if gaps.min() < gaps.max():
        lengths += f" to {gaps.max()}"
    steps = "timestamp" if gaps.max() == 1 else "timestamps"
    changes: list[Settings] = [FILL]
    # the forecasts after the end of the table need as many rows after the last gap
    fitting = min(
        _longest_context(panel, features, parts, length, horizon),
        int(_stretches(panel)[panel.offsets[1:] - 1].min()),
    )
    if fitting >= horizon:
        changes.append({"windows.context_length": fitting})
    longest = counted(int(_stretches(panel).max()), "row")
    reason = (
        f"no window spans a gap, and the table has {counted(len(gaps), 'gap')} of {lengths} "
        f"missing {steps}, with at most {longest} between two"
    )
    return reason, changes


def _fits_without_gaps(panel: Panel, part: Part, length: int, horizon: int) -> bool:
    first = np.maximum(part.first, panel.offsets[:-1] + length)
    return bool((part.last - first >= horizon).any())


def _stretches(panel: Panel) -> IntArray:
    """Return (R,) the rows without a gap between them that end with each row."""
    breaks = np.diff(panel.positions, prepend=-2) != 1
    breaks[panel.offsets[:-1]] = True
    rows = np.arange(panel.num_rows)
    starts = np.maximum.accumulate(np.where(breaks, rows, 0))
    stretches: IntArray = rows - starts + 1
    return stretches


def _longest_context(
    panel: Panel, features: Features, parts: list[Part], length: int, horizon: int
) -> int:
    """Return the longest context below `length` with which every set has a window; 0: none."""
    shortest = 0  # every set has a window with this context, or it is 0
    longest = length
    while longest - shortest > 1:
        context = (shortest + longest) // 2
        windows = [
            index_windows(panel, context, horizon, part=part, usable=features.usable)
            for part in parts
        ]
        if all(map(len, windows)):
            shortest = context
        else:
            longest = context
    return shortest
