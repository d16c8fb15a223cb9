"""Reader of a CSV table from standard input."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from forecast.data.findings import BadTableError
from forecast.data.formats.delimited import open_text
from forecast.data.formats.opened import Opened, Written
from forecast.data.panel import Columns

STANDARD_INPUT = "-"
"""Name of standard input on a command line."""


def open_standard_input(_source: object, columns: Columns, written: Written) -> Opened:
    """Open the text that is piped in; it is kept, since a table may be read more than once.

    Raises:
        BadTableError: nothing is piped in.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise BadTableError(
            "standard_input",
            "- stands for a CSV table from standard input, and nothing is piped in",
            "give the name of a file, or pipe one in as in: forecast check - < sales.csv",
        )
    return open_text(_kept(sys.stdin), columns, written)


@lru_cache(maxsize=1)
def _kept(stream: TextIO) -> Path:
    """Copy a stream to a file, which is deleted at the end of the process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "standard input")
    with path.open("wb") as file:
        shutil.copyfileobj(stream.buffer, file)
    return path
