"""Results of a search: scores, values of the settings, their importance, and costs.

The table is that of `trials.csv`: a row per trial, with the columns `trial`, `status`, the
objective, `seconds` and `parameters`, and a column per setting that was searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray
from forecast.report.plots.style import (
    ACCENT,
    INK,
    LIGHT,
    MODEL,
    MUTED,
    dress,
    new_figure,
    write_finding,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FAR_OFF = 3.0
"""Scores are cut this many times the distance from the best to the median above the median."""

MOST_NAMED = 12
"""Values of one setting up to which all are named on its axis."""

MAX_LETTERS = 14
"""Letters of a name on an axis."""


def plot_progress(table: pd.DataFrame, objective: str) -> Figure:
    """Draw the objective of every trial and the best so far.

    Args:
        table: of the trials.
        objective: the column that was minimised.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure((8.0, 4.2))
    axes = figure.add_subplot()
    scores = table[objective].to_numpy(np.float64)
    numbers = table["trial"].to_numpy()
    has_status = {
        status: (table["status"] == status).to_numpy() for status in ("completed", "pruned")
    }
    best = scores
    if len(scores):
        best = np.fmin.accumulate(np.where(has_status["completed"], scores, np.nan))
    looks = {
        "completed": {"color": MODEL, "markerfacecolor": MODEL},
        "pruned": {"color": MUTED, "markerfacecolor": "none"},
    }
    for status, look in looks.items():
        chosen = has_status[status]
        if chosen.any():
            dots = axes.plot(numbers[chosen], scores[chosen], "o", label=status)[0]
            dots.set(markersize=4, **look)
    axes.step(numbers, best, where="post", color=ACCENT, linewidth=1.6, label="best so far")
    _limit(axes, scores)
    failed = numbers[(table["status"] == "failed").to_numpy()]
    if len(failed):
        crosses = axes.plot(failed, np.zeros(len(failed)), "x", color=INK, label="failed")[0]
        crosses.set(transform=axes.get_xaxis_transform(), clip_on=False)  # at the bottom
    dress(axes, x="trial", y=objective)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")
    write_finding(figure, _progress_finding(numbers, best, objective))
    return figure


def plot_parallel(table: pd.DataFrame, objective: str, paths: Sequence[str]) -> Figure:
    """Draw every trial as a line through its values, dark where its score is low.

    There is an axis for each setting.

    Args:
        table: of the trials.
        objective: the column that was minimised.
        paths: columns of the settings.
    """
    figure = new_figure((max(6.0, 1.7 * (len(paths) + 1)), 4.6))
    axes = figure.add_subplot()
    scored = table[table[objective].notna()].sort_values(objective, ascending=False, kind="stable")
    columns = [*paths, objective]
    heights = np.stack([_heights(scored[name]) for name in columns], axis=1)
    ranks = np.zeros(len(scored))  # 1 is the worst trial, 0 the best
    if len(scored) > 1:
        ranks = np.linspace(1.0, 0.0, len(scored))
    for row, rank in zip(heights, ranks, strict=True):
        line = axes.plot(range(len(columns)), row, color=MODEL)[0]
        line.set(alpha=0.9 - 0.75 * rank, linewidth=2.4 - 1.6 * rank)
        if rank == 0.0:
            line.set_color(ACCENT)
    axes.set_xticks(range(len(columns)), [name.split(".")[-1] for name in columns])
    dress(axes)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    for position, name in enumerate(columns):
        axes.axvline(position, color=LIGHT, linewidth=0.8, zorder=0)
        for height, text in _marks(scored[name]):
            axes.annotate(
                text,
                (position, height),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=7.5,
                color=MUTED,
                va="center",
            )
    write_finding(figure, f"Settings of {len(scored)} trials, the best in orange")
    return figure


def plot_importance(importance: Mapping[str, float], objective: str) -> Figure:
    """Draw the share of the variance of the ranks that each setting explains by itself.

    Args:
        importance: share of the variance of the ranks, by setting.
        objective: the score.
    """
    paths = sorted(importance, key=lambda path: importance[path])
    shares = [100 * importance[path] for path in paths]
    figure = new_figure((7.0, 1.4 + 0.36 * len(paths)))
    axes = figure.add_subplot()
    axes.barh(paths, shares, color=MODEL, height=0.6)
    dress(axes, x=f"% of the variance of the ranks by {objective}")
    axes.set_xlim(0, max(10.0, 1.05 * max(shares, default=0.0)))
    finding = "No setting explains more than chance"
    if max(shares, default=0.0) > 0:
        finding = f"{paths[-1]} matters most"
    write_finding(figure, f"{finding}, each setting by itself")
    return figure


def plot_cost(table: pd.DataFrame, objective: str) -> Figure:
    """Draw the objective against the number of parameters and against the time a trial took.

    Args:
        table: of the trials.
        objective: the column that was minimised.
    """
    figure = new_figure((9.0, 4.0))
    scored: Any = table[table[objective].notna()]
    panels = figure.subplots(1, 2, sharey=True)
    best = scored.nsmallest(1, objective)
    for axes, column in zip(panels, ("parameters", "seconds"), strict=True):
        numbers = scored[column].to_numpy(np.float64)
        axes.plot(numbers, scored[objective], "o", color=MODEL, markersize=4)
        axes.plot(best[column], best[objective], "o", color=ACCENT, markersize=6)
        if len(numbers) and numbers.min() > 0:
            axes.set_xscale("log")
        dress(axes, x=column)
    panels[0].set_ylabel(objective)
    _limit(panels[0], scored[objective].to_numpy(np.float64))
    finding = "Score by size and training time"
    if len(best):
        row = best.iloc[0]
        finding += f": the best has {row['parameters']:,.0f} parameters"
        finding += f" and took {row['seconds']:.0f} s"
    write_finding(figure, finding)
    return figure


def _heights(column: pd.Series) -> FloatArray:
    """Return where values stand on an axis from 0 to 1.

    Numbers stand to scale, on a logarithmic one where they span an order of magnitude; words stand
    evenly spaced. A missing value stands below the axis.
    """
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2:
        names = sorted(column.astype(str).unique())
        return column.astype(str).map(names.index).to_numpy(np.float64) / max(len(names) - 1, 1)
    numbers = column.to_numpy(np.float64)
    if np.nanmin(numbers) > 0 and np.nanmax(numbers) > 10 * np.nanmin(numbers):
        numbers = np.log(numbers)
    low = np.nanmin(numbers)
    high = np.nanmax(numbers)
    return np.nan_to_num((numbers - low) / (high - low), nan=-0.05)


def _marks(column: pd.Series) -> list[tuple[float, str]]:
    """Return heights and names on an axis: of every value where there are few, else of the ends."""
    frame = pd.DataFrame({"height": _heights(column), "value": column.to_numpy()}).drop_duplicates()
    frame = frame[frame["height"] >= 0].sort_values("height")
    if len(frame) > MOST_NAMED:
        frame = frame.iloc[[0, -1]]
    rows = zip(frame["height"], frame["value"], strict=True)
    return [(float(height), _short(value)) for height, value in rows]


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if len(text) <= MAX_LETTERS:
        return text
    return f"{text[: MAX_LETTERS - 1]}…"


def _limit(axes: Axes, scores: FloatArray) -> None:
    """Leave scores that are far off out of the figure, which they would press flat."""
    finite = scores[np.isfinite(scores)]
    if len(finite) < 3:
        return
    low = float(finite.min())
    middle = float(np.median(finite))
    top = min(float(finite.max()), middle + FAR_OFF * (middle - low))
    margin = 0.06 * (top - low) or 0.01
    axes.set_ylim(low - margin, top + margin)


def _progress_finding(numbers: IntArray, best: FloatArray, objective: str) -> str:
    if not len(best) or not np.isfinite(best[-1]):
        return f"No trial of {len(best)} has a score"
    first = np.flatnonzero(best == best[-1])[0]
    total = len(best)
    return f"{objective} fell to {best[-1]:.4g} in trial {int(numbers[first])} of {total}"
