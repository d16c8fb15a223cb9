"""Figures of a classifier: confusion matrix, labels found and missed, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.report.plots.style import ACCENT, INK, MODEL, MUTED, dress, new_figure, write_finding

if TYPE_CHECKING:
    import pandas as pd
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


def plot_labels(counts: pd.DataFrame, *, subject: str = "") -> Figure:
    """Draw how often each label is found, missed, or given where it is not.

    Args:
        counts: a row per label, with the columns `found`, `missed` and `wrongly given`.
        subject: of the title, such as `state, machines.csv`; optional.

    Example:
        >>> import pandas as pd
        >>> from forecast.report.plots.classes import plot_labels
        >>> columns = {"found": [8, 3], "missed": [0, 4], "wrongly given": [1, 0]}
        >>> plot_labels(pd.DataFrame(columns, index=["hot", "wet"])).get_suptitle()
        '11 of 15 labels are found, and 1 is wrongly given; most often wet is missed'
    """
    figure = new_figure((8.0, min(11.0, 2.0 + 0.4 * len(counts))))
    write_finding(figure, _labels_finding(counts), subject)
    axes = figure.add_subplot()
    places = np.arange(len(counts))
    left = np.zeros(len(counts))
    for name, colour in (("found", MODEL), ("missed", MUTED), ("wrongly given", ACCENT)):
        axes.barh(places, counts[name], left=left, color=colour, height=0.7, label=name)
        left += counts[name].to_numpy()
    dress(axes, x="test sequences", y="")
    axes.set_yticks(places, [str(name) for name in counts.index], parse_math=False)
    axes.invert_yaxis()
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


def _labels_finding(counts: pd.DataFrame) -> str:
    """Return the number of labels that are found, and the one that is missed most often."""
    found, missed, given = (int(total) for total in counts.sum())
    verb = "is" if given == 1 else "are"
    words = f"{found:,} of {found + missed:,} labels are found, and {given:,} {verb} wrongly given"
    if missed:
        words += f"; most often {counts['missed'].idxmax()} is missed"
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
