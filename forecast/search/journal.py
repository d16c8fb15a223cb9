"""The journal of a search: an append-only file with one record per line, each with a checksum.

A line is the first 16 digits of the SHA-256 of all earlier lines and this record, a space, and the
record as JSON. A record is on the disk before anything depends on it. A process that is killed, or
a disk that is full, leaves a torn last line without its end; the next writer cuts it off. A whole
line that does not match its checksum is refused, because all later lines depend on it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forecast.errors import FileError, SearchError
from forecast.files.atomic import reason_for
from forecast.files.lock import open_locked
from forecast.search.state import Record

JOURNAL = "journal.jsonl"
"""Name of the file in the folder of a search."""


DIGITS = 16
"""Hexadecimal digits of a checksum."""


class Journal:
    """An open journal; only one process can open it at a time.

    Attributes:
        records: all records, in order.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.records, self._digest, self._size = _read(path, descriptor)

    @property
    def name(self) -> str:
        """The file, for messages."""
        return str(self._path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record and force it to the disk.

        Raises:
            FileError: it cannot be written; the journal stays as it was.
        """
        text = json.dumps(record, allow_nan=False)
        digest = _next_digest(self._digest, text)
        line = f"{digest[:DIGITS]} {text}\n".encode()
        try:
            size_on_disk = os.fstat(self._descriptor).st_size
            if size_on_disk != self._size:  # a torn line, of a killed process or a full disk
                os.ftruncate(self._descriptor, self._size)
            _write(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            raise FileError(
                f"cannot write {self._path}: {reason_for(error)}; fix this, then resume with "
                f"`resume=true`"
            ) from error
        self._digest = digest
        self._size += len(line)
        self.records.append(json.loads(text))

    def clear(self) -> None:
        """Remove all records.

        Raises:
            FileError: the file cannot be written.
        """
        try:
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise FileError(f"cannot write {self._path}: {reason_for(error)}") from error
        self.records.clear()
        self._digest = ""
        self._size = 0


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal, or create one, and keep other processes out until the block ends.

    Args:
        path: the file.

    Raises:
        SearchError: another process has it open, or a record is damaged.
        FileError: it cannot be opened.
    """
    busy = SearchError(
        f"{path.parent}: another process is searching there; wait for it, or name another folder "
        f"with `out=`"
    )
    with open_locked(path, busy) as descriptor:
        yield Journal(path, descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a single write stops early on a nearly full disk
        rest = rest[os.write(descriptor, rest) :]


def _next_digest(digest: str, text: str) -> str:
    return hashlib.sha256(f"{digest} {text}".encode()).hexdigest()


def _read(path: Path, descriptor: int) -> tuple[list[Record], str, int]:
    """Return all whole records, the digest after them and their size in bytes."""
    with open(descriptor, "rb", closefd=False) as file:
        lines = file.read().splitlines(keepends=True)

    records: list[Record] = []
    digest = ""
    size = 0
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):  # torn; only the last can be
            break
        parsed = _parse(line, digest)
        if parsed is None:
            raise SearchError(
                f"{path}, line {number}: the record does not match its checksum: restore the file "
                f"from a copy, or search again in another folder"
            )
        record, digest = parsed
        records.append(record)
        size += len(line)
    return records, digest, size


def _parse(line: bytes, digest: str) -> tuple[Record, str] | None:
    """Return the record of a line and the digest after it; None where the line is damaged."""
    try:
        checksum, text = line.decode().rstrip("\n").split(" ", maxsplit=1)
    except ValueError:  # no text, or no space
        return None
    following = _next_digest(digest, text)
    if checksum != following[:DIGITS]:
        return None
    try:
        return json.loads(text), following
    except (ValueError, RecursionError):  # its checksum fits, and it is no JSON
        return {}, following
