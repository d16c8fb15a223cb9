"""Training, validation and test set of labelled sequences: whole sequences, never rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.classification.class_settings import SplitSettings
from forecast.classification.label_sets.label_cells import parts_of, rarest
from forecast.classification.same_contents import contents_of
from forecast.classification.tables.labelled_sequences import SETS, Sequences
from forecast.data.findings import listed
from forecast.data.names import sorted_names
from forecast.errors import DataError


@dataclass(frozen=True, eq=False)
class SequenceSplit:
    """Numbers of the sequences in each set, in the order of the table.

    Attributes:
        train: what the network learns from.
        validation: decides when training stops.
        test: judges the result.
    """

    train: IntArray
    validation: IntArray
    test: IntArray


def split_sequences(sequences: Sequences, settings: SplitSettings) -> SequenceSplit:
    """Divide sequences into sets.

    With groups, whole groups are drawn; a group has the label that most of its sequences have.
    Without, sequences with equal rows are a group.
    A `split_col` decides first; validation sequences are then drawn from `train`, unless the column
    names some.

    Args:
        sequences: with labels.
        settings: the shares.
    """
    draw = np.random.default_rng(settings.seed)
    everything = np.arange(sequences.num_sequences)
    if sequences.sets is not None:
        named = {name: everything[sequences.sets == name] for name in SETS}
        rest = named["train"]
        test = named["test"]
        if len(named["validation"]):
            return SequenceSplit(rest, named["validation"], test)
    else:
        rest, test = _divided(sequences, everything, settings.test, settings.by, draw)
    train, validation = _divided(sequences, rest, settings.validation, settings.by, draw)
    return SequenceSplit(train, validation, test)


def refuse_unseen(sequences: Sequences, split: SequenceSplit) -> None:
    """Raise where the test set has a label that no other sequence has: before anything is trained.

    Raises:
        DataError: names the labels.
    """
    assert sequences.labels is not None
    learned = sequences.labels[np.concatenate([split.train, split.validation])]
    known = {part for label in learned for part in parts_of(label)}
    tested = {part for label in sequences.labels[split.test] for part in parts_of(label)}
    unseen = sorted_names(tested - known)
    if known and unseen:
        raise DataError(
            f"label {listed(unseen)} is in none of the training sequences, whose labels are "
            f"{listed(sorted_names(known))}: leave these sequences out, or train with some of them"
        )


def known_sequences(sequences: Sequences, split: SequenceSplit) -> Sequences:
    """Return the sequences of the training and the validation set.

    Raises:
        DataError: there are none, or each has a label of its own.
    """
    numbers = np.sort(np.concatenate([split.train, split.validation]))
    column = sequences.columns.split_col
    if not len(split.train) and column is not None:
        raise DataError(
            f"column {column!r} names no sequence `train`: name those to learn from, or leave the "
            f"sets to be drawn"
        )
    if not len(split.train):
        raise DataError(
            f"no sequence is left for training of {sequences.num_sequences}: give more sequences, "
            f"or smaller shares in `split.test` and `split.validation`"
        )
    known = sequences.take(numbers)
    assert known.labels is not None
    if not known.columns.has_label_sets and len(set(known.labels)) == len(known.labels) > 2:
        raise DataError(
            f"each of {len(known.labels)} training sequences has a label of its own, such as "
            f"{listed(known.labels.tolist(), shown=3)}: expected several sequences of each label; "
            f"name another column of labels"
        )
    return known


def stratified_folds(
    sequences: Sequences, numbers: IntArray, num_folds: int, seed: int
) -> list[IntArray]:
    """Divide sequences into folds with the same shares of each label; groups stay together.

    Args:
        sequences: with labels.
        numbers: those to divide.
        num_folds: number of folds.
        seed: of the draw.

    Returns:
        The numbers in each fold.
    """
    draw = np.random.default_rng(seed)
    units, labels = _units(sequences, numbers)
    fold_of = np.empty(len(labels), np.int64)
    start = 0
    for label in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == label))
        # goes on where the last label ended, so that folds are of one size
        fold_of[members] = (start + np.arange(len(members))) % num_folds
        start += len(members)
    return [numbers[fold_of[units] == fold] for fold in range(num_folds)]


Fold = tuple[IntArray, IntArray]
"""Numbers to learn from, and those that judge."""


def validation_folds(sequences: Sequences, settings: SplitSettings, num_folds: int) -> list[Fold]:
    """Return folds of the sequences before the test set, for a choice of settings.

    Those that a `split_col` names `validation` are learned from in every fold, to decide when to
    stop. A label that a single sequence or group has is judged in no fold: none could have learned
    it.

    Args:
        sequences: with labels.
        settings: the shares.
        num_folds: number of folds.

    Raises:
        DataError: there are less sequences than folds.
    """
    split = split_sequences(sequences, settings)
    numbers = np.sort(np.concatenate([split.train, split.validation]))
    judged = numbers
    if sequences.sets is not None and "validation" in sequences.sets:
        judged = split.train
    if len(judged) < 2 * num_folds:
        raise DataError(
            f"{len(judged)} sequences are left for {num_folds} folds; expected at least two for "
            f"each: give more sequences, or lower `search.folds` or `split.test`"
        )
    if settings.by == "order":
        parts = np.array_split(judged, num_folds + 1)
        return [(np.setdiff1d(numbers, judged[judged >= part[0]]), part) for part in parts[1:]]
    folds = []
    for held_out in stratified_folds(sequences, judged, num_folds, settings.seed):
        rest = np.setdiff1d(numbers, held_out)
        assert sequences.labels is not None
        known = {part for label in sequences.labels[rest] for part in parts_of(label)}
        is_known = np.array([known >= {*parts_of(label)} for label in sequences.labels[held_out]])
        folds.append((rest, held_out[is_known.astype(bool)]))
    return folds


def _divided(
    sequences: Sequences, numbers: IntArray, share: float, by: str, draw: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return the numbers that stay, and the share of them that is held out."""
    if not share or not len(numbers):
        return numbers, numbers[:0]
    units, labels = _units(sequences, numbers)
    is_out = np.zeros(len(labels), dtype=bool)
    if by == "order":
        is_out[len(labels) - round(share * len(labels)) :] = True
    else:
        for label in np.unique(labels):
            members = draw.permutation(np.flatnonzero(labels == label))
            # a label with two sequences or more is in both sets
            wanted = max(1, round(share * len(members)))
            is_out[members[: min(wanted, len(members) - 1)]] = True
    held_out = is_out[units]
    return numbers[~held_out], numbers[held_out]


def _units(sequences: Sequences, numbers: IntArray) -> tuple[IntArray, NDArray[np.object_]]:
    """Return what is drawn as a whole: for each number its unit, and the label of each unit.

    Units are in the order of their first sequence.
    """
    assert sequences.labels is not None
    labels = sequences.labels[numbers]
    if sequences.columns.has_label_sets:
        labels = rarest(labels)
    if sequences.groups is None:
        # the same document is in one set
        groups: NDArray[Any] = contents_of(sequences)[numbers]
    else:
        groups = sequences.groups[numbers]
    names, first, units = np.unique(groups, return_index=True, return_inverse=True)
    place = np.empty(len(names), np.int64)
    place[np.argsort(first)] = np.arange(len(names))
    units = place[units]
    usual = np.empty(len(names), dtype=object)
    for unit in range(len(names)):
        words, counts = np.unique(labels[units == unit], return_counts=True)
        usual[unit] = words[np.argmax(counts)]
    return units, usual
