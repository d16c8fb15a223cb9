"""Losses by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray
from forecast.report.plots.style import (
    ACCENT,
    DOTTED,
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


MAX_MARKED_EPOCHS = 40
"""Epochs up to which each gets a dot, so that a single one is visible."""

Y_TITLE = "loss on the transformed scale"

LOG_RANGE = 10.0
"""Ratio of the largest to the smallest loss above which the axis is logarithmic."""


CROSS_ENTROPY = "cross-entropy in nats"
"""Title of the axis for classes, categories and symbols."""


def plot_loss(
    history: History | Mapping[str, History], *, subject: str = "", y_title: str = Y_TITLE
) -> Figure:
    """Draw training and validation loss per epoch, and mark the epoch whose weights were kept.

    Args:
        history: losses per epoch of one network, or of several by name, as in
            `TrainingRecord.histories`.
        subject: of the title, such as `sales, sales.csv`; optional.
        y_title: name of the losses.
    """
    if isinstance(history, History):
        return _one_network(history, subject, y_title)
    if len(history) == 1:
        return _one_network(next(iter(history.values())), subject, y_title)
    return _several_networks(history, subject, y_title)


def _one_network(history: History, subject: str, y_title: str) -> Figure:
    num_epochs = len(history.loss)
    lines = {"training": (np.array(history.loss), MODEL)}
    if history.val_loss:
        lines["validation"] = (np.array(history.val_loss), ACCENT)
    figure = new_figure((8.0, 4.2))
    write_finding(figure, _finding(history), subject)
    axes = figure.add_subplot()
    for name, (losses, colour) in lines.items():
        epochs = np.arange(1, len(losses) + 1)
        line = axes.plot(epochs, losses, color=colour, linewidth=1.8, label=name)[0]
        if num_epochs <= MAX_MARKED_EPOCHS:
            line.set(marker="o", markersize=3)
    _choose_scale(axes, [losses for losses, _ in lines.values()])
    dress(axes, x="epoch", y=y_title)
    set_ticks_in_steps(axes, num_epochs)
    axes.set_xlim(0.5, num_epochs + 0.5)
    _mark_best(axes, history)
    if num_epochs:
        ends = [(name, float(losses[-1]), colour) for name, (losses, colour) in lines.items()]
        label_ends(axes, num_epochs, ends)
    return figure


def _several_networks(histories: Mapping[str, History], subject: str, y_title: str) -> Figure:
    """Return one panel for each kind of loss, a line for each network."""
    losses = {"training": {name: np.array(history.loss) for name, history in histories.items()}}
    if all(history.val_loss for history in histories.values()):
        losses["validation"] = {
            name: np.array(history.val_loss) for name, history in histories.items()
        }
    figure = new_figure((5.0 + 3.0 * len(losses), 4.4))
    write_finding(figure, _finding_of_several(histories), subject)
    panels = figure.subplots(1, len(losses), sharey=True, squeeze=False)[0]
    num_epochs = max(len(history.loss) for history in histories.values())
    looks = line_looks(histories)
    for axes, (kind, lines) in zip(panels, losses.items(), strict=True):
        for name, line in lines.items():
            axes.plot(np.arange(1, len(line) + 1), line, label=name, linewidth=1.5, **looks[name])
        axes.set_title(f"{kind} loss", **PANEL_TITLE)
        dress(axes, x="epoch")
        set_ticks_in_steps(axes, num_epochs)
        axes.set_xlim(0.5, num_epochs + 0.5)
    dress(panels[0], x="epoch", y=y_title)
    _choose_scale(panels[-1], [line for lines in losses.values() for line in lines.values()])
    _mark_kept(panels[-1], histories)
    return figure


def _mark_kept(axes: Axes, histories: Mapping[str, History]) -> None:
    """Ring the loss of the epoch that each network kept, and write the epoch behind its name."""
    looks = line_looks(histories)
    ends = []
    for name, history in histories.items():
        losses = history.val_loss or history.loss
        if not losses:
            continue
        colour = looks[name]["color"]
        words = name
        best = history.best_epoch
        if 1 <= best <= len(losses):
            words = f"{name}: epoch {best}"
            ring = axes.plot([best], [losses[best - 1]], "o", label=f"kept of {name}")[0]
            ring.set(markersize=7, markerfacecolor="white", markeredgecolor=colour)
            ring.set(markeredgewidth=1.5, zorder=4)
        ends.append((words, float(losses[-1]), colour))
    if ends:
        heaviest = ends[0][0]  # the network with the largest weight is the first
        label_ends(axes, axes.get_xlim()[1] - 0.5, ends, bold=heaviest)


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"


def _finding_of_several(histories: Mapping[str, History]) -> str:
    num_epochs = max(len(history.loss) for history in histories.values())
    networks = f"{len(histories)} networks"
    if not all(history.val_loss and history.best_epoch for history in histories.values()):
        return f"training loss of {networks} over {_epochs(num_epochs)}"
    best = sorted({history.best_epoch for history in histories.values()})
    lowest = f"epoch {best[0]}"
    if len(best) > 1:
        lowest = f"epochs {best[0]} to {best[-1]}"
    num_at_end = sum(history.best_epoch == len(history.loss) for history in histories.values())
    words = "those weights are kept"
    if 2 * num_at_end > len(histories):
        words = "more epochs may help"
    return f"validation loss of {networks} was lowest in {lowest} of {num_epochs}: {words}"


def _finding(history: History) -> str:
    num_epochs = len(history.loss)
    best = history.best_epoch
    if not history.val_loss or not best:
        return f"training loss over {_epochs(num_epochs)}"
    if best < num_epochs:
        return f"validation loss was lowest in epoch {best} of {num_epochs}: those weights are kept"
    return f"validation loss was lowest in the last epoch, {best}: more epochs may help"


def _choose_scale(axes: Axes, losses: Sequence[FloatArray]) -> None:
    """Make the axis of the losses logarithmic where they span a wide range."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    joined = np.concatenate(losses)
    finite = joined[np.isfinite(joined)]
    if not len(finite) or finite.min() <= 0 or finite.max() <= LOG_RANGE * finite.min():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark_best(axes: Axes, history: History) -> None:
    """Ring the loss of the epoch whose weights were kept."""
    losses = history.val_loss or history.loss
    epoch = history.best_epoch
    if not 1 <= epoch <= len(losses):
        return
    best = losses[epoch - 1]
    axes.axvline(epoch, color=MUTED, linewidth=0.9, linestyle=DOTTED, zorder=1)
    ring = axes.plot([epoch], [best], "o", label="best")[0]
    ring.set(markersize=7, markerfacecolor="white", markeredgecolor=INK)
    side = "left"
    offset = 5
    if epoch > len(losses) / 2:
        side = "right"
        offset = -5
    axes.annotate(
        f"best: {best:.4g}",
        (epoch, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(offset, -2),
        textcoords="offset points",
        ha=side,
        va="top",
        fontsize=8.5,
        color=INK,
    )
