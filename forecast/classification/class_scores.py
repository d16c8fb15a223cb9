"""Scores of probabilities against labels.

Every score is checked against scikit-learn in the tests, where that has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray

LEAST_PROBABILITY = 1e-15
"""Probabilities are at least this in logarithms."""

NUM_BINS = 10
"""Bins of the calibration error, each a tenth of (0, 1]."""

Score = Callable[[FloatArray, IntArray], float]
"""Function of (N, K) probabilities and (N,) places of the true classes."""


def accuracy(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the share of sequences whose most probable class is true."""
    return float(np.mean(probabilities.argmax(axis=1) == truth))


def balanced_accuracy(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean over the true classes of the share of their sequences that is found."""
    hits = probabilities.argmax(axis=1) == truth
    return float(np.mean([hits[truth == name].mean() for name in np.unique(truth)]))


def macro_f1(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean of F1 over classes that are true or predicted somewhere."""
    predicted = probabilities.argmax(axis=1)
    scores = []
    for name in np.union1d(truth, predicted):
        both = np.sum((truth == name) & (predicted == name))
        scores.append(2 * both / (np.sum(truth == name) + np.sum(predicted == name)))
    return float(np.mean(scores))


def log_loss(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean of -log(probability of the true class), in nats."""
    return float(losses_of(probabilities, truth).mean())


def targets_of(truth: IntArray, num_classes: int) -> FloatArray:
    """Return (N, K): 1 for every label that a sequence has, else 0.

    Args:
        truth: (N,) places of the true classes; or (N, K) already, where a sequence has any number
            of labels.
        num_classes: K.
    """
    if truth.ndim == 2:
        return truth.astype(np.float64)
    return np.eye(num_classes)[truth]


def losses_of(probabilities: FloatArray, truth: IntArray) -> FloatArray:
    """Return the (N,) -log(probability of the true class).

    Of sequences with any number of labels, (N, K), the mean over the labels of -log(probability
    that it is as it is).
    """
    if truth.ndim == 2:
        of_truth = np.where(truth > 0, probabilities, 1.0 - probabilities)
        return -np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean(axis=1)
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.maximum(of_truth, LEAST_PROBABILITY))


def brier(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean squared distance from the truth over all classes, 0 to 2 (Brier 1950)."""
    is_true = np.zeros_like(probabilities)
    is_true[np.arange(len(truth)), truth] = 1.0
    return float(np.mean(np.sum((probabilities - is_true) ** 2, axis=1)))


def roc_auc(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the area under the ROC curve; of several classes the mean of each against the others.

    It is the chance that a sequence of the class gets a higher probability than one of another
    class, ties count half (Hanley & McNeil 1982). NaN where only one class occurs.
    """
    num_classes = probabilities.shape[1]
    names = range(1, 2) if num_classes == 2 else range(num_classes)
    areas = []
    for name in names:
        is_class = truth == name
        positives = int(is_class.sum())
        negatives = len(truth) - positives
        if not positives or not negatives:
            continue
        ranks = _mean_ranks(probabilities[:, name])
        rank_sum = ranks[is_class].sum() - positives * (positives + 1) / 2
        areas.append(rank_sum / (positives * negatives))
    if not areas:
        return float("nan")
    return float(np.mean(areas))


def _mean_ranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1; equal values share their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places]


def calibration_error(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the expected calibration error of the most probable class.

    The mean over `NUM_BINS` bins, by their sequences, of |accuracy - mean probability| (Guo et al.
    2017, arXiv 1706.04599).
    """
    sure = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == truth
    bins = np.clip(np.ceil(sure * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    total = 0.0
    for number in range(NUM_BINS):
        inside = bins == number
        if inside.any():
            total += inside.mean() * abs(hits[inside].mean() - sure[inside].mean())
    return float(total)


@dataclass(frozen=True)
class ClassScore:
    """An entry of `CLASS_SCORES`.

    Attributes:
        function: computes it.
        higher_is_better: whether more is better.
    """

    function: Score
    higher_is_better: bool


CLASS_SCORES: dict[str, ClassScore] = {
    "accuracy": ClassScore(accuracy, True),
    "balanced accuracy": ClassScore(balanced_accuracy, True),
    "macro F1": ClassScore(macro_f1, True),
    "ROC AUC": ClassScore(roc_auc, True),
    "log loss": ClassScore(log_loss, False),
    "Brier": ClassScore(brier, False),
    "calibration error": ClassScore(calibration_error, False),
}
"""Every score by the name that tables show."""


def confusion(probabilities: FloatArray, truth: IntArray) -> IntArray:
    """Return (K, K) counts: row the true class, column the predicted one."""
    num_classes = probabilities.shape[1]
    table = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(table, (truth, probabilities.argmax(axis=1)), 1)
    return table
