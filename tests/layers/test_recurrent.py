"""The recurrent layers are those of Keras: outputs, states, gradients, dropout, masks, weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers_compared import outputs_and_gradients, share_weights

from forecast.layers import dispatch, recurrent
from forecast.layers.clusters import tracing
from forecast.layers.recurrence import chunk_lengths

BATCH, LENGTH, CHANNELS, UNITS = 8, 13, 5, 7
MODULES = (keras.layers, recurrent)


def random_mask() -> Any:
    """Steps left out at the start, at the end, in between; and all steps of one window."""
    mask = np.random.default_rng(3).random((BATCH, LENGTH)) > 0.4
    mask[0, :4], mask[1, -4:], mask[2] = False, False, False
    return mask


def make(module: Any, name: str, dtype: str, *, bidirectional: bool, **options: Any) -> Any:
    layer = getattr(module, name)(
        UNITS, return_state=True, dtype=dtype, seed=3, bias_initializer="normal", **options
    )
    return module.Bidirectional(layer, dtype=dtype) if bidirectional else layer


def compare(
    name: str, *, jit: bool = True, bidirectional: bool = True, call: dict[str, Any], **options: Any
) -> None:
    """Both layers with the same weights, on the same input, in float64."""
    x = tf.constant(np.random.default_rng(0).normal(size=(BATCH, LENGTH, CHANNELS)), "float64")
    layers = [make(one, name, "float64", bidirectional=bidirectional, **options) for one in MODULES]
    share_weights(layers, x.shape)
    theirs, ours = (
        outputs_and_gradients(layer, x, jit and layer is layers[1], **call) for layer in layers
    )
    for one, other in zip((*ours[0], *ours[1]), (*theirs[0], *theirs[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * max(1.0, np.abs(other).max()))


def states(name: str, *, bidirectional: bool) -> list[Any]:
    generator = np.random.default_rng(5)
    number = (2 if name == "LSTM" else 1) * (2 if bidirectional else 1)
    return [tf.constant(generator.normal(size=(BATCH, UNITS)), "float64") for _ in range(number)]


@pytest.mark.parametrize(
    ("name", "jit"),
    [
        pytest.param("GRU", True, id="GRU-xla"),
        pytest.param("GRU", False, id="GRU-plain"),
        pytest.param("LSTM", True, id="LSTM-xla", marks=pytest.mark.proof),
        pytest.param("LSTM", False, id="LSTM-plain"),
    ],
)
def test_both_directions_with_states_and_dropout(name: str, jit: bool) -> None:
    call = {"training": True, "initial_state": states(name, bidirectional=True)}
    compare(name, jit=jit, call=call, return_sequences=True, dropout=0.3)


@pytest.mark.parametrize(
    "native",
    [pytest.param(True, id="native"), pytest.param(False, id="xla", marks=pytest.mark.proof)],
)
@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_in_float32_the_error_is_that_of_rounding(
    name: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against Keras in float64, both are wrong by the same few units in the last place."""
    if not native:
        monkeypatch.setattr(dispatch, "operations", lambda: None)
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(BATCH, 96, CHANNELS))
    kinds = [
        (module, dtype)
        for dtype in ("float64", "float32")
        for module in MODULES
        if dtype[-2:] == "32" or module is keras.layers
    ]
    layers = [
        make(module, name, dtype, bidirectional=True, return_sequences=True)
        for module, dtype in kinds
    ]
    share_weights(layers, x.shape)
    results = [
        outputs_and_gradients(layer, tf.constant(x, dtype), module is recurrent)
        for layer, (module, dtype) in zip(layers, kinds, strict=True)
    ]
    for place, allowed in ((0, 2e-7), (1, 1e-6)):
        for true, theirs, ours in zip(*(result[place] for result in results), strict=True):
            scale = max(1.0, np.abs(true).max())
            error, usual = (np.abs(one - true).max() / scale for one in (ours, theirs))
            assert error <= max(allowed, 1.5 * usual)


@pytest.mark.parametrize("return_sequences", [True, False], ids=["sequence", "last"])
@pytest.mark.parametrize("go_backwards", [True, False], ids=["backwards", "forwards"])
@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_masks(name: str, go_backwards: bool, return_sequences: bool) -> None:
    call = {"mask": random_mask(), "initial_state": states(name, bidirectional=False)}
    options = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    compare(name, bidirectional=False, call=call, jit=False, **options)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_masks_in_both_directions_with_recurrent_dropout(name: str) -> None:
    call = {"training": True, "mask": random_mask()}
    options = {"return_sequences": True, "dropout": 0.2, "recurrent_dropout": 0.4}
    compare(name, call=call, **options)


@pytest.mark.parametrize("name", ["GRU", pytest.param("LSTM", marks=pytest.mark.proof)])
def test_one_direction_runs_in_two_parts_of_the_batch(name: str) -> None:
    size = 2 * dispatch.SMALLEST_SHARD
    x = tf.constant(np.random.default_rng(0).normal(size=(size, LENGTH, CHANNELS)), "float64")
    options = {"return_sequences": True, "dropout": 0.2, "recurrent_dropout": 0.4}
    layers = [make(one, name, "float64", bidirectional=False, **options) for one in MODULES]
    share_weights(layers, x.shape)
    call = {"training": True, "mask": np.tile(random_mask(), (size // BATCH, 1))}
    theirs, ours = (outputs_and_gradients(layer, x, layer is layers[1], **call) for layer in layers)
    for one, other in zip((*ours[0], *ours[1]), (*theirs[0], *theirs[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * max(1.0, np.abs(other).max()))
    with tracing(compiled=True):
        assert dispatch.num_shards(layers[1], x) == 2
    assert dispatch.num_shards(layers[1], x) == 1


@pytest.mark.parametrize("name", ["GRU", pytest.param("LSTM", marks=pytest.mark.proof)])
def test_inference_has_no_dropout_and_still_a_gradient(name: str) -> None:
    compare(name, call={"training": False}, return_sequences=True, dropout=0.3)


@pytest.mark.parametrize(
    "options",
    [{"activation": "relu"}, {"use_bias": False}, {"unroll": True}, {"reset_after": False}],
    ids=lambda options: next(iter(options)),
)
def test_options_of_keras_that_only_keras_knows(options: dict[str, Any]) -> None:
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 3)), "float32")
    ours, theirs = recurrent.GRU(4, **options), keras.layers.GRU(4, **options)
    for layer in (ours, theirs):
        layer.build(x.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(x), theirs(x))


@pytest.mark.parametrize("length", [1, 2, 7, 12, 48, 96, 97, 168, 720])
@pytest.mark.parametrize("batch", [None, 1, 32, 64, 128, 4096])
def test_chunks_cover_the_sequence(length: int, batch: int | None) -> None:
    steps, short = chunk_lengths(length, batch)
    assert short + (length // steps) * steps == length
    assert 0 <= short < steps <= length


def test_a_length_that_no_chunk_divides() -> None:
    """97 steps of 64 windows: four chunks of 24 and one of one, in both directions."""
    x = tf.constant(np.random.default_rng(0).normal(size=(64, 97, 2)), "float64")
    assert chunk_lengths(97, 64) == (24, 1)
    layers = [
        make(one, "GRU", "float64", bidirectional=True, return_sequences=True) for one in MODULES
    ]
    share_weights(layers, x.shape)
    (expected, expected_gradients), (outputs, gradients) = (
        outputs_and_gradients(layer, x, jit=False) for layer in layers
    )
    for one, other in zip(outputs + gradients, expected + expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)


def test_models_change_between_these_layers_and_those_of_keras() -> None:
    inputs = keras.Input((LENGTH, CHANNELS))
    hidden = recurrent.Bidirectional(recurrent.GRU(4, return_sequences=True))(inputs)
    ours = keras.Model(inputs, recurrent.LSTM(3, dropout=0.2)(hidden))
    theirs = recurrent.to_keras_layers(ours)
    back = recurrent.from_keras_layers(theirs)
    x = np.random.default_rng(0).normal(size=(6, LENGTH, CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(theirs(x), ours(x), rtol=0, atol=3e-7)
    np.testing.assert_array_equal(back(x), ours(x))
    assert "forecast" not in theirs.to_json()
    assert [type(one) for one in back.layers] == [type(one) for one in ours.layers]
    assert type(back.layers[1].forward_layer) is recurrent.GRU
