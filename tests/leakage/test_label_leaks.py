"""The leak check of a classification finds what is built in, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import Classification
from forecast.classification.fitted_classifier import LearnedFrom
from forecast.classification.same_contents import contents_of, twice_in_sets
from forecast.classification.sequence_split import split_sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.cli.entry import main
from forecast.errors import ConfigError
from forecast.leakage import label_leaks as leak_labels
from forecast.leakage.label_leaks import check_labels


def documents(num_documents: int = 60) -> pd.DataFrame:
    """Documents of which no word tells the label for sure."""
    table = reviews(num_documents)
    is_odd = np.arange(len(table)) % 7 == 0
    table.loc[is_odd, "label"] = 1 - table.loc[is_odd, "label"]
    return table


def test_our_own_stages_do_not_leak() -> None:
    assert check_labels(Classification(), waves(30)).ok
    report = check_labels(Classification(data={"text_col": "text"}), documents())
    assert report.ok, report.text()
    assert report.compared == {"encoding": 5, "baselines": 5}


def test_a_vocabulary_of_all_documents_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.classification.encoding import Encoding

    honest = leak_labels.learn_from

    def leaking(config: Classification, sequences: object) -> LearnedFrom:
        learned = honest(config, sequences)
        whole = Encoding.fit(sequences, config.text)
        return LearnedFrom(**{**vars(learned), "encoding": whole})

    monkeypatch.setattr(leak_labels, "learn_from", leaking)
    report = check_labels(Classification(data={"text_col": "text"}), documents())
    assert list(report.leaks) == ["encoding"]
    assert "depends on test sequences" in report.text()


def test_documents_in_two_sets_are_named() -> None:
    table = documents(20)
    table["part"] = ["train", "test"] * 10
    table.loc[5, "text"] = table.loc[4, "text"].upper()
    config = Classification(data={"text_col": "text", "split_col": "part"})
    (finding,) = check_labels(config, table).findings
    assert finding == "1 document of the test set is in the training set too: '5'"


def test_equal_documents_are_drawn_together() -> None:
    table = pd.concat([documents(30)] * 2, ignore_index=True)
    sequences = read_sequences(table, Classification(data={"text_col": "text"}).data)
    contents = contents_of(sequences)
    assert (contents[:30] == contents[30:]).all()
    assert len(set(contents)) == len(set(table["text"]))
    for seed in range(3):
        split = split_sequences(sequences, Classification(split={"seed": seed}).split)
        sets = {"train": split.train, "validation": split.validation, "test": split.test}
        assert twice_in_sets(sequences, sets) == ()
        assert len(split.test) > 5


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_column_that_tells_the_label_is_named(kind: str) -> None:
    table = waves(30)
    table["code"] = np.where(table["label"] == "up", 7, 3)
    data: dict[str, object] = {}
    if kind == "category":
        table["code"] = table["code"].map({7: "x", 3: "y"})
        data = {"categorical": ("code",)}
    (finding,) = check_labels(Classification(data=data), table).findings
    assert finding.startswith("column 'code' tells the label")
    one = table["id"] == "run 000"
    table.loc[one, "code"] = table["code"].iloc[-1]
    assert check_labels(Classification(data=data), table).ok


def test_a_word_that_tells_the_label_is_named() -> None:
    findings = check_labels(Classification(data={"text_col": "text"}), reviews(40)).findings
    assert "'awful' occurs in the documents of '0' and in no others" in findings[0]
    assert "'great' occurs in the documents of '1'" in findings[1]


def test_without_a_test_set_there_is_nothing_to_check() -> None:
    with pytest.raises(ConfigError, match="no sequences are held out"):
        check_labels(Classification(split={"test": 0.0}), waves(20))


def test_the_exit_code_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "reviews.csv"
    documents().to_csv(table, index=False)
    assert main(["classify", "leak-check", str(table), "--text", "text"]) == 0
    reviews(40).to_csv(table, index=False)
    capsys.readouterr()
    assert main(["classify", "leak-check", str(table), "--text", "text"]) == 1
    assert "leak: 'text' tells the label" in capsys.readouterr().out


@pytest.mark.proof
def test_networks_do_not_depend_on_test_sequences() -> None:
    quick = {"model": {"units": 4}, "training": {"epochs": 2, "seeds": 2}}
    report = check_labels(Classification(**quick), waves(30), train=True)
    assert report.ok, report.text()
    assert report.compared["network"] == 5
