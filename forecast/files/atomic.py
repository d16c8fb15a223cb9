"""Atomic writes: files and folders that are old or new as a whole, even if the process is killed.

A file is written under a temporary name in the same folder, forced to the disk (fsync) and renamed
over the old one: a rename of a file is atomic. A folder cannot be renamed over another that is not
empty, so it takes two renames, and readers know the state between them:

    1. the new folder is complete and on the disk under a temporary name
    2. `model`             is renamed to  `.model.old`    (after this, `model` is missing)
    3. the temporary name  is renamed to  `model`
    4. `.model.old` is renamed to a temporary name and deleted

`current_folder` returns `model` if it exists and else `.model.old`, which at that moment is the
complete old version. Temporary names contain the process number of the writer; the next writer
removes those whose process has ended. `outputs` decides what may be replaced at all.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from forecast.errors import FileError
from forecast.files.windows_rules import patiently

TEMPORARY = re.compile(r"\..*\.writer-(\d+)\.[0-9a-f]{8}\.tmp")
"""Names of unfinished files and folders; the group is the process number of the writer."""

_REASONS: dict[int | None, str] = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: (
        "it would be larger than the file size limit; raise the limit or choose another folder"
    ),
    errno.EACCES: "no permission; choose a folder you may write to",
    errno.EPERM: "no permission; choose a folder you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EISDIR: "it is a folder; expected the name of a file",
    errno.ENOTDIR: "part of the path is a file; expected a folder",
    errno.EEXIST: "part of the path is a file; expected a folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EBUSY: "the folder is in use as a mount or working folder; choose a folder inside it",
    errno.ENOTEMPTY: "another process is writing there; give each process its own folder",
}
"""Error number of the operating system -> cause and remedy."""

_in_use: set[str] = set()
"""Temporary names of the unfinished writers of this process."""


def write_file(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`; at every moment the file is the old or the new one as a whole.

    Missing folders are created. A symbolic link is followed: the file it points to is replaced.

    Raises:
        FileError: the file cannot be written; the old one is unchanged.
    """
    write_files({Path(path): data})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together, as `write_file` does; where one has no room, all are old.

    Args:
        contents: bytes by path.

    Raises:
        FileError: a file cannot be written; the old ones are unchanged.
    """
    written = []
    with ExitStack() as stack:
        for path, data in contents.items():
            with _plain_errors(path):
                target = _prepare(path)
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "", str(target))
                temporary = stack.enter_context(_temporary(target))
                _write_synced(temporary, data)
            written.append((path, temporary, target))
        for path, temporary, target in written:
            with _plain_errors(path):
                patiently(partial(os.replace, temporary, target))
                _sync(target.parent)


@contextmanager
def replace_folder(path: str | Path, check: Callable[[], None]) -> Iterator[Path]:
    """Yield an empty folder to fill; it replaces `path` when the block ends without an error.

    Everything in the old folder is deleted. Read the folder through `current_folder`.

    Args:
        path: the folder to create or replace.
        check: raises if `path` contains something that must not be deleted; called first, and again
            before the swap, since the block may take long.

    Yields:
        A temporary folder beside `path`, removed if the block raises.

    Raises:
        FileError: the folder cannot be written; the old one is unchanged.
    """
    with _plain_errors(path):
        check()
        target = _prepare(path)
        if target.exists() and not target.is_dir():
            raise FileError(f"cannot write {path}: it is a file; expected a folder or a new name")
        with _temporary(target) as temporary:
            temporary.mkdir()
            with _named(temporary, target):
                yield temporary
            _sync_tree(temporary)
            check()
            _swap(temporary, target)


def current_folder(path: str | Path) -> Path:
    """Return the current version of a folder: `path`, or the old version a killed writer left.

    The folder need not exist; `path` itself is returned then.
    """
    target = Path(os.path.realpath(path))
    old = old_name(target)
    if not target.exists() and old.is_dir():
        return old
    return target


def old_name(target: Path) -> Path:
    """Return the name of the old version of a folder while the new one takes its place."""
    return target.with_name(f".{target.name}.old")


def reason_for(error: OSError) -> str:
    """Return the cause of an error of the operating system, and the remedy where one is known."""
    return _REASONS.get(error.errno, error.strerror or str(error))


def _prepare(path: str | Path) -> Path:
    """Follow links, create the parent folder and remove unfinished files of killed writers."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(target.parent):
        if _is_abandoned(name, target):
            _remove(target.parent / name)
    return target


def _is_abandoned(name: str, target: Path) -> bool:
    """Return whether a name is that of an unfinished `target` whose writer has ended."""
    temporary = TEMPORARY.fullmatch(name)
    if temporary is None or not name.startswith(_temporary_prefix(target)):
        return False
    return name not in _in_use and not _is_running(temporary.group(1))


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Yield a free name beside `target`; it is removed if the block raises."""
    path = _temporary_name(target)
    _in_use.add(path.name)
    try:
        yield path
    except BaseException:
        _remove(path)
        raise
    finally:
        _in_use.discard(path.name)


def _temporary_prefix(target: Path) -> str:
    return f".{target.name[:40]}.writer-"  # shortened: file systems allow names of 255 bytes


def _temporary_name(target: Path) -> Path:
    return target.with_name(f"{_temporary_prefix(target)}{os.getpid()}.{secrets.token_hex(4)}.tmp")


def _is_running(process: str) -> bool:
    """Return whether another process has this number; True where that cannot be found out."""
    if process == str(os.getpid()):
        # left by an earlier process: in containers numbers repeat at every start
        return False
    if os.name != "posix" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)  # signal 0 only checks that the process exists
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _write_synced(path: Path, data: bytes) -> None:
    """Write a new file and force it to the disk."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
    )
    try:
        rest = memoryview(data)
        while rest:  # a single write stops early on a nearly full disk, and above 2 GiB always
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for root, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(Path(root, name))
        _sync(Path(root))


def _swap(new: Path, target: Path) -> None:
    """Do steps 2 to 4 of the docstring of the module."""
    old = old_name(target)
    if target.exists():
        _discard(old, target)  # of a writer killed before step 4; `target` is complete
        patiently(lambda: os.rename(target, old))
    try:
        patiently(lambda: os.rename(new, target))
    except OSError:
        if old.exists():
            patiently(lambda: os.rename(old, target))
        raise
    _sync(target.parent)
    _discard(old, target)


def _discard(old: Path, target: Path) -> None:
    """Delete the old version; renamed first, so that a kill never leaves half of it as `old`."""
    if not old.exists():
        return
    temporary = _temporary_name(target)
    with suppress(OSError):  # the next writer tries again
        os.rename(old, temporary)
        _remove(temporary)


def _remove(path: Path) -> None:
    """Delete a file or a folder if it exists; the next writer tries again where that fails."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _named(temporary: Path, target: Path) -> Iterator[None]:
    """Name the folder that is written in errors, not the temporary one."""
    try:
        yield
    except FileError as error:
        raise FileError(str(error).replace(str(temporary), str(target))) from error


@contextmanager
def _plain_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the operating system into one line about `path`."""
    try:
        yield
    except OSError as error:
        detail = ""
        if error.filename and str(error.filename) != str(path):
            detail = f" ({error.filename})"
        raise FileError(
            f"cannot write {path}: {reason_for(error)}{detail}; existing files are unchanged"
        ) from error
