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
    assert {Path(name) for name in FILES} - {Path("labels.csv")} <= found
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
