"""Pretrained word vectors in the text format of word2vec and GloVe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.errors import DataError

LONGEST_LINE = 1_000_000
"""Characters of a line, at most."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of some words.

    Attributes:
        vectors: (words, width) float32; zeros for a word that the file lacks.
        is_found: (words,) whether the file has the word.
    """

    vectors: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    @property
    def sentence(self) -> str:
        """Coverage of the words in one line."""
        found = int(self.is_found.sum())
        total = max(1, len(self.is_found))
        return f"{found:,} of {len(self.is_found):,} words have a vector ({found / total:.0%})"


def read_vectors(path: str | Path, words: Sequence[str]) -> WordVectors:
    """Read the vectors of these words; all others are skipped.

    Args:
        path: a file with a word and its numbers per line, separated by spaces. word2vec writes the
            number of words and the width into the first line, GloVe does not.
        words: those to read.

    Raises:
        DataError: there is no such file, or a line does not have the width of the first.
    """
    place = {word: number for number, word in enumerate(words)}
    is_found = np.zeros(len(words), dtype=bool)
    vectors: NDArray[np.float32] | None = None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                word, *numbers = line.rstrip("\n")[:LONGEST_LINE].rstrip(" ").split(" ")
                if number == 1 and len(numbers) == 1:
                    continue  # the number of words and the width
                if vectors is None:
                    vectors = np.zeros((len(words), len(numbers)), np.float32)
                if len(numbers) != vectors.shape[1]:
                    raise DataError(
                        f"{path}, line {number}: has {len(numbers)} numbers after its word, and "
                        f"the lines before it {vectors.shape[1]}: expected one width; write the "
                        f"file again"
                    )
                if word in place:
                    vectors[place[word]] = _numbers(numbers, path, number)
                    is_found[place[word]] = True
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); expected a text file with a word and its "
            f"vector per line: check the path"
        ) from error
    if vectors is None or not vectors.shape[1]:
        raise DataError(f"{path}: has no vectors; expected a word and its numbers per line")
    return WordVectors(vectors, is_found)


def _numbers(texts: list[str], path: str | Path, number: int) -> NDArray[np.float32]:
    try:
        return np.array(texts, np.float32)
    except ValueError as error:
        raise DataError(
            f"{path}, line {number}: {error}; expected numbers after the word: correct the line"
        ) from error
