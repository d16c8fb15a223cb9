"""Probabilities of labels beside the labels that sequences have, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.evaluated import NETWORK, paired_verdict, score_table
from forecast.classification.label_sets.label_cells import HALF, shown_sets
from forecast.classification.label_sets.set_scores import SET_SCORES


@dataclass(frozen=True, eq=False)
class LabelSetResult:
    """Predictions for sequences with any number of labels each.

    Attributes:
        ids: (N,) names of the sequences.
        classes: the K labels.
        truth: (N, K) 1 for every label that a sequence has.
        probabilities: (N, K) of each model by name, that of the classifier first.
        separator: between the labels of a cell.

    Example:
        >>> import numpy as np
        >>> from forecast import LabelSetResult
        >>> ids = np.array(["a", "b"], dtype=object)
        >>> shares = {"bigru": np.array([[0.9, 0.6], [0.2, 0.8]])}
        >>> result = LabelSetResult(ids, ("hot", "wet"), np.array([[1, 0], [0, 1]]), shares)
        >>> result.scores()[["subset accuracy", "Hamming loss"]].loc["bigru"].to_dict()
        {'subset accuracy': 0.5, 'Hamming loss': 0.25}
        >>> result.frame("id")["bigru"].tolist()
        ['hot|wet', 'wet']
    """

    ids: NDArray[np.object_]
    classes: tuple[str, ...]
    truth: IntArray
    probabilities: dict[str, FloatArray]
    separator: str = "|"

    @property
    def alias(self) -> str:
        """Name of the classifier."""
        return next(iter(self.probabilities))

    def frame(self, id_col: str) -> pd.DataFrame:
        """Return a row per sequence: id, true labels, predicted ones, probability of each.

        Args:
            id_col: name of the column of ids.
        """
        given = self.probabilities[self.alias]
        columns: dict[str, Any] = {
            id_col: self.ids,
            "label": shown_sets(self.truth.astype(np.float64), self.classes, self.separator),
            self.alias: shown_sets(given, self.classes, self.separator),
        }
        for place, name in enumerate(self.classes):
            columns[f"{self.alias}-p-{name}"] = given[:, place]
        return pd.DataFrame(columns)

    def scores(self) -> pd.DataFrame:
        """Return one row per model, one column per score of `SET_SCORES`, best models first."""
        table = score_table(self.probabilities, self.truth, SET_SCORES)
        return table.sort_values(["Hamming loss", "log loss"], kind="stable")

    def counts(self) -> pd.DataFrame:
        """Return a row per label: sequences where it is found, missed, or wrongly given."""
        predicted = self.probabilities[self.alias] >= HALF
        is_true = self.truth > 0
        columns = {
            "found": np.sum(predicted & is_true, axis=0),
            "missed": np.sum(~predicted & is_true, axis=0),
            "wrongly given": np.sum(predicted & ~is_true, axis=0),
        }
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="label"))

    def by_label(self) -> pd.DataFrame:
        """Return a row per label: sequences that have it, precision, recall and F1."""
        predicted = self.probabilities[self.alias] >= HALF
        is_true = self.truth > 0
        both = np.sum(predicted & is_true, axis=0)
        with np.errstate(invalid="ignore"):
            columns = {
                "sequences": is_true.sum(axis=0),
                "precision": both / predicted.sum(axis=0),
                "recall": both / is_true.sum(axis=0),
                "F1": 2 * both / (predicted.sum(axis=0) + is_true.sum(axis=0)),
            }
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="label"))

    def best_baseline(self) -> str:
        """Return the name of the baseline with the least Hamming loss, then log loss."""
        return str(next(name for name in self.scores().index if name not in (self.alias, NETWORK)))

    def verdict(self) -> str:
        """Return one sentence: the classifier against its best baseline, by a paired bootstrap."""
        other = self.best_baseline()
        right = {
            name: np.mean((self.probabilities[name] >= HALF) == (self.truth > 0), axis=1)
            for name in (self.alias, other)
        }
        return paired_verdict(right, "share of labels that are right")
