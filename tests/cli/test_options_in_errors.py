"""An error about the value of an option names the option as it was typed."""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
import pytest

from forecast.cli.backtesting import BACKTEST_SHORTCUTS
from forecast.cli.entry import main
from forecast.cli.parser import SHORTCUTS

OF_BACKTEST = {shortcut.option for shortcut in BACKTEST_SHORTCUTS}

WRONG = {
    "--id": "nowhere",
    "--time": "nowhere",
    "--target": "y,y",
    "--known": "a,a",
    "--past": "a,a",
    "--static": "a,a",
    "--weights": "",
    "--categorical": "a",
    "--sheet": "",
    "--freq": "xyz",
    "--stamps": "middle",
    "--horizon": "minus",
    "--holidays": "ZZ",
    "--point": "average",
    "--alias": "two words",
    "--num-windows": "few",
    "--step": "0",
    "--refit": "sometimes",
    "--history": "-2",
    "--models": "nothing",
}
"""A wrong value of every option that stands for a setting."""


@pytest.fixture
def table(tmp_path):
    days = pd.date_range("2024-01-01", periods=400).strftime("%Y-%m-%d")
    values = np.random.default_rng(0).normal(size=(400, 2))
    frame = pd.DataFrame({"ds": days, "y": values[:, 0], "a": values[:, 1]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("shortcut", [*SHORTCUTS, *BACKTEST_SHORTCUTS], ids=lambda one: one.option)
def test_an_error_names_the_option_as_typed(shortcut, table, tmp_path, capsys):
    option = shortcut.option
    command = ["backtest", str(table), "--out", str(tmp_path / "run")]
    if option not in OF_BACKTEST:
        command = ["fit", str(table), "--out", str(tmp_path / "run")]
    value = WRONG[option]
    assert main([*command, option, value]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert option in errors[0]
    assert f"--set {shortcut.setting}" not in errors[0]
    if value and option not in ("--id", "--time", "--freq", "--holidays", "--models"):
        assert f"{option} {shlex.quote(value)}: " in errors[0]
    assert not (tmp_path / "run").exists()


def test_a_setting_is_named_as_a_setting(table, capsys):
    assert main(["check", str(table), "--set", "windows.horizon=minus"]) == 2
    assert "--set windows.horizon=minus: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["fit", "x.csv", "--horzon", "4"],
            "forecast fit: error: there is no option --horzon (did you mean '--horizon'?) "
            "(see forecast fit --help)",
        ),
        (
            ["classify", "fit", "x.csv", "--lable=a"],
            "forecast classify fit: error: there is no option --lable (did you mean '--label'?) "
            "(see forecast classify fit --help)",
        ),
        (
            ["predict", "run", "x.csv", "-o", "y.csv"],
            "forecast predict: error: there is no option -o (see forecast predict --help)",
        ),
        (
            ["fit", "x.csv", "y.csv"],
            "forecast fit: error: 'y.csv' is one argument too many (see forecast fit --help)",
        ),
        (
            ["classify", "fitt", "x.csv"],
            "forecast classify: error: argument COMMAND: there is no 'fitt' (did you mean 'fit'?); "
            "expected one of check, ",
        ),
        (["preditc"], "forecast: error: argument COMMAND: there is no 'preditc' (did you mean "),
    ],
)
def test_a_misspelled_option_or_command_brings_the_nearest_one(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(expected)
    assert printed.err.count("\n") == 1
