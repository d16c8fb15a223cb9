"""Sequences of different lengths with one label each, stored one after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_settings import SequenceColumns

SETS = ("train", "validation", "test")
"""Values of a column of sets."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of different lengths, their rows one after another.

    Attributes:
        columns: the roles of the columns; none is `auto`.
        ids: (N,) names of the sequences as in the table.
        offsets: (N + 1,) rows of sequence `i` are `offsets[i]:offsets[i + 1]`.
        numbers: (R, C) float64, columns as in `columns.features`; NaN where missing.
        words: (R,) names of the categories of each categorical column, "" where missing.
        labels: (N,) names of the labels; None for a table without labels.
        groups: (N,) names of the groups; None without groups.
        sets: (N,) `train`, `validation` or `test`; None where the table does not say.
        steps: (R,) numbers, or nanoseconds of timestamps, by which rows are in order; None where
            they are in the order of the table.
        has_stamps: whether `steps` are nanoseconds.
        tz: zone in which the table has its timestamps, where `steps` are those of UTC.
        notes: how the table was read, a sentence each.
    """

    columns: SequenceColumns
    ids: NDArray[np.object_]
    offsets: IntArray
    numbers: FloatArray
    words: dict[str, NDArray[np.object_]]
    labels: NDArray[np.object_] | None = None
    groups: NDArray[np.object_] | None = None
    sets: NDArray[np.object_] | None = None
    steps: FloatArray | None = None
    has_stamps: bool = False
    tz: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def num_sequences(self) -> int:
        """Number of sequences N."""
        return len(self.ids)

    @property
    def lengths(self) -> IntArray:
        """(N,) steps of each sequence."""
        return np.diff(self.offsets)

    def take(self, which: IntArray) -> Sequences:
        """Return some of the sequences, in this order."""
        which = np.asarray(which, np.int64)
        lengths = self.lengths[which]
        ends = np.cumsum(lengths)
        starts = np.repeat(self.offsets[which] - (ends - lengths), lengths)
        rows = starts + np.arange(int(lengths.sum()))
        return Sequences(
            columns=self.columns,
            ids=self.ids[which],
            offsets=np.concatenate([[0], ends]).astype(np.int64),
            numbers=self.numbers[rows],
            words={name: words[rows] for name, words in self.words.items()},
            labels=_taken(self.labels, which),
            groups=_taken(self.groups, which),
            sets=_taken(self.sets, which),
            steps=None if self.steps is None else self.steps[rows],
            has_stamps=self.has_stamps,
            tz=self.tz,
        )

    def shown_steps(self, rows: IntArray) -> NDArray[np.generic]:
        """Return the steps of some rows as the table has them; rows are counted where it has none.

        Args:
            rows: their numbers.
        """
        if self.steps is None:
            sequence = np.searchsorted(self.offsets, rows, side="right") - 1
            return rows - self.offsets[sequence]
        steps = self.steps[rows]
        if self.has_stamps:
            stamps = steps.astype(np.int64).astype("datetime64[ns]")
            if self.tz is None:
                return stamps
            local = pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(self.tz)
            return local.tz_localize(None).to_numpy()
        if np.all(steps == np.round(steps)):
            return steps.astype(np.int64)
        return steps


def _taken(values: NDArray[np.object_] | None, which: IntArray) -> NDArray[np.object_] | None:
    if values is None:
        return None
    return values[which]
