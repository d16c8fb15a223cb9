"""Files of tensors at both sides of each bound, each with the reason why it is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from forecast.errors import ArtifactError
from forecast.files.tensors import (
    TensorType,
    checked,
    decode_tensors,
    describe_tensors,
    encode_tensors,
    parse_json,
)


def file_of(header: Any, body: bytes, length: int = 0) -> bytes:
    """Return a file whose header is filled up with spaces, as the format allows."""
    text = json.dumps(header).encode()
    text += b" " * (length - len(text))
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype: str = "F32", shape: Any = (2,), end: int = 8, **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, end], **more}


def expected(dtype: str = "F32", shape: Any = (2,)) -> dict[str, TensorType]:
    return {"w": TensorType.model_validate({"dtype": dtype, "shape": list(shape)})}


def test_a_header_has_4096_bytes_for_each_tensor_and_as_many_beside() -> None:
    body = struct.pack("<2f", 1.5, -2.0)
    found = decode_tensors(file_of({"w": entry()}, body, 8_192), expected(), "f")
    assert found["w"].tolist() == [1.5, -2.0]
    with pytest.raises(ArtifactError, match="its header has 8,193 bytes for 1 tensors"):
        decode_tensors(file_of({"w": entry()}, body, 8_193), expected(), "f")
    assert decode_tensors(file_of({}, b"", 4_096), {}, "f") == {}
    with pytest.raises(ArtifactError, match="its header has 4,097 bytes for 0 tensors"):
        decode_tensors(file_of({}, b"", 4_097), {}, "f")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ([], "the tensors of its header are not those of the manifest"),
        ([1], "the tensors of its header are not those of the manifest"),
        ({}, "the tensors of its header are not those of the manifest"),
        ({"w": entry(), "v": entry()}, "the tensors of its header are not"),
        ({"w": [1]}, "the header entry 'w' has keys other than"),
        ({"w": "text"}, "the header entry 'w' has keys other than"),
        ({"w": entry(more=1)}, "the header entry 'w' has keys other than"),
        ({"w": {"dtype": "F32", "shape": [2]}}, "the header entry 'w' has keys other than"),
        ({"w": entry(end=7)}, "it is not a valid safetensors file"),
        ({"v": entry()}, "names, types and shapes of its tensors"),
        ({"w": entry(shape=(1, 2))}, "names, types and shapes of its tensors"),
        ({"w": entry("I32")}, "names, types and shapes of its tensors"),
    ],
)
def test_a_header_that_differs_is_refused_for_what_it_is(header: Any, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        decode_tensors(file_of(header, bytes(8)), expected(), "f")


@pytest.mark.parametrize("bad", [2, 255])
def test_booleans_are_0_or_1(bad: int) -> None:
    header = {"w": entry("BOOL", (3,), 3)}
    found = decode_tensors(file_of(header, bytes([0, 1, 1])), expected("BOOL", (3,)), "f")
    assert found["w"].tolist() == [False, True, True]
    with pytest.raises(ArtifactError, match="neither true nor false"):
        decode_tensors(file_of(header, bytes([0, 1, bad])), expected("BOOL", (3,)), "f")
    bytes_of_numbers = {"w": entry("U8", (3,), 3)}
    found = decode_tensors(file_of(bytes_of_numbers, bytes([0, 1, bad])), expected("U8", (3,)), "f")
    assert found["w"].tolist() == [0, 1, bad]


def test_empty_booleans_and_absurd_axes() -> None:
    empty = file_of({"w": entry("BOOL", (0,), 0)}, b"")
    assert decode_tensors(empty, expected("BOOL", (0,)), "f")["w"].shape == (0,)
    shape = (0, 2**47, 2**47)
    with pytest.raises(ArtifactError, match="impossible shape"):
        decode_tensors(file_of({"w": entry("F32", shape, 0)}, b""), expected("F32", shape), "f")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_are_finite_in_both_directions(value: float) -> None:
    tensors = {"w": np.array([1.0, value])}
    with pytest.raises(ArtifactError, match="'w' holds 1 NaN or infinite values; expected none"):
        encode_tensors(tensors, "f")
    with pytest.raises(ArtifactError, match="'w' holds 1 NaN or infinite values; expected none"):
        decode_tensors(save(tensors), expected("F64"), "f")


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_only_numbers_are_written(array: np.ndarray) -> None:
    with pytest.raises(ArtifactError, match=r"'w' has type .*; expected numbers or bool"):
        encode_tensors({"w": array}, "f")


def test_names_that_the_format_keeps_for_itself_are_refused() -> None:
    with pytest.raises(ArtifactError, match="'__metadata__', a reserved name"):
        encode_tensors({"__metadata__": np.zeros(1)}, "f")
    with pytest.raises(ArtifactError, match=r"f: the tensors cannot be stored: .+"):
        encode_tensors({"\ud800": np.zeros(1)}, "f")


def test_descriptions_are_those_of_the_arrays() -> None:
    arrays = {"a": np.zeros((2, 0), ">i2"), "b": np.array(True)}
    assert describe_tensors(arrays) == {
        "a": {"dtype": "I16", "shape": [2, 0]},
        "b": {"dtype": "BOOL", "shape": []},
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": 1, "a": 1}', "duplicate key"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_json_that_is_none_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(ArtifactError, match=f"^f: it is not valid JSON.*{words}|^f: it is {words}"):
        parse_json(data, "f")


def test_the_first_wrong_entry_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"^f: shape\.1: "):
        checked(TensorType.model_validate, {"dtype": "F32", "shape": [1, -1]}, "f")
    with pytest.raises(ArtifactError, match=r"^f: the document: "):
        checked(TensorType.model_validate, [], "f")
