"""Versions of a run: which model and which rows are current, and the way back.

    RUN/...                  version 1: what `fit` wrote
    RUN/versions/2/...       the same files of a later version, which `update` wrote
    RUN/tables/1.parquet     the rows of the run with those that updates took in
    RUN/current.json         the current version and rows

Versions and tables are complete before `current.json` names them. It is written last and replaced
by one rename: whoever is killed before leaves the old version current, and who reads meanwhile
gets the old one or the new one, both complete.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from forecast.errors import DataError, OutputError
from forecast.files.atomic import current_folder, write_file

POINTER = "current.json"
VERSIONS = "versions"
TABLES = "tables"

_IS_NUMBER = re.compile("[1-9][0-9]{0,8}")
"""A number as this package writes it; 0 and 01 are names of others."""

FIRST = 1
"""Version that `fit` wrote."""

KEPT_VERSIONS = 5
"""Versions that stay on the disk beside that of `fit`: the current one and those before it."""

UPDATED_FILES = (POINTER, VERSIONS, TABLES)
"""Names in the folder of a run that was updated."""


@dataclass(frozen=True)
class Pointer:
    """Content of `current.json`; the default is that of a run that was never updated.

    Attributes:
        version: number of the current version.
        earlier: versions that were current before, the oldest first.
        latest: highest number that was given to a version.
        table: number of the current rows; 0: those of the table that `fit` read.
    """

    version: int = FIRST
    earlier: tuple[int, ...] = ()
    latest: int = FIRST
    table: int = 0


def read_pointer(run: str | Path) -> Pointer:
    """Return which version and rows are current.

    Raises:
        DataError: `current.json` is damaged.
    """
    path = current_folder(run) / POINTER
    if not path.is_file():
        return Pointer()
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        pointer = Pointer(**{**content, "earlier": tuple(content["earlier"])})
        numbers = (pointer.version, *pointer.earlier, pointer.latest, pointer.table)
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("a version is no whole number")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{path}: cannot be read ({error}): write {{"version": N, "earlier": [], '
            f'"latest": N, "table": M}} into it, N and M being the highest numbers in '
            f"{VERSIONS} and {TABLES} of this folder"
        ) from error
    return pointer


def write_pointer(run: str | Path, pointer: Pointer) -> None:
    """Make a version and rows current, by one rename."""
    document = json.dumps(asdict(pointer), indent=1, sort_keys=True)
    write_file(Path(run) / POINTER, document.encode())


def version_folder(run: str | Path, version: int | None = None) -> Path:
    """Return the folder of a version of a run; default: the current one.

    Anything else than an updated run is its own folder, such as a saved model.
    """
    if version is None:
        version = read_pointer(run).version
    if version == FIRST:
        return Path(run)
    return Path(run) / VERSIONS / str(version)


def table_path(run: str | Path) -> Path | None:
    """Return the file with the current rows; None where they are those that `fit` read."""
    number = read_pointer(run).table
    if not number:
        return None
    return current_folder(run) / TABLES / f"{number}.parquet"


def rollback(run: str | Path) -> tuple[int, int]:
    """Make the version before the current one current again; the rows stay.

    Args:
        run: the folder of a run.

    Returns:
        The version that was current, and the one that is now.

    Raises:
        OutputError: there is no earlier version.
    """
    pointer = read_pointer(run)
    if not pointer.earlier:
        raise OutputError(
            f"{run} has no earlier version than {pointer.version}, which is current: there is "
            f"nothing to go back to"
        )
    before = pointer.earlier[-1]
    if not version_folder(run, before).is_dir():
        raise OutputError(
            f"{version_folder(run, before)} is missing, the version to go back to: put it back"
        )
    write_pointer(run, replace(pointer, version=before, earlier=pointer.earlier[:-1]))
    return pointer.version, before


def remove_old(run: str | Path) -> None:
    """Delete versions and tables that are neither current nor kept, of those with a number."""
    pointer = read_pointer(run)
    kept = {*pointer.earlier[-(KEPT_VERSIONS - 1) :], pointer.version, FIRST}
    _remove_numbered(Path(run) / VERSIONS, "", kept, pointer.latest)
    _remove_numbered(Path(run) / TABLES, ".parquet", {pointer.table}, pointer.table)


def with_new(pointer: Pointer) -> Pointer:
    """Return the pointer after a new version became current."""
    number = pointer.latest + 1
    earlier = (*pointer.earlier, pointer.version)
    return replace(pointer, version=number, latest=number, earlier=_kept(earlier))


def _kept(earlier: tuple[int, ...]) -> tuple[int, ...]:
    """Return the versions one can go back to: the last ones, and that of `fit`."""
    last = earlier[-(KEPT_VERSIONS - 1) :]
    if FIRST in earlier and FIRST not in last:
        return (FIRST, *last)
    return last


def _remove_numbered(folder: Path, ending: str, kept: set[int], highest: int) -> None:
    """Delete entries up to a number that are not kept; names of another form stay."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        stem = path.name.removesuffix(ending)
        is_own = path.name == f"{stem}{ending}" and _IS_NUMBER.fullmatch(stem)
        if not is_own or path.is_symlink() or int(stem) in kept or int(stem) > highest:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
