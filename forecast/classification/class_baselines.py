"""The classifiers to beat: class frequencies, and ridge regression on summaries, kernels, words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.bag_of_words import BagOfWords
from forecast.classification.class_scores import targets_of
from forecast.classification.encoding import Encoding
from forecast.classification.kernel_features import KernelFeatures
from forecast.classification.labelled_sequences import Sequences
from forecast.classification.ridge_classifier import RidgeClassifier
from forecast.classification.summary_features import summaries

FREQUENCIES = "class frequencies"
ON_SUMMARIES = "ridge on summaries"
ON_WORDS = "ridge on words"
ON_KERNELS = "ridge on summaries and kernels"

LONG = 50
"""Steps of the longest sequence from which kernels are read beside summaries."""


@dataclass(frozen=True, eq=False)
class ClassBaselines:
    """The baselines, fitted on the training set.

    Attributes:
        frequencies: (K,) share of each class; its largest is the majority class.
        ridge: the ridge regression.
        words: terms that it reads, for texts; None for numbers and categories, of which it reads
            summaries.
        kernels: patterns that it reads beside the summaries of long sequences of numbers.
    """

    frequencies: FloatArray
    ridge: RidgeClassifier
    words: BagOfWords | None
    kernels: KernelFeatures | None = None

    @property
    def ridge_name(self) -> str:
        """Name of the ridge regression in tables."""
        if self.words is not None:
            return ON_WORDS
        return ON_SUMMARIES if self.kernels is None else ON_KERNELS

    def probabilities(self, encoding: Encoding, sequences: Sequences) -> dict[str, FloatArray]:
        """Return the (N, K) probabilities of each baseline by name, the ridge regression first."""
        features = _features(encoding, sequences, self.words, self.kernels)
        return {
            self.ridge_name: self.ridge.probabilities(features),
            FREQUENCIES: np.tile(self.frequencies, (sequences.num_sequences, 1)),
        }


def fit_baselines(
    encoding: Encoding, sequences: Sequences, truth: IntArray
) -> tuple[ClassBaselines, FloatArray]:
    """Fit the baselines.

    Args:
        encoding: scales and words of the training set.
        sequences: the training set.
        truth: (N,) places of its classes, or (N, K) 1 for each that a sequence has.

    Returns:
        The baselines, and the (N, K) probabilities of the ridge regression for each sequence,
        fitted without it.
    """
    num_classes = len(encoding.classes)
    words = None
    if sequences.columns.text_col is not None:
        words = BagOfWords.fit(sequences)
    kernels = None
    rows = encoding.rows(sequences, plain=True)
    if rows.numbers.shape[1] and rows.lengths.max() >= LONG:
        kernels = KernelFeatures.fit(rows)
    ridge, held_out = RidgeClassifier.fit(
        _features(encoding, sequences, words, kernels),
        truth,
        num_classes,
        scaled_to_one=words is None,
    )
    frequencies = targets_of(truth, num_classes).mean(axis=0)
    return ClassBaselines(frequencies, ridge, words, kernels), held_out


def _features(
    encoding: Encoding,
    sequences: Sequences,
    words: BagOfWords | None,
    kernels: KernelFeatures | None,
) -> FloatArray:
    """Return the (N, F) features that the ridge regression reads."""
    if words is not None:
        return words.values(sequences)
    rows = encoding.rows(sequences, plain=True)
    found = summaries(rows, encoding.shape.num_codes)
    if kernels is None:
        return found
    return np.concatenate([found, kernels.values(rows)], axis=1)
