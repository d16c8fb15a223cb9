"""Figures of a classifier: confusion matrix and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.report.plots.style import ACCENT, INK, MODEL, MUTED, dress, new_figure, write_finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 30
"""Classes up to which each has its name at the axes, and each cell its number."""

NUM_BINS = 10
"""Bins of the reliability diagram, each a tenth of (0, 1]."""


def plot_confusion(counts: IntArray, classes: Sequence[str], *, subject: str = "") -> Figure:
    """Draw how often each class was taken for which.

    Args:
        counts: (K, K), a row per true class, a column per predicted one.
        classes: their K names.
        subject: of the title, such as `state, machines.csv`; optional.

    Example:
        >>> import numpy as np
        >>> from forecast.report.plots.classes import plot_confusion
        >>> plot_confusion(np.array([[8, 2], [1, 9]]), ["no", "yes"]).get_suptitle()
        '17 of 20 sequences are right; most often no is taken for yes'
    """
    num_classes = len(classes)
    size = min(11.0, 2.8 + 0.5 * num_classes)
    figure = new_figure((size + 1.2, size))
    write_finding(figure, _confusion_finding(counts, classes), subject)
    axes = figure.add_subplot()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    dress(axes, x="predicted", y="actual")
    axes.grid(visible=False)
    if num_classes > MOST_CLASSES:
        return figure
    places = np.arange(num_classes)
    axes.set_xticks(places, classes, rotation=90 if num_classes > 6 else 0, parse_math=False)
    axes.set_yticks(places, classes, parse_math=False)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.5 else INK
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    return figure


def _confusion_finding(counts: IntArray, classes: Sequence[str]) -> str:
    """Return the number of right ones, and the most frequent mistake."""
    right = int(np.trace(counts))
    total = int(counts.sum())
    words = f"{right:,} of {total:,} sequences are right"
    wrong = counts * (1 - np.eye(len(classes), dtype=np.int64))
    if wrong.any():
        row, column = np.unravel_index(np.argmax(wrong), wrong.shape)
        words += f"; most often {classes[int(row)]} is taken for {classes[int(column)]}"
    return words


def plot_reliability(probabilities: FloatArray, truth: IntArray, *, subject: str = "") -> Figure:
    """Draw how often the most probable class is right, by its probability.

    Args:
        probabilities: (N, K).
        truth: (N,) places of the true classes.
        subject: of the title, such as `state, machines.csv`; optional.

    Example:
        >>> import numpy as np
        >>> from forecast.report.plots.classes import plot_reliability
        >>> figure = plot_reliability(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
        >>> figure.get_suptitle()
        'Probabilities of 85 % on average, and 50 % of them are right'
    """
    sure = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == truth
    figure = new_figure((5.6, 4.6))
    write_finding(
        figure,
        f"probabilities of {sure.mean():.0%} on average, and {hits.mean():.0%} of them are "
        f"right".replace("%", " %"),
        subject,
    )
    axes = figure.add_subplot()
    bins = np.clip(np.ceil(sure * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    points = [
        (sure[bins == number].mean(), hits[bins == number].mean(), (bins == number).sum())
        for number in range(NUM_BINS)
        if (bins == number).any()
    ]
    given, right, counts = np.array(points).T
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
    axes.plot(given, right, color=MODEL, linewidth=1.8)
    axes.scatter(given, right, s=20 + 220 * counts / counts.max(), color=MODEL, zorder=3)
    axes.annotate(
        "as often as it says", (0.04, 0.07), color=ACCENT, fontsize=8.5, rotation=38, ha="left"
    )
    dress(axes, x="probability of the predicted class", y="share that is right")
    axes.set(xlim=(0, 1.04), ylim=(0, 1.04))
    return figure
