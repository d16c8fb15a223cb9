"""`classify check`: every problem of a table at once, and a command that removes them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import Classification
from forecast.classification.check_sequences import check_sequences
from forecast.cli.entry import main
from forecast.errors import DataError


def test_every_problem_and_a_command_without_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = waves(12).rename(columns={"id": "machine", "label": "state"})
    table = table.astype({"x": object, "noise": object})
    table.loc[3, "x"] = "<1"
    table.loc[[5, 9], "noise"] = -999
    table.to_csv(tmp_path / "bad.csv", index=False, encoding="utf-16")
    words = ["classify", "check", str(tmp_path / "bad.csv"), "--id", "machine", "--label", "state"]
    assert main(words) == 2
    assert "looks like utf-16" in capsys.readouterr().out

    assert main([*words, "--set", "data.encoding=utf-16"]) == 2
    printed = capsys.readouterr().out
    assert "2 problems to fix" in printed  # of two columns
    tried = [line for line in printed.splitlines() if line.startswith("try")]
    assert [line.partition(":")[0] for line in tried] == [
        "try, if that means missing",
        "try, if it is a value",
    ]
    for line in tried:
        assert main(shlex.split(line.partition("forecast ")[2])) == 0
        good = capsys.readouterr().out
        assert "no problem found" in good
    following = good.splitlines()[-1]
    assert following.startswith("next: forecast classify fit ")
    assert "--label state" in following


def test_what_is_read_of_a_good_table() -> None:
    text = check_sequences(Classification(), waves(20)).text()
    assert "sequences   20 of 6 to 14 steps" in text
    assert "labels      down (10), up (10)" in text
    assert "step        step" in text
    assert "numbers     x, noise" in text
    assert "sets        12 train, 4 validation, 4 test" in text


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        (waves(6).assign(label=[f"l{number}" for number in range(len(waves(6)))]), {}),
        (waves(6).assign(label=waves(6)["id"]), {}),
        (waves(6).assign(part="test"), {"data": {"split_col": "part"}}),
        (
            pd.concat([reviews(6), reviews(6)]).assign(part=["train"] * 6 + ["test"] * 6),
            {"data": {"text_col": "text", "split_col": "part"}},
        ),
        (reviews(6).assign(text=""), {"data": {"text_col": "text"}}),
        (waves(6)[["id", "label"]], {}),
    ],
)
def test_what_a_fit_refuses_is_found(table: pd.DataFrame, settings: dict[str, object]) -> None:
    from forecast import Classifier

    config = Classification(**settings)
    (error,) = check_sequences(config, table).errors
    with pytest.raises(DataError) as caught:
        Classifier(config).fit(table)
    assert error.message in str(caught.value)
