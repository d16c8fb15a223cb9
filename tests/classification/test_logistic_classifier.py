"""Logistic regression on sparse features against scikit-learn and dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from forecast.axes import FloatArray
from forecast.classification.class_scores import log_loss
from forecast.classification.regressions import logistic_classifier
from forecast.classification.regressions.logistic_classifier import LogisticClassifier, minimised
from forecast.classification.regressions.sparse_features import SparseFeatures


def dense(seed: int, rows: int = 60, columns: int = 9) -> FloatArray:
    """Return features most of which are zero; the first document has none."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, columns)) * (draw.random((rows, columns)) < 0.3)
    features[0] = 0.0
    return features


def sparse(features: FloatArray) -> SparseFeatures:
    rows, places = np.nonzero(features)
    return SparseFeatures(features[rows, places], rows, places, *features.shape)


def classes_of(features: FloatArray, num_classes: int) -> np.ndarray:
    draw = np.random.default_rng(5)
    scores = features[:, :num_classes] + 0.5 * draw.normal(size=(len(features), num_classes))
    return scores.argmax(axis=1)


def test_products_are_those_of_the_dense_matrix() -> None:
    features = dense(0)
    own = sparse(features)
    draw = np.random.default_rng(1)
    weights = draw.normal(size=(9, 2))
    shares = draw.normal(size=(60, 3))
    np.testing.assert_allclose(own.times(weights), features @ weights, atol=1e-12)
    np.testing.assert_allclose(own.turned_times(shares), features.T @ shares, atol=1e-12)
    np.testing.assert_allclose(own.squared().times(weights), features**2 @ weights, atol=1e-12)
    which = np.array([0, 3, 4, 59])
    np.testing.assert_allclose(own.take(which).times(weights), features[which] @ weights)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("strength", [0.3, 30.0])
def test_probabilities_are_those_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, num_classes: int, strength: float
) -> None:
    monkeypatch.setattr(logistic_classifier, "STRENGTHS", (strength,))
    monkeypatch.setattr(logistic_classifier, "TOLERANCE", 1e-9)
    features = dense(2)
    truth = classes_of(features, num_classes)
    own, _ = LogisticClassifier.fit(sparse(features), truth, num_classes)
    peer = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(features, truth)
    np.testing.assert_allclose(
        own.probabilities(sparse(features)), peer.predict_proba(features), atol=1e-5
    )


def test_rows_are_predicted_without_their_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_classifier, "STRENGTHS", (2.0,))
    monkeypatch.setattr(logistic_classifier, "TOLERANCE", 1e-9)
    features = dense(3)
    truth = classes_of(features, 2)
    _, held_out = LogisticClassifier.fit(sparse(features), truth, 2)
    fold = logistic_classifier._folds(truth)
    assert np.ptp(np.bincount(fold)) <= 1
    for number in range(5):
        others = fold != number
        peer = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000)
        peer.fit(features[others], truth[others])
        expected = peer.predict_proba(features[~others])
        np.testing.assert_allclose(held_out[~others], expected, atol=1e-5)


def test_the_penalty_is_the_best_on_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    features = dense(4)
    truth = np.random.default_rng(0).integers(0, 2, 60)  # nothing to learn
    strengths = logistic_classifier.STRENGTHS
    own, held_out = LogisticClassifier.fit(sparse(features), truth, 2)
    losses = []
    for strength in strengths:
        monkeypatch.setattr(logistic_classifier, "STRENGTHS", (strength,))
        losses.append(log_loss(LogisticClassifier.fit(sparse(features), truth, 2)[1], truth))
    best = strengths[int(np.argmin(losses))]
    assert log_loss(held_out, truth) == pytest.approx(min(losses), abs=1e-3)
    expected = minimised(sparse(features), truth[:, None].astype(float), best, np.zeros((10, 1)))
    np.testing.assert_allclose(own.weights, expected)


def test_each_label_of_a_set_is_a_regression_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_classifier, "STRENGTHS", (1.0,))
    monkeypatch.setattr(logistic_classifier, "TOLERANCE", 1e-9)
    features = dense(6)
    truth = (features[:, :3] > -0.1).astype(np.int64)
    own, held_out = LogisticClassifier.fit(sparse(features), truth, 3)
    given = own.probabilities(sparse(features))
    for label in range(3):
        peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(features, truth[:, label])
        expected = peer.predict_proba(features)[:, 1]
        np.testing.assert_allclose(given[:, label], expected, atol=1e-5)
    assert held_out.shape == (60, 3)


def test_features_without_a_value_leave_the_shares_of_the_classes() -> None:
    nothing = SparseFeatures(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), 8, 0)
    truth = np.array([0, 1, 1, 1, 0, 1, 1, 1])
    own, _ = LogisticClassifier.fit(nothing, truth, 2)
    np.testing.assert_allclose(own.probabilities(nothing)[:, 1], 0.75, atol=1e-3)
