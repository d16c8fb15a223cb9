"""Every layer and operation in the tables computes what Keras does, and other options are left to
Keras."""

# ruff: noqa: PLW0108 - each test makes its layer anew

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from window_arrays import shuffled

from forecast.inference.array_forms import ARRAY_FORMS
from forecast.inference.cell_steps import CELL_FORMS
from forecast.inference.forms import FORMS
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.layer_forms import ACTIVATIONS, LAYER_FORMS
from forecast.inference.recording import model_weights, record
from forecast.inference.sequence_forms import STEP_WEIGHTS
from forecast.layers import cells, recurrent
from forecast.layers.combination import LinearWindow, WeightedSum
from forecast.layers.whole_sequences import NeighbourFilters, Pooling, ReverseSteps
from forecast.models.keras_network import KerasNetwork, network_of

Build = Callable[[Any], Any]


def steps_of(x: Any) -> Any:
    """Return (B,) lengths of 3 steps."""
    return ops.zeros_like(x[:, 0, 0], dtype="int32") + 3


# Each takes `past` (B, 6, 4).
LAYERS: dict[str, Build] = {
    "Activation": lambda x: layers.Activation("silu")(x),
    "Add": lambda x: layers.Add()([x, x[:, ::-1], 2 * x]),
    "AdditiveAttention": lambda x: layers.AdditiveAttention()([x, x[:, 1:4]]),
    "Attention": lambda x: layers.Attention()([x, x[:, 1:4], ops.abs(x[:, 1:4])]),
    "Average": lambda x: layers.Average()([x, x[:, ::-1], 2 * x]),
    "Bidirectional": lambda x: layers.Bidirectional(layers.GRU(3, return_sequences=True))(x),
    "Concatenate": lambda x: layers.Concatenate(axis=1)([x, x]),
    "Dense": lambda x: layers.Dense(5, activation="relu")(x),
    "Dropout": lambda x: layers.Dropout(0.5)(x),
    "Embedding": lambda x: layers.Embedding(3, 2)(ops.zeros_like(x[:, 0], dtype="int32") + 1),
    "Flatten": lambda x: layers.Flatten()(x),
    "LayerNormalization": lambda x: layers.LayerNormalization()(x),
    "Multiply": lambda x: layers.Multiply()([x, x[:, ::-1]]),
    "Permute": lambda x: layers.Permute((2, 1))(x),
    "RepeatVector": lambda x: layers.RepeatVector(3)(x[:, 0]),
    "Reshape": lambda x: layers.Reshape((3, -1))(x),
    "Softmax": lambda x: layers.Softmax()(x),
    "Subtract": lambda x: layers.Subtract()([x, x[:, ::-1]]),
    "ZeroPadding1D": lambda x: layers.ZeroPadding1D((2, 1))(x),
    "forecast.Bidirectional": lambda x: recurrent.Bidirectional(cells.LSTM(3))(x),
    "forecast.NeighbourFilters": lambda x: NeighbourFilters(5, 3, 2)(x, steps_of(x))[0],
    "forecast.Pooling": lambda x: Pooling("attention", True)(x, steps_of(x)),
    "forecast.ReverseSteps": lambda x: ReverseSteps()(x, steps_of(x)),
    "forecast.LinearWindow": lambda x: LinearWindow(3)([x, x[:, :2, 1:]]),
    "forecast.WeightedSum": lambda x: WeightedSum()([x, x[:, ::-1]]),
}
OPERATIONS: dict[str, Build] = {
    "ops.Absolute": ops.abs,
    "ops.Add": lambda x: x + x[:, :1],
    "ops.Concatenate": lambda x: ops.concatenate([x, x], axis=1),
    "ops.Exp": ops.exp,
    "ops.ExpandDims": lambda x: ops.expand_dims(x, 2),
    "ops.GetItem": lambda x: x[:, -1, ..., 1:],
    "ops.Greater": lambda x: ops.where(ops.greater(x, 0.5), x, 0.0),
    "ops.Maximum": lambda x: ops.maximum(x, 0.25),
    "ops.Minimum": lambda x: ops.minimum(x, x[:, :1]),
    "ops.Multiply": lambda x: x * 3,
    "ops.Negative": ops.negative,
    "ops.OnesLike": ops.ones_like,
    "ops.Relu": ops.relu,
    "ops.Repeat": lambda x: ops.repeat(x, 2, axis=1),
    "ops.Reshape": lambda x: ops.reshape(x, (-1, 8, 3)),
    "ops.Sigmoid": lambda x: ops.sigmoid(100 * x),
    "ops.Softplus": lambda x: ops.softplus(100 * x),
    "ops.Squeeze": lambda x: ops.squeeze(x[:, :1], 1),
    "ops.Stack": lambda x: ops.stack([x, x], axis=1),
    "ops.Std": lambda x: ops.std(1000 + x, axis=[1, 2], keepdims=True),
    "ops.Subtract": lambda x: x - x[:, :1],
    "ops.Tanh": ops.tanh,
    "ops.Transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "ops.TrueDivide": lambda x: x / 3,
    "ops.Where": lambda x: ops.where(x > 0, x, x[:, :1]),
    "ops.ZerosLike": lambda x: ops.zeros_like(x),
}
RECURRENT: dict[str, Any] = {
    "GRU": layers.GRU,
    "LSTM": layers.LSTM,
    "SimpleRNN": layers.SimpleRNN,
    "forecast.GRU": cells.GRU,
    "forecast.LSTM": cells.LSTM,
}


def test_every_entry_of_the_tables_is_compared_here() -> None:
    # STEP_WEIGHTS is no layer: tests/classification/test_attended_steps.py compares it
    assert LAYERS.keys() == FORMS.keys() - ARRAY_FORMS.keys() - {STEP_WEIGHTS}
    assert LAYER_FORMS.keys() <= LAYERS.keys()
    assert OPERATIONS.keys() == ARRAY_FORMS.keys()
    assert RECURRENT.keys() == CELL_FORMS.keys()


def model_of(build: Build) -> Any:
    past = keras.Input((6, 4), name="past")
    model = shuffled(keras.Model({"past": past}, build(past)))
    for variable in model.weights:
        if variable.path.endswith("moving_variance"):
            variable.assign(ops.abs(variable) + 0.1)
    return model


def windows(number: int = 11) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {"past": draw.normal(size=(number, 6, 4)).astype(np.float32)}


def assert_agrees(model: Any, kind: str) -> None:
    graph = record(model)
    assert graph is not None
    assert kind in [node.kind for node in graph.nodes]
    graph = Graph.model_validate_json(graph.model_dump_json())
    inputs = windows()
    found = ForwardPass(graph, model_weights(model))(inputs)
    expected = np.asarray(model(inputs))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("kind", "build"), (LAYERS | OPERATIONS).items())
def test_it_computes_what_keras_does(kind: str, build: Build) -> None:
    assert_agrees(model_of(build), kind)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_does(activation: str) -> None:
    assert_agrees(model_of(lambda x: layers.Dense(5, activation=activation)(30 * x)), "Dense")


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
def test_recurrent_layers_return_what_keras_does(
    kind: str, sequences: bool, backwards: bool
) -> None:
    """Outputs and every state, from given states."""
    num_states = 2 if "LSTM" in kind else 1

    def build(x: Any) -> Any:
        states = [layers.Dense(3)(x[:, 0]) for _ in range(num_states)]
        layer = RECURRENT[kind](
            3, return_sequences=sequences, return_state=True, go_backwards=backwards
        )
        outputs, *finals = layer(x, initial_state=states)
        return ops.concatenate([layers.Flatten()(outputs), *finals], axis=-1)

    assert_agrees(model_of(build), kind)


def test_a_layer_in_both_directions_starts_from_given_states() -> None:
    def build(x: Any) -> Any:
        states = [layers.Dense(3)(x[:, 0]) for _ in range(2)]
        inner = cells.GRU(3, return_state=True)
        return ops.concatenate(recurrent.Bidirectional(inner)(x, initial_state=states), axis=-1)

    assert_agrees(model_of(build), "forecast.Bidirectional")


OTHER_OPTIONS: dict[str, Build] = {
    "activation": lambda x: layers.Dense(5, activation="mish")(x),
    "activation of a cell": lambda x: layers.GRU(5, activation="relu")(x),
    "reset gate": lambda x: layers.GRU(5, reset_after=False)(x),
    "no bias": lambda x: layers.LSTM(5, use_bias=False)(x),
    "sum of directions": lambda x: layers.Bidirectional(layers.GRU(5), merge_mode="sum")(x),
    "scale of attention": lambda x: layers.Attention(use_scale=True)([x, x]),
    "scores of attention": lambda x: layers.Attention(score_mode="concat")([x, x]),
    "axis of a norm": lambda x: layers.LayerNormalization(axis=1)(x),
    "another layer": lambda x: layers.Conv1D(3, 2)(x),
}


@pytest.mark.parametrize("build", OTHER_OPTIONS.values(), ids=OTHER_OPTIONS)
def test_what_has_no_form_is_left_to_keras(build: Build) -> None:
    model = model_of(build)
    network = network_of(model)
    assert isinstance(network, KerasNetwork)
    assert "has no form in NumPy" in network.reason
    np.testing.assert_allclose(network(windows()), np.asarray(model(windows())), atol=1e-5)


def test_a_model_that_is_not_functional_is_left_to_keras() -> None:
    class Halved(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs["past"] / 2

    past = keras.Input((6, 4), name="past")
    model = keras.Model({"past": past}, Halved()({"past": past}))
    network = network_of(model)
    assert isinstance(network, KerasNetwork)
    assert "no functional model" in network.reason


def test_a_sequential_model_inside_is_written_out() -> None:
    inner = keras.Sequential([layers.Dense(4), layers.Dense(2, activation="tanh")])
    assert_agrees(model_of(inner), "Dense")
