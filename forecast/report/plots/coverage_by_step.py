"""Coverage of intervals by step of the horizon, beside their level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from forecast.intervals.coverage import coverage_by
from forecast.report.plots.style import (
    MODEL,
    MUTED,
    PANEL_TITLE,
    dress,
    marker_of,
    new_figure,
    set_ticks_in_steps,
    subject_of,
    write_finding,
)
from forecast.scores.evaluation import BacktestResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_coverage(result: BacktestResult, *, subject: str = "") -> Figure:
    """Draw the share of actual values inside the intervals, by step of the horizon.

    There is one panel for each level. Its band is that of `intervals.coverage.coverage_by`: 95 % of
    samples are inside it if the intervals are right.

    Args:
        result: an evaluation with intervals.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.

    Raises:
        DataError: the evaluation has no intervals.
    """
    table = coverage_by(result, "step")
    levels = sorted(table["level"].unique())
    measured = table[table["values"] > 0]
    inside = int(measured["inside"].sum())
    figure = new_figure((4.3 * max(len(levels), 2), 3.8))
    finding = f"coverage is within its band at {inside} of {len(measured)} steps and levels"
    write_finding(figure, finding, subject_of(result, subject))
    panels = figure.subplots(1, len(levels), squeeze=False)[0]
    for axes, level in zip(panels, levels, strict=True):
        rows = table[table["level"] == level]
        _draw_level(axes, rows, level)
        axes.set_title(f"Intervals of {level:g} %", **PANEL_TITLE)
        dress(axes, x="step of the horizon", y="covered [%]")
        set_ticks_in_steps(axes, len(rows), result.season_length)
    return figure


def _draw_level(axes: Axes, rows: pd.DataFrame, level: float) -> None:
    steps = rows["step"].to_numpy()
    covered = 100.0 * rows["covered"].to_numpy(float)
    low = 100.0 * rows["low"].to_numpy(float)
    high = 100.0 * rows["high"].to_numpy(float)
    axes.fill_between(steps, low, high, step="mid", color=MUTED, alpha=0.16, linewidth=0)
    axes.axhline(level, color=MUTED, linewidth=0.9)
    line = axes.plot(steps, covered, color=MODEL, linewidth=1.8)[0]
    line.set(marker=marker_of(len(steps)), markersize=4)
