"""Digests of what a pipeline returns: equal only if types, shapes and all bits are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import ConfigError


def digests_of(output: Any) -> dict[str, str]:
    """Return a digest of each stage; an output that is no mapping is the stage `forecast`."""
    stages = {"forecast": output}
    if isinstance(output, Mapping):
        stages = dict(output)
    return {str(name): _digest(value, str(name)) for name, value in stages.items()}


def _digest(value: Any, stage: str) -> str:
    """Return the SHA-256 of the types, shapes and bytes of a value."""
    state = hashlib.sha256()
    for piece in _pieces(value, stage):
        state.update(len(piece).to_bytes(8, "little") + piece)
    return state.hexdigest()


def _pieces(value: Any, stage: str) -> Iterable[bytes]:
    """Yield a value as bytes, different for different values; floats by their bits.

    Args:
        value: any value that a pipeline may return.
        stage: its name, for the message.

    Raises:
        ConfigError: a value of a type that cannot be compared.
    """
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, position].array for position in range(value.shape[1])]
        yield from _pieces(["frame", value.index, value.columns, *columns], stage)
    elif _is_plain(value):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, member in value.items():
            yield from _pieces(key, stage)
            yield from _pieces(member, stage)
    elif isinstance(value, set | frozenset):
        yield f"sequence {len(value)}".encode()
        for member in sorted(value, key=repr):
            yield from _pieces(member, stage)
    elif isinstance(value, Sequence) and not isinstance(value, pd.api.extensions.ExtensionArray):
        yield f"sequence {len(value)}".encode()
        for member in value:
            yield from _pieces(member, stage)
    elif isinstance(value, float | complex) or hasattr(value, "__array__"):
        yield from _pieces_of_array(np.asarray(value), stage)
    else:
        raise ConfigError(
            f"stage {stage!r} contains a {type(value).__name__}; expected arrays, frames, numbers, "
            f"text, or mappings and lists of them: return its numbers, such as vars(scaler)"
        )


def _is_plain(value: Any) -> bool:
    """Return whether the text of a value is different for different values."""
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    return isinstance(value, str | bytes | bool | int | pd.Timestamp | pd.Timedelta | pd.Period)


def _pieces_of_array(array: np.ndarray[Any, Any], stage: str) -> Iterable[bytes]:
    yield f"array {array.dtype} {array.shape}".encode()
    if array.dtype.kind != "O":
        yield array.tobytes()
        return
    for member in array.ravel():
        yield from _pieces(member, stage)
