"""Probabilities of categories ahead beside what came, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import CLASS_SCORES
from forecast.classification.evaluated import NETWORK, ClassifierResult, paired_verdict, score_table


@dataclass(frozen=True, eq=False)
class CategoryResult:
    """Forecasts of categories at cutoffs after which the categories are known.

    Attributes:
        ids: (W,) name of the series of each window.
        cutoffs: (W,) last step that was read, as a number or a timestamp.
        classes: the K categories.
        truth: (W, H) places of what came in `classes`.
        probabilities: (W, H, K) of each model by name, that of the forecaster first.

    Example:
        >>> import numpy as np
        >>> from forecast import CategoryResult
        >>> ids = np.array(["a", "a"], dtype=object)
        >>> shares = {"bigru": np.array([[[0.8, 0.2]], [[0.3, 0.7]]])}
        >>> truth = np.array([[0], [1]])
        >>> result = CategoryResult(ids, np.array([1, 2]), ("off", "on"), truth, shares)
        >>> result.scores()[["accuracy", "perplexity"]].loc["bigru"].round(2).to_dict()
        {'accuracy': 1.0, 'perplexity': 1.34}
    """

    ids: NDArray[np.object_]
    cutoffs: NDArray[np.generic]
    classes: tuple[str, ...]
    truth: IntArray
    probabilities: dict[str, FloatArray]

    @property
    def alias(self) -> str:
        """Name of the forecaster."""
        return next(iter(self.probabilities))

    @property
    def horizon(self) -> int:
        """Steps ahead H."""
        return self.truth.shape[1]

    def flat(self) -> ClassifierResult:
        """Return every step ahead as a case of its own."""
        size = (-1, len(self.classes))
        return ClassifierResult(
            np.repeat(self.ids, self.horizon),
            self.classes,
            self.truth.reshape(-1),
            {name: given.reshape(size) for name, given in self.probabilities.items()},
        )

    def scores(self) -> pd.DataFrame:
        """Return one row per model: the scores of `CLASS_SCORES`, and perplexity; best first."""
        flat = self.flat()
        table = score_table(flat.probabilities, flat.truth, CLASS_SCORES)
        table["perplexity"] = np.exp(table["log loss"])
        return table.sort_values(["accuracy", "log loss"], ascending=[False, True], kind="stable")

    def by_step(self) -> pd.DataFrame:
        """Return the accuracy of each model, a row per step ahead."""
        hits = {
            name: (given.argmax(axis=2) == self.truth).mean(axis=0)
            for name, given in self.probabilities.items()
        }
        steps = pd.Index(np.arange(1, self.horizon + 1), name="ahead")
        return pd.DataFrame(hits, index=steps)

    def confusion(self) -> pd.DataFrame:
        """Return counts over all steps ahead: a row per true one, a column per forecast one."""
        return self.flat().confusion()

    def frame(self, id_col: str) -> pd.DataFrame:
        """Return a row per window and step ahead; see `rows_ahead`.

        Args:
            id_col: name of the column of ids.
        """
        given = self.probabilities[self.alias]
        table = rows_ahead(id_col, self.ids, self.cutoffs, self.classes, self.alias, given)
        named = np.array(self.classes, dtype=object)
        table.insert(3, "actual", named[self.truth.reshape(-1)])
        return table

    def best_baseline(self) -> str:
        """Return the name of the baseline with the best accuracy, then the best log loss."""
        return str(next(name for name in self.scores().index if name not in (self.alias, NETWORK)))

    def verdict(self) -> str:
        """Return one sentence: the forecaster against its best baseline, by a paired bootstrap."""
        hits = {
            name: (self.probabilities[name].argmax(axis=2) == self.truth).mean(axis=1)
            for name in (self.alias, self.best_baseline())
        }
        return paired_verdict(hits, "accuracy", "test windows")


def rows_ahead(
    id_col: str,
    ids: NDArray[np.object_],
    cutoffs: NDArray[np.generic],
    classes: tuple[str, ...],
    alias: str,
    given: FloatArray,
) -> pd.DataFrame:
    """Return a row per window and step ahead: id, cutoff, step, category, probability of each.

    Args:
        id_col: name of the column of ids.
        ids: (W,) series of each window.
        cutoffs: (W,) last step that was read.
        classes: the K categories.
        alias: name of the forecaster.
        given: (W, H, K) probabilities.
    """
    num_windows, horizon, num_classes = given.shape
    flat = given.reshape(-1, num_classes)
    columns = {
        id_col: np.repeat(ids, horizon),
        "cutoff": np.repeat(cutoffs, horizon),
        "ahead": np.tile(np.arange(1, horizon + 1), num_windows),
        alias: np.array(classes, dtype=object)[flat.argmax(axis=1)],
    }
    for place, name in enumerate(classes):
        columns[f"{alias}-p-{name}"] = flat[:, place]
    return pd.DataFrame(columns)
