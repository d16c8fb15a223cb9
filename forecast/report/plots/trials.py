"""What a search went through: score over trials, which values did well, which settings matter, what a score costs.

The table is that of `trials.csv`: a row per trial, with the columns `trial`, `status`, the
objective, `seconds` and `parameters`, and a column per setting that was searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.report.plots.style import ACCENT, INK, MODEL, MUTED, dress, new_figure, write_finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FAR_OFF = 3.0
"""Scores further above the median than this many times the median is above the best leave the
picture."""


MOST_NAMED = 12
"""Values of one setting that are named on its axis."""


def plot_progress(table: pd.DataFrame, objective: str) -> Figure:
    """Draw the objective of every trial and the best so far.

    Args:
        table: of the trials.
        objective: the column that was brought down.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure((8.0, 4.2))
    axes = figure.add_subplot()
    scores = table[objective].to_numpy(np.float64)
    completed = (table["status"] == "completed").to_numpy()
    number = table["trial"].to_numpy()
    best = np.fmin.accumulate(np.where(completed, scores, np.nan)) if len(scores) else scores
    marks = {"completed": ("o", MODEL, MODEL), "pruned": ("o", MUTED, "none")}
    for status, (marker, edge, fill) in marks.items():
        chosen = (table["status"] == status).to_numpy()
        if chosen.any():
            axes.plot(
                number[chosen],
                scores[chosen],
                marker,
                color=edge,
                markersize=4,
                markerfacecolor=fill,
                label=status,
            )
    axes.step(number, best, where="post", color=ACCENT, linewidth=1.6, label="best so far")
    _limit(axes, scores)
    failed = number[(table["status"] == "failed").to_numpy()]
    if len(failed):
        bottom = axes.get_xaxis_transform()
        axes.plot(
            failed,
            np.zeros(len(failed)),
            "x",
            color=INK,
            transform=bottom,
            clip_on=False,
            label="failed",
        )
    dress(axes, x="trial", y=objective)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")
    write_finding(figure, _progress_finding(number, best, objective))
    return figure


def plot_parallel(table: pd.DataFrame, objective: str, paths: Sequence[str]) -> Figure:
    """Draw every trial as a line through its values, dark where its score is low; an axis for each setting.

    Args:
        table: of the trials.
        objective: the column that was brought down.
        paths: columns of the settings.
    """
    figure = new_figure((max(6.0, 1.7 * (len(paths) + 1)), 4.6))
    axes = figure.add_subplot()
    scored = table[table[objective].notna()].sort_values(objective, ascending=False, kind="stable")
    columns = [*paths, objective]
    places = np.stack([_heights(scored[name]) for name in columns], axis=1)
    ranks = np.linspace(1.0, 0.0, len(scored)) if len(scored) > 1 else np.zeros(len(scored))
    for row, rank in zip(places, ranks, strict=True):
        colour = ACCENT if rank == 0.0 else MODEL
        axes.plot(
            range(len(columns)),
            row,
            color=colour,
            alpha=0.9 - 0.75 * rank,
            linewidth=2.4 - 1.6 * rank,
        )
    axes.set_xticks(range(len(columns)), [name.split(".")[-1] for name in columns])
    dress(axes)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    for place, name in enumerate(columns):
        axes.axvline(place, color="#bdbdbd", linewidth=0.8, zorder=0)
        for height, text in _marks(scored[name]):
            axes.annotate(
                text,
                (place, height),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=7.5,
                color=MUTED,
                va="center",
            )
    write_finding(figure, f"The best of {len(scored)} trials, and what the others tried")
    return figure


def plot_importance(importance: Mapping[str, float], objective: str) -> Figure:
    """Draw how much of the order of the scores each setting explains by itself.

    Args:
        importance: share of the variance of the ranks, by setting.
        objective: the score.
    """
    ordered = sorted(importance.items(), key=lambda one: one[1])
    figure = new_figure((7.0, 1.4 + 0.36 * len(ordered)))
    axes = figure.add_subplot()
    axes.barh(
        [name for name, _ in ordered],
        [100 * share for _, share in ordered],
        color=MODEL,
        height=0.6,
    )
    dress(axes, x=f"% of the variance of the ranks by {objective}")
    axes.set_xlim(0, max(10.0, 105 * max([share for _, share in ordered], default=0.0)))
    first = ordered[-1] if ordered else ("", 0.0)
    words = (
        f"{first[0]} matters most" if first[1] > 0 else "No setting explains more than chance would"
    )
    write_finding(figure, f"{words}, each setting by itself")
    return figure


def plot_cost(table: pd.DataFrame, objective: str) -> Figure:
    """Draw the objective against the number of parameters and against the time a trial took.

    Args:
        table: of the trials.
        objective: the column that was brought down.
    """
    figure = new_figure((9.0, 4.0))
    scored: Any = table[table[objective].notna()]
    panels = figure.subplots(1, 2, sharey=True)
    best = scored.loc[scored[objective].idxmin()] if len(scored) else None
    for axes, column in zip(panels, ("parameters", "seconds"), strict=True):
        numbers = scored[column].to_numpy(np.float64)
        axes.plot(numbers, scored[objective], "o", color=MODEL, markersize=4)
        if best is not None:
            axes.plot([best[column]], [best[objective]], "o", color=ACCENT, markersize=6)
        if len(numbers) and numbers.min() > 0:
            axes.set_xscale("log")
        dress(axes, x=column, y=objective if column == "parameters" else "")
    _limit(panels[0], scored[objective].to_numpy(np.float64))
    found = (
        ""
        if best is None
        else f": the best has {best['parameters']:,.0f} parameters and took {best['seconds']:.0f} s"
    )
    write_finding(figure, f"What a score costs{found}")
    return figure


def _heights(column: pd.Series) -> NDArray[np.float64]:
    """Where values stand on an axis from 0 to 1: numbers to scale, by orders of magnitude where they span one."""
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2:
        names = sorted(column.astype(str).unique())
        return column.astype(str).map(names.index).to_numpy(np.float64) / max(len(names) - 1, 1)
    numbers = column.to_numpy(np.float64)
    numbers = (
        np.log(numbers)
        if np.nanmin(numbers) > 0 and np.nanmax(numbers) > 10 * np.nanmin(numbers)
        else numbers
    )
    return np.nan_to_num(
        (numbers - np.nanmin(numbers)) / (np.nanmax(numbers) - np.nanmin(numbers)), nan=-0.05
    )


def _marks(column: pd.Series) -> list[tuple[float, str]]:
    """Heights and names on an axis: of every value where there are few, else of the ends."""
    frame = pd.DataFrame({"height": _heights(column), "value": column.to_numpy()}).drop_duplicates()
    frame = frame[frame["height"] >= 0].sort_values("height")
    shown = frame if len(frame) <= MOST_NAMED else frame.iloc[[0, -1]]
    return [
        (float(height), _short(value))
        for height, value in zip(shown["height"], shown["value"], strict=True)
    ]


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 14 else f"{text[:13]}…"


def _limit(axes: Axes, scores: NDArray[np.float64]) -> None:
    """Leave scores that are far off out of the picture, which they would press flat."""
    finite = scores[np.isfinite(scores)]
    if len(finite) > 2:
        low, middle = float(finite.min()), float(np.median(finite))
        top = min(float(finite.max()), middle + FAR_OFF * (middle - low))
        margin = 0.06 * (top - low) or 0.01
        axes.set_ylim(low - margin, top + margin)


def _progress_finding(number: NDArray[np.int64], best: NDArray[np.float64], objective: str) -> str:
    if not len(best) or not np.isfinite(best[-1]):
        return f"No trial of {len(best)} has a score"
    found = int(number[np.flatnonzero(best == best[-1])[0]])
    return f"{objective} came down to {best[-1]:.4g} in trial {found} of {len(best)}"
