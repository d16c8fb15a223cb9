"""A network leaves the process: other programs run its graph."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from window_arrays import full_shape, random_inputs, shuffled

from forecast.experiment.settings import EnsembleConfig, Experiment
from forecast.layers.exported import is_exported
from forecast.layers.native.loop import OPERATION
from forecast.layers.recurrent import GRU, LSTM, Bidirectional, to_keras_layers
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.models.segment_bigru import SegmentBiGRUConfig
from forecast.training.ensemble import build_ensemble
from forecast.windows.index import WindowShape

SHAPE = WindowShape(context_length=6, horizon=2)
CONFIGS = {
    "gru": BiGRUConfig(units=4, attention="dot"),
    "lstm in one direction": BiGRUConfig(units=4, cell="lstm", bidirectional=False),
    "segments": SegmentBiGRUConfig(units=4, segment_length=3),
}


def masked_model() -> keras.Model:
    """Recurrent layers of this package in a model of somebody else, with masked steps."""
    inputs = keras.Input((6, 1), name="past")
    hidden = keras.layers.Masking()(inputs)
    hidden = Bidirectional(GRU(4, return_sequences=True, dropout=0.2))(hidden)
    return keras.Model({"past": inputs}, LSTM(3, recurrent_dropout=0.1)(hidden))


def built(config: Any) -> Callable[[], keras.Model]:
    return lambda: build_model(config, SHAPE)


MODELS = {name: built(config) for name, config in CONFIGS.items()} | {"masked": masked_model}


def windows() -> np.ndarray[Any, Any]:
    x = np.random.default_rng(0).normal(size=(5, 6, 1)).astype("float32")
    x[0, 4:] = 0.0  # masked where a layer masks zeros
    return x


def elsewhere(code: str, folder: Path) -> str:
    """Run code in a new process, inside a folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WITHOUT_THE_PACKAGE = """
import json, sys
import numpy as np
import tensorflow as tf

sys.modules["forecast"] = None  # importing it fails
windows = {"past": np.load("windows.npy")}
for name in json.load(open("names.json")):
    loaded = tf.saved_model.load(name)
    np.save(f"{name}.npy", loaded.serve(windows))
"""


@pytest.mark.proof  # a process that starts TensorFlow
def test_an_exported_model_runs_without_the_package(tmp_path: Path) -> None:
    np.save(tmp_path / "windows.npy", windows())
    (tmp_path / "names.json").write_text(json.dumps(list(MODELS)), encoding="utf-8")
    expected = {}
    for name, make in MODELS.items():
        model = make()
        expected[name] = model.predict({"past": windows()}, verbose=0)
        model.export(tmp_path / name, verbose=False)
        np.testing.assert_array_equal(
            model.predict({"past": windows()}, verbose=0), expected[name]
        )  # an export leaves no trace in the model

    elsewhere(WITHOUT_THE_PACKAGE, tmp_path)
    for name, forecast in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), forecast, atol=1e-6)


def test_no_operation_of_ours_is_in_the_file(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((6, 1)), GRU(3)]).export(tmp_path, verbose=False)
    assert OPERATION.encode() not in (tmp_path / "saved_model.pb").read_bytes()


class Witness(keras.layers.Layer):
    """A layer that notes whether it was traced for a file."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bool] = []

    def call(self, x: Any) -> Any:
        self.seen.append(is_exported())
        return x


def watched() -> tuple[keras.Model, list[bool]]:
    """A model, and the list of its answers."""
    witness = Witness()
    model = keras.Sequential([keras.Input((3,)), witness])
    witness.seen.clear()
    return model, witness.seen


def write_archive(model: keras.Model, folder: Path) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("run", model.call, input_signature=[tf.TensorSpec((None, 3))])
    archive.write_out(folder, verbose=False)


def write_signature(model: keras.Model, folder: Path) -> None:
    run = tf.function(model, input_signature=[tf.TensorSpec((None, 3))])
    tf.saved_model.save(model, folder, signatures=run)


EXPORTS: dict[str, Callable[[keras.Model, Path], Any]] = {
    "export": lambda model, folder: model.export(folder, verbose=False),
    "archive": write_archive,
    "saved_model": tf.saved_model.save,
    "signature": write_signature,
    "lite": lambda model, _: tf.lite.TFLiteConverter.from_keras_model(model).convert(),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_is_recognised(name: str, tmp_path: Path) -> None:
    model, seen = watched()
    EXPORTS[name](model, tmp_path / "exported")
    assert seen
    assert all(seen)


def test_nothing_else_is_an_export() -> None:
    model, seen = watched()
    x = np.ones((4, 3), "float32")
    model(x)
    model.predict(x, verbose=0)
    tf.function(model)(x)
    model.compile(loss="mse")
    model.evaluate(x, x, verbose=0)
    assert len(seen) == 4
    assert not any(seen)


@pytest.mark.parametrize("linear", ["none", "member", "residual"])
def test_an_ensemble_becomes_stock_layers(linear: Any, tmp_path: Path) -> None:
    """Its sum and its linear maps too, so that the file loads without this package."""
    shape = full_shape()
    config = Experiment(
        model=SegmentBiGRUConfig(units=4, segment_length=2),
        ensemble=EnsembleConfig(seeds=2, context_lengths=(4, 7), linear=linear),
    )
    ours = shuffled(build_ensemble(config, shape).model)
    theirs = to_keras_layers(ours)
    assert "forecast." not in theirs.to_json()
    theirs.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    inputs = random_inputs(shape, 5)
    expected = np.asarray(ours(inputs))
    for model in (theirs, loaded):
        np.testing.assert_allclose(model(inputs), expected, rtol=0, atol=2e-6)
