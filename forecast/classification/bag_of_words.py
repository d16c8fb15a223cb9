"""Words and pairs of neighbours of a document as numbers, whatever their order: TF-IDF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.labelled_sequences import Sequences

MOST_TERMS = 3_000
"""Terms that are counted, those that occur in most documents. A ridge regression on so many takes
seconds."""

LEAST_DOCUMENTS = 2
"""Documents that a term must occur in."""

BETWEEN = "\x1f"
"""Mark between the two words of a pair; no word has it."""


@dataclass(frozen=True, eq=False)
class BagOfWords:
    """Terms of the training documents.

    The value of a term is (1 + log count) (1 + log((1 + N) / (1 + documents with it))), each
    document divided by its Euclidean norm (Salton & Buckley 1988, with the smoothed form of the
    second factor that scikit-learn has).

    Attributes:
        terms: (F,) sorted words and pairs.
        rarity: (F,) the second factor.
    """

    terms: NDArray[np.str_]
    rarity: FloatArray

    @classmethod
    def fit(cls, documents: Sequences) -> BagOfWords:
        """Find the terms of the training documents."""
        found, number = _terms_of(documents)
        names, codes = np.unique(found, return_inverse=True)
        pairs = np.unique(number * len(names) + codes)
        counts = np.bincount(pairs % len(names), minlength=len(names))
        order = np.lexsort((names, -counts))[:MOST_TERMS]
        kept = np.sort(order[counts[order] >= LEAST_DOCUMENTS])
        rarity = 1 + np.log((1 + documents.num_sequences) / (1 + counts[kept]))
        return cls(names[kept], rarity)

    def values(self, documents: Sequences) -> FloatArray:
        """Return the (N, F) values of all terms."""
        found, number = _terms_of(documents)
        values = np.zeros((documents.num_sequences, len(self.terms)))
        if not len(self.terms):
            return values
        place = np.minimum(np.searchsorted(self.terms, found), len(self.terms) - 1)
        is_known = self.terms[place] == found
        np.add.at(values, (number[is_known], place[is_known]), 1.0)
        occurs = values > 0
        values[occurs] = 1 + np.log(values[occurs])
        values *= self.rarity
        norm = np.sqrt((values**2).sum(axis=1, keepdims=True))
        return values / np.where(norm > 0, norm, 1.0)


def _terms_of(documents: Sequences) -> tuple[NDArray[np.str_], IntArray]:
    """Return all words and pairs, and the number of the document of each."""
    (tokens,) = documents.words.values()
    words = tokens.astype(str)
    number = np.repeat(np.arange(documents.num_sequences), documents.lengths)
    are_neighbours = number[1:] == number[:-1]
    pairs = np.char.add(np.char.add(words[:-1], BETWEEN), words[1:])[are_neighbours]
    return np.concatenate([words, pairs]), np.concatenate([number, number[1:][are_neighbours]])
