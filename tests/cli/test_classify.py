"""`forecast classify`: from a table to a run folder, and back to classes."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import Classifier
from forecast.cli.entry import main
from forecast.runs.classified import FILES

QUICK = ["--set", "training.epochs=3", "--set", "training.seeds=1", "--set", "model.units=4"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tables and the run of one of them."""
    folder = tmp_path_factory.mktemp("classify")
    waves(40).to_csv(folder / "waves.csv", index=False)
    reviews(30).to_csv(folder / "reviews.csv", index=False)
    table = str(folder / "waves.csv")
    assert main(["classify", "fit", table, "--out", str(folder / "run"), *QUICK]) == 0
    return folder


def test_a_run_has_all_its_files(place: Path) -> None:
    found = {path.relative_to(place / "run") for path in (place / "run").rglob("*")}
    assert {Path(name) for name in FILES} - {
        Path(name) for name in ("labels.csv", "labels.png", "attention.png", "model.sig")
    } <= found
    scores = pd.read_csv(place / "run" / "scores.csv", index_col="model")
    assert {"bigru", "ridge on summaries", "class frequencies"} <= set(scores.index)
    predictions = pd.read_csv(place / "run" / "predictions.csv")
    right = (predictions["label"] == predictions["bigru"]).mean()
    assert right == pytest.approx(scores.loc["bigru", "accuracy"])
    page = (place / "run" / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert str(place) not in page


def test_predictions_are_those_of_python(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    table = str(place / "waves.csv")
    assert main(["classify", "predict", str(place / "run"), table]) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    expected = Classifier.load(place / "run" / "model").predict(table)
    pd.testing.assert_frame_equal(printed, expected, atol=1e-9)

    output = str(place / "classes.csv")
    assert main(["classify", "predict", str(place / "run"), table, "--output", output]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(output), expected, atol=1e-9)


def test_a_table_is_evaluated(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["classify", "evaluate", str(place / "run"), str(place / "waves.csv")]) == 0
    printed = capsys.readouterr().out
    assert "class frequencies" in printed
    assert "against" in printed.splitlines()[-1]


def test_texts_are_classified(place: Path) -> None:
    table = str(place / "reviews.csv")
    out = str(place / "texts")
    assert main(["classify", "fit", table, "--text", "text", "--out", out, *QUICK]) == 0
    assert main(["classify", "predict", out, table, "--output", str(place / "t.csv")]) == 0
    assert len(pd.read_csv(place / "t.csv")) == 30


def test_the_weights_of_an_attention_are_on_the_page(place: Path) -> None:
    table = str(place / "waves.csv")
    out = place / "attention"
    arguments = ["classify", "fit", table, "--out", str(out), "--set", "model.pooling=attention"]
    assert main([*arguments, *QUICK]) == 0
    assert (out / "attention.png").is_file()
    assert "Weights of the steps" in (out / "report.html").read_text("utf-8")
    assert "Weights of the steps" not in (place / "run" / "report.html").read_text("utf-8")


def test_an_earlier_run_is_replaced_only_when_asked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["classify", "fit", str(place / "waves.csv"), "--out", str(place / "run")]
    assert main([*arguments, *QUICK, "--alias", "other"]) == 2
    assert "with other settings: replace it with" in capsys.readouterr().err
    foreign = place / "mine"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    arguments[-1] = str(foreign)
    assert main([*arguments, *QUICK]) != 0
    assert (foreign / "notes.txt").read_text() == "mine"


REFUSED = {
    "no label": (["--label", "state"], "there is no column 'state' for the labels"),
    "no id": (["--id", "machine"], "there is no column 'machine' for the ids"),
    "bad value": (["--set", "training.epochs=x"], 'training.epochs is "x"'),
    "label that changes": (["--label", "x"], "'x' has several values in sequence 'run 000'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = REFUSED[name]
    out = place / "nothing"
    assert main(["classify", "fit", str(place / "waves.csv"), "--out", str(out), *options]) == 2
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert "\n" not in printed
    assert not out.exists()


def test_a_forecaster_is_no_classifier(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(place / "run")]) == 2
    assert "classifies" in capsys.readouterr().err
    assert main(["classify", "predict", str(place), str(place / "waves.csv")]) == 2
    assert "has no saved model" in capsys.readouterr().err


def _waves(**change: object) -> pd.DataFrame:
    """Waves with a mistake."""
    table = waves(20).astype({"label": object, "x": object})
    for name, (rows, value) in change.items():
        if name not in table:
            table[name] = "train"
            table.loc[table["id"] >= "run 010", name] = "test"
        table.loc[rows, name] = value
    return table


LATE = waves(20)["id"] == "run 015"

BAD_TABLES = {
    "a label that changes": (_waves(label=(3, "other")), [], "with more than one in all"),
    "an empty label": (_waves(label=(3, None)), [], "column 'label' is empty in 1 row: line 5"),
    "a word among numbers": (_waves(x=(5, "oops")), [], "'oops'"),
    "a step twice": (_waves(step=(1, 0)), [], "1 row repeats a step of 'step'"),
    "no id": (_waves(id=(5, None)), [], "column 'id' is empty in 1 row: line 7"),
    "a sequence in two sets": (
        _waves(part=(0, "test")),
        ["--split", "part"],
        "'part' has several values in sequence 'run 000'",
    ),
    "a document in two sets": (
        reviews(20).assign(
            text=["the same words", *reviews(20)["text"].tolist()[1:-1], "The same words"],
            part=["train"] * 15 + ["test"] * 5,
        ),
        ["--text", "text", "--split", "part"],
        "in the training set too: '19'. Pass --set split.repeated=allow",
    ),
    "an unknown set": (_waves(part=(LATE, "held out")), ["--split", "part"], "has 'held out'"),
    "nothing to learn from": (
        _waves(part=(slice(None), "test")),
        ["--split", "part"],
        "column 'part' names no sequence `train`",
    ),
    "an unseen class": (
        _waves(part=(0, "train"), label=(LATE, "new")),
        ["--split", "part"],
        "label 'new' is in none of the training sequences",
    ),
    "a label for each sequence": (
        waves(20).assign(label=waves(20)["id"]),
        [],
        "training sequences has a label of its own",
    ),
    "no rows": (waves(20).iloc[:0], [], "the table has no rows"),
    "one sequence": (waves(1), [], "expected at least two labels"),
    "a document twice": (
        reviews(6).assign(id=[0, 1, 2, 2, 4, 5]),
        ["--text", "text", "--id", "id"],
        "1 row repeats an id of 'id'",
    ),
    "no texts": (reviews(6).assign(text=None), ["--text", "text"], "is empty in all rows"),
    "two columns of one name": (
        waves(20).set_axis(["id", "step", "x", "x", "label"], axis=1),
        [],
        "column 'x' occurs twice",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_one_line_before_anything_is_trained(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "forecast.classification.fitted_classifier.learn", lambda *_, **__: pytest.fail("trained")
    )
    table, options, message = BAD_TABLES[name]
    table.to_csv(tmp_path / "bad.csv", index=False)
    out = tmp_path / "out"
    command = ["classify", "fit", str(tmp_path / "bad.csv"), "--out", str(out), *options]
    assert main(command) == 2
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert "\n" not in printed
    assert not out.exists()


def test_columns_that_are_not_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = waves(12).assign(mode="idle", spare=None)
    table.to_csv(tmp_path / "waves.csv", index=False)
    command = ["classify", "fit", str(tmp_path / "waves.csv"), "--out", str(tmp_path / "out")]
    assert main([*command, *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "note: 'mode' is not read: no numbers; see --categorical" in printed
    assert "note: 'spare' is not read: no cell is filled" in printed


def test_how_a_new_table_is_read_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = place / "semicolons.csv"
    waves(20).to_csv(table, index=False, sep=";")
    for command in ("predict", "evaluate"):
        capsys.readouterr()
        assert main(["classify", command, str(place / "run"), str(table)]) == 0
        assert "columns are separated by ';'" in capsys.readouterr().err
