"""The command `completion`: scripts by which shells complete commands, options and settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from forecast.cli.parser import SUCCESS, Commands, Parser, add_command
from forecast.cli.terminal import print_result
from forecast.errors import ConfigError

PLACES = {
    "bash": "~/.local/share/bash-completion/completions/forecast",
    "zsh": "~/.zfunc/_forecast",
    "fish": "~/.config/fish/completions/forecast.fish",
}
"""Shell -> where it looks for the script; of zsh, a folder that `fpath` must contain."""

_FILES = ("TABLE", "FILE")
_FOLDERS = ("RUN", "FOLDER")
_SETTINGS = "NAME=VALUE"
"""Names of values in the help -> what completes them."""

_FUNCTION = "_forecast_settings"
"""Shell function that completes the name of a setting."""

_BASH_WITHOUT_SPACE = """
_forecast() {
  _shtab_forecast "$@"
  [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
  return 0
}
complete -o bashdefault -F _forecast forecast
"""
"""End of the script for bash: no space follows `model.units=`."""


def add_completion(commands: Commands, root: Parser) -> None:
    """Add the command `completion`.

    Args:
        commands: the parsers of all commands.
        root: the parser that has them.
    """
    parser = add_command(
        commands,
        "completion",
        partial(completion_command, root),
        "print the script for completion by a shell",
        f"For bash: forecast completion bash > {PLACES['bash']}",
    )
    parser.add_argument("shell", choices=list(PLACES), help="shell that is to complete")


def completion_command(root: Parser, options: argparse.Namespace) -> int:
    """Print the script of one shell."""
    if find_spec("shtab") is None:
        raise ConfigError(
            "the package shtab that writes these scripts is not installed: run pip install "
            "'bigru-forecast[completion]'"
        )
    shtab = import_module("shtab")
    _set_completers(root, shtab)
    script = shtab.complete(root, shell=options.shell)
    if options.shell == "bash":
        script += _BASH_WITHOUT_SPACE
    print_result(script.rstrip("\n"))
    return SUCCESS


def _set_completers(root: Parser, shtab: Any) -> None:
    """Tell shtab what completes the values of every option, by the names that the help has."""
    completers = {
        **dict.fromkeys(_FILES, shtab.FILE),
        **dict.fromkeys(_FOLDERS, shtab.DIRECTORY),
        _SETTINGS: _completer(_setting_names()),
    }
    for action in _actions(root):
        if action.metavar in completers:
            action.complete = completers[action.metavar]  # type: ignore[attr-defined]


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every option and argument of a parser and of its commands."""
    for action in parser._actions:  # argparse has no public list of them
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _setting_names() -> list[str]:
    """Return the paths of all settings."""
    from forecast.experiment.identity import flat
    from forecast.experiment.settings import Experiment

    return sorted(flat(Experiment().model_dump(mode="json")))


def _completer(names: Sequence[str]) -> dict[str, Any]:
    """Return what shtab takes for `--set`: a function of each shell that knows the settings."""
    words = " ".join(f"{name}=" for name in names)
    return {
        "bash": _FUNCTION,
        "zsh": _FUNCTION,
        "fish": f"({_FUNCTION})",
        "preamble": {
            "bash": f'{_FUNCTION}() {{\n  compgen -W "{words}" -- "$1"\n}}',
            "zsh": f"{_FUNCTION}() {{\n  compadd -S '' -- {words}\n}}",
            "fish": f"function {_FUNCTION}\n  printf '%s\\n' {words}\nend",
        },
    }
