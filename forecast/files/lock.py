"""A file that one process has open at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.errors import FileError, ForecastError
from forecast.files.atomic import reason_for


@contextmanager
def open_locked(path: Path, busy: ForecastError) -> Iterator[int]:
    """Open a file to read and append, and lock it until the block ends.

    The file and its folder are created where they are missing. The operating system releases the
    lock when the process ends, however it ends. On Windows others cannot read the first byte of a
    locked file.

    Args:
        path: the file.
        busy: raised where another process, or this one, holds the lock.

    Yields:
        The descriptor.

    Raises:
        ForecastError: `busy`.
        FileError: the file cannot be opened or locked.
    """
    # without O_BINARY, which only Windows has, line ends would be translated
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise FileError(f"cannot open {path}: {reason_for(error)}") from error
    try:
        if not _lock(path, descriptor) or not _is_at(path, descriptor):
            raise busy
        yield descriptor
    finally:
        os.close(descriptor)  # which releases the lock


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether a path still names the open file: who held the lock may have removed it."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _lock(path: Path, descriptor: int) -> bool:
    """Lock an open file; return False where the lock is taken.

    `filelock.FileLock` would not do: a journal is read and appended to through the descriptor that
    is locked, and `FileLock` deletes its file on Windows.
    """
    from filelock import lock_descriptor  # imported here, since few commands lock a file

    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        raise FileError(f"cannot lock {path}: {reason_for(error)}") from error
