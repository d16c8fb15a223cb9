"""The state of a search: a file that is only ever appended to, one record a line, each with a checksum.

A line is `SHA-256 of all lines before and of this record, first 16 digits`, a space, and the record as JSON. A
record is on the disk before anything is done that rests on it. A process that is killed, or a disk that is full, in the
midst of a record leaves a last line without its end; the next writer takes it off. A whole line that does not fit its
checksum is refused, since what follows rests on it.
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
from forecast.files import REASONS, open_alone

Record = dict[str, Any]
DIGITS = 16


class Journal:
    """An open journal; one process has it at a time.

    Attributes:
        records: all that were written, in order.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.records, self._digest, self._size = _read(path, descriptor)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record and force it to the disk.

        Raises:
            FileError: it cannot be written; the journal is as it was before.
        """
        text = json.dumps(record, allow_nan=False)
        digest = _next_digest(self._digest, text)
        line = f"{digest[:DIGITS]} {text}\n".encode()
        try:
            if os.fstat(self._descriptor).st_size != self._size:  # a torn line, of a killed process or a full disk
                os.ftruncate(self._descriptor, self._size)
            _write(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            reason = REASONS.get(error.errno or 0, error.strerror or str(error))
            raise FileError(
                f"cannot write {self._path}: {reason}; the search goes on from here with --resume"
            ) from error
        self._digest, self._size = digest, self._size + len(line)
        self.records.append(json.loads(text))


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal, or begin one, and keep other processes out until the block ends.

    Args:
        path: the file.

    Raises:
        SearchError: another process has it, or a record is damaged.
        FileError: it cannot be opened.
    """
    busy = SearchError(
        f"{path.parent}: another process is searching there; wait for it, or name another folder with --out"
    )
    with open_alone(path, busy) as descriptor:
        yield Journal(path, descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a single write stops early on a nearly full disk
        rest = rest[os.write(descriptor, rest) :]


def _next_digest(digest: str, text: str) -> str:
    return hashlib.sha256(f"{digest} {text}".encode()).hexdigest()


def _read(path: Path, descriptor: int) -> tuple[list[Record], str, int]:
    """All whole records, the digest after them and the bytes they take."""
    with open(descriptor, "rb", closefd=False) as file:
        lines = file.read().splitlines(keepends=True)
    records: list[Record] = []
    digest, size = "", 0
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):  # torn; only the last can be
            break
        record, following = _parse(line, digest)
        if record is None:
            raise SearchError(
                f"{path}, line {number}: the record does not fit its checksum: restore the file from a copy, or search "
                "again in another folder"
            )
        records.append(record)
        digest, size = following, size + len(line)
    return records, digest, size


def _parse(line: bytes, digest: str) -> tuple[Record | None, str]:
    """The record of a line and the digest after it, or None where it is damaged."""
    try:
        checksum, text = line.decode().rstrip("\n").split(" ", maxsplit=1)
    except ValueError:  # no text, or no space
        return None, digest
    following = _next_digest(digest, text)
    return (json.loads(text), following) if checksum == following[:DIGITS] else (None, digest)
