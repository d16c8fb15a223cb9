"""Scores of probabilities against scikit-learn, and against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from forecast.classification.class_scores import (
    CLASS_SCORES,
    accuracy,
    balanced_accuracy,
    brier,
    calibration_error,
    confusion,
    log_loss,
    macro_f1,
    roc_auc,
)


def drawn(num_classes: int, seed: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, num_classes, 200)
    raw = draw.gamma(1.0, size=(200, num_classes)) + 1.5 * np.eye(num_classes)[truth]
    if ties:
        raw = np.ceil(raw)
    return raw / raw.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_scores_are_those_of_scikit_learn(num_classes: int, ties: bool) -> None:
    given, truth = drawn(num_classes, num_classes, ties=ties)
    predicted = given.argmax(axis=1)
    assert accuracy(given, truth) == metrics.accuracy_score(truth, predicted)
    assert np.isclose(
        balanced_accuracy(given, truth), metrics.balanced_accuracy_score(truth, predicted)
    )
    assert np.isclose(macro_f1(given, truth), metrics.f1_score(truth, predicted, average="macro"))
    assert np.isclose(log_loss(given, truth), metrics.log_loss(truth, given))
    area = given[:, 1] if num_classes == 2 else given
    expected = metrics.roc_auc_score(truth, area, multi_class="ovr", average="macro")
    assert np.isclose(roc_auc(given, truth), expected)
    assert (confusion(given, truth) == metrics.confusion_matrix(truth, predicted)).all()


def test_brier_of_two_classes_is_twice_that_of_scikit_learn() -> None:
    given, truth = drawn(2, 5)
    assert np.isclose(brier(given, truth), 2 * metrics.brier_score_loss(truth, given[:, 1]))


def test_calibration_error_by_hand() -> None:
    # Three sequences with .95 in a bin, two of them right; one with .6, right.
    given = np.array([[0.95, 0.05], [0.95, 0.05], [0.95, 0.05], [0.4, 0.6]])
    truth = np.array([0, 0, 1, 1])
    expected = 0.75 * abs(2 / 3 - 0.95) + 0.25 * abs(1 - 0.6)
    assert np.isclose(calibration_error(given, truth), expected)


def test_sure_and_right_is_the_best_of_every_score() -> None:
    truth = np.array([0, 1, 2, 1])
    right = np.eye(3)[truth]
    wrong = np.eye(3)[(truth + 1) % 3]
    for name, entry in CLASS_SCORES.items():
        best = entry.function(right, truth)
        worst = entry.function(wrong, truth)
        assert (best > worst) == entry.higher_is_better, name


def test_one_class_alone_has_no_area() -> None:
    assert np.isnan(roc_auc(np.array([[0.3, 0.7], [0.2, 0.8]]), np.array([1, 1])))
