"""The loops in C++ are those of Keras, whatever the sizes and the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers_compared import outputs_and_gradients, share_weights

from forecast.files.libraries.build import SWITCH
from forecast.layers import dispatch, recurrent
from forecast.layers.machine import core_count
from forecast.layers.native import operations
from forecast.layers.native.library import compiled_loops
from forecast.layers.native.loop import OPERATION

needs_operations = pytest.mark.skipif(operations() is None, reason="no C++ compiler here")

SEED = 0

SIZES = {
    "one of each": (1, 1, 1, 1),
    "less than a vector": (3, 5, 2, 7),
    "tails everywhere": (13, 11, 5, 19),
    "more windows than a block": (67, 9, 3, 16),
    "more blocks than shards": (600, 3, 2, 4),
    "a sequence of many chunks": (64, 50, 40, 33),
    "wider than long": (2, 3, 70, 130),
}
QUICK_SIZES = ("tails everywhere", "more windows than a block")


def layers_of(kind: str, size: tuple[int, int, int, int], **options: Any) -> tuple[list[Any], Any]:
    """The layer of Keras in float64 and in float32 and ours in float32, with the same weights, and
    their input."""
    batch, length, channels, units = size
    keras.utils.set_random_seed(SEED)
    both = options.pop("bidirectional", False)
    made = []
    for module, dtype in (
        (keras.layers, "float64"),
        (keras.layers, "float32"),
        (recurrent, "float32"),
    ):
        chosen = {
            "return_state": True,
            "dtype": dtype,
            "seed": 3,
            "bias_initializer": "normal",
            **options,
        }
        layer = getattr(module, kind)(units, **chosen)
        made.append(module.Bidirectional(layer, dtype=dtype) if both else layer)
    x = np.random.default_rng(0).normal(size=(batch, length, channels))
    share_weights(made, x.shape)
    return made, x


def compare(
    kind: str, size: tuple[int, int, int, int], call: dict[str, Any] | None = None, **options: Any
) -> None:
    """Ours is as far from float64 as Keras' own float32 is, or within 2e-7 for outputs and 1e-6 for
    gradients."""
    layers, x = layers_of(kind, size, **options)
    results = []
    for layer in layers:
        dtype = layer.compute_dtype
        given = {
            name: [tf.cast(one, dtype) for one in value] if name == "initial_state" else value
            for name, value in (call or {}).items()
        }
        results.append(outputs_and_gradients(layer, tf.constant(x, dtype), jit=False, **given))
    for place, allowed in ((0, 2e-7), (1, 1e-6)):
        for true, theirs, ours in zip(*(result[place] for result in results), strict=True):
            scale = max(1.0, np.abs(true).max())
            error, usual = (np.abs(one - true).max() / scale for one in (ours, theirs))
            assert error <= max(allowed, 1.5 * usual), (
                f"{error:.2g} where Keras is wrong by {usual:.2g}"
            )


def graph_of(layer: Any, x: Any, **arguments: Any) -> set[str]:
    """The types of the operations that a call of a layer is made of."""
    traced = tf.function(lambda x: layer(x, **arguments)).get_concrete_function(tf.constant(x))
    return {operation.type for operation in traced.graph.get_operations()}


@needs_operations
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size, id=name, marks=[] if name in QUICK_SIZES else pytest.mark.proof)
        for name, size in SIZES.items()
    ],
)
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_all_sizes(kind: str, size: tuple[int, int, int, int]) -> None:
    compare(kind, size, {"training": True}, return_sequences=True, bidirectional=True)


WAYS = [
    (kind, backwards, sequences, training)
    for kind in ("GRU", "LSTM")
    for backwards in (True, False)
    for sequences in (True, False)
    for training in (True, False)
]
QUICK_WAYS = [
    ("GRU", True, True, True),
    ("GRU", False, False, False),
    ("LSTM", True, False, False),
    ("LSTM", False, True, True),
]
"""Each value of each choice, with each kind of cell."""


def way_id(way: tuple[str, bool, bool, bool]) -> str:
    kind, backwards, sequences, training = way
    words = [
        "backwards" if backwards else "forwards",
        "sequence" if sequences else "last",
        "training" if training else "inference",
    ]
    return "-".join([kind, *words])


@needs_operations
@pytest.mark.parametrize(
    ("kind", "backwards", "sequences", "training"),
    [
        pytest.param(*way, id=way_id(way), marks=[] if way in QUICK_WAYS else pytest.mark.proof)
        for way in WAYS
    ],
)
def test_all_ways(kind: str, backwards: bool, sequences: bool, training: bool) -> None:
    size = (2 * dispatch.SMALLEST_SHARD, 7, 3, 5)
    generator = np.random.default_rng(5)
    states = [
        tf.constant(generator.normal(size=(size[0], size[3]))) for _ in range(1 + (kind == "LSTM"))
    ]
    call = {"training": training, "initial_state": states}
    compare(kind, size, call, return_sequences=sequences, go_backwards=backwards)


def steps_left_out(where: str, size: tuple[int, int, int, int]) -> Any:
    """A mask (B, L); of `padding` and `late` some windows have no step at all."""
    batch, length, *_ = size
    draw = np.random.default_rng(3)
    lengths = draw.integers(0, length + 1, batch)
    if where == "padding":
        return np.arange(length) < lengths[:, None]
    if where == "late":
        return np.arange(length) >= lengths[:, None]
    mask = draw.random((batch, length)) > 0.4
    mask[: batch // 2, 2:-3] = False  # no step of a whole block
    return mask


MASKED = {
    "less than a vector": (3, 5, 2, 7),
    "many blocks and chunks": (70, 40, 5, 19),
    "wide": (34, 20, 19, 70),
}


@needs_operations
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size, id=name, marks=[] if name.startswith("many") else pytest.mark.proof)
        for name, size in MASKED.items()
    ],
)
@pytest.mark.parametrize("where", ["padding", "late", "anywhere"])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_masked_steps(kind: str, where: str, size: tuple[int, int, int, int]) -> None:
    call = {"training": True, "mask": steps_left_out(where, size)}
    compare(kind, size, call, return_sequences=True, bidirectional=True)


@needs_operations
@pytest.mark.proof
@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_masked_steps_of_the_last_output(kind: str, zeros: bool) -> None:
    size = MASKED["many blocks and chunks"]
    call = {"training": False, "mask": steps_left_out("anywhere", size)}
    options = {"return_sequences": False, "go_backwards": True, "zero_output_for_mask": zeros}
    compare(kind, size, call, **options)


@needs_operations
@pytest.mark.parametrize(
    "size",
    [
        pytest.param((70, 9, 4, 6), id="small"),
        pytest.param((34, 40, 19, 37), id="large", marks=pytest.mark.proof),
    ],
)
@pytest.mark.parametrize(
    "dropout",
    [
        pytest.param((0.3, 0.0), id="input", marks=pytest.mark.proof),
        pytest.param((0.0, 0.4), id="state", marks=pytest.mark.proof),
        pytest.param((0.3, 0.4), id="both"),
    ],
)
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize("masked", [False, True], ids=["all steps", "masked steps"])
def test_dropout_draws_what_keras_draws(
    kind: str, dropout: tuple[float, float], size: tuple[int, int, int, int], masked: bool
) -> None:
    """In float32 alone: in float64 Keras draws other masks. With `recurrent_dropout` each gate has
    masks of its own."""
    options = {
        "return_sequences": True,
        "bidirectional": True,
        "dropout": dropout[0],
        "recurrent_dropout": dropout[1],
    }
    (_, theirs, ours), x = layers_of(kind, size, **options)
    call = {"training": True, "mask": steps_left_out("anywhere", size) if masked else None}
    results = [
        outputs_and_gradients(one, tf.constant(x, "float32"), jit=False, **call)
        for one in (theirs, ours)
    ]
    for expected, found in zip(*(result[0] + result[1] for result in results), strict=True):
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=2e-6 * max(1.0, np.abs(expected).max())
        )


@needs_operations
def test_which_loops_run_natively() -> None:
    def types(dtype: str = "float32", **call: Any) -> set[str]:
        layer = recurrent.GRU(4, dtype=dtype, dropout=0.2)
        return graph_of(layer, np.zeros((2, 5, 3), dtype), **call)

    assert OPERATION in types()
    assert OPERATION in types(training=True)
    assert OPERATION not in types(dtype="float64")
    assert OPERATION in types(mask=np.ones((2, 5), bool))
    by_gate = recurrent.GRU(4, dropout=0.2, recurrent_dropout=0.2)
    assert OPERATION in graph_of(by_gate, np.zeros((2, 5, 3), "float32"), training=True)


@needs_operations
def test_a_length_that_is_not_known_when_traced_runs_natively() -> None:
    layer = recurrent.GRU(4, return_sequences=True)
    traced = tf.function(layer).get_concrete_function(tf.TensorSpec((None, None, 3)))
    assert OPERATION in {operation.type for operation in traced.graph.get_operations()}
    for length in (1, 7):
        x = tf.random.normal((2, length, 3), seed=1)
        np.testing.assert_array_equal(traced(x), layer(x))


@needs_operations
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_window_does_not_depend_on_its_neighbours(kind: str) -> None:
    """Bit for bit, alone and in any place of a batch; and what is not finite stays in its window,
    and stays so."""
    (*_, layer), x = layers_of(kind, (130, 6, 3, 21), return_sequences=True, bidirectional=True)
    x = x.astype("float32")
    outputs = np.asarray(layer(x)[0])
    for place in (0, 63, 64, 100, 129):
        np.testing.assert_array_equal(layer(x[place : place + 1])[0][0], outputs[place])
    x[64, 3, 1], x[7, 2] = np.nan, np.inf
    damaged = np.asarray(layer(x)[0])
    assert np.isnan(damaged[64]).any()
    others = np.delete(np.arange(130), [64, 7])
    np.testing.assert_array_equal(damaged[others], outputs[others])


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads of the loops, until the test ends."""
    loops = compiled_loops()
    assert loops is not None
    yield loops.set_threads
    loops.set_threads(core_count())


@needs_operations
@pytest.mark.parametrize("batch", [1, 33, 600])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_bits_do_not_depend_on_the_threads(
    kind: str, batch: int, threads: Callable[[int], None]
) -> None:
    options = {"return_sequences": True, "bidirectional": True, "dropout": 0.2}
    (*_, layer), x = layers_of(kind, (batch, 30, 3, 21), **options)
    found = []
    for count in (1, 2, 3, 8):
        threads(count)
        outputs, gradients = outputs_and_gradients(layer, tf.constant(x, "float32"), jit=False)
        found.append([one.tobytes() for one in (*outputs, *gradients)])
    assert found[1:] == found[:1] * 3


@needs_operations
def test_calls_at_the_same_time_share_the_threads(threads: Callable[[int], None]) -> None:
    """Six calls on three threads, each with its own result."""
    threads(3)
    layers, x = layers_of("GRU", (200, 30, 3, 21), return_sequences=True)
    xs = [tf.constant(x * (1 + number), "float32") for number in range(6)]
    expected = [np.asarray(layers[2](one)[0]) for one in xs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            found = list(pool.map(lambda one: np.asarray(layers[2](one)[0]), xs))
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


@needs_operations
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_no_window_at_all(kind: str) -> None:
    layer = getattr(recurrent, kind)(3, return_sequences=True, return_state=True)
    outputs, gradients = outputs_and_gradients(layer, tf.zeros((0, 4, 2)), jit=False)
    assert outputs[0].shape == (0, 4, 3)
    assert [one.shape for one in gradients[1:]] == [one.shape for one in layer.trainable_variables]
    assert not any(np.any(one) for one in gradients)


@needs_operations
def test_operands_that_do_not_fit_are_refused() -> None:
    given = [
        tf.zeros(shape)
        for shape in ((2, 3, 4), (4, 15), (5, 15), (4, 5), (2, 5), (0, 5), (0, 4), (0, 5))
    ]
    given.append(tf.zeros((0, 3), tf.bool))
    settings = {
        "cell": "gru",
        "backwards": False,
        "rounded": False,
        "save": False,
        "sequence": True,
    }
    assert operations().bigru_forward(*given, **settings)[0].shape == (2, 3, 5)
    for number in range(9):
        wrong = list(given)
        wrong[number] = tf.zeros((1, 1), given[number].dtype)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected x|do not fit"):
            operations().bigru_forward(*wrong, **settings)


CODE = """
import numpy as np
from forecast import BiGRUConfig
from forecast.layers.native import operations
from forecast.models import build_model
from forecast.windows.index import WindowShape
model = build_model(BiGRUConfig(units=4), WindowShape(context_length=6, horizon=2), seed=1)
past = np.random.default_rng(0).normal(size=(3, 6, 1)).astype("float32")
print(operations() is not None, *np.asarray(model({"past": past})).ravel())
"""


@needs_operations
@pytest.mark.proof
def test_a_network_forecasts_the_same_without_the_compiler(tmp_path: Path) -> None:
    """In processes of their own, one with and one without the operations, neither with a cache
    folder."""
    outputs = []
    for switch in ("1", "0"):
        environment = {**os.environ, SWITCH: switch, "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        native, *numbers = done.stdout.split()
        assert native == str(switch == "1")
        outputs.append(np.array(numbers, float))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=0, atol=1e-6)
