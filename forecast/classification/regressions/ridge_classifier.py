"""Ridge regression as a classifier, its penalty chosen by leave-one-out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import log_loss, targets_of

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-10, 9))
"""Ridge penalties tried, per training sequence."""

LEAST_SPREAD = 1e-6
"""Deviation of a feature, of rows with deviation 1, up to which it is rounding and no feature."""

SHARPNESS = tuple(2.0**power for power in range(-1, 6))
"""Factors of the ridge scores before the softmax that are tried."""


@dataclass(frozen=True, eq=False)
class RidgeClassifier:
    """Ridge regression on one 0/1 target per class, its scores through a softmax.

    Attributes:
        mean: (F,) of the features.
        spread: (F,) their deviation; 1 for a constant feature.
        weights: (F + 1, K), the last row is the intercept.
        sharpness: factor of the scores before the softmax.
        has_label_sets: whether a row has any number of the classes: then each has a sigmoid.
    """

    mean: FloatArray
    spread: FloatArray
    weights: FloatArray
    sharpness: float
    has_label_sets: bool = False

    @classmethod
    def fit(
        cls, features: FloatArray, truth: IntArray, num_classes: int
    ) -> tuple[RidgeClassifier, FloatArray]:
        """Fit on the training set; penalty and sharpness by its leave-one-out log loss.

        The error without a row follows from the fit with it: e_i / (1 - h_ii) (Hastie et al. 2009,
        The Elements of Statistical Learning, 7.10), from one singular value decomposition for all
        penalties.

        Args:
            features: (N, F).
            truth: (N,) places of the true classes, or (N, K) 1 for each that a row has.
            num_classes: K.

        Returns:
            The classifier, and the (N, K) probabilities for each row of a fit without it.
        """
        mean = features.mean(axis=0)
        deviation = features.std(axis=0)
        spread = np.where(deviation > LEAST_SPREAD, deviation, 1.0)
        scaled = (features - mean) / spread
        targets = targets_of(truth, num_classes)
        link = sigmoids if truth.ndim == 2 else softmax
        centre = targets.mean(axis=0)
        left, values, right = _thin_svd(scaled)
        projected = left.T @ (targets - centre)

        least = np.inf
        for penalty in PENALTIES:
            kept = values**2 / (values**2 + penalty * len(truth))
            fitted = left @ (kept[:, None] * projected)
            leverage = (left**2) @ kept + 1 / len(truth)
            residual = (targets - centre - fitted) / np.maximum(1e-9, 1 - leverage)[:, None]
            without = targets - residual
            for sharpness in SHARPNESS:
                given = link(without, sharpness)
                loss = log_loss(given, truth)
                if loss < least:
                    least = loss
                    best = (penalty, sharpness, given)
        penalty, sharpness, held_out = best
        shrunk = (values / (values**2 + penalty * len(truth)))[:, None] * projected
        weights = np.vstack([right.T @ shrunk, centre])
        return cls(mean, spread, weights, sharpness, truth.ndim == 2), held_out

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Return (N, K)."""
        scaled = (features - self.mean) / self.spread
        scores = scaled @ self.weights[:-1] + self.weights[-1]
        link = sigmoids if self.has_label_sets else softmax
        return link(scores, self.sharpness)


def _thin_svd(matrix: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (N, r), (r,), (r, F) singular vectors and values, without those of rounding.

    By the eigenvectors of the smaller of the two Gram matrices: several times quicker for long or
    wide matrices, and exact enough for a ridge.
    """
    is_wide = matrix.shape[1] > matrix.shape[0]
    gram = matrix @ matrix.T if is_wide else matrix.T @ matrix
    squares, vectors = np.linalg.eigh(gram)
    kept = squares > 1e-10 * max(squares[-1], 1e-300)
    values = np.sqrt(squares[kept])
    vectors = vectors[:, kept]
    if is_wide:
        return vectors, values, (matrix.T @ vectors / values).T
    return matrix @ vectors / values, values, vectors.T


def sigmoids(scores: FloatArray, sharpness: float) -> FloatArray:
    """Return (N, K) probabilities of scores of 0/1 targets, each a half at the score of a half."""
    return 1.0 / (1.0 + np.exp(-np.clip(4.0 * sharpness * (scores - 0.5), -500.0, 500.0)))


def softmax(scores: FloatArray, sharpness: float = 1.0) -> FloatArray:
    """Return (N, K) probabilities of scores, multiplied by a factor."""
    scores = scores * sharpness
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
