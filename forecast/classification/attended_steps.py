"""Weights that a classifier with `pooling: attention` gives to the steps of its sequences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.axes import FloatArray
from forecast.classification.encoding import EncodedRows, padded
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.learn import PREDICTED_AT_ONCE
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.errors import ConfigError
from forecast.models.sequence_network import SequenceNetwork


def attention_frame(fitted: FittedClassifier, sequences: Sequences) -> pd.DataFrame:
    """Return the weight of each step; see `Classifier.attention`.

    Raises:
        ConfigError: the classifier pools in another way.
    """
    text_col = fitted.config.data.text_col
    columns = {
        sequences.columns.id_col: np.repeat(sequences.ids, sequences.lengths),
        "step": sequences.shown_steps(np.arange(sequences.offsets[-1])),
    }
    if text_col is not None:
        columns["word"] = sequences.words[text_col]
    columns["weight"] = weights_of_rows(fitted, sequences)
    return pd.DataFrame(columns)


def weights_of_rows(fitted: FittedClassifier, sequences: Sequences) -> FloatArray:
    """Return the (R,) weight of each row: their sum over a sequence is 1.

    Where filters join `stride` steps into one, these have equal parts of its weight.

    Raises:
        ConfigError: the classifier pools in another way.
    """
    model = fitted.config.model
    if model.pooling != "attention":
        raise ConfigError(
            f"model.pooling is {model.pooling!r}, which has no weights of steps; expected a "
            f"classifier that was fitted with model.pooling: attention"
        )
    rows = fitted.encoding.rows(sequences)
    stride = 1 if model.filters is None else int(model.stride)
    parts = [_of_network(network, rows, stride) for network in fitted.networks]
    mean: FloatArray = np.mean(parts, axis=0)
    return mean


def _of_network(network: SequenceNetwork, rows: EncodedRows, stride: int) -> FloatArray:
    """Return the (R,) weights that one network gives to the rows."""
    parts = []
    for start in range(0, len(rows.lengths), PREDICTED_AT_ONCE):
        which = np.arange(start, min(start + PREDICTED_AT_ONCE, len(rows.lengths)))
        given = np.asarray(network.step_weights(padded(rows, which)), np.float64)  # (B, L / stride)
        lengths = rows.lengths[which]
        step = np.arange(lengths.max())
        group = step // stride
        in_group = np.clip(lengths[:, None] - stride * group, 1, stride)  # (B, L)
        parts.append((given[:, group] / in_group)[step < lengths[:, None]])
    return np.concatenate(parts)
