"""A trial of a saved model of sequences: from the rows of a table to the table that it predicts.

The golden batch covers its networks alone; how a table is read, the scales, words and regressions
around them are in the trial: its rows and what is predicted from them are stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.classification.class_settings import SequenceColumns
from forecast.classification.encoding import Encoding
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import COUNTED
from forecast.classification.texts.documents import TextSettings
from forecast.data.formats.readers import Source
from forecast.errors import ForecastError
from forecast.files.tensors import parse_json
from forecast.section import AUTO

TABLE = "trial/table"
COLUMNS = "trial/columns"
VALUES = "trial/values"
TEXTS = "trial/texts"

SHORTEST = 4
"""Steps of the shorter of two sequences."""

LONGEST = 500
"""Steps of the longer one, at most."""

SHOWN = 3
"""Times that each word of a short vocabulary is drawn for a text, on average."""

LONGEST_WORD = 100
"""Characters of a word of the trial, at most."""

ABSENT = 0.1
"""Share of cells without a value in channels that had such in training."""

USUAL_ID = "unique_id"

Arrays = dict[str, NDArray[Any]]
Columns = dict[str, list[Any]]


class Predicts(Protocol):
    """A fitted model of sequences."""

    def read(self, table: Source) -> Sequences:
        """Return the sequences of a table that it was not trained on."""

    def predict(self, sequences: Sequences) -> pd.DataFrame:
        """Return predictions."""


def made_up(
    encoding: Encoding, columns: SequenceColumns, length: int, text: TextSettings | None = None
) -> Columns:
    """Return two seeded sequences within the ranges of training, as columns of a table.

    Args:
        encoding: scales and words.
        columns: the roles of the columns.
        length: steps of the longest sequence of training.
        text: how texts become sequences, where a column has texts.
    """
    draw = np.random.default_rng(20140603)
    if columns.text_col is not None:  # long enough for most words; longer texts are read whole
        length = max(length, SHOWN * len(encoding.vocabulary[columns.text_col]))
    lengths = [min(SHORTEST, length), min(LONGEST, length)]
    num_rows = sum(lengths)
    words = {}
    for name, known in encoding.vocabulary.items():
        choices = [*(word for word in known if len(word) <= LONGEST_WORD), ""]
        words[name] = [choices[place] for place in draw.integers(0, len(choices), num_rows)]
    if columns.text_col is not None:
        assert text is not None
        return _documents(words[columns.text_col], lengths, columns, text)
    table: Columns = {}
    id_col = USUAL_ID if columns.id_col == AUTO else columns.id_col
    table[id_col] = ["1"] * lengths[0] + ["2"] * lengths[1]
    if columns.step_col not in (None, AUTO):
        table[str(columns.step_col)] = [step for each in lengths for step in range(each)]
    for place, name in enumerate(columns.features):
        numbers = encoding.mean[place] + encoding.spread[place] * draw.normal(size=num_rows)
        is_absent = encoding.masked[place] & (draw.uniform(size=num_rows) < ABSENT)
        table[name] = [
            None if absent else number
            for number, absent in zip(numbers.tolist(), is_absent.tolist(), strict=True)
        ]
    return table | words


def _documents(
    words: list[str], lengths: list[int], columns: SequenceColumns, text: TextSettings
) -> Columns:
    """Return the columns of two documents, every second word in capitals."""
    shown = [word.upper() if place % 2 else word for place, word in enumerate(words)]
    between = "" if text.unit == "characters" else " "
    documents = [between.join(shown[: lengths[0]]), between.join(shown[lengths[0] :])]
    table: Columns = {str(columns.text_col): documents}
    if columns.id_col not in (AUTO, COUNTED):
        table[columns.id_col] = ["1", "2"]
    return table


def trial_of(fitted: Predicts, table: Columns) -> Arrays:
    """Return a table, and what a model predicts for it; nothing where it cannot.

    Args:
        fitted: the model.
        table: columns of two sequences by name.
    """
    try:
        return {TABLE: as_bytes(table), **_predicted(fitted, table)}
    except ForecastError:  # such as texts without a word
        return {}


def trial_difference(fitted: Predicts, table: Columns, golden: Mapping[str, NDArray[Any]]) -> float:
    """Return the largest difference from the stored numbers of the trial.

    Args:
        fitted: the model that was read.
        table: columns that a model of an earlier version, which has no trial, is to predict.
        golden: the stored arrays.

    Raises:
        ValueError: it predicts a table with other columns or rows.
        Exception: of any kind, where the model cannot predict.
    """
    if TABLE not in golden:
        trial_of(fitted, table)
        return 0.0
    found = _predicted(fitted, _columns_in(golden[TABLE]))
    values = golden[VALUES]
    same_columns = np.array_equal(found[COLUMNS], golden[COLUMNS])
    if not same_columns or found[VALUES].shape != values.shape:
        raise ValueError("the model predicts another table than the stored one")
    difference = float(np.max(np.abs(found[VALUES] - values), initial=0.0))
    # another processor may round to another label where two are about as likely
    if difference == 0.0 and not np.array_equal(found[TEXTS], golden[TEXTS]):
        raise ValueError("the model predicts other texts than the stored ones")
    return difference


def _predicted(fitted: Predicts, table: Columns) -> Arrays:
    """Return the names of the columns that a model predicts, the numbers and texts in them."""
    sequences = fitted.read(pd.DataFrame(table))
    if sequences.num_sequences != 2:
        raise ValueError(f"the trial has {sequences.num_sequences} sequences; expected 2")
    frame = fitted.predict(sequences)
    texts = frame.select_dtypes(exclude="number").astype(str)
    return {
        COLUMNS: as_bytes(frame.columns.tolist()),
        VALUES: numbers_in(frame),
        TEXTS: as_bytes(texts.to_numpy().tolist()),
    }


def numbers_in(frame: pd.DataFrame) -> FloatArray:
    """Return the columns of numbers of a table.

    Raises:
        ValueError: a number is not finite.
    """
    numbers: FloatArray = frame.select_dtypes("number").to_numpy(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("the model predicts numbers that are not finite")
    return numbers


def as_bytes(value: Any) -> NDArray[np.uint8]:
    """Return a value of JSON as an array of its bytes."""
    return np.frombuffer(json.dumps(value).encode("ascii"), np.uint8)


def _columns_in(data: NDArray[Any]) -> Columns:
    """Return the columns of a stored table.

    Raises:
        ValueError: the bytes are no such table.
    """
    table = parse_json(data.tobytes(), "golden.safetensors: the table of the trial")
    if not isinstance(table, dict) or not all(isinstance(each, list) for each in table.values()):
        raise ValueError("the table of the trial has no columns")
    for cell in (cell for cells in table.values() for cell in cells):
        if not isinstance(cell, str | int | float | None):
            raise ValueError("the table of the trial has cells that are neither numbers nor texts")
    return table
