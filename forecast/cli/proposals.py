"""Settings that remove a finding, as words to paste into a command line."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from forecast.cli.parser import SHORTCUTS, Shortcut

if TYPE_CHECKING:
    from forecast.data.doctor import Diagnosis
    from forecast.errors import DataError
    from forecast.errors.interface import Interface, Settings
    from forecast.experiment.check_table import Proposal
    from forecast.experiment.settings import Experiment

Shortcuts = Sequence[Shortcut]


def command_line(shortcuts: Shortcuts = SHORTCUTS) -> Interface:
    """Return the command line as the interface for which messages are written.

    Args:
        shortcuts: options of the command that runs.
    """
    from forecast.errors.interface import Interface

    write = partial(as_options, shortcuts=shortcuts)
    return Interface(write, partial(_option, shortcuts), _switch)


SHORTER = {"num_paths": "paths"}
"""Argument in Python -> its option, where that has another name."""


def _switch(name: str, is_on: bool) -> str:  # noqa: ARG001
    """Return the option that gives an argument; one that is switched on has no value."""
    return f"--{SHORTER.get(name, name).replace('_', '-')}"


def _shortcut(shortcuts: Shortcuts, path: str) -> Shortcut | None:
    """Return the option that stands for a setting; None where none does."""
    return next((shortcut for shortcut in shortcuts if shortcut.setting == path), None)


def _option(shortcuts: Shortcuts, path: str) -> str:
    """Return the option that gives a setting: `--time`, or `--set data.tz`."""
    shortcut = _shortcut(shortcuts, path)
    if shortcut is not None:
        return shortcut.option
    return f"--set {path}"


def as_options(settings: Settings, shortcuts: Shortcuts = SHORTCUTS) -> str:
    """Write settings as options, quoted for a shell: `--freq D --set data.gaps=skip`.

    Args:
        settings: by path.
        shortcuts: options of the command.
    """
    left_out = []
    for path, value in settings.items():
        shortcut = _shortcut(shortcuts, path)
        if value is None and shortcut is not None and not shortcut.has_null:
            left_out.append(path)
    given = {path: value for path, value in settings.items() if path not in left_out}
    words = [f"no {_option(shortcuts, path)}" for path in left_out]
    if given:
        words.append(shlex.join(_words(given, shortcuts)))
    return " and ".join(words)


def command_with(typed: Sequence[str], settings: Settings, shortcuts: Shortcuts = SHORTCUTS) -> str:
    """Write a command again, with other settings.

    Args:
        typed: the words after the program's name, as the user typed them.
        settings: replace those among the words, and are added at the end.
        shortcuts: options of the command.
    """
    kept = _without(typed, settings, shortcuts)
    return shlex.join(["forecast", *kept, *_words(settings, shortcuts)])


def proposed_commands(
    config: Experiment,
    diagnosis: Diagnosis,
    options: argparse.Namespace,
    *,
    free_horizon: bool = False,
) -> list[str]:
    """Return lines with the command of the user and settings that remove the errors of the table.

    Args:
        config: the settings of the command.
        diagnosis: of its table.
        options: of the command.
        free_horizon: whether the command has no horizon of its own.
    """
    from forecast.experiment.check_table import proposals

    found = proposals(config, options.table, diagnosis, free_horizon=free_horizon)
    return lines_to_try(found, options.typed)


def lines_to_try(
    found: Sequence[Proposal], typed: Sequence[str], shortcuts: Shortcuts = SHORTCUTS
) -> list[str]:
    """Return a line for each proposal with the command of the user and its settings.

    Args:
        found: the proposals.
        typed: the words after the program's name.
        shortcuts: options of the command.
    """
    lines = []
    for proposal in found:
        conditions = ["try", proposal.purpose]
        if not proposal.is_enough:
            conditions.append("with the other problems corrected in the table")
        command = command_with(typed, proposal.settings, shortcuts)
        lines.append(f"{', '.join(filter(None, conditions))}: {command}")
    return lines


def refusal(error: DataError, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return every error of a table that a command refused, and lines with a command to try.

    Args:
        error: the first of them, or another error about data, which is returned alone.
        options: of the command, with its experiment.
    """
    from forecast.data.findings import BadTableError
    from forecast.experiment.check_table import check_table

    if not isinstance(error, BadTableError):
        return [str(error)], []
    diagnosis = check_table(options.experiment, options.table)
    if error.finding.code not in [finding.code for finding in diagnosis.errors]:
        return [error.finding.text()], []
    texts = [finding.text() for finding in diagnosis.errors]
    return texts, proposed_commands(options.experiment, diagnosis, options)


def _words(settings: Settings, shortcuts: Shortcuts) -> list[str]:
    words = []
    for path, value in settings.items():
        shortcut = _shortcut(shortcuts, path)
        if shortcut is None or value in (None, ()):
            words += ["--set", f"{path}={_yaml(path, value)}"]
        else:
            words += [shortcut.option, _as_typed(value)]
    return words


def _yaml(path: str, value: object) -> str:
    """Write a value in the shortest form that `--set` reads back as this value."""
    from forecast.errors import ConfigError
    from forecast.experiment.file import apply_overrides

    section, name = path.split(".")
    try:
        read = apply_overrides({}, [f"{path}={value}"])[section][name]
    except ConfigError:
        read = None
    if isinstance(value, str) and read == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _as_typed(value: object) -> str:
    """Write a value of a shortcut: names with commas between them, or itself."""
    from forecast.data.names import join_names

    if isinstance(value, tuple | list):
        return join_names(value)
    return str(value)


def _without(typed: Sequence[str], settings: Settings, shortcuts: Shortcuts) -> list[str]:
    """Return the words without the options that give one of the settings."""
    kept = []
    words = list(typed)
    while words:
        word = words.pop(0)
        option, sign, value = word.partition("=")
        if _setting_of(option, "", shortcuts) is None:
            kept.append(word)
            continue
        given = [word]
        if not sign and words:
            value = words.pop(0)
            given.append(value)
        if _setting_of(option, value, shortcuts) not in settings:
            kept += given
    return kept


def _setting_of(option: str, value: str, shortcuts: Shortcuts) -> str | None:
    """Return the setting that an option, perhaps abbreviated, gives; None for other options."""
    if len(option) < 3 or not option.startswith("--"):
        return None
    if option in ("--se", "--set"):
        return value.partition("=")[0].strip()
    named = [shortcut for shortcut in shortcuts if shortcut.option.startswith(option)]
    if len(named) != 1:
        return None
    return named[0].setting
