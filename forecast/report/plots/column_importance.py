"""Growth of the error where a column is exchanged, overall and by step of the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.report.plots.style import (
    LIGHT,
    MODEL,
    MUTED,
    PANEL_TITLE,
    dress,
    line_looks,
    marker_of,
    new_figure,
    set_ticks_in_steps,
    write_finding,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_BY_STEP = 5
"""Groups whose lines are drawn by step: those of the largest increase."""


def plot_column_importance(table: pd.DataFrame, *, subject: str = "") -> Figure:
    """Draw the increase of the error of every group with its interval, and of some by step.

    Args:
        table: of `forecasting.importance.importance`.
        subject: of the title; default: none.
    """
    overall = table[table["step"] == "all"].sort_values("increase", kind="stable")
    figure = new_figure((10.5, 1.9 + 0.36 * max(len(overall), 5)))
    best = overall.iloc[-1]
    finding = (
        f"without {best['group']} the error is {best['increase']:.0f} % larger, the most of all "
        f"groups"
    )
    write_finding(figure, finding, subject)
    bars, lines = figure.subplots(1, 2)
    _draw_overall(bars, overall)
    _draw_steps(lines, table, overall["group"].tolist()[::-1][:SHOWN_BY_STEP])
    return figure


def _draw_overall(axes: Axes, overall: pd.DataFrame) -> None:
    places = np.arange(len(overall))
    increase = overall["increase"].to_numpy(np.float64)
    axes.barh(places, increase, color=MODEL, height=0.55)
    low = overall["low"].to_numpy(np.float64)
    high = overall["high"].to_numpy(np.float64)
    is_known = np.isfinite(low) & np.isfinite(high)
    axes.hlines(places[is_known], low[is_known], high[is_known], color=MUTED, linewidth=1.4)
    axes.axvline(0, color=LIGHT, linewidth=0.9)
    axes.set_yticks(places, overall["group"].tolist(), parse_math=False)
    axes.set_title("All steps, with 95 % intervals", **PANEL_TITLE)
    dress(axes, x="increase of the mean absolute error [%]")
    axes.grid(visible=False, axis="y")


def _draw_steps(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    num_steps = 1
    looks = line_looks(names)
    for name in names:
        rows = table[(table["group"] == name) & (table["step"] != "all")]
        steps = rows["step"].to_numpy(np.float64)
        num_steps = len(steps)
        axes.plot(
            steps,
            rows["increase"].to_numpy(np.float64),
            **looks[name],
            marker=marker_of(len(steps)),
            markersize=3.5,
            label=name,
        )
    axes.legend(frameon=False, fontsize=8.5)
    axes.set_title("By step of the horizon", **PANEL_TITLE)
    dress(axes, x="step of the horizon", y="increase [%]")
    set_ticks_in_steps(axes, num_steps)
