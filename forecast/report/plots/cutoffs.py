"""When a model errs: by cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import counted
from forecast.report.plots.step_errors import highest_error
from forecast.report.plots.style import (
    MODEL,
    colours_of,
    dress,
    label_ends,
    new_figure,
    set_dates,
    write_finding,
)
from forecast.scores.breakdown import error_by_cutoff
from forecast.scores.evaluation import BacktestResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MAX_CUTOFFS = 80
"""Points of a line at most: six lines of more cannot be told apart."""


def plot_error_by_cutoff(result: BacktestResult, *, unit: str = "") -> Figure:
    """Draw the mean absolute error of model and baselines along time; of many cutoffs neighbours are averaged.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
    """
    table, best, alias = (
        error_by_cutoff(result, MAX_CUTOFFS),
        result.scores().best_baseline,
        result.alias,
    )
    errors = {name: table[name].to_numpy(np.float64) for name in result.forecasts}
    most = -(-len(np.unique(result.cutoffs)) // len(table)) if len(table) else 1
    figure = new_figure((10.0, 4.4))
    write_finding(figure, _finding(errors, alias, best, most))
    axes = figure.add_subplot()
    local = (
        table.index.tz_localize(None) if isinstance(table.index, pd.DatetimeIndex) else table.index
    )
    stamps = local.to_numpy()
    colours = {**colours_of([name for name in errors if name != alias]), alias: MODEL}
    widths = {alias: 2.4, best: 1.6}
    for name, error in errors.items():
        line = axes.plot(
            stamps, error, color=colours[name], linewidth=widths.get(name, 0.9), label=name
        )[0]
        line.set(
            marker="o" if len(stamps) <= 14 else "",
            markersize=4,
            zorder=2 + (name == best) + 2 * (name == alias),
        )
    axes.set_ylim(0.0, highest_error(errors, (alias, best)))
    words = f"mean absolute error{f' [{unit}]' if unit else ''}"
    dress(
        axes,
        x="cutoff" if most == 1 else f"cutoff; each point is the mean of up to {most} neighbours",
        y=words,
    )
    set_dates(axes, stamps)
    axes.margins(x=0.012)
    ends = [(name, float(error[-1]), colours[name]) for name, error in errors.items() if len(error)]
    label_ends(axes, axes.get_xlim()[1], [end for end in ends if np.isfinite(end[1])], bold=alias)
    return figure


def _finding(
    errors: Mapping[str, NDArray[np.float64]], alias: str, best: str | None, most: int
) -> str:
    if best is None:
        return f"{alias}: error by cutoff"
    ahead, total = int(np.sum(errors[alias] < errors[best])), len(errors[alias])
    places = counted(total, "cutoff") if most == 1 else f"{total} stretches of up to {most} cutoffs"
    return f"{alias} is ahead of the best baseline ({best}) at {ahead} of {places}"
