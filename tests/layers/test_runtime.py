"""What the surrounding program has set for its whole process changes no bit, and stays as it
was."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from forecast import Experiment, Forecaster
from forecast.errors import ConfigError
from forecast.layers import runtime
from forecast.models import MODELS, build_model
from forecast.models.bigru import BiGRUConfig
from forecast.training.mirrored import mirror
from forecast.windows.index import WindowShape

SHAPE = WindowShape(context_length=6, horizon=2)
SETTINGS: dict[str, dict[str, Any]] = {
    "bigru": {
        "model": {"name": "bigru", "units": 4},
        "ensemble": {"seeds": 1, "linear": "residual"},
    },
    "segment_bigru": {
        "model": {"name": "segment_bigru", "units": 4},
        "ensemble": {"seeds": 1, "linear": "none"},
    },
    "blend": {
        "model": {"name": "segment_bigru", "units": 4},
        "ensemble": {"seeds": 2, "linear": "residual"},
        "training": {"epochs": 2, "batch_size": 16, "refit": True},
    },
}
Bits = tuple[bytes, ...]


def table() -> pd.DataFrame:
    random, steps = np.random.default_rng(3), np.arange(110)
    values = np.sin(steps / 24 * 2 * np.pi) + random.normal(0, 0.1, 110)
    return pd.DataFrame(
        {"unique_id": "a", "ds": pd.date_range("2020", periods=110, freq="h"), "y": values}
    )


def experiment(name: str) -> Experiment:
    settings = {
        "data": {"freq": "h"},
        "windows": {"context_length": 12, "horizon": 4},
        "training": {
            "epochs": 1,
            "batch_size": 16,
            "schedule": "cosine",
            "optimizer": "sgd",
            "refit": False,
        },
        "evaluation": {"validation_size": 16, "test_size": 8},
    }
    return Experiment.model_validate({**settings, **SETTINGS[name]})


def bits(forecaster: Forecaster) -> Bits:
    """Weights, learning rates and forecasts."""
    fitted = forecaster.fitted
    rates = [one.learning_rate for one in fitted.training.histories.values()]
    arrays = [*fitted.model.get_weights(), np.array(rates), forecaster.predict(table()).values]
    return tuple(array.tobytes() for array in arrays)


def fit(name: str = "bigru") -> Bits:
    return bits(Forecaster(experiment(name)).fit(table()))


def at_the_same_time(tasks: list[Callable[[], Any]]) -> list[Any]:
    """Results of tasks that begin together, each in a thread."""
    start, results = threading.Barrier(len(tasks), timeout=60), [None] * len(tasks)

    def run(place: int) -> None:
        start.wait()
        results[place] = tasks[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.timeout(300)
def test_fits_and_forecasts_at_the_same_time_have_the_bits_of_one_after_the_other() -> None:
    """Two of the same settings, one of others, and forecasts of a model that is already fitted."""
    fitted = Forecaster(experiment("bigru")).fit(table())
    names, forecast = ["bigru", "bigru", "segment_bigru"], fitted.predict(table()).values
    expected = {"bigru": bits(fitted), "segment_bigru": fit("segment_bigru")}
    tasks = [lambda name=name: fit(name) for name in names]
    *fits, forecasts = at_the_same_time(
        [*tasks, lambda: [fitted.predict(table()).values for _ in range(20)]]
    )
    assert fits == [expected[name] for name in names]
    assert all(np.array_equal(one, forecast) for one in forecasts)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_blends_fitted_at_the_same_time_have_the_bits_of_one() -> None:
    assert at_the_same_time([lambda: fit("blend")] * 4) == [fit("blend")] * 4


def weights(name: str, seed: int) -> Bits:
    return tuple(
        np.asarray(one).tobytes()
        for one in build_model(MODELS[name].config(), SHAPE, seed=seed).variables
    )


@pytest.mark.parametrize("name", MODELS)
def test_models_built_at_the_same_time_do_not_mix(name: str) -> None:
    """Beside threads that draw from the `random` of the process and seed it, as any program may."""
    expected, over = [weights(name, seed) for seed in range(6)], threading.Event()

    def draw() -> None:
        while not over.is_set():
            random.seed(1)
            random.random()

    drawing = threading.Thread(target=draw)
    drawing.start()
    try:
        built = at_the_same_time([lambda seed=seed: weights(name, seed) for seed in range(6)])
    finally:
        over.set()
        drawing.join()
    assert built == expected
    assert len(set(expected)) == 6


def test_seeds_are_those_of_python_and_only_inside_and_in_one_thread() -> None:
    def seed_drawn() -> int:
        return int(np.asarray(keras.random.SeedGenerator().state)[0])

    expected = [random.Random(5).randint(1, 10**9) for _ in range(2)]
    with runtime.drawing_seeds(5):
        random.seed(7)
        assert at_the_same_time([seed_drawn])[0] == random.Random(7).randint(1, 10**9)
        assert seed_drawn() == expected[0]
        with runtime.drawing_seeds(5):
            assert seed_drawn() == expected[1]
    random.seed(7)
    assert seed_drawn() == random.Random(7).randint(1, 10**9)


def test_random_is_not_put_back_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """That would show other threads the same numbers twice."""
    for name in ("seed", "setstate"):
        monkeypatch.setattr(
            random, name, lambda *_: pytest.fail("the random of the process was touched")
        )
    build_model(BiGRUConfig(units=2), SHAPE)


def test_a_keras_that_keeps_random_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the `random` of the process is seeded and put back."""
    from keras.src.random import seed_generator

    expected = weights("bigru", 3)
    monkeypatch.delattr(seed_generator, "python_random")
    monkeypatch.setattr(seed_generator, "make_default_seed", lambda: random.randint(1, 10**9))
    monkeypatch.setattr(
        "keras.src.backend.random.make_default_seed", lambda: random.randint(1, 10**9)
    )
    state = random.getstate()
    assert weights("bigru", 3) == expected
    assert random.getstate() == state


def random_states() -> list[Any]:
    generator = tf.random.get_global_generator().state
    return [random.getstate(), np.random.get_state()[1].tobytes(), np.asarray(generator).tobytes()]


def test_the_random_numbers_of_the_caller_stay_as_they_were(tmp_path: Path) -> None:
    keras.utils.set_random_seed(11)
    before, drawn = random_states(), float(tf.random.uniform(()))
    keras.utils.set_random_seed(11)
    forecaster = Forecaster(experiment("bigru")).fit(table())
    forecaster.save(tmp_path / "model")
    Forecaster.load(tmp_path / "model").predict(table())
    assert random_states() == before
    assert float(tf.random.uniform(())) == drawn


def test_the_first_fit_of_a_process_leaves_random_alone() -> None:
    """It imports TensorFlow, which draws numbers; nothing before it does."""
    code = (
        "import random, sys; from forecast import BiGRUConfig; from forecast.models import "
        "build_model;"
        "from forecast.windows.index import WindowShape; assert 'tensorflow' not in sys.modules;"
        "random.seed(3); build_model(BiGRUConfig(units=2), WindowShape(4, 2));"
        "assert {'tensorflow', 'keras'} <= sys.modules.keys();"
        "assert random.random() == random.Random(3).random()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=110)


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
        assert keras.config.dtype_policy().name == name
    finally:
        keras.config.set_dtype_policy(usual)


@contextmanager
def floatx(name: str) -> Iterator[None]:
    keras.config.set_floatx(name)
    try:
        with dtype_policy(name):
            yield
        assert keras.config.floatx() == name
    finally:
        keras.config.set_floatx("float32")


@contextmanager
def eager_functions() -> Iterator[None]:
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


SURROUNDINGS: dict[str, Callable[[], Any]] = {
    "mixed_float16": lambda: dtype_policy("mixed_float16"),
    "floatx float64": lambda: floatx("float64"),
    "name scope": lambda: keras.name_scope("mine"),
    "eager functions": eager_functions,
    "mixed_bfloat16": lambda: dtype_policy("mixed_bfloat16"),
    "policy float64": lambda: dtype_policy("float64"),
    "int8": lambda: dtype_policy("int8_from_float32"),
    "floatx float16": lambda: floatx("float16"),
    "device": lambda: tf.device("CPU:0"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bits]:
    """A model fitted and saved where nothing was set, and its bits."""
    forecaster, path = (
        Forecaster(experiment("bigru")).fit(table()),
        tmp_path_factory.mktemp("saved") / "model",
    )
    forecaster.save(path)
    return path, bits(forecaster)


@pytest.mark.filterwarnings(
    "ignore:Even though the `tf.config.experimental_run_functions_eagerly`:UserWarning"
)
@pytest.mark.parametrize("name", list(SURROUNDINGS)[:4])
def test_a_fit_has_the_same_bits_whatever_the_surrounding_program_has_set(
    name: str, saved: tuple[Path, Bits], tmp_path: Path
) -> None:
    with SURROUNDINGS[name]():
        forecaster = Forecaster(experiment("bigru")).fit(table())
        forecaster.save(tmp_path / "model")
        assert bits(forecaster) == saved[1]
    assert bits(Forecaster.load(tmp_path / "model")) == saved[1]


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_loaded_model_forecasts_the_same_whatever_the_surrounding_program_has_set(
    name: str, saved: tuple[Path, Bits]
) -> None:
    with SURROUNDINGS[name]():
        assert bits(Forecaster.load(saved[0])) == saved[1]


def test_a_foreign_architecture_is_built_in_float32_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing of types, with an input that takes that of Keras."""

    def build(config: Any, shape: WindowShape) -> Any:  # noqa: ARG001
        past = keras.Input((shape.context_length, shape.num_past), name="past")
        return keras.Model(past, keras.layers.Dense(1)(past[:, -2:]))

    monkeypatch.setitem(MODELS, "bigru", type(MODELS["bigru"])(BiGRUConfig, build))
    with floatx("float64"):
        model = build_model(BiGRUConfig(), SHAPE)
    assert {one.dtype for one in [*model.inputs, *model.outputs, *model.variables]} == {"float32"}
    assert model.dtype_policy.name == "float32"


def test_the_copy_for_several_devices_is_in_float32() -> None:
    model = build_model(BiGRUConfig(units=4), SHAPE)
    state = random.getstate()
    with dtype_policy("mixed_float16"):
        copy = mirror(model, tf.distribute.MirroredStrategy(["CPU:0"]))
    assert {layer.dtype_policy.name for layer in copy._flatten_layers()} == {"float32"}
    assert random.getstate() == state


def test_calls_inside_a_graph_or_a_strategy_are_refused() -> None:
    with (
        tf.Graph().as_default(),
        pytest.raises(ConfigError, match=r"inside tf.function or a tf.Graph; expected"),
    ):
        fit()
    with (
        tf.distribute.OneDeviceStrategy("CPU:0").scope(),
        pytest.raises(
            ConfigError, match=r"scope of a tf.distribute strategy.*training.strategy: mirrored"
        ),
    ):
        fit()


def test_an_error_of_a_builder_comes_out_and_settings_are_put_back() -> None:
    def fail() -> None:
        raise KeyError("layer")

    with floatx("float64"), pytest.raises(KeyError, match="layer"):
        runtime.build_apart(fail, seed=0)
    assert runtime.build_apart(keras.config.floatx, seed=0) == "float32"


def run_python(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process of its own with a `keras.json` in `folder`."""
    environment = {**os.environ, "KERAS_HOME": str(folder), **variables}
    words = (sys.executable, *words)
    return subprocess.run(
        words, check=False, env=environment, capture_output=True, text=True, timeout=110
    )


BUILD = (
    "from forecast import BiGRUConfig, ForecastError; from forecast.models import build_model\n"
    "from forecast.windows.index import WindowShape\n"
    "try: print(build_model(BiGRUConfig(units=2), WindowShape(4, 2)).dtype)\n"
    "except ForecastError as error: print(type(error).__name__, error)"
)


@pytest.mark.parametrize(
    ("keras_json", "backend", "said"),
    [
        (
            {},
            "jax",
            r"ConfigError .*KERAS_BACKEND is 'jax'; expected the backend tensorflow: set the "
            r"environment",
        ),
        (
            {},
            "nonsense",
            r"ConfigError .*KERAS_BACKEND is 'nonsense'; expected the backend tensorflow",
        ),
        (
            {"backend": "nonsense"},
            "",
            r"ConfigError .*as set in keras.json in .*KERAS_HOME; .*correct or delete",
        ),
        (
            {"floatx": "float8"},
            "",
            r"ConfigError .*Invalid `floatx` .*as set in keras.json in .*: correct or delete",
        ),
        pytest.param(
            {"floatx": "float64", "backend": "nonsense"},
            "tensorflow",
            "float32",
            marks=pytest.mark.proof,
        ),
    ],
    ids=["jax", "nonsense", "file", "damaged file", "advice taken"],
)
def test_another_backend_is_named_in_one_line(
    keras_json: dict[str, str], backend: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "keras.json").write_text(json.dumps(keras_json))
    assert re.fullmatch(
        f"{said}.*\n", run_python(tmp_path, "-c", BUILD, KERAS_BACKEND=backend).stdout
    )


def test_keras_that_runs_on_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(
        ConfigError, match=r"Keras runs on 'torch', KERAS_BACKEND is 'torch'; expected the backend"
    ):
        build_model(BiGRUConfig(), SHAPE)


@pytest.mark.proof
def test_the_command_line_runs_on_tensorflow_and_without_compiled_loops(tmp_path: Path) -> None:
    """Whatever is usual on the machine; what is done in another way is said on a line each."""
    (tmp_path / "keras.json").write_text('{"backend": "torch", "floatx": "float64"}')
    table().to_csv(tmp_path / "table.csv", index=False)
    settings = [
        "windows.context_length=12",
        "model.name=bigru",
        "model.units=2",
        "training.epochs=1",
    ]
    settings += ["ensemble.seeds=1", "ensemble.linear=none"]
    words = ["-m", "forecast", "fit", str(tmp_path / "table.csv"), "--horizon", "4", "--freq", "h"]
    words += ["--out", str(tmp_path / "run"), *(f"--set={one}" for one in settings)]
    machine = {
        "KERAS_BACKEND": "jax",
        "CXX": "false",
        "XDG_CACHE_HOME": str(tmp_path),
        "FORECAST_NATIVE": "1",
    }
    done = run_python(tmp_path, *words, **machine)
    assert done.returncode == 0, done.stderr
    first, *others = done.stderr.splitlines()
    assert first == "note: KERAS_BACKEND is 'jax'; this command runs Keras on tensorflow"
    (warning,) = (line for line in others if "warn" in line.lower())
    assert warning.startswith(
        "warning: recurrent layers run without their compiled loops, and training takes about"
    )
    assert warning.endswith("set FORECAST_NATIVE=0 in the environment to turn off this warning")
