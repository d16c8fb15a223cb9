"""How training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.report.plots.style import (
    ACCENT,
    INK,
    MODEL,
    MUTED,
    PANEL_TITLE,
    dress,
    label_ends,
    line_looks,
    new_figure,
    set_ticks_in_steps,
    write_finding,
)
from forecast.scores.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LOG_RANGE = 10.0
"""Ratio of the largest to the smallest loss from which on the axis is logarithmic."""


def plot_loss(history: History | Mapping[str, History]) -> Figure:
    """Draw training and validation loss per epoch, and mark the epoch whose weights were kept.

    Args:
        history: losses per epoch of one network, or of several by name, as in `TrainingRecord.histories`.
    """
    histories = {"": history} if isinstance(history, History) else history
    return (
        _one_network(*histories.values()) if len(histories) == 1 else _several_networks(histories)
    )


def _one_network(history: History) -> Figure:
    lines = {
        "training": (np.array(history.loss), MODEL),
        "validation": (np.array(history.val_loss), ACCENT),
    }
    lines = {name: line for name, line in lines.items() if len(line[0])}
    figure = new_figure((8.0, 4.2))
    write_finding(figure, _finding(history))
    axes = figure.add_subplot()
    epochs = np.arange(1, len(history.loss) + 1)
    for name, (losses, colour) in lines.items():
        marker = "o" if len(epochs) <= 40 else ""
        axes.plot(
            epochs[: len(losses)],
            losses,
            color=colour,
            linewidth=1.8,
            marker=marker,
            markersize=3,
            label=name,
        )
    _choose_scale(axes, np.concatenate([losses for losses, _ in lines.values()]))
    dress(axes, x="epoch", y="loss on the transformed scale")
    set_ticks_in_steps(axes, len(epochs))
    axes.set_xlim(0.5, len(epochs) + 0.5)
    _mark_best(axes, history)
    if len(epochs):
        label_ends(
            axes,
            len(epochs),
            [(name, float(losses[-1]), colour) for name, (losses, colour) in lines.items()],
        )
    return figure


def _several_networks(histories: Mapping[str, History]) -> Figure:
    """One panel for each kind of loss, a line for each network, that of the heaviest named in bold."""
    losses = {"training": {name: np.array(one.loss) for name, one in histories.items()}}
    if all(one.val_loss for one in histories.values()):
        losses["validation"] = {name: np.array(one.val_loss) for name, one in histories.items()}
    figure = new_figure((5.0 + 3.0 * len(losses), 4.4))
    write_finding(figure, _finding_of_several(histories))
    panels = figure.subplots(1, len(losses), sharey=True, squeeze=False)[0]
    epochs = max(len(one.loss) for one in histories.values())
    looks = line_looks(histories)
    for axes, (kind, lines) in zip(panels, losses.items(), strict=True):
        for name, line in lines.items():
            axes.plot(np.arange(1, len(line) + 1), line, label=name, linewidth=1.5, **looks[name])
        axes.set_title(f"{kind} loss", **PANEL_TITLE)
        dress(axes, x="epoch", y="loss on the transformed scale" if kind == "training" else "")
        set_ticks_in_steps(axes, epochs)
        axes.set_xlim(0.5, epochs + 0.5)
    _choose_scale(
        panels[-1], np.concatenate([line for lines in losses.values() for line in lines.values()])
    )
    _mark_kept(panels[-1], histories)
    return figure


def _mark_kept(axes: Axes, histories: Mapping[str, History]) -> None:
    """A ring around the loss of the epoch that each network kept, and its number behind the name."""
    looks, ends = line_looks(histories), []
    for name, one in histories.items():
        losses, colour, words = one.val_loss or one.loss, looks[name]["color"], name
        if 1 <= one.best_epoch <= len(losses):
            words = f"{name}: epoch {one.best_epoch}"
            ring = axes.plot(
                [one.best_epoch], [losses[one.best_epoch - 1]], "o", label=f"kept of {name}"
            )[0]
            ring.set(
                markersize=7,
                markerfacecolor="white",
                markeredgecolor=colour,
                markeredgewidth=1.5,
                zorder=4,
            )
        ends += [(words, float(losses[-1]), colour)] if losses else []
    label_ends(axes, axes.get_xlim()[1] - 0.5, ends, bold=ends[0][0] if ends else "")


def _finding_of_several(histories: Mapping[str, History]) -> str:
    epochs = max(len(one.loss) for one in histories.values())
    if not all(one.val_loss and one.best_epoch for one in histories.values()):
        return f"Training loss of {len(histories)} networks over {epochs} epoch{'' if epochs == 1 else 's'}"
    best = sorted({one.best_epoch for one in histories.values()})
    kept = f"epoch {best[0]}" if len(best) == 1 else f"epochs {best[0]} to {best[-1]}"
    last = sum(one.best_epoch == len(one.loss) for one in histories.values())
    words = "more epochs may help" if 2 * last > len(histories) else "those weights are kept"
    return f"Validation loss of {len(histories)} networks was lowest in {kept} of {epochs}: {words}"


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
        [history.best_epoch],
        [best],
        "o",
        markersize=7,
        markerfacecolor="white",
        markeredgecolor=INK,
        label="best",
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
