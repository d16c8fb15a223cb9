"""From sequences to the inputs of a network: scales and words of the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.label_sets.label_cells import parts_of, set_targets
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.texts.documents import TextSettings, frequent_words, text_width
from forecast.data.findings import listed
from forecast.data.names import sorted_names
from forecast.errors import DataError
from forecast.layers.sequences import embedding_width
from forecast.models.bigru_classifier import SequenceShape

UNKNOWN = 0
"""Code of a word that the training set does not have."""


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Rows of sequences as a network reads them.

    Attributes:
        numbers: (R, C) float32, mean 0 and deviation 1 on the training set; 0 where missing.
        codes: (R, columns) int32.
        offsets: (N + 1,) as in `Sequences`.
    """

    numbers: NDArray[np.float32]
    codes: NDArray[np.int32]
    offsets: IntArray

    @property
    def lengths(self) -> IntArray:
        """(N,) steps of each sequence."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Encoding:
    """Fitted on the training set alone.

    Attributes:
        classes: the labels in order.
        mean: (C,) of each channel of numbers.
        spread: (C,) its standard deviation; 1 for a constant channel.
        masked: (C,) whether a channel has missing values in the training set: then a further
            channel marks them.
        change: (C,) deviation of the changes from step to step of each scaled channel, which are
            further channels; None: they are none.
        vocabulary: words of each categorical column; the code of a word is its place plus 1.
        widths: width of the embedding of each categorical column.
        has_label_sets: whether a sequence has any number of the classes, not one.
    """

    classes: tuple[str, ...]
    mean: FloatArray
    spread: FloatArray
    masked: NDArray[np.bool_]
    change: FloatArray | None
    vocabulary: dict[str, tuple[str, ...]]
    widths: tuple[int, ...]
    has_label_sets: bool = False

    @classmethod
    def fit(
        cls, sequences: Sequences, text: TextSettings, *, differences: bool = False
    ) -> Encoding:
        """Find classes, scales and words.

        Args:
            sequences: the training set, with labels.
            text: how texts become sequences.
            differences: whether the changes from step to step are channels too.

        Raises:
            DataError: all labels are the same.
        """
        assert sequences.labels is not None
        has_label_sets = sequences.columns.has_label_sets
        different = set(sequences.labels)
        if len(different) < 2:
            (only,) = different
            found = "no label"
            if only:
                found = f"the label {' and '.join(parts_of(only))!r}"
            raise DataError(
                f"all {sequences.num_sequences} training sequences have {found}: expected at least "
                f"two labels; give sequences of other labels too"
            )
        if has_label_sets:
            different = {part for label in different for part in parts_of(label)}
        classes = tuple(sorted_names(different))
        return cls.of_rows(
            sequences, text, classes, has_label_sets=has_label_sets, differences=differences
        )

    @classmethod
    def of_rows(
        cls,
        sequences: Sequences,
        text: TextSettings,
        classes: tuple[str, ...],
        *,
        has_label_sets: bool = False,
        differences: bool = False,
    ) -> Encoding:
        """Find scales and words, where the classes are known.

        Args:
            sequences: the training set.
            text: how texts become sequences.
            classes: what is told apart.
            has_label_sets: whether a sequence has any number of them.
            differences: as in `fit`.
        """
        numbers = sequences.numbers
        is_missing = np.isnan(numbers)
        counts = np.maximum(1, (~is_missing).sum(axis=0))
        mean = np.where(is_missing, 0.0, numbers).sum(axis=0) / counts
        centred = np.where(is_missing, 0.0, numbers - mean)
        spread = np.sqrt((centred**2).sum(axis=0) / counts)
        spread = np.where(spread > 0, spread, 1.0)
        text_col = sequences.columns.text_col
        words: dict[str, tuple[str, ...]] = {}
        for name, column in sequences.words.items():
            if name == text_col:
                words[name] = frequent_words(column, sequences.offsets, text)
            else:
                words[name] = tuple(sorted(set(column) - {""}))
        widths = [
            text_width(text) if name == text_col else embedding_width(len(of_column) + 1)
            for name, of_column in words.items()
        ]
        masked = np.asarray(is_missing.any(axis=0))
        change = None
        if differences:
            scaled = centred / spread
            changes = changes_of(scaled, sequences.offsets)
            change = np.sqrt((changes**2).mean(axis=0))
            change = np.where(change > 0, change, 1.0)
        return cls(classes, mean, spread, masked, change, words, tuple(widths), has_label_sets)

    @property
    def shape(self) -> SequenceShape:
        """Sizes of the network."""
        return SequenceShape(
            num_numbers=len(self.mean) * (1 + (self.change is not None)) + int(self.masked.sum()),
            num_codes=tuple(len(words) + 1 for words in self.vocabulary.values()),
            widths=self.widths,
            num_classes=len(self.classes),
            has_label_sets=self.has_label_sets,
        )

    def rows(self, sequences: Sequences, *, plain: bool = False) -> EncodedRows:
        """Return what the network reads.

        Args:
            sequences: to encode.
            plain: whether changes from step to step are left out, as the baselines want it.
        """
        scaled = (sequences.numbers - self.mean) / self.spread
        is_missing = np.isnan(scaled)
        scaled[is_missing] = 0.0
        parts = [scaled, is_missing[:, self.masked]]
        if self.change is not None and not plain:
            parts.append(changes_of(scaled, sequences.offsets) / self.change)
        codes = np.zeros((len(scaled), len(self.vocabulary)), np.int32)
        for column, (name, words) in enumerate(self.vocabulary.items()):
            code_of = {word: code for code, word in enumerate(words, start=1)}
            given, places = np.unique(sequences.words[name].astype(str), return_inverse=True)
            codes[:, column] = np.array([code_of.get(word, UNKNOWN) for word in given])[places]
        numbers = np.concatenate(parts, axis=1).astype(np.float32)
        return EncodedRows(numbers, codes, sequences.offsets)

    def targets(self, sequences: Sequences) -> IntArray:
        """Return the (N,) place of each label in `classes`, or (N, K) 1 for each that it has.

        Raises:
            DataError: a label is none of the classes.
        """
        assert sequences.labels is not None
        place = {name: number for number, name in enumerate(self.classes)}
        given = set(sequences.labels)
        if self.has_label_sets:
            given = {part for label in given for part in parts_of(label)}
        unseen = sorted_names(given - set(place))
        if unseen:
            raise DataError(
                f"label {listed(unseen)} is in none of the training sequences, whose labels are "
                f"{listed(self.classes)}: leave these sequences out, or train with some of them"
            )
        if self.has_label_sets:
            return set_targets(sequences.labels, self.classes)
        return np.array([place[label] for label in sequences.labels], np.int64)


def changes_of(values: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the (R, C) changes from the step before; 0 at the first step of each sequence.

    Args:
        values: (R, C).
        offsets: (N + 1,) where each sequence begins.
    """
    changes = np.diff(values, axis=0, prepend=values[:1])
    changes[offsets[:-1]] = 0.0
    return changes


def padded(
    rows: EncodedRows, which: IntArray, length: int | None = None
) -> dict[str, NDArray[Any]]:
    """Return a batch: sequences at the beginning of L steps, zeros behind their ends.

    Args:
        rows: the encoded rows.
        which: (B,) numbers of the sequences.
        length: L; default: that of the longest.

    Returns:
        `numbers` (B, L, C), `codes` (B, L, columns) where there are any, `lengths` (B,).
    """
    lengths = rows.lengths[which]
    longest = int(lengths.max()) if length is None else length
    return stretches(rows, rows.offsets[which], lengths, longest)


def stretches(
    rows: EncodedRows, starts: IntArray, lengths: IntArray, longest: int
) -> dict[str, NDArray[Any]]:
    """Return a batch of stretches of rows; see `padded`.

    Args:
        rows: the encoded rows.
        starts: (B,) first row of each.
        lengths: (B,) rows of each.
        longest: L.
    """
    is_inside = np.arange(longest) < lengths[:, None]  # (B, L)
    at = np.where(is_inside, starts[:, None] + np.arange(longest), 0)
    batch: dict[str, NDArray[Any]] = {"lengths": lengths.astype(np.int32)}
    if rows.numbers.shape[1]:
        batch["numbers"] = rows.numbers[at] * is_inside[:, :, None].astype(np.float32)
    if rows.codes.shape[1]:
        batch["codes"] = rows.codes[at] * is_inside[:, :, None].astype(np.int32)
    return batch
