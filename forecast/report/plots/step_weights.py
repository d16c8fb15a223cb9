"""Weights of an attention, drawn over the steps of sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray
from forecast.report.plots.style import (
    ACCENT,
    INK,
    MODEL,
    PANEL_TITLE,
    dress,
    new_figure,
    write_finding,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUM_COLUMNS = 3

MOST_WORDS = 30
"""Words up to which each is written below its weight."""

MOST_CHANNELS = 4
"""Channels that are drawn over the weights: those that vary most."""

FULL_NAME = 24
"""Characters of a name in a title."""


@dataclass(frozen=True, eq=False)
class WeighedSequence:
    """A sequence with the weight of each step.

    Attributes:
        name: its id.
        label: the true one.
        predicted: the one it was given.
        weights: (L,) of the steps.
        values: (L, C) scaled channels of numbers, 0 where missing; C may be 0.
        words: L of a text; None for numbers.
    """

    name: str
    label: str
    predicted: str
    weights: FloatArray
    values: FloatArray
    words: tuple[str, ...] | None = None


def plot_step_weights(sequences: Sequence[WeighedSequence], *, subject: str = "") -> Figure:
    """Draw where a classifier looks: a panel per sequence, a bar per step.

    Args:
        sequences: at least one.
        subject: of the title, such as `state, machines.csv`; optional.

    Example:
        >>> import numpy as np
        >>> from forecast.report.plots.step_weights import WeighedSequence, plot_step_weights
        >>> weights = np.array([0.1, 0.7, 0.2])
        >>> shown = WeighedSequence("a", "no", "yes", weights, np.zeros((3, 0)))
        >>> plot_step_weights([shown]).get_suptitle()
        'The heaviest tenth of the steps has 70 % of the weight'
    """
    num_columns = min(NUM_COLUMNS, len(sequences))
    num_rows = math.ceil(len(sequences) / num_columns)
    figure = new_figure((2.4 + 3.0 * num_columns, 1.4 + 2.5 * num_rows))
    write_finding(figure, _finding(sequences), subject)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).reshape(-1)
    for axes, sequence in zip(panels, sequences, strict=False):
        _draw(axes, sequence)
    for axes in panels[len(sequences) :]:
        axes.remove()
    return figure


def _finding(sequences: Sequence[WeighedSequence]) -> str:
    """Return how much weight the heaviest steps have, the mean over the sequences."""
    shares = [
        np.sort(sequence.weights)[-math.ceil(len(sequence.weights) / 10) :].sum()
        for sequence in sequences
    ]
    return f"the heaviest tenth of the steps has {100 * np.mean(shares):.0f} % of the weight"


def _draw(axes: Axes, sequence: WeighedSequence) -> None:
    """Draw one sequence."""
    is_right = sequence.label == sequence.predicted
    colour = MODEL if is_right else ACCENT
    steps = np.arange(len(sequence.weights))
    axes.bar(steps, sequence.weights, width=1.0, color=colour, alpha=0.45, linewidth=0)
    verdict = f"{_short(sequence.label)}: right"
    if not is_right:
        verdict = f"{_short(sequence.label)}, taken for {_short(sequence.predicted)}"
    axes.set_title(f"{_short(sequence.name)}\n{verdict}", **PANEL_TITLE)
    dress(axes, x="step", y="weight")
    axes.set_axisbelow(True)
    axes.set_xlim(-0.6, len(steps) - 0.4)
    axes.set_ylim(0.0, 1.08 * float(sequence.weights.max()))
    if sequence.words is not None and len(steps) <= MOST_WORDS:
        size = 8 if len(steps) <= MOST_WORDS // 2 else 6.5
        words = [_short(word) for word in sequence.words]
        axes.set_xticks(steps, words, rotation=90, fontsize=size, parse_math=False)
        axes.set_xlabel("")
    if sequence.values.shape[1]:
        spread = sequence.values.std(axis=0)
        shown = np.sort(np.argsort(-spread, kind="stable")[:MOST_CHANNELS])
        over = axes.twinx()
        over.plot(steps, sequence.values[:, shown], color=INK, linewidth=0.9, alpha=0.7)
        over.set_axis_off()


def _short(name: str) -> str:
    """Return a name, cut where it is long, and a sign for the empty one."""
    if not name:
        return "none"
    return name if len(name) <= FULL_NAME else f"{name[: FULL_NAME - 3]}..."
