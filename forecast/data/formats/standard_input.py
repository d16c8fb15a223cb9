"""Reader of a table from standard input: CSV, or a file that its first bytes tell."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from forecast.data.findings import BadTableError
from forecast.data.formats.arrow_tables import open_ipc, open_parquet
from forecast.data.formats.delimited import open_text
from forecast.data.formats.excel import open_excel
from forecast.data.formats.json_tables import open_json
from forecast.data.formats.opened import Opened, Written
from forecast.data.panel import Columns

STANDARD_INPUT = "-"
"""Name of standard input on a command line."""


def open_standard_input(_source: object, columns: Columns, written: Written) -> Opened:
    """Open what is piped in; it is kept, since a table may be read more than once.

    Raises:
        BadTableError: nothing is piped in, or a file that cannot be read.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise BadTableError(
            "standard_input",
            "- stands for a table from standard input, and nothing is piped in",
            "give the name of a file, or pipe one in as in: forecast check - < sales.csv",
        )
    path = _kept(sys.stdin)
    with path.open("rb") as file:
        first = file.read(_LONGEST).lstrip()
    for signature, ending, open_file in SIGNATURES:
        if first.startswith(signature):
            named = path.with_name(path.name + ending)
            if not named.exists():
                _copy(path, named)
            return open_file(named, columns, written)
    return open_text(path, columns, written)


Opener = Callable[[Path, Columns, Written], Opened]

SIGNATURES: tuple[tuple[bytes, str, Opener], ...] = (
    (b"PAR1", ".parquet", open_parquet),
    (b"ARROW1", ".arrow", open_ipc),
    (b"PK\x03\x04", ".xlsx", open_excel),
    (b"\x1f\x8b", ".csv.gz", open_text),
    (b"{", ".json", open_json),
    (b"[", ".json", open_json),
)
"""First bytes of a file, the ending of its name, and its reader."""

_LONGEST = 64
"""Bytes that are looked at: a signature may follow spaces."""


def _copy(path: Path, named: Path) -> None:
    """Give a file a second name, or a second copy on disks without links, such as FAT."""
    try:
        named.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, named)


@lru_cache(maxsize=1)
def _kept(stream: TextIO) -> Path:
    """Copy a stream to a file, which is deleted at the end of the process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "standard input")
    with path.open("wb") as file:
        shutil.copyfileobj(stream.buffer, file)
    return path
