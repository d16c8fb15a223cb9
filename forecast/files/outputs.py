"""Rules for outputs: a command writes only to new or empty places, or over its own earlier output.

Each command that writes a folder has a `Content`, which recognises the folders of the command.
Where a folder is replaced as a whole (`files.atomic.replace_folder`), it may contain nothing else;
where files are written one by one, files of others beside them stay. Commands check this before
they read a table or train.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

from forecast.errors import OutputError
from forecast.files.atomic import TEMPORARY, old_name
from forecast.files.windows_rules import unusable_here

ENVIRONMENT = "environment.json"
"""File in every folder of a run or a backtest. Named here, where the log of commands can read it
without the libraries that write it."""

LITTER = (".DS_Store", "Thumbs.db")
"""Files that file managers create in every folder they show."""

_MAX_NAMES = 3
"""Names that an error message lists."""


@dataclass(frozen=True)
class Content:
    """The kind of folder that a command writes.

    Attributes:
        what: name in messages, such as `run of fit`.
        name: of a new folder that a message proposes.
        is_own: returns whether a folder that is not empty was begun by the command.
        names: patterns of every path below the folder that the command writes, where the folder is
            replaced as a whole; None where files are written one by one.
    """

    what: str
    name: str
    is_own: Callable[[Path], bool]
    names: tuple[str, ...] | None = None


def read_record(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if the file contains anything else."""
    if not path.is_file():  # a pipe of others has no end
        return {}
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    return record


def check_folder(path: str | Path, content: Content, table: object = None) -> None:
    """Raise unless a folder is new, empty, or was written by the same command.

    Args:
        path: the folder; links are followed.
        content: what is to be written.
        table: input of the command; if it is the name of a file, it must not be in the folder.

    Raises:
        OutputError: the folder contains something else, or cannot be written to.
    """
    check_writable(path)
    target = Path(os.path.realpath(path))
    if content.names is not None:
        _check_replaceable(path, target, content.name)
    _check_content(path, target, content)
    if _is_file_in(table, target):
        _refuse(f"{path} contains the table that is read, {table}", free_name(path))

    old = old_name(target)
    if content.names is not None and old.exists():
        _check_old(path, old, content)


def check_writable(path: str | Path) -> None:
    """Raise unless a folder can be created, or exists and can be written to.

    Raises:
        OutputError: it is a file, or would be inside one, or there is no permission.
    """
    _check_name(path)
    target = Path(os.path.realpath(path))
    if os.path.islink(target):  # a name that `realpath` could not follow
        _refuse(f"{path} is a symbolic link that leads back to itself", free_name(path))
    if os.path.isfile(target):
        _refuse(f"{path} is a file; expected a folder", free_name(Path(path).with_suffix("")))
    existing = _nearest_existing(target)
    if not os.path.isdir(existing):
        _refuse(f"{path} cannot be a folder, since {existing} is a file", _free(Path(target.name)))
    _check_permission(path, existing)


def check_file(
    path: str | Path, is_own: Callable[[Path], bool], what: str, inputs: Iterable[object] = ()
) -> None:
    """Raise unless a file is new, empty, or was written by the same command.

    Args:
        path: the file; links are followed.
        is_own: returns whether a file was written by the command.
        what: name of the output in messages, such as `forecast of this run`.
        inputs: what the command reads; files among them are never overwritten.

    Raises:
        OutputError: the file is something else, or cannot be written.
    """
    _check_name(path)
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise OutputError(f"{path} is a folder: name a file in it")
    existing = _nearest_existing(target.parent)
    if not os.path.isdir(existing):
        raise OutputError(
            f"{path} cannot be a file, since {existing} is one: name a file in a folder"
        )
    _check_permission(path, existing)
    if not os.path.exists(target):
        return

    remedy = f"name another file, such as {_free(Path(path))}"
    for source in inputs:
        if _is_same_file(source, target):
            raise OutputError(f"{path} is read by this command and would be lost: {remedy}")
    if target.is_file() and (not target.stat().st_size or is_own(target)):
        return
    raise OutputError(f"{path} exists and is not a {what}: {remedy}, or move it away")


def foreign_paths(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the paths below a folder that fit none of the patterns, sorted.

    Folders on the way to a pattern do not count, nor do unfinished files of killed writers and
    files of file managers.
    """
    patterns = tuple(names)
    ways = {parent.as_posix() for pattern in patterns for parent in Path(pattern).parents}
    return sorted(_foreign_paths(folder, Path(), patterns, ways))


def free_name(path: str | Path) -> Path:
    """Return a free name beside a folder, such as `runs/demo-2`."""
    folder = Path(path)
    if folder.name in ("", ".."):
        folder = Path(os.path.realpath(folder))
    return _free(folder)


def remove_own(folder: Path, form: re.Pattern[str]) -> None:
    """Delete files of a folder by the form of their names, and unfinished ones; keep all others.

    The folder is deleted too if it is empty then.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        is_own = form.fullmatch(path.name) or TEMPORARY.fullmatch(path.name)
        if is_own and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
    if not folder.is_symlink() and not os.listdir(folder):
        folder.rmdir()


def remove_files(folder: Path, names: Iterable[str], is_own: Callable[[Path], bool]) -> None:
    """Delete some files of a folder, where they are there and were written by the same command."""
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink() and is_own(path):
            path.unlink(missing_ok=True)


def _check_replaceable(path: str | Path, target: Path, name: str) -> None:
    """Raise if an existing folder cannot be renamed, which is how it is replaced."""
    if not os.path.isdir(target):
        return
    if Path.cwd().is_relative_to(target):
        _refuse(
            f"{str(path)!r} is the working folder or contains it, and cannot be replaced",
            _free(Path(name)),
        )
    if os.path.ismount(target):
        _refuse(f"{path} is a mounted folder and cannot be replaced", _free(Path(path, name)))
    _check_permission(path, target.parent)


def _check_content(path: str | Path, target: Path, content: Content) -> None:
    """Raise if a folder contains files that the command did not write."""
    if not os.path.isdir(target):
        return
    paths = foreign_paths(target, ())
    if not paths:
        return
    if not content.is_own(target):
        reason = f"{path} contains files but no {content.what} ({_listed(paths)})"
        _refuse(reason, _free(Path(path, content.name)))

    if content.names is None:
        return
    foreign = foreign_paths(target, content.names)
    if foreign:
        raise OutputError(
            f"{path} contains a {content.what} and other files ({_listed(foreign)}): move those "
            f"away, or name a new or empty folder, such as {free_name(path)}"
        )


def _check_old(path: str | Path, old: Path, content: Content) -> None:
    """Raise if the name that the old version gets during the swap is taken."""
    try:
        if not old.is_dir() or old.is_symlink():
            raise OutputError("")
        _check_content(old, old, content)
    except OutputError:
        raise OutputError(
            f"{old} is in the way and is not a {content.what}: move it away, or name a new or "
            f"empty folder, such as {free_name(path)}"
        ) from None


def _check_name(path: str | Path) -> None:
    """Raise where the system has no file or folder of a name."""
    reason = unusable_here(path)
    if reason:
        raise OutputError(f"{path} cannot be written on Windows, where {reason}: give another name")


def _check_permission(path: str | Path, folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise OutputError(
            f"no permission to write {path} in {folder}: name a folder you may write to"
        )


def _is_file_in(path: object, folder: Path) -> bool:
    """Return whether an input is the name of a file in a folder."""
    if not isinstance(path, str | Path) or not os.path.isfile(path):
        return False
    return Path(os.path.realpath(path)).is_relative_to(folder)


def _is_same_file(path: object, target: Path) -> bool:
    """Return whether an input is the name of the file `target`."""
    if not isinstance(path, str | Path) or not os.path.exists(path):
        return False
    return os.path.samefile(path, target)


def _foreign_paths(
    folder: Path, below: Path, patterns: tuple[str, ...], ways: set[str]
) -> Iterator[str]:
    """Yield the paths of `foreign_paths` in the folder `below`, which is relative to `folder`."""
    with os.scandir(folder / below) as entries:
        for entry in list(entries):
            path = below / entry.name
            if entry.is_dir(follow_symlinks=False) and path.as_posix() in ways:
                yield from _foreign_paths(folder, path, patterns, ways)
            elif not entry.is_file(follow_symlinks=False) or not _is_known(path, patterns):
                yield path.as_posix()


def _is_known(path: Path, patterns: tuple[str, ...]) -> bool:
    if path.name in LITTER or TEMPORARY.fullmatch(path.name):
        return True
    return any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns)


def _nearest_existing(path: Path) -> Path:
    """Return the path, or the nearest of its parents that exists."""
    for candidate in (path, *path.parents):
        if os.path.exists(candidate):
            return candidate
    return path.parents[-1]


def _refuse(reason: str, proposal: Path) -> NoReturn:
    raise OutputError(f"{reason}: name a new or empty folder, such as {proposal}")


def _listed(names: list[str]) -> str:
    text = ", ".join(repr(name) for name in names[:_MAX_NAMES])
    if len(names) > _MAX_NAMES:
        text += f" and {len(names) - _MAX_NAMES} more"
    return text


def _free(path: Path) -> Path:
    """Return the path if it is free, else the first free of NAME-2, NAME-3 ...; same ending."""
    numbered = (
        path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2)
    )
    candidates = itertools.chain([path], numbered)
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))
