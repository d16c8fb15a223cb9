"""How training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.plots.style import (
    ACCENT,
    INK,
    MODEL,
    MUTED,
    dress,
    label_ends,
    new_figure,
    set_ticks_in_steps,
    write_finding,
)
from forecast.results import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_RANGE = 10.0
"""Ratio of the largest to the smallest loss from which on the axis is logarithmic."""


def plot_loss(history: History) -> Figure:
    """Draw training and validation loss per epoch, and mark the epoch whose weights were kept.

    Args:
        history: losses per epoch, as in `Fitted.history`.
    """
    lines = {"training": (np.array(history.loss), MODEL), "validation": (np.array(history.val_loss), ACCENT)}
    lines = {name: line for name, line in lines.items() if len(line[0])}
    figure = new_figure((8.0, 4.2))
    write_finding(figure, _finding(history))
    axes = figure.add_subplot()
    epochs = np.arange(1, len(history.loss) + 1)
    for name, (losses, colour) in lines.items():
        marker = "o" if len(epochs) <= 40 else ""
        axes.plot(epochs[: len(losses)], losses, color=colour, linewidth=1.8, marker=marker, markersize=3, label=name)
    _choose_scale(axes, np.concatenate([losses for losses, _ in lines.values()]))
    dress(axes, x="epoch", y="loss on the transformed scale")
    set_ticks_in_steps(axes, len(epochs))
    axes.set_xlim(0.5, len(epochs) + 0.5)
    _mark_best(axes, history)
    if len(epochs):
        label_ends(axes, len(epochs), [(name, float(losses[-1]), colour) for name, (losses, colour) in lines.items()])
    return figure


def _finding(history: History) -> str:
    epochs, best = len(history.loss), history.best_epoch
    if not history.val_loss or not best:
        return f"Training loss over {epochs} epoch{'' if epochs == 1 else 's'}"
    if best < epochs:
        return f"Validation loss was lowest in epoch {best} of {epochs}: those weights are kept"
    return f"Validation loss was lowest in the last epoch, {best}: more epochs may help"


def _choose_scale(axes: Axes, losses: NDArray[np.float64]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    finite = losses[np.isfinite(losses)]
    if len(finite) and finite.min() > 0 and finite.max() > LOG_RANGE * finite.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _mark_best(axes: Axes, history: History) -> None:
    losses = history.val_loss or history.loss
    if not 1 <= history.best_epoch <= len(losses):
        return
    best = losses[history.best_epoch - 1]
    axes.axvline(history.best_epoch, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
    axes.plot(
        [history.best_epoch], [best], "o", markersize=7, markerfacecolor="white", markeredgecolor=INK, label="best"
    )
    axes.annotate(
        f"best: {best:.4g}",
        (history.best_epoch, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if history.best_epoch > len(losses) / 2 else 5, -2),
        textcoords="offset points",
        ha="right" if history.best_epoch > len(losses) / 2 else "left",
        va="top",
        fontsize=8.5,
        color=INK,
    )
