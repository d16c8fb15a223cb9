"""Choice of the sequences whose steps a picture of a classifier's attention shows."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.classification.attended_steps import weights_of_rows
from forecast.classification.evaluated import ClassifierResult
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.report.plots.step_weights import WeighedSequence

NUM_SHOWN = 3
"""Sequences of each kind that are shown: the surest right ones, and the most wrong ones."""


def shown_sequences(
    fitted: FittedClassifier, sequences: Sequences, result: ClassifierResult | LabelSetResult
) -> list[WeighedSequence]:
    """Return the surest right sequences, of different classes, and the most wrong ones.

    Args:
        fitted: with `pooling: attention`.
        sequences: that were judged.
        result: of judging them.
    """
    given = result.probabilities[result.alias]
    of_truth = _share_of_truth(given, result.truth)
    order = np.argsort(-of_truth, kind="stable")
    predicted = result.frame(sequences.columns.id_col)
    is_right = (predicted["label"] == predicted[result.alias]).to_numpy()
    right = order[is_right[order]]
    first_of_each = ~predicted["label"].iloc[right].duplicated().to_numpy()
    surest = [*right[first_of_each], *right[~first_of_each]][:NUM_SHOWN]
    wrong = order[~is_right[order]][::-1][:NUM_SHOWN]
    which = np.array([*surest, *wrong], np.int64)
    chosen = sequences.take(which)
    weights = weights_of_rows(fitted, chosen)
    numbers = fitted.encoding.rows(chosen, plain=True).numbers
    text_col = fitted.config.data.text_col
    shown = []
    for place, number in enumerate(which):
        rows = slice(chosen.offsets[place], chosen.offsets[place + 1])
        label, answer = predicted[["label", result.alias]].iloc[number]
        words = None if text_col is None else tuple(map(str, chosen.words[text_col][rows]))
        shown.append(
            WeighedSequence(
                name=str(chosen.ids[place]),
                label=str(label),
                predicted=str(answer),
                weights=weights[rows],
                values=numbers[rows, : chosen.numbers.shape[1]].astype(np.float64),
                words=words,
            )
        )
    return shown


def _share_of_truth(given: FloatArray, truth: IntArray) -> FloatArray:
    """Return the (N,) probability of what is true; of label sets the mean over the labels."""
    if truth.ndim == 1:
        return given[np.arange(len(truth)), truth]
    share: FloatArray = np.where(truth == 1, given, 1.0 - given).mean(axis=1)
    return share
