"""Named arrays as the bytes of a safetensors file, and back, compared with what is expected.

The safetensors library writes and reads the format: its reader refuses a header that contradicts
itself or the length of the file. Source: https://github.com/huggingface/safetensors#format. The
first eight bytes give the length of a JSON header, which holds the type, shape and offsets of each
tensor; the bytes of the tensors follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from forecast.errors import ArtifactError

_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
"""Types that a tensor may have: the name in a safetensors file -> the name in NumPy."""

_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}

HEADER_BYTES = 2**12
"""Bytes of the header of a file for each tensor, at most."""

_HEADER_KEYS = {"dtype", "shape", "data_offsets"}

Tensors = dict[str, NDArray[Any]]

Count = Annotated[int, Field(ge=0, lt=2**48)]

Checked = TypeVar("Checked")


class Entry(BaseModel):
    """Part of a JSON document from outside: exact types, no unknown key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TensorType(Entry):
    """Type and shape of one tensor."""

    dtype: Literal[
        "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"
    ]
    shape: Annotated[list[Count], Field(max_length=32)]


def encode_tensors(tensors: Tensors, name: str) -> bytes:
    """Return the bytes of a safetensors file.

    Args:
        tensors: arrays of numbers or bool, in any memory order.
        name: of the file, for messages.

    Raises:
        ArtifactError: an array is of another type, or has NaN or infinite values.
    """
    for key, array in tensors.items():
        if array.dtype.newbyteorder("<") not in _NAMES:
            raise ArtifactError(
                f"{name}: tensor {key!r} has type {array.dtype}; expected numbers or bool"
            )
        _check_finite(array, f"{name}: tensor {key!r}")
    if "__metadata__" in tensors:
        raise ArtifactError(
            f"{name}: a tensor is called '__metadata__', a reserved name; expected another one"
        )
    # The library writes the buffer as it is in memory: a strided view would come back scrambled.
    in_c_order = {key: np.asarray(array, order="C") for key, array in tensors.items()}
    try:
        return save(in_c_order)
    except (SafetensorError, UnicodeError) as error:
        raise ArtifactError(f"{name}: the tensors cannot be stored: {error}") from error


def describe_tensors(tensors: Tensors) -> dict[str, dict[str, Any]]:
    """Return type and shape of every tensor as JSON values."""
    return {
        key: {"dtype": _NAMES[array.dtype.newbyteorder("<")], "shape": list(array.shape)}
        for key, array in tensors.items()
    }


def decode_tensors(data: bytes, expected: dict[str, TensorType], name: str) -> Tensors:
    """Return the arrays of a safetensors file.

    Args:
        data: the whole file.
        expected: type and shape of every tensor that the file must have.
        name: of the file, for messages.

    Returns:
        The arrays in the order of their names; they are read-only.

    Raises:
        ArtifactError: the file is malformed or contradicts `expected`, or a value is not finite.
    """
    _check_header(data, len(expected), name)
    try:
        entries: dict[str, Any] = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise damaged(name, f"it is not a valid safetensors file ({str(error)[:80]})") from error
    types = {key: (entry["dtype"], entry["shape"]) for key, entry in entries.items()}
    if types != {key: (tensor.dtype, tensor.shape) for key, tensor in expected.items()}:
        raise damaged(
            name, "the names, types and shapes of its tensors are not those of the manifest"
        )
    return {key: _array(entries[key], f"{name}: tensor {key!r}") for key in sorted(entries)}


def damaged(file: object, reason: str) -> ArtifactError:
    """Return the error for a file that is not as it was written."""
    return ArtifactError(
        f"{file}: {reason}; the saved model is damaged: save it again or restore a copy"
    )


def parse_json(data: bytes, name: str) -> Any:
    """Parse JSON, refusing duplicate keys, NaN and infinity.

    Raises:
        ArtifactError: `data` is no such JSON; `name` is that of the file.
    """
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise damaged(name, f"it is not valid JSON ({str(error)[:80]})") from error


def checked(validate: Callable[[Any], Checked], document: Any, name: str) -> Checked:
    """Return the validated `document`, or raise ArtifactError for its first wrong entry."""
    try:
        return validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(key)[:40] for key in first["loc"]) or "the document"
        raise damaged(name, f"{path}: {first['msg']}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _check_header(data: bytes, num_tensors: int, name: str) -> None:
    """Raise where the header is longer than that of so many tensors, or has other keys.

    The library lets duplicate and unknown keys pass, and makes an object of every entry.
    """
    length = int.from_bytes(data[:8], "little")
    if length > HEADER_BYTES * (num_tensors + 1):
        raise damaged(name, f"its header has {length:,} bytes for {num_tensors:,} tensors")
    header = parse_json(data[8 : 8 + length], name)
    if not isinstance(header, dict) or len(header) != num_tensors:
        raise damaged(name, "the tensors of its header are not those of the manifest")
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != _HEADER_KEYS:
            raise damaged(name, f"the header entry {key!r} has keys other than those of a tensor")


def _check_finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise ArtifactError(f"{name} holds {count} NaN or infinite values; expected none")


def _array(entry: dict[str, Any], name: str) -> NDArray[Any]:
    """Return one tensor as a read-only array, checked to be finite."""
    flat = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
    if flat.dtype.kind == "b" and flat.size and flat.view(np.uint8).max() > 1:
        raise damaged(name, "it has bytes that are neither true nor false")
    try:
        array = flat.reshape(entry["shape"])
    except ValueError as error:  # an empty tensor whose other axes are absurdly long
        raise ArtifactError(f"{name} has the impossible shape {entry['shape']}") from error
    array.flags.writeable = False
    _check_finite(array, name)
    return array
