"""The classifiers to beat: class frequencies, and ridge regression on summaries or on words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.bag_of_words import BagOfWords
from forecast.classification.class_scores import targets_of
from forecast.classification.encoding import Encoding
from forecast.classification.labelled_sequences import Sequences
from forecast.classification.ridge_classifier import RidgeClassifier
from forecast.classification.summary_features import summaries

FREQUENCIES = "class frequencies"
ON_SUMMARIES = "ridge on summaries"
ON_WORDS = "ridge on words"


@dataclass(frozen=True, eq=False)
class ClassBaselines:
    """The baselines, fitted on the training set.

    Attributes:
        frequencies: (K,) share of each class; its largest is the majority class.
        ridge: the ridge regression.
        words: terms that it reads, for texts; None for numbers and categories, of which it reads
            summaries.
    """

    frequencies: FloatArray
    ridge: RidgeClassifier
    words: BagOfWords | None

    @property
    def ridge_name(self) -> str:
        """Name of the ridge regression in tables."""
        return ON_SUMMARIES if self.words is None else ON_WORDS

    def probabilities(self, encoding: Encoding, sequences: Sequences) -> dict[str, FloatArray]:
        """Return the (N, K) probabilities of each baseline by name, the ridge regression first."""
        features = _features(encoding, sequences, self.words)
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
    ridge, held_out = RidgeClassifier.fit(
        _features(encoding, sequences, words), truth, num_classes, scaled_to_one=words is None
    )
    frequencies = targets_of(truth, num_classes).mean(axis=0)
    return ClassBaselines(frequencies, ridge, words), held_out


def _features(encoding: Encoding, sequences: Sequences, words: BagOfWords | None) -> FloatArray:
    """Return the (N, F) features that the ridge regression reads."""
    if words is not None:
        return words.values(sequences)
    return summaries(encoding.rows(sequences), encoding.shape.num_codes)
