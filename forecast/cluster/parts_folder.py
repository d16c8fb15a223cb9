"""Folders of parts: files of whole series, and the forecasts of each of them.

parts/parts.json            the files, where `forecast split` wrote the folder
parts/part-00000.csv        a table of whole series
parts/known-00000.csv       known covariates of later steps of these series

output/forecasts.json       model and options, the same for all parts
output/part-00000.parquet   forecasts of one part
output/part-00000.done.json    fingerprints of the part and its forecasts
output/part-00000.error.json   in place of both: why there is no forecast
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forecast.data.formats.readers import reader_named
from forecast.data.formats.row_batches import KINDS
from forecast.errors import DataError, OutputError
from forecast.files.atomic import write_file
from forecast.files.outputs import Content, check_folder, free_name, read_record

MANIFEST = "parts.json"
"""File of a folder that `forecast split` wrote."""

FORECASTS = "forecasts.json"
"""File of a folder with the forecasts of parts."""

DONE = ".done.json"
ERROR = ".error.json"
"""Endings of the files beside the forecasts of a part."""

_SPLIT = "parts of forecast split"
_PREDICTED = "forecasts of parts"

_CHUNK = 1 << 20


def is_split(folder: Path) -> bool:
    """Return whether `forecast split` wrote a folder, so that its files have whole series."""
    return read_record(folder / MANIFEST).get("content") == _SPLIT


def _is_predicted(folder: Path) -> bool:
    return read_record(folder / FORECASTS).get("content") == _PREDICTED


PARTS = Content(
    "folder of forecast split",
    "parts",
    is_split,
    (MANIFEST, "part-*.csv", "part-*.parquet", "known-*.csv", "known-*.parquet"),
)
"""Content of the folder of a split table."""

PREDICTED = Content("folder of forecasts of parts", "forecasts", _is_predicted)
"""Content of the folder of forecasts."""


@dataclass(frozen=True)
class FileOfPart:
    """The files of one part of a split table.

    Attributes:
        number: of the part.
        name: of the file with its rows.
        num_rows: in that file.
        known: name of the file with known covariates; None where there is none.
    """

    number: int
    name: str
    num_rows: int
    known: str | None = None


@dataclass(frozen=True)
class Part:
    """A file of whole series to forecast.

    Attributes:
        name: of its forecasts and of what is written beside them, without an ending.
        path: the file.
        known: file with known covariates of later steps; None where there is none.
    """

    name: str
    path: Path
    known: Path | None = None

    def fingerprints(self) -> dict[str, str]:
        """Return the hashes of the files."""
        found = {"part": hash_of(self.path)}
        if self.known is not None:
            found["known"] = hash_of(self.known)
        return found


def write_manifest(folder: Path, table: str, num_parts: int, files: Sequence[FileOfPart]) -> None:
    """Write what a split folder holds."""
    record = {
        "content": _SPLIT,
        "table": table,
        "parts": num_parts,
        "files": [asdict(file) for file in files],
    }
    write_file(folder / MANIFEST, as_json(record))


def list_parts(folder: str | Path) -> list[Part]:
    """Return the parts in a folder: those of `forecast split`, or every CSV and parquet file.

    Raises:
        DataError: it is no folder, has no such file, lacks one of a split, or has two of one name.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError(f"{folder} is no folder: give the folder that forecast split wrote")
    record = read_record(path / MANIFEST)
    if record.get("content") == _SPLIT:
        parts = [_split_part(path, FileOfPart(**file)) for file in record["files"]]
    else:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        tables = [name for name in names if name[0] not in "._" and reader_named(name) in KINDS]
        parts = [Part(name.partition(".")[0], path / name) for name in tables]
    if not parts:
        raise DataError(
            f"{folder} has no CSV or parquet file: give the folder that forecast split wrote, or "
            f"one with files of whole series"
        )
    _refuse_doubled(parts, folder)
    return parts


def _split_part(folder: Path, file: FileOfPart) -> Part:
    path = folder / file.name
    known = None
    if file.known is not None:
        known = folder / file.known
    for needed in (path, known):
        if needed is not None and not needed.is_file():
            raise DataError(
                f"{folder} lacks {needed.name}, which its {MANIFEST} names: split the table again"
            )
    return Part(path.stem, path, known)


def _refuse_doubled(parts: Sequence[Part], folder: str | Path) -> None:
    by_name: dict[str, Part] = {}
    for part in parts:
        other = by_name.setdefault(part.name, part)
        if other is not part:
            raise DataError(
                f"{folder} has {other.path.name} and {part.path.name}, whose forecasts would have "
                f"one name: rename one of them"
            )


def begin_output(folder: str | Path, identity: dict[str, Any]) -> None:
    """Begin a folder of forecasts, or go on with that of the same model and options.

    Args:
        folder: to write.
        identity: fingerprint of the model, and the options, as JSON values.

    Raises:
        OutputError: it holds other files, or forecasts of another model or with other options.
    """
    path = Path(folder)
    check_folder(path, PREDICTED)
    stored = read_record(path / FORECASTS)
    record = {"content": _PREDICTED, **identity}
    if stored.get("content") == _PREDICTED:
        for name, value in record.items():
            if stored.get(name) != value:
                raise OutputError(
                    f"{folder} has forecasts {_other(name, stored.get(name), value)}: name a new "
                    f"or empty folder, such as {free_name(path)}"
                )
        return
    write_file(path / FORECASTS, as_json(record))


def _other(name: str, stored: object, given: object) -> str:
    """Return in words how earlier forecasts differ."""
    if name == "model":
        return "of another model"
    return f"with {name} {json.dumps(stored)} instead of {json.dumps(given)}"


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def as_json(record: dict[str, Any]) -> bytes:
    """Return a record as the bytes of a JSON file."""
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
