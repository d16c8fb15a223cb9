"""Windows of a column of categories: which rows are read, which are forecast, in which set."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.classification.categories.category_settings import CategorySplit, CategoryWindows
from forecast.classification.tables.labelled_sequences import Sequences

GAP = 1.5
"""Usual steps from which on a step is a gap: 31 days are none among months, two days are among
days."""

UNKNOWN = -1
"""Class of a cell that is empty, or that the training set does not have."""


@dataclass(frozen=True, eq=False)
class CategoryIndex:
    """Windows of some rows.

    Attributes:
        series: (W,) number of the series of each window.
        starts: (W,) first row that is read.
        lengths: (W,) rows that are read.
    """

    series: IntArray
    starts: IntArray
    lengths: IntArray

    @property
    def cutoffs(self) -> IntArray:
        """(W,) last row that is read."""
        return self.starts + self.lengths - 1

    def take(self, which: NDArray[np.bool_] | IntArray) -> CategoryIndex:
        """Return some of the windows."""
        return CategoryIndex(self.series[which], self.starts[which], self.lengths[which])

    def ahead(self, horizon: int) -> IntArray:
        """Return the (W, H) rows that are forecast."""
        return self.cutoffs[:, None] + 1 + np.arange(horizon)


def runs_of(sequences: Sequences) -> IntArray:
    """Return the (R,) first row of the run of each row: rows of a series without a gap."""
    num_rows = int(sequences.offsets[-1])
    series = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    begins = np.ones(num_rows, dtype=bool)
    begins[1:] = series[1:] != series[:-1]
    if sequences.steps is not None and num_rows > 1:
        step = np.diff(sequences.steps)
        inside = step[~begins[1:]]
        if len(inside):
            begins[1:] |= step > GAP * np.median(inside)
    return np.maximum.accumulate(np.where(begins, np.arange(num_rows), 0))


def all_windows(sequences: Sequences, settings: CategoryWindows) -> CategoryIndex:
    """Return every window whose steps ahead are there too."""
    first = runs_of(sequences)
    num_rows = len(first)
    series = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    cutoffs = np.arange(num_rows - settings.horizon)
    cutoffs = cutoffs[first[cutoffs] == first[cutoffs + settings.horizon]]
    return _reading(first, series, cutoffs, settings)


def last_windows(sequences: Sequences, settings: CategoryWindows) -> CategoryIndex:
    """Return the window at the end of each series."""
    series = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    return _reading(runs_of(sequences), series, sequences.offsets[1:] - 1, settings)


def _reading(
    first: IntArray, series: IntArray, cutoffs: IntArray, settings: CategoryWindows
) -> CategoryIndex:
    starts = np.maximum(first[cutoffs], cutoffs - settings.context_length + 1)
    return CategoryIndex(series[cutoffs], starts, cutoffs - starts + 1)


@dataclass(frozen=True, eq=False)
class CategorySets:
    """Windows of the three sets, and the rows of the training set.

    Attributes:
        train: windows to learn from.
        validation: those that decide when to stop.
        test: those that judge.
        is_training: (R,) whether a row is in the training set.
    """

    train: CategoryIndex
    validation: CategoryIndex
    test: CategoryIndex
    is_training: NDArray[np.bool_]


def divide(
    sequences: Sequences, index: CategoryIndex, horizon: int, split: CategorySplit
) -> CategorySets:
    """Divide windows: one belongs to the set that has all of its steps ahead.

    Args:
        sequences: the series.
        index: their windows.
        horizon: H.
        split: the shares.
    """
    num_test = np.round(split.test * sequences.lengths).astype(np.int64)
    ends = sequences.offsets[1:]
    return _before(sequences, index, horizon, (ends - num_test, ends), split.validation)


def fold_sets(
    sequences: Sequences,
    index: CategoryIndex,
    horizon: int,
    split: CategorySplit,
    num_folds: int,
) -> list[CategorySets]:
    """Return the sets of each fold: stretches before the test set, judged by what comes before.

    The rows of each series before the test set are cut into one stretch more than there are folds;
    each but the first is the test set of a fold.

    Args:
        sequences: the series.
        index: their windows.
        horizon: H.
        split: the shares of test and validation set.
        num_folds: number of folds.
    """
    lengths = sequences.lengths
    known = lengths - np.round(split.test * lengths).astype(np.int64)
    starts = sequences.offsets[:-1]
    bounds = [starts + known * part // (num_folds + 1) for part in range(1, num_folds + 2)]
    return [
        _before(sequences, index, horizon, between, split.validation)
        for between in pairwise(bounds)
    ]


def _before(
    sequences: Sequences,
    index: CategoryIndex,
    horizon: int,
    test: tuple[IntArray, IntArray],
    validation: float,
) -> CategorySets:
    """Return the windows of a test set, and the sets of those before it.

    Args:
        sequences: the series.
        index: their windows.
        horizon: H.
        test: (N,) first row of the test set of each series, and the row after the last.
        validation: share of the rows before it in the validation set.
    """
    test_from, test_to = test
    num_before = test_from - sequences.offsets[:-1]
    validation_from = test_from - np.round(validation * num_before).astype(np.int64)
    first = index.cutoffs + 1
    last = index.cutoffs + horizon
    begins = validation_from[index.series]
    ends = test_from[index.series]
    series = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    rows = np.arange(int(sequences.offsets[-1]))
    return CategorySets(
        train=index.take(last < begins),
        validation=index.take((first >= begins) & (last < ends)),
        test=index.take((first >= ends) & (last < test_to[index.series])),
        is_training=rows < validation_from[series],
    )
