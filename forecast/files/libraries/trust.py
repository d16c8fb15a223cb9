"""The folder of compiled libraries is used only if nobody else can write to it.

A library runs with all rights of the process that opens it, and the checksum beside it is no
proof: whoever can write the one can write the other. So the folder and its files must be real, of
this user or of root, and writable by nobody else.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "bigru-forecast"
"""Of the folder, in the user's cache folder."""


class UnusableFolderError(Exception):
    """The cache folder cannot be used; the message says why, in a few words."""


@contextmanager
def library_folder() -> Iterator[tuple[Path, str]]:
    """Yield the folder of compiled libraries; a private one where the cache folder is unusable.

    Yields:
        The folder, and why it is not the cache folder: empty where it is, and where there is none.
    """
    try:
        folder = _cache_folder()
    except UnusableFolderError as error:
        with tempfile.TemporaryDirectory() as private:  # made with mode 0700
            yield Path(private), f"{error}"
    else:
        yield folder, ""


def read_own(path: Path) -> bytes:
    """Return the bytes of a file that only this user or root can have written.

    Links are not followed, and neither pipes nor devices are waited for.

    Raises:
        OSError: there is no such file, or it is another's.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_own(status):
            raise PermissionError(f"{path} may have been written by others")
        return file.read()


def may_execute(folder: Path) -> bool:
    """Return whether files of a folder may be executed, as far as the system says."""
    flag = getattr(os, "ST_NOEXEC", 0)
    try:
        return not os.statvfs(folder).f_flag & flag
    except OSError:
        return True


def _cache_folder() -> Path:
    """Return the folder in the user's cache folder, made where it is missing.

    Raises:
        UnusableFolderError: it cannot be written to, others can write to it, or files in it may not
            be executed.
    """
    try:
        folder = _cache_base() / NAME
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(folder)
        above = os.stat(folder.parent)
        if not stat.S_ISDIR(status.st_mode):
            raise UnusableFolderError(f"{folder} is no folder of its own, but a link or a file")
        if not _is_own(status) or not _is_safe_above(above):
            raise UnusableFolderError(f"others can write to {folder}")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError, KeyError) as error:  # the latter two without a home
        raise UnusableFolderError(f"the cache folder cannot be written to ({error})") from error
    if not may_execute(folder):
        raise UnusableFolderError(f"files in {folder} may not be executed")
    return folder


def _cache_base() -> Path:
    """Return the user's cache folder; a relative one is passed over, as its standard wants it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given)
    return Path.home() / ".cache"


def _is_own(status: os.stat_result) -> bool:
    """Return whether a file or folder is of this user or root, and nobody else can write to it."""
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid in _own_ids() and not writable


def _is_safe_above(status: os.stat_result) -> bool:
    """Return whether nobody else can rename what is in a folder."""
    is_open = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
    return not is_open and (status.st_uid in _own_ids() or bool(status.st_mode & stat.S_ISVTX))


def _own_ids() -> set[int]:
    return {os.geteuid(), 0}
