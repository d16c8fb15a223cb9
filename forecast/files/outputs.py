"""What may be written where: into what is new or empty, and over what the same command wrote; nothing else is lost.

Each command that leaves a folder has a `Content`, which says how its folders are told from those of
others. Where a folder is replaced as a whole (`files.atomic.replace_folder`) nothing else may lie
in it; where files are written one by one, what others put beside them stays. Commands ask before
they read or train.
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

LISTED = 3
"""Names that a refusal shows."""


LITTER = (".DS_Store", "Thumbs.db")
"""Files that file managers leave in every folder they show."""


@dataclass(frozen=True)
class Content:
    """Content that a command writes into a folder.

    Attributes:
        what: it is, in words, such as `run of fit`.
        name: of a new folder that is proposed.
        is_own: tells whether a folder that is not empty was begun by the command.
        names: patterns of every path below the folder that the command writes, where the folder is
            replaced as a whole; None where files are written one by one.
    """

    what: str
    name: str
    is_own: Callable[[Path], bool]
    names: tuple[str, ...] | None = None


def read_record(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file by which a folder is known; an empty one where the file holds no such thing."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def check_folder(path: str | Path, content: Content, table: object = None) -> None:
    """Raise unless a command may write its folder: it is new, empty, or was written by the same command.

    Args:
        path: the folder; links are followed.
        content: what is to be written.
        table: what is read; a file of this name must not lie in the folder.

    Raises:
        OutputError: the folder holds something else, or cannot be written to.
    """
    check_place(path)
    target = Path(os.path.realpath(path))
    if content.names is not None:
        _check_replaceable(path, target, content.name)
    _check_holding(path, target, content)
    if (
        isinstance(table, str | Path)
        and Path(os.path.realpath(table)).is_relative_to(target)
        and os.path.isfile(table)
    ):
        _refuse(f"{path} holds the table that is read, {table}", _beside(path))
    old = old_name(target)
    if content.names is not None and old.exists():
        _check_old(path, old, content)


def check_place(path: str | Path) -> None:
    """Raise unless a folder can be made, or is there and can be written to.

    Raises:
        OutputError: it is a file, or lies in one, or there is no permission.
    """
    target = Path(os.path.realpath(path))
    if os.path.islink(target):  # a name that `realpath` could not follow
        _refuse(f"{path} is a link that leads in a circle", _beside(path))
    if os.path.isfile(target):
        _refuse(f"{path} is a file; expected a folder", _beside(Path(path).with_suffix("")))
    there = _nearest_there(target)
    if not os.path.isdir(there):
        _refuse(f"{path} cannot be a folder, since {there} is a file", _free(Path(target.name)))
    _check_permission(path, there)


def check_file(
    path: str | Path, is_own: Callable[[Path], bool], what: str, inputs: Iterable[object] = ()
) -> None:
    """Raise unless a command may write a file: it is new, empty, or was written by the same command.

    Args:
        path: the file; links are followed.
        is_own: tells whether a file was written by the command.
        what: the command writes, such as `forecast of this run`.
        inputs: what is read; files among them are never written.

    Raises:
        OutputError: the file is something else, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise OutputError(f"{path} is a folder: name a file in it")
    there = _nearest_there(target.parent)
    if not os.path.isdir(there):
        raise OutputError(f"{path} cannot be a file, since {there} is one: name a file in a folder")
    _check_permission(path, there)
    if not os.path.exists(target):
        return
    other = f"name another file, such as {_free(Path(path))}"
    for read in inputs:
        if isinstance(read, str | Path) and os.path.exists(read) and os.path.samefile(read, target):
            raise OutputError(f"{path} is read by this command and would be lost: {other}")
    if not target.is_file() or (target.stat().st_size and not is_own(target)):
        raise OutputError(f"{path} holds something other than a {what}: {other}, or move it away")


def strangers(folder: Path, names: Iterable[str]) -> list[str]:
    """Paths below a folder that fit none of the patterns, in order; folders on the way to a pattern are no strangers.

    What killed writers left, and what file managers leave, is left out.
    """
    patterns = tuple(names)
    ways = {parent.as_posix() for pattern in patterns for parent in Path(pattern).parents}
    return sorted(_strangers(folder, Path(), patterns, ways))


def remove_own(folder: Path, form: re.Pattern[str]) -> None:
    """Delete the plain files in a folder whose name has a form, and unfinished ones; then the folder, if empty."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        named = form.fullmatch(path.name) or TEMPORARY.fullmatch(path.name)
        if named and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
    if not folder.is_symlink() and not os.listdir(folder):
        folder.rmdir()


def _check_replaceable(path: str | Path, target: Path, name: str) -> None:
    """Raise where a folder cannot be renamed, which replacing it takes."""
    if not os.path.isdir(target):
        return
    if Path.cwd().is_relative_to(target):
        _refuse(
            f"{str(path)!r} is the working folder or holds it, and cannot be replaced",
            _free(Path(name)),
        )
    if os.path.ismount(target):
        _refuse(f"{path} is a mounted folder and cannot be replaced", _free(Path(path, name)))
    _check_permission(path, target.parent)


def _check_holding(path: str | Path, target: Path, content: Content) -> None:
    """Raise where a folder holds what the command did not write."""
    found = strangers(target, ()) if os.path.isdir(target) else []
    if not found:
        return
    if not content.is_own(target):
        reason = f"{path} holds files and no {content.what} ({_listed(found)})"
        _refuse(reason, _free(Path(path, content.name)))
    foreign = strangers(target, content.names) if content.names is not None else []
    if foreign:
        raise OutputError(
            f"{path} holds a {content.what} and what is no part of it ({_listed(foreign)}): move "
            f"that away, or name a "
            f"new or empty folder, such as {_beside(path)}"
        )


def _check_old(path: str | Path, old: Path, content: Content) -> None:
    """Raise where the name that the old version has for a moment is taken."""
    try:
        if not old.is_dir() or old.is_symlink():
            raise OutputError("")
        _check_holding(old, old, content)
    except OutputError:
        _refuse(f"{old} is in the way and no {content.what}: move it away", _beside(path))


def _check_permission(path: str | Path, folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise OutputError(
            f"no permission to write {path} in {folder}: name a place you may write to"
        )


def _strangers(
    folder: Path, below: Path, patterns: tuple[str, ...], ways: set[str]
) -> Iterator[str]:
    with os.scandir(folder / below) as entries:
        for entry in list(entries):
            place = below / entry.name
            if entry.is_dir(follow_symlinks=False) and place.as_posix() in ways:
                yield from _strangers(folder, place, patterns, ways)
            elif not entry.is_file(follow_symlinks=False) or not _is_known(place, patterns):
                yield place.as_posix()


def _is_known(place: Path, patterns: tuple[str, ...]) -> bool:
    if place.name in LITTER or TEMPORARY.fullmatch(place.name):
        return True
    return any(fnmatchcase(place.as_posix(), pattern) for pattern in patterns)


def _nearest_there(path: Path) -> Path:
    """The path, or the nearest of the folders on the way to it that is there."""
    return next(one for one in (path, *path.parents) if os.path.exists(one) or one == one.parent)


def _refuse(reason: str, proposal: Path) -> NoReturn:
    raise OutputError(f"{reason}: name a new or empty folder, such as {proposal}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(name) for name in names[:LISTED]) + more


def _beside(path: str | Path) -> Path:
    """A free name beside a folder."""
    place = Path(path)
    return _free(place if place.name not in ("", "..") else Path(os.path.realpath(place)))


def _free(path: Path) -> Path:
    """The path itself where nothing is there, else the first of NAME-2, NAME-3 ... with the same ending."""
    numbered = (
        path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2)
    )
    return next(one for one in itertools.chain([path], numbered) if not os.path.lexists(one))
