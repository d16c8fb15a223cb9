"""Searches of a classifier: folds of whole sequences, and `forecast classify tune`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import Classification
from forecast.classification.class_settings import SplitSettings
from forecast.classification.sequence_split import split_sequences, validation_folds
from forecast.classification.tables.sequence_table import read_sequences
from forecast.cli.entry import main
from forecast.errors import ConfigError, DataError
from forecast.experiment.file import load_settings
from forecast.search.class_trial import make_class_bench
from forecast.search.space import check_space
from forecast.search.state import Task

SETTINGS = """
model: {units: 4}
training: {epochs: 2, learning_rate: 0.02}
search:
  max_trials: 2
  folds: 2
  space:
    model.pooling: {choice: [last, mean]}
    model.dropout: {choice: [0.0, 0.3]}
"""


def settings(**search: object) -> Classification:
    """Settings with a small search."""
    space = {"model.pooling": {"choice": ["last", "mean"]}}
    return Classification(
        model={"units": 4},
        training={"epochs": 2},
        search={"space": space, "folds": 2, **search},
    )


def grouped(num_sequences: int = 40) -> pd.DataFrame:
    """Sequences of machines with four recordings each, of one label."""
    table = waves(num_sequences)
    number = table["id"].str[-3:].astype(int)
    table["machine"] = "m" + (number // 8 * 2 + number % 2).astype(str)
    return table


@pytest.mark.parametrize("by", ["label", "order"])
def test_folds_part_the_sequences_before_the_test_set(by: str) -> None:
    sequences = read_sequences(waves(41), Classification().data)
    split = SplitSettings(by=by, test=0.25)
    test = split_sequences(sequences, split).test
    folds = validation_folds(sequences, split, 3)
    judged = np.concatenate([held_out for _, held_out in folds])
    assert len(np.unique(judged)) == len(judged)
    for train, held_out in folds:
        assert not set(train) & set(held_out)
        assert not (set(train) | set(held_out)) & set(test)
        assert by == "label" or train.max() < held_out.min()
    if by == "label":
        assert set(judged) | set(test) == set(range(41))
        for _, held_out in folds:
            share = np.mean(sequences.labels[held_out] == "up")
            assert 0.35 < share < 0.65


def test_groups_stay_together_and_a_single_label_is_never_judged() -> None:
    table = grouped()
    table.loc[table["id"] == "run 007", ["label", "machine"]] = ["rare", "alone"]
    columns = Classification(data={"group_col": "machine"}).data
    sequences = read_sequences(table, columns)
    for train, held_out in validation_folds(sequences, SplitSettings(test=0.0), 3):
        assert not set(sequences.groups[train]) & set(sequences.groups[held_out])
        assert "rare" not in sequences.labels[held_out]


def test_too_few_sequences_are_refused() -> None:
    sequences = read_sequences(waves(7), Classification().data)
    with pytest.raises(DataError, match=r"[45] sequences are left for 3 folds; expected"):
        validation_folds(sequences, SplitSettings(test=0.4), 3)


def test_a_trial_does_not_see_its_fold(tmp_path: Path) -> None:
    table = waves(30)
    bench = make_class_bench(settings(), table, tmp_path)
    score = bench.train_fold(Task(0, {}, {"model.units": 3}), 0, 0)
    again = bench.train_fold(Task(0, {}, {"model.units": 3}), 0, 0)
    assert score.scores == again.scores
    assert score.scores["error"] == pytest.approx(1 - score.scores["accuracy"])

    changed = table.copy()
    judged = bench.sequences.ids[bench.folds[0][1]]
    changed.loc[changed["id"].isin(judged), "x"] = 99.0
    other = make_class_bench(settings(), changed, tmp_path)
    train, _ = other.folds[0]
    fitted = other.sequences.take(train)
    np.testing.assert_array_equal(fitted.numbers, bench.sequences.take(train).numbers)


def test_texts_are_read_as_the_trial_says(tmp_path: Path) -> None:
    config = settings(space={"text.unit": {"choice": ["words", "characters"]}})
    config = config.model_copy(update={"data": Classification(data={"text_col": "text"}).data})
    bench = make_class_bench(config, reviews(24), tmp_path)
    sizes = [
        bench.train_fold(Task(number, {}, {"text.unit": unit}), 0, 0).parameters
        for number, unit in enumerate(["words", "characters"])
    ]
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"model.pooling": {"choice": ["last", "sum"]}}, r"search\.space\.model\.pooling: .*sum"),
        ({"split.test": {"choice": [0.1, 0.2]}}, "other sequences cannot be compared"),
        ({"training.seeds": {"choice": [1, 2]}}, "a trial trains one network"),
        ({"windows.horizon": {"choice": [1, 2]}}, "is no setting"),
    ],
)
def test_ranges_are_checked_against_the_settings(space: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_space(settings(space=space))


@pytest.mark.proof
def test_the_command_writes_what_fit_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "waves.csv"
    waves(40).to_csv(table, index=False)
    (tmp_path / "s.yaml").write_text(SETTINGS)
    out = tmp_path / "search"
    command = ["classify", "tune", str(table), "--config", str(tmp_path / "s.yaml")]
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "retrained: bitwise identical" in printed
    assert "unseen sequences" in printed
    rows = pd.read_csv(out / "trials.csv")
    assert rows["status"].tolist() == ["completed", "completed"]
    assert rows["log loss"].to_numpy() == pytest.approx(
        rows[["fold_1", "fold_2"]].mean(axis=1).to_numpy()
    )
    best = load_settings(Classification, out / "best.yaml")
    assert best.search is None
    chosen = rows.loc[rows["log loss"].idxmin()]
    assert best.model.pooling == chosen["model.pooling"].strip('"')

    # the same search again writes what is stored, another one is refused
    before = (out / "trials.csv").read_text()
    assert main([*command, "--out", str(out)]) == 0
    assert (out / "trials.csv").read_text() == before
    assert main([*command, "--out", str(out), "--set", "search.max_trials=3"]) == 2
    assert "contains a search of other work (search.max_trials" in capsys.readouterr().err


def test_a_missing_search_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waves(20).to_csv(tmp_path / "waves.csv", index=False)
    out = tmp_path / "none"
    assert main(["classify", "tune", str(tmp_path / "waves.csv"), "--out", str(out)]) == 2
    printed = capsys.readouterr().err.strip()
    assert "there is no search section" in printed
    assert "\n" not in printed
    assert not out.exists()
