"""Scores of probabilities of labels against the labels that sequences have.

Every score is checked against scikit-learn in the tests. A label is predicted from a probability of
a half on.
"""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import ClassScore, log_loss, roc_auc
from forecast.classification.label_sets.label_cells import HALF


def subset_accuracy(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the share of sequences all of whose labels are right."""
    return float(np.mean(np.all((probabilities >= HALF) == (truth > 0), axis=1)))


def hamming_loss(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the share of labels that are wrong, over all sequences."""
    return float(np.mean((probabilities >= HALF) != (truth > 0)))


def set_macro_f1(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean of F1 over labels that are true or predicted somewhere."""
    both, either = _counts(probabilities, truth)
    occurs = either > 0
    if not occurs.any():
        return float("nan")
    return float(np.mean(2 * both[occurs] / either[occurs]))


def micro_f1(probabilities: FloatArray, truth: IntArray) -> float:
    """Return F1 of all labels of all sequences together."""
    both, either = _counts(probabilities, truth)
    if not either.sum():
        return float("nan")
    return float(2 * both.sum() / either.sum())


def _counts(probabilities: FloatArray, truth: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each label how often it is true and predicted, and the sum of how often each."""
    predicted = probabilities >= HALF
    both = np.sum(predicted & (truth > 0), axis=0)
    return both, predicted.sum(axis=0) + (truth > 0).sum(axis=0)


def mean_roc_auc(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean over the labels of the area under the ROC curve."""
    areas = [
        roc_auc(np.stack([1 - of_label, of_label], axis=1), is_true)
        for of_label, is_true in zip(probabilities.T, truth.T, strict=True)
    ]
    defined = [area for area in areas if np.isfinite(area)]
    if not defined:
        return float("nan")
    return float(np.mean(defined))


def set_brier(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the mean squared distance of the probability of a label from 0 or 1."""
    return float(np.mean((probabilities - truth) ** 2))


SET_SCORES: dict[str, ClassScore] = {
    "subset accuracy": ClassScore(subset_accuracy, True),
    "macro F1": ClassScore(set_macro_f1, True),
    "micro F1": ClassScore(micro_f1, True),
    "ROC AUC": ClassScore(mean_roc_auc, True),
    "Hamming loss": ClassScore(hamming_loss, False),
    "log loss": ClassScore(log_loss, False),
    "Brier": ClassScore(set_brier, False),
}
"""Every score by the name that tables show."""
