"""The saved model: a folder of JSON and safetensors files that is verified before use.

    manifest.json        format, versions, size and SHA-256 of the other files, type and shape of
                         every tensor
    config.json          the experiment, and what else is needed to rebuild the model (columns,
                         ids, ...)
    weights.safetensors  the weights of the model
    state.safetensors    the other fitted arrays: scalers and the like
    golden.safetensors   one input, and the output of the model for it

Nothing in the folder is code and nothing is pickled. The hashes find damage, not malice: a person
who can write the folder can write the hashes too, but cannot make the reader run code or take more
memory than a few times the size of the files. Writing is atomic (see `files`).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from forecast.errors import ArtifactError, OutputError, nearest
from forecast.files.atomic import current_folder, replace_folder
from forecast.files.outputs import (
    ENVIRONMENT,
    Content,
    check_folder,
    free_name,
    read_record,
)
from forecast.files.tensors import (
    Count,
    Entry,
    Tensors,
    TensorType,
    checked,
    damaged,
    decode_tensors,
    describe_tensors,
    encode_tensors,
    parse_json,
)
from forecast.forecasting.verifying import VERIFIERS

FORMAT = 1
"""Raised whenever an older reader would misunderstand the folder."""

MANIFEST = "manifest.json"
CONFIG = "config.json"
TENSOR_FILES = ("weights.safetensors", "state.safetensors", "golden.safetensors")
CONTENT = (CONFIG, *TENSOR_FILES)

SIGNATURE_ENDING = ".sig"
"""Of the file beside the folder, with its signature; see `signatures`."""

MAX_BYTES = {MANIFEST: 2**20, CONFIG: 2**24, **dict.fromkeys(TENSOR_FILES, 2**33)}
"""Files above these sizes are neither written nor read."""

CONFIG_BYTES = 2**20
"""Size of a config beside which the other files may be empty; a larger one, as of many series or
words, is no larger than this and their arrays together."""

MAX_TENSORS = 10_000
"""Tensors of all files together, at most."""

SPARSE_BYTES = 2**26
"""A larger file is on the disk for a quarter at least: the rest may be compressed, not a hole."""


@dataclass(frozen=True, eq=False)
class Artifact:
    """Content of a saved model.

    Attributes:
        config: the experiment as JSON values.
        meta: the other values that rebuild the model, as JSON values; ids may be numbers or texts.
        weights: the weights of the model by name.
        state: fitted arrays by name.
        golden: one input and its output by name.
    """

    config: dict[str, Any]
    meta: dict[str, Any]
    weights: Tensors
    state: Tensors
    golden: Tensors


class _File(Entry):
    size: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Manifest(Entry):
    format: Literal[1]
    package_version: str
    model: str
    files: dict[str, _File]
    tensors: dict[str, dict[str, TensorType]]
    checksum: str


class _Document(Entry):
    config: dict[str, Any]
    meta: dict[str, Any]


def save_artifact(path: str | Path, artifact: Artifact) -> None:
    """Write a saved model; one that is in the folder already is replaced.

    A kill at any moment leaves the old model or the new one, both complete.

    Args:
        path: the folder.
        artifact: the content.

    Raises:
        ArtifactError: the content cannot be stored so that it comes back equal.
        OutputError: the folder has files other than those of a saved model, or is part of a run.
        FileError: the folder cannot be written (disk full, no permission).
    """
    groups = (artifact.weights, artifact.state, artifact.golden)
    tensors = dict(zip(TENSOR_FILES, groups, strict=True))
    document = {"config": artifact.config, "meta": artifact.meta}
    content = {CONFIG: _encode_json(document, CONFIG)}
    for name, arrays in tensors.items():
        content[name] = encode_tensors(arrays, name)
    content[MANIFEST] = _encode_json(_describe(content, tensors, artifact.config), MANIFEST)
    _check_sizes({name: len(data) for name, data in content.items()}, "would have")
    num_tensors = sum(map(len, groups))
    if num_tensors > MAX_TENSORS:
        raise ArtifactError(
            f"the model has {num_tensors:,} arrays; expected at most {MAX_TENSORS:,}: forecast "
            f"fewer steps, or train fewer networks"
        )
    with replace_folder(path, partial(_check_place, path)) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)


def load_artifact(path: str | Path) -> Artifact:
    """Read a saved model and verify all of it.

    Args:
        path: the folder.

    Returns:
        The content; its arrays are read-only.

    Raises:
        ArtifactError: the folder is no saved model, of another format, incomplete or damaged.
    """
    while True:
        folder = current_folder(path)
        before = _identity(folder)
        try:
            return _load(path, folder)
        except ArtifactError:
            now = current_folder(path)
            if now == folder and _identity(now) == before:
                raise
            # A writer has moved this version or put a new one in place: read that.


def _load(path: str | Path, folder: Path) -> Artifact:
    _check_listing(path, folder)
    manifest = _read_manifest(folder / MANIFEST, Path(path))
    _check_sizes({name: entry.size for name, entry in manifest.files.items()}, "has")
    content = {name: _read_content(folder / name, manifest.files[name]) for name in CONTENT}
    config_file = str(folder / CONFIG)
    document = parse_json(content[CONFIG], config_file)
    if not _is_as_written(document, content[CONFIG]):
        raise damaged(config_file, "it is not in the form that is written")
    config = checked(_Document.model_validate, document, config_file)
    tensors = [
        decode_tensors(content[name], manifest.tensors[name], f"{folder / name}")
        for name in TENSOR_FILES
    ]
    return Artifact(config.config, config.meta, *tensors)


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Return numbers that differ between two versions of a folder; None without a folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _is_saved_model(folder: Path) -> bool:
    """Return whether a folder has the manifest of a saved model, of any format."""
    record = read_record(folder / MANIFEST)
    return {"format", "package_version", "tensors", "checksum"} <= record.keys()


SAVED_MODEL = Content("saved model", "model", _is_saved_model, tuple(MAX_BYTES))
"""Content of a folder that `Forecaster.save` has written."""


def _check_place(path: str | Path) -> None:
    """Raise unless a saved model may be written to a folder.

    Raises:
        OutputError: the folder has other files, or the model of a run, whose scores would no longer
            be those of the model beside them.
    """
    check_folder(path, SAVED_MODEL)
    target = Path(os.path.realpath(path))
    of_run = {"python", "packages", "seed"} <= read_record(target.parent / ENVIRONMENT).keys()
    if target.is_dir() and of_run:
        raise OutputError(
            f"{path} is the model of a run of fit: name another folder, such as "
            f"{free_name(target.parent.with_name(f'{target.parent.name}-{target.name}'))}"
        )


def _json_bytes(value: Any) -> bytes:
    """Return JSON in the only form that is written."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode("ascii")


def _is_as_written(document: Any, data: bytes) -> bool:
    """Return whether bytes are a document in the only form that is written."""
    try:
        return _json_bytes(document) == data
    except (RecursionError, ValueError):  # nested more deeply than anything that was written
        return False


def _encode_json(value: Any, name: str) -> bytes:
    """Return JSON bytes, refusing values that would not come back equal."""
    try:
        data = _json_bytes(value)
        back = json.loads(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{name} cannot store the values: {error}; expected JSON values"
        ) from error
    if back != value:
        raise ArtifactError(
            f"{name} cannot store the values, they would come back changed: "
            "expected lists instead of tuples, and texts as the keys of dictionaries"
        )
    return data


def _describe(
    content: dict[str, bytes], tensors: dict[str, Tensors], config: dict[str, Any]
) -> dict[str, Any]:
    """Return the manifest of a saved model."""
    model = config.get("model")
    model_name = ""
    if isinstance(model, dict):
        model_name = str(model.get("name", ""))
    manifest = {
        "format": FORMAT,
        "package_version": package_version(),
        "model": model_name,
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in content.items()
        },
        "tensors": {name: describe_tensors(arrays) for name, arrays in tensors.items()},
    }
    return manifest | {"checksum": _checksum(manifest)}


def _checksum(manifest: dict[str, Any]) -> str:
    """Return the hash of the manifest itself, with an empty entry `checksum`."""
    return hashlib.sha256(_json_bytes(manifest | {"checksum": ""})).hexdigest()


def package_version() -> str:
    """Return the version of this package; `unknown` in a checkout that is not installed."""
    try:
        return version("bigru-forecast")
    except PackageNotFoundError:
        return "unknown"


def _check_listing(path: str | Path, folder: Path) -> None:
    """Raise unless the folder has exactly the files of a saved model, and plain files only."""
    modes = _list_folder(path, folder)
    if MANIFEST not in modes:
        raise ArtifactError(f"{path}: it has no {MANIFEST}; expected the folder of a saved model")
    for name in sorted({*MAX_BYTES, *modes}):
        if name not in modes:
            raise damaged(folder / name, "the file is missing")
        if name not in MAX_BYTES:
            raise ArtifactError(
                f"{folder / name}: not a file of a saved model; expected {', '.join(MAX_BYTES)}: "
                f"remove it"
            )
        if not stat.S_ISREG(modes[name]):
            raise damaged(folder / name, "it is a link or a folder, expected a plain file")


def _list_folder(path: str | Path, folder: Path) -> dict[str, int]:
    """Return the mode of every entry; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat(follow_symlinks=False).st_mode for entry in entries}
    except FileNotFoundError as error:
        hint = ""
        if os.access(folder.parent, os.R_OK):
            hint = nearest(folder.name, os.listdir(folder.parent))
        raise ArtifactError(
            f"{path}: no such folder; expected the folder of a saved model{hint}"
        ) from error
    except OSError as error:
        raise ArtifactError(
            f"{path}: {error.strerror}; expected the folder of a saved model"
        ) from error


def _read_manifest(file: Path, path: Path) -> _Manifest:
    """Read the manifest in a file of the saved model at `path`."""
    data = _read(file, None)
    for verify in VERIFIERS:
        verify(path, data)
    document = parse_json(data, str(file))
    if not isinstance(document, dict):
        raise damaged(file, "it is no JSON mapping")
    if document.get("format") != FORMAT:
        raise ArtifactError(
            f"{file}: format {repr(document.get('format'))[:20]}, written by package version "
            f"{repr(document.get('package_version'))[:20]}; this version, {package_version()!r}, "
            f"reads format {FORMAT}: load it with the version that wrote it"
        )
    manifest = checked(_Manifest.model_validate, document, str(file))
    if not _is_as_written(document, data) or manifest.checksum != _checksum(document):
        raise damaged(file, "it does not match its own checksum")
    num_tensors = sum(map(len, manifest.tensors.values()))
    if num_tensors > MAX_TENSORS:
        raise damaged(file, f"it names {num_tensors:,} tensors; expected at most {MAX_TENSORS:,}")
    if set(manifest.files) != set(CONTENT) or set(manifest.tensors) != set(TENSOR_FILES):
        raise damaged(file, "it does not describe exactly the files of a saved model")
    return manifest


def _read_content(file: Path, entry: _File) -> bytes:
    data = _read(file, entry.size)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise damaged(file, "its SHA-256 is not that of the manifest")
    return data


def _check_sizes(sizes: dict[str, int], has: str) -> None:
    """Raise where a file is larger than may be, or a config than its arrays allow.

    Args:
        sizes: bytes by the names of the files.
        has: verb of the message.
    """
    for name, size in sizes.items():
        limit = MAX_BYTES[name]
        if name == CONFIG:
            limit = min(limit, CONFIG_BYTES + sum(sizes[each] for each in TENSOR_FILES))
        if size > limit:
            raise ArtifactError(f"{name} {has} {size:,} bytes; expected at most {limit:,}")


def _read(file: Path, size: int | None) -> bytes:
    """Read a file, checking its size before memory is taken.

    Args:
        file: the file.
        size: the size in the manifest; None for the manifest itself, of any size up to the limit.
    """
    limit = MAX_BYTES[file.name]
    try:
        with open(file, "rb") as stream:
            status = os.fstat(stream.fileno())
            actual = status.st_size
            if size is not None and actual != size:
                raise damaged(file, f"it has {actual} bytes where the manifest says {size}")
            if actual > limit:
                raise ArtifactError(f"{file}: it has {actual} bytes; expected at most {limit}")
            blocks = getattr(status, "st_blocks", None)  # of 512 bytes; unknown on Windows
            if actual > SPARSE_BYTES and blocks is not None and 4 * 512 * blocks < actual:
                raise damaged(file, f"most of its {actual:,} bytes are not on the disk")
            return stream.read(actual)
    except OSError as error:
        raise ArtifactError(f"{file}: {error.strerror}; expected a readable file") from error
