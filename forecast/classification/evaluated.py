"""Probabilities of a classifier and its baselines beside the true labels, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import CLASS_SCORES, ClassScore, confusion

NETWORK = "network"
"""Name of the network in tables, where the classifier is its combination with a baseline."""

NUM_DRAWS = 2000
"""Samples of the bootstrap."""

LEVEL = 0.95
"""Share of the samples within the interval of a difference."""


@dataclass(frozen=True, eq=False)
class ClassifierResult:
    """Predictions for sequences whose labels are known.

    Attributes:
        ids: (N,) names of the sequences.
        classes: the K labels.
        truth: (N,) place of each sequence's label in `classes`.
        probabilities: (N, K) of each model by name, that of the classifier first, then its network
            and the baselines.

    Example:
        >>> import numpy as np
        >>> from forecast import ClassifierResult
        >>> ids = np.array(["a", "b", "c"], dtype=object)
        >>> sure = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> shares = {"bigru": sure, "class frequencies": np.full((3, 2), [1 / 3, 2 / 3])}
        >>> result = ClassifierResult(ids, ("no", "yes"), np.array([0, 1, 1]), shares)
        >>> result.scores()["accuracy"].round(2).to_dict()
        {'bigru': 0.67, 'class frequencies': 0.67}
        >>> result.confusion().loc["yes"].to_dict()
        {'no': 1, 'yes': 1}
    """

    ids: NDArray[np.object_]
    classes: tuple[str, ...]
    truth: IntArray
    probabilities: dict[str, FloatArray]

    @property
    def alias(self) -> str:
        """Name of the network."""
        return next(iter(self.probabilities))

    def frame(self, id_col: str) -> pd.DataFrame:
        """Return a row per sequence: id, true label, predicted class, probability of each class.

        Args:
            id_col: name of the column of ids.
        """
        named = np.array(self.classes, dtype=object)
        given = self.probabilities[self.alias]
        columns = {
            id_col: self.ids,
            "label": named[self.truth],
            self.alias: named[given.argmax(axis=1)],
        }
        for place, name in enumerate(self.classes):
            columns[f"{self.alias}-p-{name}"] = given[:, place]
        return pd.DataFrame(columns)

    def scores(self) -> pd.DataFrame:
        """Return one row per model, one column per score of `CLASS_SCORES`, best models first."""
        table = score_table(self.probabilities, self.truth, CLASS_SCORES)
        return table.sort_values(["accuracy", "log loss"], ascending=[False, True], kind="stable")

    def confusion(self) -> pd.DataFrame:
        """Return counts of sequences: a row per true class, a column per predicted one."""
        counts = confusion(self.probabilities[self.alias], self.truth)
        return pd.DataFrame(
            counts,
            index=pd.Index(self.classes, name="actual"),
            columns=pd.Index(self.classes, name="predicted"),
        )

    def best_baseline(self) -> str:
        """Return the name of the baseline with the best accuracy, then the best log loss."""
        return str(next(name for name in self.scores().index if name not in (self.alias, NETWORK)))

    def verdict(self) -> str:
        """Return one sentence: the network against its best baseline; see `paired_verdict`."""
        hits = {
            name: (self.probabilities[name].argmax(axis=1) == self.truth).astype(np.float64)
            for name in (self.alias, self.best_baseline())
        }
        return paired_verdict(hits, "accuracy")


def score_table(
    probabilities: Mapping[str, FloatArray], truth: IntArray, scores: Mapping[str, ClassScore]
) -> pd.DataFrame:
    """Return one row per model and one column per score.

    Args:
        probabilities: (N, K) of each model by name.
        truth: as the scores take it.
        scores: the scores by name.
    """
    rows = {
        name: {score: entry.function(given, truth) for score, entry in scores.items()}
        for name, given in probabilities.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "model"
    return table


def paired_verdict(
    hits: Mapping[str, FloatArray], measure: str, judged: str = "test sequences"
) -> str:
    """Return one sentence: a model against its best baseline, by a paired bootstrap.

    Sequences are drawn with replacement, both models on the same ones (Efron & Tibshirani 1993, An
    Introduction to the Bootstrap), so that the interval is that of the difference.

    Args:
        hits: (N,) share of each sequence that is right, of the model and of the baseline by name.
        measure: name of the mean of these.
        judged: what N counts.
    """
    (name, own), (other, baseline) = hits.items()
    difference = own - baseline
    draw = np.random.default_rng(0)
    samples = draw.integers(0, len(difference), size=(NUM_DRAWS, len(difference)))
    means = difference[samples].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if low > 0:
        word = "is better than"
    elif high < 0:
        word = "is worse than"
    else:
        word = "cannot be told apart from"
    return (
        f"{name} {word} the best baseline ({other}): {measure} {own.mean():.3f} against "
        f"{baseline.mean():.3f} on {len(difference):,} {judged}, difference "
        f"{difference.mean():+.3f} ({100 * LEVEL:.0f} % interval {low:+.3f} to {high:+.3f})."
    )
