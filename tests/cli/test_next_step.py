"""The commands that `check` proposes, pasted: they succeed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from data.role_tables import ROLE_TABLES

from forecast.cli import main
from forecast.cli.parser import SHORTCUTS

UNREAD = ("single_events", "energy")
"""Tables with rows that occur twice, which are asked about besides the roles."""


def written(name: str, folder: Path) -> Path:
    path = folder / "my table.csv"
    ROLE_TABLES[name].build().to_csv(path, index=False)
    return path


def command_after(word: str, text: str) -> list[str]:
    """Return the words after `forecast` in the line that begins with a word."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{word}: ")]
    program, *words = shlex.split(line.removeprefix(f"{word}: "))
    assert program == "forecast"
    return words


@pytest.mark.parametrize("name", [name for name in ROLE_TABLES if name not in UNREAD])
def test_a_table_without_options_is_fine_or_the_command_to_try_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(name, tmp_path)
    code = main(["check", str(path), "--horizon", "2"])
    out = capsys.readouterr().out
    assert "no column 'ds'" not in out
    if ROLE_TABLES[name].asks:
        assert code == 2
        words = command_after("try", out)
        assert words[:4] == ["check", str(path), "--horizon", "2"]
        code = main(words)
        out = capsys.readouterr().out
    elif code == 2:  # of another reason than the roles
        code = main(command_after("try", out))
        out = capsys.readouterr().out
    assert code == 0, out
    following = command_after("next", out)
    assert following[0] == "fit"
    assert main(["show-config", *following[1:]]) == 0  # what fit does before training


@pytest.mark.parametrize("command", ["fit", "backtest", "tune", "leak-check", "show-config"])
def test_every_command_repeats_itself_with_the_roles(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written("tickers", tmp_path)
    typed = [command, str(path), "--horizon", "3", "--set", "model.units=4"]
    if command == "tune":
        typed += ["--set", "search.space={model.units: {choice: [4, 8]}}"]
    assert main(typed) == 2
    error = capsys.readouterr().err
    assert "'open', 'close', 'volume'" in error
    assert command_after("try", error) == [
        *typed, "--id", "symbol", "--time", "date", "--target", "close"
    ]  # fmt: skip
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_roles_that_were_given_stay_as_they_were_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written("described", tmp_path)
    typed = ["check", str(path), "--target=price", "--known", "sales"]
    assert main(typed) == 0
    out = capsys.readouterr().out
    assert "known   sales" in out.splitlines()
    assert command_after("next", out)[:5] == ["fit", *typed[1:]]


@pytest.mark.parametrize("option", ["--known", "--past", "--static", "--categorical"])
def test_every_role_has_an_option(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written("described", tmp_path)
    words = ["show-config", "--id", "store", "--target", "sales", option, "region,price"]
    if option == "--categorical":
        words += ["--past", "region,price"]
    assert main(words) == 0
    settings = {shortcut.option: shortcut.setting for shortcut in SHORTCUTS}
    name = settings[option].removeprefix("data.")
    assert f"  {name}: [region, price]" in capsys.readouterr().out.splitlines()
    assert main(["check", str(path), "--target", "sales", "--past", "price,region", "--categorical",
                 "region"]) == 0  # fmt: skip


def test_a_file_of_one_column_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "heart.csv"
    path.write_text("Heart rate\n" + "\n".join(str(80 + row % 7) for row in range(60)))
    assert main(["check", str(path)]) == 2
    assert main(command_after("try", capsys.readouterr().out)) == 0
    assert "time    none" in capsys.readouterr().out.splitlines()
