"""The classifiers to beat: class frequencies, and a regression on summaries, kernels or words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import targets_of
from forecast.classification.encoding import Encoding
from forecast.classification.regressions.bag_of_words import BagOfWords
from forecast.classification.regressions.kernel_features import KernelFeatures
from forecast.classification.regressions.logistic_classifier import LogisticClassifier
from forecast.classification.regressions.ridge_classifier import RidgeClassifier
from forecast.classification.regressions.summary_features import summaries
from forecast.classification.tables.labelled_sequences import Sequences

FREQUENCIES = "class frequencies"
ON_SUMMARIES = "ridge on summaries"
ON_WORDS = "logistic on words"
ON_KERNELS = "ridge on summaries and kernels"

LONG = 50
"""Steps of the longest sequence from which kernels are read beside summaries."""


@dataclass(frozen=True, eq=False)
class ClassBaselines:
    """The baselines, fitted on the training set.

    Attributes:
        frequencies: (K,) share of each class; its largest is the majority class.
        regression: a ridge regression, or a logistic regression on the words of texts.
        words: terms that it reads, for texts; None for numbers and categories, of which it reads
            summaries.
        kernels: patterns that it reads beside the summaries of long sequences of numbers.
    """

    frequencies: FloatArray
    regression: RidgeClassifier | LogisticClassifier
    words: BagOfWords | None
    kernels: KernelFeatures | None = None

    @property
    def regression_name(self) -> str:
        """Name of the regression in tables."""
        if self.words is not None:
            return ON_WORDS
        return ON_SUMMARIES if self.kernels is None else ON_KERNELS

    def probabilities(self, encoding: Encoding, sequences: Sequences) -> dict[str, FloatArray]:
        """Return the (N, K) probabilities of each baseline by name, the regression first."""
        if isinstance(self.regression, LogisticClassifier):
            assert self.words is not None
            given = self.regression.probabilities(self.words.values(sequences))
        else:
            given = self.regression.probabilities(_features(encoding, sequences, self.kernels))
        return {
            self.regression_name: given,
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
        The baselines, and the (N, K) probabilities of the regression for each sequence, fitted
        without it.
    """
    num_classes = len(encoding.classes)
    frequencies = targets_of(truth, num_classes).mean(axis=0)
    if sequences.columns.text_col is not None:
        words = BagOfWords.fit(sequences)
        logistic, held_out = LogisticClassifier.fit(words.values(sequences), truth, num_classes)
        return ClassBaselines(frequencies, logistic, words), held_out
    kernels = None
    rows = encoding.rows(sequences, plain=True)
    if rows.numbers.shape[1] and rows.lengths.max() >= LONG:
        kernels = KernelFeatures.fit(rows)
    features = _features(encoding, sequences, kernels)
    ridge, held_out = RidgeClassifier.fit(features, truth, num_classes)
    return ClassBaselines(frequencies, ridge, None, kernels), held_out


def _features(
    encoding: Encoding, sequences: Sequences, kernels: KernelFeatures | None
) -> FloatArray:
    """Return the (N, F) features that the ridge regression reads."""
    rows = encoding.rows(sequences, plain=True)
    found = summaries(rows, encoding.shape.num_codes)
    if kernels is None:
        return found
    return np.concatenate([found, kernels.values(rows)], axis=1)
