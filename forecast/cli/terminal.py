"""Output of the commands: lines, notes, short warnings, and a silent start of TensorFlow."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from forecast.errors import ForecastWarning


def print_line(line: str) -> None:
    """Print one line and flush it, so that it appears at once in a pipe too."""
    print(line, flush=True)


def print_note(note: str) -> None:
    """Print a note to standard error, where it does not mix with a table on standard output."""
    print(f"note: {note}", file=sys.stderr)


def quiet_start() -> AbstractContextManager[None]:
    """Return a context in which TensorFlow is imported without its log output."""
    from forecast.layers.runtime import BACKEND
    from forecast.layers.runtime import quiet_start as quiet_import

    backend = os.environ.get(BACKEND) or "tensorflow"
    if backend != "tensorflow" and "keras" not in sys.modules:
        print_note(f"{BACKEND} is {backend!r}; this command runs Keras on tensorflow")
    return quiet_import()


@contextmanager
def warnings_on_one_line() -> Iterator[None]:
    """Show warnings of this package without the line of code that issued them."""
    original = warnings.formatwarning

    def on_one_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, ForecastWarning):
            return f"warning: {message}\n"
        return original(message, category, filename, lineno, line)

    warnings.formatwarning = on_one_line
    try:
        yield
    finally:
        warnings.formatwarning = original
