"""Tables of labelled sequences: read, checked and split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import reviews, waves

from forecast.classification.class_settings import SequenceColumns, SplitSettings
from forecast.classification.encoding import Encoding, padded
from forecast.classification.sequence_split import split_sequences, stratified_folds
from forecast.classification.symbols.symbol_rows import read_symbols
from forecast.classification.symbols.symbol_settings import SymbolData
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.classification.texts.documents import TextSettings
from forecast.errors import ConfigError, DataError


def same(first: Sequences, second: Sequences) -> bool:
    """Whether two tables hold the same sequences, in any order."""
    place = {name: number for number, name in enumerate(second.ids)}
    for number, name in enumerate(first.ids):
        other = place[name]
        rows = slice(first.offsets[number], first.offsets[number + 1])
        others = slice(second.offsets[other], second.offsets[other + 1])
        if not np.array_equal(first.numbers[rows], second.numbers[others], equal_nan=True):
            return False
        if first.labels[number] != second.labels[other]:
            return False
    return len(place) == len(first.ids)


def test_order_of_the_rows_changes_nothing() -> None:
    table = waves(12)
    shuffled = table.sample(frac=1, random_state=3)
    columns = SequenceColumns()
    assert same(read_sequences(table, columns), read_sequences(shuffled, columns))


def test_sequences_are_the_groups_of_pandas() -> None:
    table = waves(9)
    sequences = read_sequences(table, SequenceColumns())
    assert sequences.columns.features == ("x", "noise")
    for name, group in table.groupby("id"):
        number = list(sequences.ids).index(name)
        rows = slice(sequences.offsets[number], sequences.offsets[number + 1])
        assert np.array_equal(sequences.numbers[rows], group[["x", "noise"]].to_numpy())
        assert sequences.labels[number] == group["label"].iloc[0]


FAULTS: dict[str, tuple[Any, str]] = {
    "label changes": (
        lambda table: table.assign(label=np.where(table.index == 3, "other", table["label"])),
        "'label' has several values in sequence 'run 000': 'down', 'other', another one than in "
        "its first row in row 3; 1 sequence",
    ),
    "label is empty": (
        lambda table: table.assign(label=table["label"].where(table.index != 3)),
        "column 'label' is empty in 1 row: row 3",
    ),
    "id is empty": (
        lambda table: table.assign(id=table["id"].where(table.index != 3)),
        "column 'id' is empty in 1 row: row 3",
    ),
    "step is repeated": (
        lambda table: table.assign(step=table["step"].where(table.index != 3, 2)),
        "1 row repeats a step of 'step' in their sequence: series 'run 000', row 3",
    ),
    "step is empty": (
        lambda table: table.assign(step=table["step"].where(table.index != 3)),
        "column 'step' is empty in 1 row: series 'run 000', row 3",
    ),
    "no rows": (lambda table: table.head(0), "the table has no rows"),
    "no label": (
        lambda table: table.drop(columns="label"),
        "there is no column 'label' for the labels; the table has",
    ),
    "no id": (lambda table: table.drop(columns="id"), "no column is named unique_id or id"),
    "no numbers": (
        lambda table: table.drop(columns=["x", "noise"]),
        "there is no column of numbers beside id, step and label",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(name: str) -> None:
    spoil, message = FAULTS[name]
    with pytest.raises(DataError) as caught:
        read_sequences(spoil(waves(6)), SequenceColumns())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_where_a_number_is_expected_is_named() -> None:
    table = waves(6).astype({"x": object})
    table.loc[4, "x"] = "broken"
    with pytest.raises(DataError, match="broken"):
        read_sequences(table, SequenceColumns(features=("x",)))


def test_a_column_has_one_role() -> None:
    with pytest.raises(ConfigError, match="label_col names 'x', and features does too"):
        SequenceColumns(label_col="x", features=("x",))
    with pytest.raises(ConfigError, match="each row is a document"):
        SequenceColumns(text_col="text", features=("x",))


def test_a_document_has_one_row() -> None:
    table = reviews(6).assign(id=[1, 2, 3, 4, 5, 3])
    with pytest.raises(DataError, match="1 row repeats an id of 'id', such as 3: row 5"):
        read_sequences(table, SequenceColumns(text_col="text", id_col="id"))


def test_unknown_set_is_named() -> None:
    table = waves(6).assign(part="training")
    with pytest.raises(DataError, match=r"'part' has 'training'\. Expected train, valid"):
        read_sequences(table, SequenceColumns(split_col="part"))


@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    test=st.floats(0.0, 0.6),
    validation=st.floats(0.0, 0.6),
    grouped=st.booleans(),
    seed=st.integers(0, 5),
)
def test_no_sequence_and_no_group_is_in_two_sets(
    counts: list[int], test: float, validation: float, grouped: bool, seed: int
) -> None:
    labels = np.repeat([f"label {number}" for number in range(len(counts))], counts)
    num = len(labels)
    draw = np.random.default_rng(seed)
    groups = draw.integers(0, max(1, num // 3), num)
    sequences = Sequences(
        columns=SequenceColumns(),
        ids=np.arange(num).astype(object),
        offsets=np.arange(num + 1),
        numbers=np.arange(float(num))[:, None],
        words={},
        labels=labels.astype(object),
        groups=groups.astype(object) if grouped else None,
    )
    settings = SplitSettings(test=test, validation=validation, seed=seed)
    split = split_sequences(sequences, settings)
    everything = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everything) == list(range(num))
    if grouped:
        sets = [set(groups[part]) for part in (split.train, split.validation, split.test)]
        assert sets[0].isdisjoint(sets[1] | sets[2])
        assert sets[1].isdisjoint(sets[2])
        return
    for name, count in zip(np.unique(labels), counts, strict=True):
        held_out = np.sum(labels[split.test] == name)
        if test and count > 1:
            assert abs(held_out - test * count) <= 1
        assert np.sum(labels[split.train] == name) >= 1


def test_folds_have_all_labels_alike() -> None:
    sequences = read_sequences(waves(50), SequenceColumns())
    folds = stratified_folds(sequences, np.arange(50), 5, seed=0)
    assert sorted(np.concatenate(folds)) == list(range(50))
    for fold in folds:
        assert np.sum(sequences.labels[fold] == "up") == 5


def test_scales_and_words_are_those_of_the_training_set() -> None:
    sequences = read_sequences(waves(20), SequenceColumns())
    encoding = Encoding.fit(sequences.take(np.arange(10)), TextSettings())
    rows = sequences.take(np.arange(10)).numbers
    np.testing.assert_allclose(encoding.mean, rows.mean(axis=0))
    np.testing.assert_allclose(encoding.spread, rows.std(axis=0))

    documents = read_sequences(
        pd.DataFrame({"text": ["a b", "a b c", "d d d"], "label": [0, 1, 0]}),
        SequenceColumns(text_col="text"),
        TextSettings(least_count=1),
    )
    words = Encoding.fit(documents.take(np.arange(2)), TextSettings(least_count=1)).vocabulary
    assert words["text"] == ("a", "b", "c")


def test_a_batch_is_padded_with_zeros() -> None:
    sequences = read_sequences(waves(6), SequenceColumns())
    encoding = Encoding.fit(sequences, TextSettings())
    rows = encoding.rows(sequences)
    batch = padded(rows, np.array([3, 0]))
    for place, number in enumerate((3, 0)):
        length = rows.lengths[number]
        own = rows.numbers[rows.offsets[number] : rows.offsets[number + 1]]
        assert (batch["numbers"][place, :length] == own).all()
        assert not batch["numbers"][place, length:].any()
    assert batch["lengths"].tolist() == rows.lengths[[3, 0]].tolist()


def test_the_rows_of_a_table_without_ids_may_be_one_sequence() -> None:
    """As those of a forecast: a column of states over time needs no second column."""
    table = pd.DataFrame({"time": [3, 1, 2], "state": ["c", "a", "b"]})
    symbols = read_symbols(table, SymbolData(symbol_col="state"))
    assert symbols.ids.tolist() == ["series"]
    assert symbols.symbols.tolist() == ["a", "b", "c"]

    columns = SequenceColumns(label_col="state", features=("time",))
    with pytest.raises(DataError, match="ame the column of ids with"):
        read_sequences(table, columns)
    with pytest.raises(DataError, match="there is no column 'shop' for the ids"):
        read_symbols(table, SymbolData(symbol_col="state", id_col="shop"))


def test_a_column_that_counts_the_rows_of_each_sequence_orders_them() -> None:
    """Read as a feature, it would tell how long a sequence is, and nothing else."""
    table = waves(8).rename(columns={"step": "minute"})
    sequences = read_sequences(table, SequenceColumns())
    assert sequences.columns.step_col == "minute"
    assert sequences.columns.features == ("x", "noise")
    assert any("'minute' counts the rows" in note for note in sequences.notes)

    shifted = table.assign(minute=table["minute"] + table["id"].str[-1].astype(int))
    assert "minute" in read_sequences(shifted, SequenceColumns()).columns.features
    named = SequenceColumns(features=("x", "minute"))
    assert read_sequences(table, named).columns.features == ("x", "minute")


def test_numbers_like_codes_are_asked_about() -> None:
    """As those of a table to forecast."""
    table = waves(6)
    table.loc[3, "x"] = -999.0
    with pytest.raises(DataError, match="x is -999 in 1 row: series 'run 000', row 3"):
        read_sequences(table, SequenceColumns())
    missing = read_sequences(table, SequenceColumns(missing_codes=(-999.0,)))
    assert np.isnan(missing.numbers).sum() == 1
    assert "x: -999 in 1 cell taken as missing" in missing.notes
    assert -999.0 in read_sequences(table, SequenceColumns(missing_codes=())).numbers


def test_codes_stay_text(tmp_path: Path) -> None:
    """The other cells of a table must not change the name of an id, a category or a label."""
    csv = "id,step,x,kind,label\n007,0,1,01,u\n007,1,2,02,u\n008,0,3,01,d\n"
    (tmp_path / "codes.csv").write_text(csv)
    sequences = read_sequences(tmp_path / "codes.csv", SequenceColumns(categorical=("kind",)))
    assert sequences.ids.tolist() == ["007", "008"]
    assert sequences.words["kind"].tolist() == ["01", "02", "01"]


def test_stamps_are_shown_as_the_table_has_them() -> None:
    hours = pd.date_range("2024-10-27 00:00", periods=5, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"id": "a", "ds": hours.tz_localize(None), "x": 1.0, "label": "u"})
    with pytest.raises(DataError, match="1 row repeats a step of 'ds'"):
        read_sequences(table, SequenceColumns())
    sequences = read_sequences(table, SequenceColumns(tz="Europe/Berlin"))
    shown = sequences.shown_steps(np.arange(5))
    assert (shown == table["ds"].to_numpy()).all()
