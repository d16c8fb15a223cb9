"""Words, pairs of neighbours and pieces of words as numbers, whatever their order: TF-IDF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.regressions.sparse_features import SparseFeatures
from forecast.classification.tables.labelled_sequences import Sequences

MOST_TERMS = 100_000
"""Terms of a kind that are counted, those that occur in most documents."""

LEAST_DOCUMENTS = 2
"""Documents that a term must occur in."""

MOST_CHARACTERS = 2**22
"""Characters of an array of terms of equal width, beside a few times those of the terms."""

BETWEEN = "\x1f"
"""Mark between the two words of a pair; no word has it."""

EDGE = "\x1e"
"""Mark before and behind a word of which pieces are taken; no word has it."""

PIECE = "\x1d"
"""Mark that tells a piece from a word of the same characters; no word has it."""

PIECES = (3, 4, 5)
"""Characters of a piece of a word, the marks at its ends counted."""


@dataclass(frozen=True, eq=False)
class BagOfWords:
    """Terms of the training documents, of two kinds: words and pairs, and pieces of words.

    The value of a term is (1 + log count) (1 + log((1 + N) / (1 + documents with it))), and the
    values of a document and a kind are divided by their Euclidean norm (Salton & Buckley 1988, with
    the smoothed form of the second factor that scikit-learn has). Pieces make words alike that have
    a stem in common, and give unknown words a value.

    Attributes:
        terms: (F,) sorted words, pairs and pieces.
        rarity: (F,) the second factor.
    """

    terms: NDArray[Any]
    rarity: FloatArray

    @classmethod
    def fit(cls, documents: Sequences) -> BagOfWords:
        """Find the terms of the training documents."""
        kept = []
        rarity = []
        for found, number in _terms_of(documents):
            names, codes = np.unique(found, return_inverse=True)
            pairs = np.unique(number * max(1, len(names)) + codes)
            counts = np.bincount(pairs % max(1, len(names)), minlength=len(names))
            order = np.lexsort((names, -counts))[:MOST_TERMS]
            chosen = order[counts[order] >= LEAST_DOCUMENTS]
            kept.append(names[chosen])
            rarity.append(1 + np.log((1 + documents.num_sequences) / (1 + counts[chosen])))
        terms = np.concatenate(kept)
        order = np.argsort(terms)
        return cls(terms[order], np.concatenate(rarity)[order])

    def values(self, documents: Sequences) -> SparseFeatures:
        """Return the (N, F) values of all terms."""
        size = max(1, len(self.terms))
        parts = []
        for found, number in _terms_of(documents):
            if not len(self.terms):
                break
            names, codes = np.unique(found, return_inverse=True)
            place = np.minimum(np.searchsorted(self.terms, names), size - 1)
            is_known = (self.terms[place] == names)[codes]
            each, counts = np.unique(
                number[is_known] * size + place[codes[is_known]], return_counts=True
            )
            rows = each // size
            values = (1 + np.log(counts)) * self.rarity[each % size]
            norm = np.sqrt(np.bincount(rows, values**2, documents.num_sequences))
            parts.append((each, values / norm[rows]))
        if not parts:
            parts.append((np.zeros(0, np.int64), np.zeros(0)))
        each = np.concatenate([places for places, _ in parts])
        values = np.concatenate([of_kind for _, of_kind in parts]) / np.sqrt(len(parts))
        order = np.argsort(each)
        rows, places = np.divmod(each[order], size)
        return SparseFeatures(values[order], rows, places, documents.num_sequences, len(self.terms))


def as_terms(terms: list[str]) -> NDArray[Any]:
    """Return terms as an array; as objects where one long term would make all of them wide.

    Args:
        terms: in ascending order.
    """
    characters = sum(map(len, terms))
    longest = max(map(len, terms), default=1)
    if longest * len(terms) > MOST_CHARACTERS + 8 * characters:
        return np.array(terms, dtype=object)
    return np.array(terms, dtype=str)


def _terms_of(documents: Sequences) -> list[tuple[NDArray[np.str_], IntArray]]:
    """Return the terms of each kind, and the number of the document of each."""
    (tokens,) = documents.words.values()
    words = tokens.astype(str)
    number = np.repeat(np.arange(documents.num_sequences), documents.lengths)
    are_neighbours = number[1:] == number[:-1]
    pairs = np.char.add(np.char.add(words[:-1], BETWEEN), words[1:])[are_neighbours]
    both = np.concatenate([words, pairs])
    return [(both, np.concatenate([number, number[1:][are_neighbours]])), _pieces(words, number)]


def _pieces(words: NDArray[np.str_], number: IntArray) -> tuple[NDArray[np.str_], IntArray]:
    """Return the pieces of all words, and the number of the document of each."""
    names, codes = np.unique(words, return_inverse=True)
    of_word = [_pieces_of(str(name)) for name in names]
    lengths = np.array([len(pieces) for pieces in of_word], np.int64)
    flat = np.array([piece for pieces in of_word for piece in pieces], dtype=str)
    starts = np.cumsum(lengths) - lengths
    repeats = lengths[codes]
    inside = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return flat[np.repeat(starts[codes], repeats) + inside], np.repeat(number, repeats)


def _pieces_of(word: str) -> list[str]:
    """Return the pieces of a word: none of a single character."""
    if len(word) < 2:
        return []
    marked = EDGE + word + EDGE
    return [
        PIECE + marked[start : start + size]
        for size in PIECES
        for start in range(len(marked) - size + 1)
    ]
