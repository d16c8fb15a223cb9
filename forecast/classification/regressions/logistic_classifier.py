"""Logistic regression on many sparse features, its penalty chosen on folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import log_loss, targets_of
from forecast.classification.regressions.ridge_classifier import softmax
from forecast.classification.regressions.sparse_features import SparseFeatures

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Variances of the weights that are tried, from strong to weak penalties: C of scikit-learn."""

NUM_FOLDS = 5
"""Parts of the training set, each predicted by a regression on the others."""

MOST_STEPS = 50
"""Steps of Newton's method, at most."""

MOST_PRODUCTS = 100
"""Products with the Hessian matrix in each of them, at most."""

TOLERANCE = 1e-3
"""Norm of the gradient at which a fit ends, as a share of the norm at zero."""


class Link(Protocol):
    """From scores to probabilities: one sigmoid for each column, or a softmax over all."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Return (N, M) for scores (N, M)."""
        ...

    def loss(self, scores: FloatArray, targets: FloatArray) -> float:
        """Return the sum of the losses."""
        ...

    def curved(self, given: FloatArray, change: FloatArray) -> FloatArray:
        """Return the (N, M) change of the probabilities for one of the scores."""
        ...


class Sigmoids:
    """A sigmoid for each column."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Return 1 / (1 + exp(-scores))."""
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)))

    def loss(self, scores: FloatArray, targets: FloatArray) -> float:
        """Return the sum of the binary cross-entropies."""
        return float((np.logaddexp(0.0, scores) - targets * scores).sum())

    def curved(self, given: FloatArray, change: FloatArray) -> FloatArray:
        """Return p (1 - p) change."""
        return given * (1.0 - given) * change


class Softmax:
    """A softmax over all columns."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Return exp(scores), divided by their sum."""
        return softmax(scores)

    def loss(self, scores: FloatArray, targets: FloatArray) -> float:
        """Return the sum of the cross-entropies."""
        highest = scores.max(axis=1)
        sums = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
        return float(sums.sum() - (targets * scores).sum())

    def curved(self, given: FloatArray, change: FloatArray) -> FloatArray:
        """Return p (change - its mean under p)."""
        return given * (change - (given * change).sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class LogisticClassifier:
    """Logistic regression with a penalty on the squares of the weights.

    Attributes:
        weights: (F + 1, M), the last row is the intercept; M is the number of classes K, and 1 for
            two classes.
        has_label_sets: whether a row has any number of the classes: then each has a sigmoid.
    """

    weights: FloatArray
    has_label_sets: bool = False

    @classmethod
    def fit(
        cls, features: SparseFeatures, truth: IntArray, num_classes: int
    ) -> tuple[LogisticClassifier, FloatArray]:
        """Fit on the training set; the penalty by the log loss on folds.

        Args:
            features: (N, F).
            truth: (N,) places of the true classes, or (N, K) 1 for each that a row has.
            num_classes: K.

        Returns:
            The classifier, and the (N, K) probabilities for each row of a fit without its fold.
        """
        has_label_sets = truth.ndim == 2
        targets = targets_of(truth, num_classes)
        if num_classes == 2 and not has_label_sets:
            targets = targets[:, 1:]
        fold = _folds(truth)
        held_out = np.zeros((len(truth), num_classes))
        parts = []
        for number in range(fold.max() + 1):
            others = np.flatnonzero(fold != number)
            parts.append((others, features.take(others), np.flatnonzero(fold == number)))
        begun = np.zeros((features.num_features + 1, targets.shape[1]))
        weights = [begun] * len(parts)
        least = np.inf
        for strength in STRENGTHS:
            given = np.zeros_like(held_out)
            for number, (others, known, left_out) in enumerate(parts):
                weights[number] = minimised(
                    known, targets[others], strength, weights[number], has_label_sets=has_label_sets
                )
                fitted = cls(weights[number], has_label_sets)
                given[left_out] = fitted.probabilities(features.take(left_out))
            loss = log_loss(given, truth)
            if loss >= least:
                break  # further ones overfit more
            least = loss
            best = strength
            held_out = given
        found = minimised(features, targets, best, begun, has_label_sets=has_label_sets)
        return cls(found, has_label_sets), held_out

    def probabilities(self, features: SparseFeatures) -> FloatArray:
        """Return (N, K)."""
        scores = _scores(features, self.weights)
        given = _link(self.weights.shape[1], self.has_label_sets).probabilities(scores)
        if given.shape[1] == 1 and not self.has_label_sets:
            return np.concatenate([1.0 - given, given], axis=1)
        return given


def minimised(
    features: SparseFeatures,
    targets: FloatArray,
    strength: float,
    begun: FloatArray,
    *,
    has_label_sets: bool = False,
) -> FloatArray:
    """Return the (F + 1, M) weights with the least sum of losses and penalties.

    Newton's method, each step by conjugate gradients scaled by the diagonal of the Hessian matrix
    (Lin, Weng & Keerthi 2008, "Trust region Newton method for large-scale logistic regression",
    with a step that is halved in the place of a trust region).

    Args:
        features: (N, F).
        targets: (N, M) of 0 and 1.
        strength: the penalty is the sum of the squares of the weights, but for those of the
            intercept, divided by twice the strength.
        begun: (F + 1, M) weights to begin with.
        has_label_sets: whether each column has a sigmoid.
    """
    link = _link(targets.shape[1], has_label_sets)
    ridge = np.full((features.num_features + 1, 1), 1.0 / strength)
    ridge[-1] = 0.0
    weights = begun
    scores = _scores(features, weights)
    at_zero = _turned(features, link.probabilities(np.zeros_like(targets)) - targets)
    least_norm = TOLERANCE * float(np.linalg.norm(at_zero))
    squares = features.squared()
    value = link.loss(scores, targets) + 0.5 * (ridge * weights**2).sum()
    for _ in range(MOST_STEPS):
        given = link.probabilities(scores)
        gradient = _turned(features, given - targets) + ridge * weights
        if np.linalg.norm(gradient) <= least_norm:
            break
        diagonal = _turned(squares, given * (1.0 - given)) + ridge + 1e-12
        step = _newton_step(features, link, given, ridge, gradient, diagonal)
        change = _scores(features, step)
        slope = (gradient * step).sum()
        size = 1.0
        while size > 1e-6:
            moved = weights + size * step
            lower = link.loss(scores + size * change, targets)
            lower += 0.5 * (ridge * moved**2).sum()
            if lower <= value + 1e-4 * size * slope:
                break
            size /= 2
        else:
            break  # rounding
        weights = moved
        scores = scores + size * change
        value = lower
    return weights


def _newton_step(
    features: SparseFeatures,
    link: Link,
    given: FloatArray,
    ridge: FloatArray,
    gradient: FloatArray,
    diagonal: FloatArray,
) -> FloatArray:
    """Return the (F + 1, M) step to where the gradient is about zero, by conjugate gradients."""
    step = np.zeros_like(gradient)
    residual = -gradient
    scaled = residual / diagonal
    direction = scaled
    product = (residual * scaled).sum()
    enough = 0.1**2 * product
    for _ in range(MOST_PRODUCTS):
        change = link.curved(given, _scores(features, direction))
        curved = _turned(features, change) + ridge * direction
        size = product / (direction * curved).sum()
        step = step + size * direction
        residual = residual - size * curved
        scaled = residual / diagonal
        last = product
        product = (residual * scaled).sum()
        if product <= enough:
            break
        direction = scaled + product / last * direction
    return step


def _link(num_columns: int, has_label_sets: bool) -> Link:
    """Return the link of so many columns."""
    return Sigmoids() if has_label_sets or num_columns == 1 else Softmax()


def _scores(features: SparseFeatures, weights: FloatArray) -> FloatArray:
    """Return the (N, M) scores."""
    return features.times(weights[:-1]) + weights[-1]


def _turned(features: SparseFeatures, shares: FloatArray) -> FloatArray:
    """Return the (F + 1, M) sums over the rows of features, and of 1, times shares (N, M)."""
    return np.vstack([features.turned_times(shares), shares.sum(axis=0)])


def _folds(truth: IntArray) -> IntArray:
    """Return the (N,) fold of each row, each with the same share of every class."""
    order = np.random.default_rng(0).permutation(len(truth))
    if truth.ndim == 1:
        order = order[np.argsort(truth[order], kind="stable")]
    fold = np.empty(len(truth), np.int64)
    fold[order] = np.arange(len(truth)) % NUM_FOLDS
    return fold
