"""Named arrays as the bytes of a safetensors file, and back with every claim of the header checked.

Source of the format: https://github.com/huggingface/safetensors#format. Eight bytes hold the length
of a JSON header, which gives each tensor's type, shape and place; the tensors' bytes follow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import save

from forecast.errors import ArtifactError

DTYPES = {
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
"""Safetensors' names of the types a tensor may have, and NumPy's."""


_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


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

    @property
    def num_bytes(self) -> int:
        """Bytes the values take."""
        return math.prod(self.shape) * np.dtype(DTYPES[self.dtype]).itemsize


class _StoredTensor(TensorType):
    data_offsets: Annotated[list[Count], Field(min_length=2, max_length=2)]

    @property
    def type(self) -> TensorType:
        return TensorType(dtype=self.dtype, shape=self.shape)


_HEADER = TypeAdapter(dict[str, _StoredTensor])


def encode_tensors(tensors: Tensors, name: str) -> bytes:
    """Return the bytes of a safetensors file.

    Args:
        tensors: arrays of numbers or bool, in any memory order.
        name: what the file is called in messages.

    Raises:
        ArtifactError: an array is of another type or holds NaN or infinite values.
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
    try:
        # safetensors writes the buffer as it lies in memory: a view with strides would come back
        # scrambled
        return save({name: np.asarray(array, order="C") for name, array in tensors.items()})
    except (SafetensorError, UnicodeError) as error:
        raise ArtifactError(f"{name}: the tensors cannot be stored: {error}") from error


def describe_tensors(tensors: Tensors) -> dict[str, dict[str, Any]]:
    """Return type and shape of every tensor as JSON values."""
    return {
        key: {"dtype": _NAMES[array.dtype.newbyteorder("<")], "shape": list(array.shape)}
        for key, array in tensors.items()
    }


def decode_tensors(data: bytes, expected: dict[str, TensorType], name: str) -> Tensors:
    """Turn the bytes of a safetensors file into read-only views of them.

    Args:
        data: the whole file.
        expected: type and shape of every tensor it must hold.
        name: what the file is called in messages.

    Returns:
        The arrays in the order of their names.

    Raises:
        ArtifactError: the header is malformed, contradicts `expected` or the file's length, or a
            value is not finite.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise damaged(name, f"its header claims {length} bytes, the file has {len(data)}")
    header = checked(_HEADER.validate_python, parse_json(data[8 : 8 + length], name), name)
    if {key: one.type for key, one in header.items()} != expected:
        raise damaged(
            name, "the names, types and shapes of its tensors are not those of the manifest"
        )
    _check_places(header, len(data) - 8 - length, name)
    return {
        key: _view(data, 8 + length, header[key], f"{name}: tensor {key!r}")
        for key in sorted(header)
    }


def damaged(file: object, reason: str) -> ArtifactError:
    """Return the error for a file that is not as it was written."""
    return ArtifactError(
        f"{file}: {reason}; the saved model is damaged: save it again or restore a copy"
    )


def parse_json(data: bytes, name: str) -> Any:
    """Parse JSON, refusing duplicate keys, NaN and infinity.

    Raises:
        ArtifactError: `data` is no such JSON; `name` says of which file.
    """
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise damaged(name, f"it is not valid JSON ({str(error)[:80]})") from error


def checked(validate: Callable[[Any], Checked], document: Any, name: str) -> Checked:
    """Return the validated `document`, or raise ArtifactError naming the first entry that is wrong."""
    try:
        return validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part)[:40] for part in first["loc"]) or "the document"
        raise damaged(name, f"{place}: {first['msg']}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _check_finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArtifactError(
            f"{name} holds {int((~np.isfinite(array)).sum())} NaN or infinite values; expected none"
        )


def _check_places(header: dict[str, _StoredTensor], num_bytes: int, name: str) -> None:
    """Raise unless the tensors lie one after another and fill the rest of the file."""
    end = 0
    for key, one in sorted(header.items(), key=lambda item: item[1].data_offsets):
        start, stop = one.data_offsets
        if start != end or stop - start != one.num_bytes:
            raise damaged(
                name,
                f"tensor {key!r} lies at {start}..{stop}; expected {end}..{end + one.num_bytes}",
            )
        end = stop
    if end != num_bytes:
        raise damaged(name, f"its tensors take {end} bytes where {num_bytes} follow the header")


def _view(data: bytes, start: int, entry: _StoredTensor, name: str) -> NDArray[Any]:
    """One tensor as an array over `data`, checked to be finite."""
    flat = np.frombuffer(
        data, DTYPES[entry.dtype], math.prod(entry.shape), start + entry.data_offsets[0]
    )
    try:
        array = flat.reshape(entry.shape)
    except ValueError as error:  # an empty tensor whose other axes are absurdly long
        raise ArtifactError(f"{name} has the impossible shape {entry.shape}") from error
    _check_finite(array, name)
    return array
