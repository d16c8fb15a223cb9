"""Errors by cutoff."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.report.plots.step_errors import highest_error
from forecast.report.plots.style import (
    MODEL,
    colours_of,
    dress,
    in_unit,
    label_ends,
    marker_of,
    new_figure,
    set_dates,
    subject_of,
    write_finding,
)
from forecast.scores.breakdown import error_by_cutoff
from forecast.scores.evaluation import BacktestResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MAX_CUTOFFS = 80
"""Points of a line at most; six lines with more cannot be read."""


def plot_error_by_cutoff(result: BacktestResult, *, unit: str = "", subject: str = "") -> Figure:
    """Draw the mean absolute error of model and baselines by cutoff.

    Of many cutoffs, neighbours are averaged.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.
    """
    alias = result.alias
    best = result.scores().best_baseline
    table = error_by_cutoff(result, MAX_CUTOFFS)
    errors = {name: table[name].to_numpy(np.float64) for name in result.forecasts}
    merged = 1  # cutoffs in one point
    if len(table):
        merged = math.ceil(len(np.unique(result.cutoffs)) / len(table))
    figure = new_figure((10.0, 4.4))
    write_finding(figure, _finding(errors, alias, best, merged), subject_of(result, subject))
    axes = figure.add_subplot()

    stamps = _local_stamps(table.index)
    colours = colours_of([name for name in errors if name != alias])
    colours[alias] = MODEL
    widths = {alias: 2.4, best: 1.6}
    for name, error in errors.items():
        line = axes.plot(stamps, error, color=colours[name], label=name)[0]
        line.set(linewidth=widths.get(name, 0.9), marker=marker_of(len(stamps)), markersize=4)
        line.set_zorder(2 + (name == best) + 2 * (name == alias))
    axes.set_ylim(0.0, highest_error(errors, (alias, best)))

    words = "cutoff"
    if merged > 1:
        words = f"cutoff; each point is the mean of up to {merged} neighbours"
    dress(axes, x=words, y=in_unit("mean absolute error", unit))
    set_dates(axes, stamps)
    axes.margins(x=0.012)
    if len(table):
        ends = [(name, float(error[-1]), colours[name]) for name, error in errors.items()]
        ends = [end for end in ends if np.isfinite(end[1])]
        label_ends(axes, axes.get_xlim()[1], ends, bold=alias)
    return figure


def _local_stamps(index: pd.Index) -> NDArray[Any]:
    """Return cutoffs in local time, without their time zone."""
    if isinstance(index, pd.DatetimeIndex):
        index = index.tz_localize(None)
    return index.to_numpy()


def _finding(errors: Mapping[str, FloatArray], alias: str, best: str | None, merged: int) -> str:
    if best is None:
        return "error by cutoff"
    ahead = int(np.sum(errors[alias] < errors[best]))
    total = len(errors[alias])
    points = f"cutoff{'s' * (total > 1)}"
    if merged > 1:
        points = f"stretches of up to {merged} cutoffs"
    return f"the model is ahead of the best baseline ({best}) at {ahead} of {total} {points}"
