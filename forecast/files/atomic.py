"""Files and folders that are written whole or not at all, even where the process is killed.

A file goes to a temporary name beside its place, is forced to the disk and renamed over the old
one: a rename of a file is atomic. A folder cannot be renamed over another that holds something,
so it takes two renames, and the reader knows the state between them:

    1. the new folder is complete and on the disk under a temporary name
    2. `model`             is renamed to  `.model.old`    (after this, `model` is missing)
    3. the temporary name  is renamed to  `model`
    4. `.model.old` is renamed to a temporary name and deleted

`current_folder` gives `model` where it exists and else `.model.old`, which at that moment is the
complete old version. Temporary names carry the writer's process number; the next writer removes
those whose process is gone. What may be replaced at all is said by `outputs`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecast.errors import FileError, ForecastError

REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "it would be larger than the file size limit; raise the limit or choose another folder",
    errno.EACCES: "no permission; choose a folder you may write to",
    errno.EPERM: "no permission; choose a folder you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EISDIR: "it is a folder; expected the name of a file",
    errno.ENOTDIR: "part of the path is a file; expected a folder",
    errno.EEXIST: "part of the path is a file; expected a folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EBUSY: "the folder is in use as a mount or working folder; choose a folder inside it",
    errno.ENOTEMPTY: "another process is writing there; give each process a folder of its own",
}
"""What the numbers of the operating system mean, and what to do."""


TEMPORARY = re.compile(r"\..*\.writer-(\d+)\.[0-9a-f]{8}\.tmp")
"""Names that writers give to what they have not finished; the group is the number of the
process."""


_in_use: set[str] = set()
"""Temporary names of this process's own unfinished writers."""


def write_file(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, so that at every moment the file is the old or the new one as a whole.

    Folders on the way are made. A symbolic link is followed: the file it points to is replaced.

    Raises:
        FileError: the file cannot be written; the old one is untouched.
    """
    with _plain_errors(path):
        target = _prepare(path)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "", str(target))
        with _temporary(target) as temporary:
            _write_synced(temporary, data)
            os.replace(temporary, target)
        _sync(target.parent)


@contextmanager
def replace_folder(path: str | Path, check: Callable[[], None]) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `path`.

    Whatever `path` held before is deleted. Read the folder through `current_folder`.

    Args:
        path: the folder to make or replace.
        check: raises where `path` holds what must not be deleted; called first, and again before
            the swap, since the block may take long.

    Yields:
        A temporary folder beside `path`, removed where the block raises.

    Raises:
        FileError: the folder cannot be written; the old one is untouched.
    """
    with _plain_errors(path):
        check()
        target = _prepare(path)
        if target.exists() and not target.is_dir():
            raise FileError(f"cannot write {path}: it is a file; expected a folder or a new name")
        with _temporary(target) as temporary:
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            check()
            _swap(temporary, target)


def current_folder(path: str | Path) -> Path:
    """Return where the folder `path` is: there, or under the name a killed writer left it at.

    The folder need not exist; the answer is then `path` itself.
    """
    target = Path(os.path.realpath(path))
    old = old_name(target)
    return old if not target.exists() and old.is_dir() else target


@contextmanager
def open_alone(path: Path, busy: ForecastError) -> Iterator[int]:
    """Open a file to read and append, made where there is none, and keep other processes out until the block ends.

    The system frees the lock when the process ends, however it ends. On Windows nothing keeps two
    processes apart.

    Args:
        path: the file.
        busy: what to raise where another process has it.

    Yields:
        The descriptor.

    Raises:
        ForecastError: `busy`.
        FileError: the file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or str(error))
        raise FileError(f"cannot open {path}: {reason}") from error
    try:
        if not _lock(descriptor):
            raise busy
        yield descriptor
    finally:
        os.close(descriptor)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(descriptor: int) -> bool:
    """Take the lock of an open file; False where another process has it."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _prepare(path: str | Path) -> Path:
    """Follow links, make the parent folder and remove what killed writers left of this target."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = _temporary_prefix(target)
    for name in os.listdir(target.parent):
        form = TEMPORARY.fullmatch(name)
        is_ours = form is not None and name.startswith(prefix)
        if form and is_ours and name not in _in_use and not _is_running(form.group(1)):
            _remove(target.parent / name)
    return target


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Give a free name beside `target`; what stands there is removed where the block raises."""
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
    return f".{target.name[:40]}.writer-"  # cut: file systems allow 255 bytes


def _temporary_name(target: Path) -> Path:
    return target.with_name(f"{_temporary_prefix(target)}{os.getpid()}.{secrets.token_hex(4)}.tmp")


def old_name(target: Path) -> Path:
    """Where a folder is for the moment in which the new one takes its place."""
    return target.with_name(f".{target.name}.old")


def _is_running(process: str) -> bool:
    """Whether another process of this number exists; taken as running where that cannot be known."""
    if process == str(
        os.getpid()
    ):  # left by an earlier process: in containers numbers repeat at every start
        return False
    if os.name != "posix" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
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
    """Steps 2 to 4 of the module's description."""
    old = old_name(target)
    if target.exists():
        _discard(old, target)  # of a writer killed before step 4; `target` is complete
        os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        if old.exists():
            os.rename(old, target)
        raise
    _sync(target.parent)
    _discard(old, target)


def _discard(old: Path, target: Path) -> None:
    """Delete the old version under a temporary name, so that a kill leaves it whole or to be removed."""
    if not old.exists():
        return
    temporary = _temporary_name(target)
    with suppress(OSError):  # what resists is left to the next writer
        os.rename(old, temporary)
        _remove(temporary)


def _remove(path: Path) -> None:
    """Delete a file or a folder if it is there; what resists is left to the next writer."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _plain_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the operating system into one line about `path`."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or str(error))
        place = (
            f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
        )
        raise FileError(
            f"cannot write {path}: {reason}{place}; what was there before is unchanged"
        ) from error
