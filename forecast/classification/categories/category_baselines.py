"""The forecasts of categories to beat: what came after the last ones, and the last once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.categories.category_windows import UNKNOWN, CategoryIndex
from forecast.classification.counts.ngrams import LONGEST, NAMES, NGrams

AHEAD = "ahead/"
"""Beginning of the names of stored counts."""


@dataclass(frozen=True, eq=False)
class CategoryTables:
    """Counts of the categories at each step ahead.

    Attributes:
        ahead: counts of what came h steps after the last categories, for each h.
    """

    ahead: tuple[NGrams, ...]

    @classmethod
    def fit(cls, contexts: IntArray, ahead: IntArray, num_classes: int) -> CategoryTables:
        """Count.

        Args:
            contexts: (W, LONGEST) of `contexts_of`.
            ahead: (W, H) classes after them.
            num_classes: K.
        """
        steps = [NGrams.fit_windows(contexts, classes, num_classes) for classes in ahead.T]
        return cls(tuple(steps))

    def of_truth(
        self, contexts: IntArray, ahead: IntArray, *, left_out: bool = False
    ) -> FloatArray:
        """Return the (B, W * H) probability that each of `NAMES` gives to what came.

        Args:
            contexts: (W, LONGEST) of `contexts_of`.
            ahead: (W, H) classes after them.
            left_out: as in `NGrams.of_truth`.
        """
        steps = [
            counts.of_truth(contexts, classes, left_out=left_out)
            for counts, classes in zip(self.ahead, ahead.T, strict=True)
        ]
        return np.stack(steps, axis=2).reshape(len(NAMES), -1)

    def mixed(self, contexts: IntArray, weights: FloatArray) -> FloatArray:
        """Return the (W, H, K) weighted sum of the probabilities of each of `NAMES`."""
        return np.stack([counts.mixed(contexts, weights) for counts in self.ahead], axis=1)

    def probabilities(self, contexts: IntArray) -> dict[str, FloatArray]:
        """Return the (W, H, K) probabilities of each of `NAMES`."""
        alone = np.eye(len(NAMES))
        return {name: self.mixed(contexts, alone[place]) for place, name in enumerate(NAMES)}

    def to_state(self) -> dict[str, IntArray]:
        """Return the counts as arrays by name."""
        return {
            f"{AHEAD}{step:03}/{name}": array
            for step, counts in enumerate(self.ahead)
            for name, array in counts.to_state().items()
        }

    @classmethod
    def from_state(
        cls, num_classes: int, horizon: int, state: Mapping[str, IntArray]
    ) -> CategoryTables:
        """Rebuild from the arrays of `to_state`."""
        of_step: dict[str, dict[str, IntArray]] = {}
        for name, array in state.items():
            _, _, rest = name.partition(AHEAD)
            step, _, own = rest.partition("/")
            of_step.setdefault(step, {})[own] = array
        steps = [NGrams.from_state(num_classes, of_step[f"{step:03}"]) for step in range(horizon)]
        return cls(tuple(steps))


def contexts_of(index: CategoryIndex, classes: IntArray, num_classes: int) -> IntArray:
    """Return the (W, LONGEST) last classes that each window reads, K where there is none.

    Args:
        index: the windows.
        classes: (R,) class of each row, `UNKNOWN` where it is empty or unseen.
        num_classes: K.
    """
    rows = index.cutoffs[:, None] - np.arange(LONGEST - 1, -1, -1)
    found = classes[np.maximum(rows, 0)]
    return np.where((rows >= index.starts[:, None]) & (found != UNKNOWN), found, num_classes)
