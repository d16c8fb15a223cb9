"""The log of commands: a text file to which each of them appends what it says, with the time."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from forecast.errors import OutputError
from forecast.files.outputs import ENVIRONMENT, check_file, free_name

_MARK = "# log of forecast"
"""Beginning of every log, by which it is recognised."""

_INPUTS = ("table", "known", "config")
"""Options that name files which a command reads."""


class Log:
    """An open log."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    @contextmanager
    def open(cls, options: argparse.Namespace) -> Iterator[Log]:
        """Open the log that a command is to write, and begin with the command itself.

        Args:
            options: of the command.

        Raises:
            OutputError: the file is no log, cannot be written, or lies in the folder of `--out`.
        """
        path = Path(options.log)
        _check_outside(path, options)
        inputs = [getattr(options, name, None) for name in _INPUTS]
        check_file(path, _is_log, "log of forecast", inputs)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}): name another file with --log"
            ) from error
        with file:
            log = cls(file)
            if not path.stat().st_size:
                file.write(f"{_MARK}: each line with the local time\n")
            log.write(shlex.join(["forecast", *options.typed]))
            yield log

    def write(self, text: str) -> None:
        """Append a text, with the time before each of its lines."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = text.rstrip("\n").split("\n")
        # in a single call, so that lines of commands that run at the same time stay whole
        with suppress(OSError):  # a full disk must not end the work
            self._file.write("".join(f"{now}  {line}\n" for line in lines))
            self._file.flush()


def _is_log(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK.encode()


def _check_outside(path: Path, options: argparse.Namespace) -> None:
    """Raise if the log would be in the folder of a run, which has no files of others."""
    place = Path(os.path.realpath(path)).parent
    folders = [getattr(options, name, None) for name in ("out", "run_folder")]
    if (place / ENVIRONMENT).exists():
        folders.append(path.parent)
    for folder in folders:
        if folder is not None and place.is_relative_to(os.path.realpath(folder)):
            beside = Path(f"{os.path.normpath(folder)}.log")
            raise OutputError(
                f"the log {path} would be in {folder}, the folder of a run, which has no other "
                f"files: name a file beside it, such as {free_name(beside)}"
            )
