"""Keras loads a saved network in a new process, whichever way this package was imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast.layers.registration import FINDER, KerasFinder

LOAD = """
import keras
import numpy as np

loaded = keras.models.load_model("model.keras")
np.save("loaded.npy", loaded.predict({"past": np.load("windows.npy")}, verbose=0))
"""

IMPORTS = {
    "the package": "import forecast",
    "Keras first": "import keras, forecast",
    "TensorFlow first": "import tensorflow, forecast",
    "a public name": "from forecast import Forecaster",
    "the models": "from forecast.models import build_model",
    "a search": "import forecast, keras_tuner",
    "two threads": (
        "import threading, forecast\n"
        "both = [threading.Thread(target=__import__, args=[name])\n"
        "        for name in ('forecast.layers.recurrent', 'keras')]\n"
        "[thread.start() for thread in both]\n"
        "[thread.join() for thread in both]"
    ),
}


def run(code: str, folder: Path) -> str:
    """Run code in a new process, inside a folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved model, windows and the model's forecast of them."""
    from forecast.models import build_model
    from forecast.models.bigru import BiGRUConfig
    from forecast.windows.index import WindowShape

    folder = tmp_path_factory.mktemp("saved")
    windows = np.random.default_rng(0).normal(size=(5, 6, 1)).astype("float32")
    config = BiGRUConfig(units=4, attention="additive")
    model = build_model(config, WindowShape(context_length=6, horizon=2))
    model.save(folder / "model.keras")
    np.save(folder / "windows.npy", windows)
    np.save(folder / "forecast.npy", model.predict({"past": windows}, verbose=0))
    return folder


@pytest.mark.proof  # each starts TensorFlow
@pytest.mark.parametrize("name", IMPORTS)
def test_a_saved_model_is_loaded(name: str, saved: Path) -> None:
    run(f"{IMPORTS[name]}\n{LOAD}", saved)
    np.testing.assert_array_equal(np.load(saved / "loaded.npy"), np.load(saved / "forecast.npy"))


OTHER_BACKEND = """
import sys

sys.path.insert(0, "")
import forecast
import keras

assert keras.imported
print(*(name for name in sys.modules if name in ("tensorflow", "forecast.layers.recurrent")))
"""


def test_keras_on_another_backend_is_left_alone(tmp_path: Path) -> None:
    """No module of TensorFlow is imported; the Keras here is a stand-in."""
    (tmp_path / "keras.py").write_text(
        "class config:\n    backend = staticmethod(lambda: 'jax')\nimported = True\n",
        encoding="utf-8",
    )
    assert run(OTHER_BACKEND, tmp_path).split() == []


def test_other_modules_are_found_as_ever() -> None:
    for name in ("numpy", "keras.layers", "keras_tuner", "tensorflow"):
        assert KerasFinder().find_spec(name) is None


def test_one_finder_at_most() -> None:
    code = (
        "import importlib, sys, forecast\n"
        "importlib.reload(forecast)\n"
        f"print(sum(type(finder).__name__ == {type(FINDER).__name__!r} "
        "for finder in sys.meta_path))"
    )
    assert run(code, Path.cwd()).split() == ["1"]
