"""Labels of a sequence as one text, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.names import sorted_names

BETWEEN = "\x1f"
"""Mark between the labels of a sequence in `Sequences.labels`; no label has it."""

HALF = 0.5
"""Probability from which on a label is predicted."""


def joined(labels: Iterable[str]) -> str:
    """Return labels as one text, the same in whatever order they come."""
    return BETWEEN.join(sorted_names({label for label in labels if label}))


def parts_of(text: str) -> list[str]:
    """Return the labels in a text of `joined`."""
    return text.split(BETWEEN) if text else []


def from_cells(cells: NDArray[np.object_], separator: str) -> NDArray[np.object_]:
    """Return the (N,) labels of cells such as `a|b`; an empty cell has none.

    Args:
        cells: (N,).
        separator: between the labels of a cell.
    """
    names = [joined(part.strip() for part in str(cell).split(separator)) for cell in cells]
    return np.array(names, dtype=object)


def rarest(labels: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the (N,) label of each sequence that fewest sequences have, "" of one without any.

    What is drawn by it has the same shares of every label, the rare ones first (Sechidis et al.
    2011, "On the stratification of multi-label data", in one pass).
    """
    parts = [parts_of(text) for text in labels]
    names, counts = np.unique([name for of_one in parts for name in of_one], return_counts=True)
    count_of = dict(zip(names, counts, strict=True))
    found = [min(of_one, key=lambda name: (count_of[name], name), default="") for of_one in parts]
    return np.array(found, dtype=object)


def set_targets(labels: NDArray[np.object_], classes: Sequence[str]) -> IntArray:
    """Return (N, K): 1 for every label that a sequence has.

    Args:
        labels: (N,) texts of `joined`.
        classes: the K labels.
    """
    place = {name: number for number, name in enumerate(classes)}
    targets = np.zeros((len(labels), len(classes)), np.int64)
    for row, text in enumerate(labels):
        targets[row, [place[name] for name in parts_of(text)]] = 1
    return targets


def shown_sets(
    probabilities: FloatArray, classes: Sequence[str], separator: str
) -> NDArray[np.object_]:
    """Return the (N,) labels whose probability is at least a half, as a cell of a table has them.

    Args:
        probabilities: (N, K).
        classes: the K labels.
        separator: between the labels of a cell.
    """
    named = np.array(classes, dtype=object)
    cells = [separator.join(named[row >= HALF]) for row in probabilities]
    return np.array(cells, dtype=object)
