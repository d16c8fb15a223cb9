"""Changes of saved models with bad intentions: of values, sizes, tensors and groups of them."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

TENSOR_FILES = ("weights", "state", "golden")
JSON_FORM: dict[str, Any] = {"indent": 1, "sort_keys": True}


@dataclass(eq=False)
class Model:
    """The content of a saved model."""

    document: dict[str, Any]
    tensors: dict[str, dict[str, np.ndarray]]
    manifest: dict[str, Any]
    holes: int = 0
    config_text: bytes | None = None

    @classmethod
    def read(cls, path: Path) -> Model:
        return cls(
            json.loads((path / "config.json").read_bytes()),
            {name: dict(load_file(path / f"{name}.safetensors")) for name in TENSOR_FILES},
            json.loads((path / "manifest.json").read_bytes()),
        )

    def write(self, path: Path) -> None:
        """Write it with fitting hashes."""
        path.mkdir()
        text = self.config_text or json.dumps(self.document, **JSON_FORM).encode()
        (path / "config.json").write_bytes(text)
        for name, tensors in self.tensors.items():
            file = path / f"{name}.safetensors"
            save_file({key: np.array(array, order="C") for key, array in tensors.items()}, file)
            self.manifest["tensors"][file.name] = {
                key: {"dtype": CODES[array.dtype.name], "shape": list(array.shape)}
                for key, array in tensors.items()
            }
        if self.holes:
            _with_hole(path / "weights.safetensors", self.holes, self.manifest)
        for name in ("config.json", *(f"{name}.safetensors" for name in TENSOR_FILES)):
            digest = hashlib.sha256()
            with open(path / name, "rb") as file:
                while block := file.read(2**24):
                    digest.update(block)
            size = (path / name).stat().st_size
            self.manifest["files"][name] = {"size": size, "sha256": digest.hexdigest()}
        unsigned = self.manifest | {"checksum": ""}
        checksum = hashlib.sha256(json.dumps(unsigned, **JSON_FORM).encode()).hexdigest()
        signed = json.dumps(self.manifest | {"checksum": checksum}, **JSON_FORM)
        (path / "manifest.json").write_text(signed)


CODES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}


def _with_hole(file: Path, size: int, manifest: dict[str, Any]) -> None:
    """Put a tensor of zeros into a file that the disk has no blocks for."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    end = len(data) - 8 - length
    header["zz"] = {"dtype": "F32", "shape": [size // 4], "data_offsets": [end, end + size]}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    os.truncate(file, 8 + len(text) + end + size)
    manifest["tensors"][file.name]["zz"] = {"dtype": "F32", "shape": [size // 4]}


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


NASTY: list[Callable[[], Any]] = [
    lambda: 10**9,
    lambda: 10**5,
    lambda: -1,
    lambda: 0,
    lambda: 1,
    lambda: 10**30,
    lambda: 1e300,
    lambda: -1e300,
    lambda: 0.5,
    lambda: True,
    lambda: None,
    lambda: "",
    lambda: "x" * 100_000,
    lambda: "../../etc/passwd",
    lambda: "a\nb\x1b[31m",
    lambda: "1e9",
    lambda: [],
    lambda: {},
    lambda: [[]] * 50_000,
    lambda: [10**9] * 3,
    lambda: {"tensor": 10**8},
    lambda: {"array": [0], "dtype": "U100000000"},
    lambda: {"slice": [None, None, 0]},
    lambda: deep(300),
    lambda: deep(900),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value[:50]):
            yield from places(part, (*path, number))


def holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def change_json(model: Model, draw: np.random.Generator, part: str) -> str:
    """Replace, remove, repeat or rename one value of the document."""
    paths = list(places(model.document[part]))
    path = paths[draw.integers(len(paths))]
    where = holder(model.document[part], path)
    how = draw.choice(["replace", "replace", "replace", "remove", "add", "repeat"])
    if how == "replace":
        where[path[-1]] = NASTY[draw.integers(len(NASTY))]()
    elif how == "remove":
        del where[path[-1]]
    elif how == "add" and isinstance(where, dict):
        where["zz"] = NASTY[draw.integers(len(NASTY))]()
    elif isinstance(where, list):
        where.extend([copy.deepcopy(where[path[-1]])] * int(draw.choice([1, 1000])))
    return f"{how} {part}.{'.'.join(map(str, path))}"


def change_number(model: Model, draw: np.random.Generator) -> str:
    """Replace one whole number of settings or values by a large or impossible one."""
    part = str(draw.choice(["config", "meta"]))
    paths = [
        path
        for path in places(model.document[part])
        if type(holder(model.document[part], path)[path[-1]]) in (int, float)
    ]
    if not paths:
        return "nothing"
    path = paths[draw.integers(len(paths))]
    number = draw.choice([10**9, 10**8, 10**5, 1000, -1, 0, 2, 7])
    holder(model.document[part], path)[path[-1]] = int(number)
    return f"number {part}.{'.'.join(map(str, path))} = {number}"


def change_tensor(model: Model, draw: np.random.Generator) -> str:
    """Change the values, the type or the shape of a tensor, or its name; remove it or add some."""
    file = str(draw.choice(["weights", "state", "state", "golden"]))
    tensors = model.tensors[file]
    if not tensors:
        return "nothing"
    name = sorted(tensors)[draw.integers(len(tensors))]
    array = tensors[name]
    how = str(draw.choice(["values", "values", "type", "shape", "remove", "rename", "add"]))
    if how == "values":
        wanted = draw.choice([0.0, -1.0, 1e9, -1e9, 1e30, 1e-30, 7.0])
        with np.errstate(all="ignore"):
            tensors[name] = np.full_like(array, wanted)
        how = f"values {wanted}"
    elif how == "type":
        wanted_type = str(draw.choice(list(CODES)))
        with np.errstate(all="ignore"):
            tensors[name] = array.astype(wanted_type)
        how = f"type {wanted_type}"
    elif how == "shape":
        tensors[name] = [
            array.reshape(-1),
            array[None],
            array[:0] if array.ndim else array[None],
            np.repeat(array, 3, axis=0) if array.ndim else array[None],
            array.T,
        ][draw.integers(5)]
    elif how == "remove":
        del tensors[name]
    elif how == "rename":
        tensors[f"{name}x"] = tensors.pop(name)
    else:
        tensors["zz"] = np.zeros(3)
    return f"{how} {file}/{name}"


def change_size(model: Model, draw: np.random.Generator) -> str:
    """Make a file larger than its content, or of very many parts."""
    general = ["empty tensors", "hole", "lists", "spaces"]
    meta = model.document["meta"]
    own = ["quantiles", "past"] if "shape" in meta else list(SIZES)
    how = str(draw.choice([*general, *own]))
    if how == "empty tensors":
        empty = {f"e{number}": np.zeros(0) for number in range(30_000)}
        model.tensors[str(draw.choice(TENSOR_FILES))] |= empty
    elif how == "hole":
        model.holes = 2**30
    elif how == "lists":
        model.document["meta"]["zz"] = [[]] * 2_000_000
    elif how == "spaces":
        text = json.dumps(model.document, **JSON_FORM).encode()
        model.config_text = text + b" " * 2**21
    elif "shape" in meta:
        name = "num_quantiles" if how == "quantiles" else "num_past"
        meta["shape"][name] = 10**8
    else:
        SIZES[how](model)
    return how


def _longer(model: Model) -> None:
    model.document["meta"]["length"] = 10**9
    for section, name in (("windows", "context_length"), ("windows", "horizon")):
        if section in model.document["config"]:
            model.document["config"][section][name] = 10**8


def _more_networks(model: Model) -> None:
    """Ask for many networks that Keras has to build."""
    meta = model.document["meta"]
    if "networks" in meta:
        meta["networks"] = [None] * 50_000
        model.document["config"]["training"]["seeds"] = 50_000


def _without_graphs(model: Model) -> None:
    """Let Keras build the networks, as those of earlier versions."""
    meta = model.document["meta"]
    if "networks" in meta:
        meta["networks"] = [None] * len(meta["networks"])
    else:
        meta["network"] = None
    model.document["config"]["model"]["units"] = 4096


def _wide_term(model: Model) -> None:
    model.document["meta"]["terms"] = sorted([*map(str, range(20_000)), "x" * 500_000])


def _wide_words(model: Model) -> None:
    meta = model.document["meta"]
    for _, words in meta.get("vocabulary", []):
        words[0] = "x" * 500_000
    for name in ("symbols", "classes"):
        if name in meta:
            meta[name][0] = "x" * 100_000


def _far_kernels(model: Model) -> None:
    for name, array in model.tensors["state"].items():
        if name.endswith(("dilations", "pairs", "contexts")):
            model.tensors["state"][name] = array + 10**12


SIZES: dict[str, Callable[[Model], None]] = {
    "length": _longer,
    "networks": _more_networks,
    "graphs": _without_graphs,
    "term": _wide_term,
    "words": _wide_words,
    "kernels": _far_kernels,
}
"""Sizes of models of sequences."""


def change_state(model: Model, draw: np.random.Generator, other: Model) -> str:
    """Take the arrays of a group from another model."""
    groups = sorted({name.split("/")[0] for name in model.tensors["state"]})
    group = groups[draw.integers(len(groups))]
    taken = {n: a for n, a in other.tensors["state"].items() if n.split("/")[0] == group}
    kept = {n: a for n, a in model.tensors["state"].items() if n.split("/")[0] != group}
    model.tensors["state"] = kept | taken
    return f"state {group} of another"


def attack(folder: Path, victim: str, names: tuple[str, ...], seed: int, path: Path) -> str:
    """Write a changed model; return what was changed."""
    draw = np.random.default_rng(seed)
    model = Model.read(folder / victim)
    kind = draw.choice(
        ["config", "meta", "meta", "number", "number", "tensor", "tensor", "size", "state"]
    )
    if kind in ("config", "meta"):
        what = change_json(model, draw, str(kind))
    elif kind == "number":
        what = change_number(model, draw)
    elif kind == "tensor":
        what = change_tensor(model, draw)
    elif kind == "size":
        what = change_size(model, draw)
    else:
        other = Model.read(folder / names[draw.integers(len(names))])
        what = change_state(model, draw, other)
    model.write(path)
    return what
