"""Columns and words from which the label can be read off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.data.findings import listed

LEAST_REPEATS = 3.0
"""Sequences per value from which a column that has one label for each value is no chance."""

LEAST_SHARE = 0.95
"""Share of the sequences of a class that a word must be in, and of no other class, to tell it."""


def telling_columns(sequences: Sequences) -> tuple[str, ...]:
    """Say which columns tell the label: constant in every sequence, one label for each value.

    Args:
        sequences: with labels.

    Returns:
        A sentence for each column.
    """
    found = []
    columns: dict[str, NDArray[np.object_]] = {}
    for column, numbers in enumerate(sequences.numbers.T):
        columns[sequences.columns.features[column]] = numbers.astype(object)
    for name, words in sequences.words.items():
        if name != sequences.columns.text_col:
            columns[name] = words
    for name, cells in columns.items():
        sentence = _tells(sequences, name, cells)
        if sentence:
            found.append(sentence)
    text_col = sequences.columns.text_col
    if text_col is not None:
        found += telling_words(sequences, text_col)
    return tuple(found)


def _tells(sequences: Sequences, name: str, cells: NDArray[np.object_]) -> str:
    """Return a sentence about a column that tells the label; empty for others."""
    labels = sequences.labels
    assert labels is not None
    texts = cells.astype(str)
    first = texts[sequences.offsets[:-1]]
    if (np.repeat(first, sequences.lengths) != texts).any():
        return ""
    values, places = np.unique(first, return_inverse=True)
    if len(labels) / len(values) < LEAST_REPEATS:
        return ""
    for value in range(len(values)):
        if len(set(labels[places == value])) > 1:
            return ""
    shown = [f"{value!r} is {labels[places == number][0]!r}" for number, value in enumerate(values)]
    return (
        f"column {name!r} tells the label: it has one value in each sequence, and one label for "
        f"each value ({listed(shown, shown=3)})"
    )


def telling_words(sequences: Sequences, text_col: str) -> list[str]:
    """Say which words tell a class: nearly all of its documents have the word, and no others do.

    Args:
        sequences: documents with labels.
        text_col: the column of texts.
    """
    labels = sequences.labels
    assert labels is not None
    names, classes = np.unique(labels.astype(str), return_inverse=True)
    words, codes = np.unique(sequences.words[text_col].astype(str), return_inverse=True)
    document = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    pairs = np.unique(document * len(words) + codes)
    counts = np.zeros((len(words), len(names)), np.int64)
    np.add.at(counts, (pairs % len(words), classes[pairs // len(words)]), 1)
    return _sentences(counts, np.bincount(classes), words, names, text_col)


def _sentences(
    counts: IntArray,
    sizes: IntArray,
    words: NDArray[np.str_],
    names: NDArray[np.str_],
    text_col: str,
) -> list[str]:
    """Return a sentence for each class that a word tells.

    Args:
        counts: (words, K) documents of each class with each word.
        sizes: (K,) documents of each class.
        words: the words.
        names: the K classes.
        text_col: the column of texts.
    """
    is_alone = counts == counts.sum(axis=1, keepdims=True)
    found = []
    for place, name in enumerate(names):
        tells = is_alone[:, place] & (counts[:, place] >= LEAST_SHARE * sizes[place])
        if tells.any() and sizes[place] >= LEAST_REPEATS:
            found.append(
                f"{text_col!r} tells the label: {listed(words[tells].tolist(), shown=3)} occurs in "
                f"the documents of {str(name)!r} and in no others"
            )
    return found
