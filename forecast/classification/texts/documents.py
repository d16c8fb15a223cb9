"""Texts as sequences: one document per row of a table, its words or characters the steps."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from forecast.classification.texts.word_vectors import read_vectors
from forecast.section import AUTO, Auto, PositiveInt, Section

WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
"""A word, with an apostrophe inside as in `isn't`, or a mark such as `!`."""


class TextSettings(Section):
    """Settings that turn texts into sequences.

    Example:
        >>> from forecast.classification.texts.documents import TextSettings, tokens_of
        >>> tokens_of("It isn't good!", TextSettings())
        ['it', "isn't", 'good', '!']
        >>> tokens_of("no", TextSettings(unit="characters"))
        ['n', 'o']
    """

    unit: Literal["words", "characters"] = "words"
    """Kind of a step."""
    lower_case: bool = True
    """Whether upper and lower case are the same."""
    vocabulary: PositiveInt = 10_000
    """Most frequent words of the training documents that have a vector of their own; the others
    share one, that of unknown words."""
    least_count: PositiveInt = 2
    """Documents that a word must occur in to have a vector of its own."""
    most_steps: PositiveInt = 500
    """Steps of a document that are read: the first ones."""
    embedding_width: PositiveInt | Auto = AUTO
    """Width of the vectors; `auto`: 64, or that of `vectors`."""
    vectors: Annotated[str, Field(min_length=1)] | None = None
    """File of pretrained vectors in the text format of word2vec or GloVe: a word and its numbers
    per line. Words that it lacks begin at random."""
    train_vectors: bool = True
    """Whether training changes the vectors."""


TEXT_WIDTH = 64
"""Width of the vectors of words where neither a setting nor a file decides."""


def text_width(settings: TextSettings) -> int:
    """Return the width of the vectors of words.

    Raises:
        DataError: the file of vectors cannot be read.
    """
    if settings.vectors is not None:
        return read_vectors(settings.vectors, ()).vectors.shape[1]
    if settings.embedding_width == AUTO:
        return TEXT_WIDTH
    return settings.embedding_width


def tokens_of(text: str, settings: TextSettings) -> list[str]:
    """Return the steps of a document; at least one, the empty word of an empty text."""
    if settings.lower_case:
        text = text.lower()
    tokens = list(text) if settings.unit == "characters" else WORD.findall(text)
    return tokens[: settings.most_steps] or [""]


def split_texts(
    texts: NDArray[np.object_], settings: TextSettings
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the tokens of all documents one after another, and the offsets of the documents.

    Args:
        texts: (N,) documents.
        settings: the settings.

    Returns:
        (R,) tokens and (N + 1,) offsets.
    """
    documents = [tokens_of(str(text), settings) for text in texts]
    lengths = [len(tokens) for tokens in documents]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.empty(int(offsets[-1]), dtype=object)
    tokens[:] = [token for document in documents for token in document]
    return tokens, offsets


def frequent_words(
    tokens: NDArray[np.object_], offsets: NDArray[np.int64], settings: TextSettings
) -> tuple[str, ...]:
    """Return the words with a vector of their own, the most frequent first.

    Args:
        tokens: (R,) of the training documents.
        offsets: (N + 1,) of these documents.
        settings: how many, and how frequent.
    """
    words, codes = np.unique(tokens.astype(str), return_inverse=True)
    documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs = np.unique(documents * len(words) + codes)
    in_documents = np.bincount(pairs % len(words), minlength=len(words))
    order = np.lexsort((words, -in_documents))
    kept = order[in_documents[order] >= settings.least_count]
    return tuple(str(word) for word in words[kept][: settings.vocabulary] if word)
