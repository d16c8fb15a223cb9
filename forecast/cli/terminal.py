"""Output of the commands: lines, notes and results, how many of them, and a log of all of them.

- A line tells about the work. It goes to standard output, and `--quiet` leaves it out.
- A note tells what was guessed or left out. It goes to standard error, and `--quiet` leaves it out.
- A result is what a command is run for, such as a table. It is always printed.
- An error is always printed, to standard error.

The log gets all of them, and every epoch.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from forecast.cli.log import Log
from forecast.errors import ForecastWarning

if TYPE_CHECKING:
    import pandas as pd

    from forecast.training.events import Reporter
    from forecast.training.voice import Voice


@dataclass(frozen=True)
class Output:
    """Where the output of a command goes, and how much of it.

    Attributes:
        quiet: whether only errors and the result are printed.
        verbose: whether each epoch is printed.
        log: gets everything; None for no log.
    """

    quiet: bool = False
    verbose: bool = False
    log: Log | None = None

    def record(self, text: str) -> None:
        """Write a text to the log, if there is one."""
        if self.log is not None:
            self.log.write(text)


_OUTPUTS = [Output()]
"""The output of the command that runs is the last."""


@contextmanager
def output_of(options: argparse.Namespace) -> Iterator[None]:
    """Print inside this block as the options of a command want it, to its log too.

    Raises:
        OutputError: the log cannot be written, or would be written into another file.
    """
    with ExitStack() as stack:
        log = None
        if options.log is not None:
            log = stack.enter_context(Log.open(options))
        _OUTPUTS.append(Output(options.quiet, options.verbose, log))
        stack.callback(_OUTPUTS.pop)
        stack.enter_context(_warnings_on_one_line())
        for name in ("stdout", "stderr"):
            stack.enter_context(_open_stream(name))
        stack.enter_context(_escapes(sys.stdout))
        yield


@contextmanager
def _open_stream(name: str) -> Iterator[None]:
    """Print to nowhere where a process was started with a stream closed."""
    if getattr(sys, name) is not None:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        setattr(sys, name, nowhere)
        try:
            yield
        finally:
            setattr(sys, name, None)


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, or turn the order of others, in a terminal."""


def visible(text: str) -> str:
    """Return a text in which control characters, as in the name of a column, are written out."""
    return CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


@contextmanager
def _escapes(stream: TextIO) -> Iterator[None]:
    """Print what the encoding of a console lacks as escaped characters, not as an error."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is None or stream.errors != "strict":  # of a notebook, or chosen by the user
        yield
        return
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        reconfigure(errors="strict")


def print_line(line: str) -> None:
    """Print one line about the work and flush it, so that it appears at once in a pipe too."""
    output = _OUTPUTS[-1]
    output.record(line)
    if not output.quiet:
        print(visible(line), flush=True)


def print_result(text: str) -> None:
    """Print what the command is run for."""
    _OUTPUTS[-1].record(text)
    print(visible(text), flush=True)


def print_table(text: str) -> None:
    """Print a table for other programs: with all its characters, if need be in UTF-8."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        print_note(
            f"the encoding of standard output, {encoding}, lacks {text[error.start]!a}: the table "
            f"is in UTF-8"
        )
        _OUTPUTS[-1].record(text)
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{text}\n".encode())
        sys.stdout.buffer.flush()
        return
    if sys.stdout.isatty():
        print_result(text)
        return
    _OUTPUTS[-1].record(text)
    print(text, flush=True)


def print_forecast(
    frame: Callable[[], pd.DataFrame], notes: Iterable[str], output: str | None
) -> None:
    """Print the notes on a forecast, and its rows, or the file that has them.

    Args:
        frame: returns the rows.
        notes: on the forecast.
        output: the file that was written; empty or None for none.
    """
    for note in notes:
        print_note(note)
    if output:
        print_line(f"wrote {output}")
    else:
        print_table(frame().to_csv(index=False).rstrip("\n"))


def print_path(path: object) -> None:
    """Print where the result is, where lines about the work would have named it."""
    if _OUTPUTS[-1].quiet:
        print_result(str(path))


def print_note(note: str) -> None:
    """Print a note to standard error, where it does not mix with a table on standard output."""
    output = _OUTPUTS[-1]
    output.record(f"note: {note}")
    if not output.quiet:
        print(f"note: {visible(note)}", file=sys.stderr)


def print_error(line: str) -> None:
    """Print an error."""
    _OUTPUTS[-1].record(line)
    print(visible(line), file=sys.stderr)


def print_reading(table: object) -> None:
    """Print the name of the table that is about to be read, since that may take a while."""
    if table is None:
        return
    words = str(table)
    if table == "-":
        words = "standard input"
    elif not isinstance(table, str):
        words = "the rows of the query"
    print_line(f"reading {words}")


def make_voice(tensorboard: str | None = None) -> Voice:
    """Return the voice of a command that trains.

    Args:
        tensorboard: folder for TensorBoard logs, if they are wanted.
    """
    from forecast.training.events import ignore
    from forecast.training.progress import both, line_reporter, terminal_reporter
    from forecast.training.voice import Voice

    output = _OUTPUTS[-1]
    reporter: Reporter = ignore
    if not output.quiet:
        reporter = terminal_reporter(calm=not output.verbose)
    if output.log is not None:
        reporter = both(reporter, line_reporter(output.log.write))
    return Voice(print_line, reporter, tensorboard, start=_start, failed=print_error)


def _start() -> None:
    """Say so where Keras is usually run on another backend than TensorFlow."""
    from forecast.layers.runtime import BACKEND

    backend = os.environ.get(BACKEND) or "tensorflow"
    if backend != "tensorflow" and "keras" not in sys.modules:
        print_note(f"{BACKEND} is {backend!r}; this command runs Keras on tensorflow")
    start_without_keras()


def start_without_keras() -> None:
    """Let Keras start on TensorFlow without its log output, where a command comes to need it."""
    from forecast.layers.runtime import belong_to_command

    belong_to_command()


@contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Show warnings of this package without the line of code that issued them."""
    original = warnings.formatwarning
    output = _OUTPUTS[-1]

    def on_one_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if not issubclass(category, ForecastWarning):
            return original(message, category, filename, lineno, line)
        output.record(f"warning: {message}")
        if output.quiet:
            return ""
        return f"warning: {visible(str(message))}\n"

    warnings.formatwarning = on_one_line
    try:
        yield
    finally:
        warnings.formatwarning = original
