"""Scripts for completion, as a shell runs them."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest

from forecast.cli import completion, main
from forecast.cli.entry import build_parser

SHELLS = ("bash", "zsh", "fish")

DRIVER = """
cd "$1" && source ./script || exit 1
shift
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
compopt() { echo "$@" >> options; }  # works only where a person types
_forecast forecast "${COMP_WORDS[COMP_CWORD]}" "" || exit 1
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    """The script of each shell."""
    pytest.importorskip("shtab")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completion, "print_result", lambda text: found.update(last=text))
        for shell in SHELLS:
            assert main(["completion", shell]) == 0
            found[shell] = found.pop("last")
    return found


COMPLETED = {
    "fo": [
        "check fit split predict evaluate export serve explain update rollback sign monitor plot "
        "report backtest tune classify categories symbols leak-check show-config"
    ],
    "forecast fi": ["fit"],
    "forecast fit --re": ["--replace --resume --require-skill"],
    "forecast classify pr": ["predict"],
    "forecast classify fit --la": ["--label"],
    "forecast fit sa": ["sales.csv"],
    "forecast fit --config=x.yaml --out ru": ["runs"],
    "forecast fit sales.csv --set model.un": ["model.units="],
    "forecast backtest --quiet --set data.ga": ["data.gaps="],
    "forecast predict ru": ["runs"],
    "forecast completion f": ["fish"],
    "forecast check sales.csv --lo": ["--log"],
    "forecast fit --nothing-like-it": [""],
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_bash_completes_words(typed: str, scripts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text(scripts["bash"])
    (tmp_path / "sales.csv").touch()
    (tmp_path / "runs").mkdir()
    words = typed.split()
    if typed == "fo":  # nothing is typed after the name of the program
        words = ["forecast", ""]
    done = subprocess.run(
        ["bash", "--norc", "-c", DRIVER, "bash", str(tmp_path), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    (expected,) = COMPLETED[typed]
    assert found[: len(expected.split(" "))] == expected.split(" ")
    options = tmp_path / "options"
    spaceless = options.exists() and "-o nospace" in options.read_text()
    assert spaceless == expected.endswith("=")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_know_every_command_and_option(shell: str, scripts: dict[str, str]) -> None:
    parser = build_parser()
    (commands,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    for name, command in commands.choices.items():
        assert name in scripts[shell]
        for action in command._actions:
            for option in action.option_strings:
                assert option.lstrip("-") in scripts[shell], (name, option)
    for setting in ("data.time_col=", "model.units=", "training.epochs=", "windows.horizon="):
        assert setting in scripts[shell]


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completion, "find_spec", lambda _: None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'bigru-forecast[completion]'" in capsys.readouterr().err
