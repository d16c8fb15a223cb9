"""Formats of export: how a file is made, and how it is run for the check."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.baselines.lengths import Steps
from forecast.errors import ConfigError, OutputError
from forecast.export.parity import Checked, Run, require_parity
from forecast.export.program import write_forecast
from forecast.export.signature import Signature
from forecast.export.window_inputs import Inputs
from forecast.files.atomic import replace_folder, write_files
from forecast.files.outputs import Content, check_file, check_folder, free_name, read_record
from forecast.forecasting.fitted import Fitted
from forecast.layers.runtime import start_quietly

WRITTEN_BY = "forecast export"
"""Marks the description of a file."""

DESCRIPTION = "description.json"
"""Name of the description in a folder."""

Describe = Callable[[float], dict[str, Any]]
"""From the largest relative difference of a file to its description."""


@dataclass(frozen=True)
class Format:
    """An entry of `FORMATS`.

    Attributes:
        packages: that write it and run it, beside those of every installation.
        check: raises unless a place can be written to.
        write: makes the file, checks it and puts it in its place; returns the largest relative
            difference.
    """

    packages: tuple[str, ...]
    check: Callable[[Path], None]
    write: Callable[[Path, Exported], float]


@dataclass(frozen=True, eq=False)
class Exported:
    """Content of a file.

    Attributes:
        fitted: the state, with the members of the file.
        signature: inputs and outputs.
        steps: lengths that simple members read.
        checked: windows that the file is held against.
        describe: makes the description of the file.
    """

    fitted: Fitted
    signature: Signature
    steps: Steps
    checked: Checked
    describe: Describe


def format_named(name: str) -> Format:
    """Return a format whose packages are installed.

    Raises:
        ConfigError: there is no such format, or a package is missing.
    """
    if name not in FORMATS:
        raise ConfigError(f"format is {name!r}; expected one of {', '.join(FORMATS)}, mlflow")
    chosen = FORMATS[name]
    missing = [package for package in chosen.packages if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"the format {name} needs the package {missing[0]}, which is not installed: run pip "
            f"install 'bigru-forecast[{name}]'"
        )
    return chosen


def description_of(path: Path) -> Path:
    """Return the name of the description beside a file."""
    return path.with_suffix(".json")


def _check_onnx(path: Path) -> None:
    """Raise unless an ONNX file and its description may be written.

    Raises:
        OutputError: something else is there, or the name has another ending.
    """
    if path.suffix != ".onnx":
        raise OutputError(f"{path}: expected a name in .onnx, such as {_stem_of(path)}.onnx")
    what = "file of this command"
    check_file(path, _is_own_onnx, what)
    check_file(description_of(path), _is_description, "description of this command")


def _stem_of(path: Path) -> str:
    """Return the name of a file without its ending; that of a forecast for `.` and `..`."""
    if path.stem.strip("."):
        return path.stem
    return "forecast"


def _is_own_onnx(path: Path) -> bool:
    import onnx
    from google.protobuf.message import DecodeError

    from forecast.export.onnx_graph import PRODUCER

    try:
        return bool(onnx.load(path).producer_name == PRODUCER)
    except (DecodeError, OSError, ValueError):
        return False


def _is_description(path: Path) -> bool:
    return read_record(path).get("written_by") == WRITTEN_BY


def _write_onnx(path: Path, exported: Exported) -> float:
    """Write an ONNX file, and its description beside it and in it."""
    from forecast.export.onnx_graph import OnnxGraph

    graph = OnnxGraph()
    inputs = {
        port.name: graph.input(port.name, port.shape, port.type)
        for port in exported.signature.inputs
    }
    outputs = write_forecast(graph, exported.fitted, exported.signature, exported.steps, inputs)
    model = graph.model(outputs)
    difference = require_parity(exported.checked, onnx_runner(model.SerializeToString()))
    description = exported.describe(difference)
    travelling = {name: value for name, value in description.items() if name != "example"}
    graph.add_property(model, "description", json.dumps(travelling))
    described = description_bytes(description)
    write_files({path: model.SerializeToString(), description_of(path): described})
    return difference


def onnx_runner(data: bytes) -> Run:
    """Return the function that runs an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = {given.name for given in session.get_inputs()}

    def run(inputs: Inputs) -> Mapping[str, NDArray[Any]]:
        read = {name: array for name, array in inputs.items() if name in wanted}
        return dict(zip(names, session.run(names, read), strict=True))

    return run


def _check_litert(path: Path) -> None:
    """Raise unless a LiteRT file and its description may be written.

    Raises:
        OutputError: something else is there, or the name has another ending.
    """
    if path.suffix != ".tflite":
        raise OutputError(f"{path}: expected a name in .tflite, such as {_stem_of(path)}.tflite")
    check_file(path, _is_own_litert, "file of this command")
    check_file(description_of(path), _is_description, "description of this command")


def _is_own_litert(path: Path) -> bool:
    """Return whether the description beside a file is that of the file."""
    described = read_record(description_of(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return described.get("written_by") == WRITTEN_BY and described.get("sha256") == digest


def _write_litert(path: Path, exported: Exported) -> float:
    """Write a LiteRT file for one window at a time, and its description beside it."""
    start_quietly()
    import tensorflow as tf

    from forecast.export.tensor_graph import TensorGraph, narrow

    def run(**inputs: Any) -> Any:
        graph = TensorGraph(is_small=True)
        return write_forecast(graph, exported.fitted, exported.signature, exported.steps, inputs)

    specs = {
        port.name: tf.TensorSpec((1, *port.sizes), narrow(port.type), name=port.name)
        for port in exported.signature.inputs
    }
    module = tf.Module()
    module.forecast = tf.function(run, autograph=False)
    signature = module.forecast.get_concrete_function(**specs)
    with _without_log():
        data = tf.lite.TFLiteConverter.from_concrete_functions([signature], module).convert()
        difference = require_parity(exported.checked, litert_runner(data))
    description = exported.describe(difference)
    for port in (*description["inputs"], *description["outputs"]):
        port["shape"][0] = 1
        port["type"] = narrow(port["type"])
    description["sha256"] = hashlib.sha256(data).hexdigest()
    write_files({path: data, description_of(path): description_bytes(description)})
    return difference


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep what the converter writes about itself, past Python, off standard error."""
    try:
        stderr = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def litert_runner(data: bytes) -> Run:
    """Return the function that runs a LiteRT file, window by window."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    runner = interpreter.get_signature_runner()
    types = {name: given["dtype"] for name, given in runner.get_input_details().items()}

    def run(inputs: Inputs) -> Mapping[str, NDArray[Any]]:
        count = len(next(iter(inputs.values())))
        made = [
            runner(**{name: inputs[name][i : i + 1].astype(kind) for name, kind in types.items()})
            for i in range(count)
        ]
        return {name: np.concatenate([each[name] for each in made]) for name in made[0]}

    return run


def _is_own_folder(folder: Path) -> bool:
    return _is_description(folder / DESCRIPTION)


SAVED_MODEL_FOLDER = Content(
    "SavedModel of this command",
    "saved_model",
    _is_own_folder,
    (DESCRIPTION, "saved_model.pb", "fingerprint.pb", "variables/*", "assets/*"),
)
"""Content of a folder of this format."""


def _check_saved_model(path: Path) -> None:
    """Raise unless a SavedModel may be written to a folder.

    Raises:
        OutputError: something else is there.
    """
    if path.is_file():
        raise OutputError(f"{path} is a file; expected a folder: name {free_name(path)}")
    check_folder(path, SAVED_MODEL_FOLDER)


def _write_saved_model(path: Path, exported: Exported) -> float:
    """Write a SavedModel, and its description into the folder."""
    start_quietly()
    import tensorflow as tf

    from forecast.export.tensor_graph import TensorGraph

    def run(**inputs: Any) -> Any:
        return write_forecast(
            TensorGraph(), exported.fitted, exported.signature, exported.steps, inputs
        )

    specs = {
        port.name: tf.TensorSpec(port.shape, port.type, name=port.name)
        for port in exported.signature.inputs
    }
    module = tf.Module()
    module.forecast = tf.function(run, autograph=False)
    signature = module.forecast.get_concrete_function(**specs)
    with replace_folder(path, lambda: _check_saved_model(path)) as folder:
        tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})
        difference = require_parity(exported.checked, saved_model_runner(folder))
        (folder / DESCRIPTION).write_bytes(description_bytes(exported.describe(difference)))
    return difference


def saved_model_runner(folder: Path) -> Run:
    """Return the function that runs a SavedModel."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]

    def run(inputs: Inputs) -> Mapping[str, NDArray[Any]]:
        tensors = {name: tf.constant(np.asarray(array)) for name, array in inputs.items()}
        # the module stays alive with its function
        return {name: tensor.numpy() for name, tensor in signature(**tensors).items() if loaded}

    return run


def description_bytes(description: Mapping[str, Any]) -> bytes:
    """Return a description as it is written."""
    return (json.dumps(description, indent=1, allow_nan=False) + "\n").encode("ascii")


FORMATS: dict[str, Format] = {
    "onnx": Format(("onnx", "onnxruntime"), _check_onnx, _write_onnx),
    "savedmodel": Format((), _check_saved_model, _write_saved_model),
    "litert": Format(("ai_edge_litert",), _check_litert, _write_litert),
}
"""Formats by name."""
