"""Differences between pairs of networks that differ in one setting, with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev, variance
from typing import Any

from grid import GRID, SEEDS, SETS, Choice

Rows = Mapping[str, Mapping[str, Any]]
Pair = tuple[Choice, Choice]

STUDENT = {5: 2.571, 9: 2.262, 11: 2.201, 14: 2.145}
"""Degrees of freedom -> the 97.5 % point of Student's distribution, for the numbers of pairs that
there are."""


@dataclass(frozen=True)
class Difference:
    """Relative difference in error between the two sides of many pairs, in percent.

    Attributes:
        each: one number per pair.
    """

    each: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over pairs."""
        return fmean(self.each)

    @property
    def error(self) -> float:
        """Standard error of the mean; its variance includes seeds and kinds of network."""
        return stdev(self.each) / math.sqrt(len(self.each))

    @property
    def interval(self) -> tuple[float, float]:
        """Where the mean lies with a confidence of 95 %."""
        reach = STUDENT[len(self.each) - 1] * self.error
        return self.mean - reach, self.mean + reach

    @property
    def is_measurable(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def num_better(self) -> int:
        """Pairs in which the error is smaller."""
        return sum(one < 0 for one in self.each)


def instead(field: str, new: Mapping[Any, Any]) -> list[Pair]:
    """Return all pairs of the grid: the first with the new value of a field, the second the old.

    Args:
        field: of `Choice`.
        new: old value -> new value.
    """
    return [
        (replace(one, **{field: new[getattr(one, field)]}), one)
        for one in GRID
        if getattr(one, field) in new
    ]


QUESTIONS: dict[str, list[Pair]] = {
    "GRU instead of RNN": instead("kind", {"RNN": "GRU"}),
    "LSTM instead of GRU": instead("kind", {"GRU": "LSTM", "BiGRU": "BiLSTM"}),
    "both directions instead of one": instead("kind", {"GRU": "BiGRU", "LSTM": "BiLSTM"}),
    "dot attention instead of none": instead("attention", {"none": "dot"}),
    "two layers instead of one": instead("num_layers", {1: 2}),
    "three layers instead of one": instead("num_layers", {1: 3}),
}


@dataclass(frozen=True)
class Results:
    """Results on one data set.

    Attributes:
        name: of `SETS`.
        rows: figures of each network and seed.
    """

    name: str
    rows: Rows

    @property
    def score(self) -> str:
        """The error that is compared."""
        return SETS[self.name].scores[0]

    def seeds(self, ending: str = "") -> tuple[int, ...]:
        """Seeds of which the whole grid was run, in the part whose keys have this ending."""
        return self.seeds_with([choice.key + ending for choice in GRID])

    def seeds_with(self, keys: Iterable[str]) -> tuple[int, ...]:
        """Seeds of which all of some networks were run."""
        wanted = list(keys)
        return tuple(seed for seed in SEEDS if all(f"{key}-{seed}" in self.rows for key in wanted))

    def errors(self, key: str, seeds: Sequence[int], score: str = "") -> list[float]:
        """One error per seed, of the score that is compared or another."""
        return [float(self.rows[f"{key}-{seed}"]["scores"][score or self.score]) for seed in seeds]

    def mean_error(self, key: str, seeds: Sequence[int], score: str = "") -> float:
        """The mean over seeds."""
        return fmean(self.errors(key, seeds, score))

    def difference(self, pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> Difference:
        """Compare the first of each pair of keys with the second."""
        ratios = [self.mean_error(new, seeds) / self.mean_error(old, seeds) for new, old in pairs]
        return Difference(tuple(100 * (ratio - 1) for ratio in ratios))

    def answers(self, seeds: Sequence[int], ending: str = "") -> dict[str, Difference]:
        """The difference of every question, in the part whose keys have this ending."""
        keys = {
            one: [(a.key + ending, b.key + ending) for a, b in pairs]
            for one, pairs in QUESTIONS.items()
        }
        return {question: self.difference(pairs, seeds) for question, pairs in keys.items()}

    def seed_spread(self, seeds: Sequence[int]) -> float:
        """Deviation over seeds in percent of a network's error, RMS over the grid."""
        found = [self.errors(choice.key, seeds) for choice in GRID]
        return 100 * math.sqrt(fmean(variance(errors) / fmean(errors) ** 2 for errors in found))
