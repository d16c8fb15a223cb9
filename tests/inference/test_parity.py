"""The forward pass in NumPy gives what Keras gives, for every network that can be built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from models.test_models_contract import combinations, small
from numpy.typing import NDArray
from window_arrays import full_shape, random_inputs, shuffled

from forecast.experiment.settings import EnsembleConfig, Experiment
from forecast.inference import recurrent_forms
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.recording import model_weights, record
from forecast.layers.encoder import CELLS
from forecast.models import MODELS, build_model
from forecast.training.ensemble import build_ensemble

AGREEMENT = 1e-6
"""Largest difference, as a share of the largest output."""


@pytest.fixture(autouse=True, params=["C++", "NumPy"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Recurrent layers with their compiled loops and without."""
    if request.param == "NumPy":
        monkeypatch.setattr(recurrent_forms, "loaded_loops", lambda: (None, ""))
    elif recurrent_forms.loaded_loops()[0] is None:
        pytest.skip("there is no compiler")
    return request.param


def stored_pass(model: Any) -> ForwardPass:
    """The forward pass of a model, its graph written as JSON and read again."""
    graph = record(model)
    assert graph is not None
    return ForwardPass(Graph.model_validate_json(graph.model_dump_json()), model_weights(model))


def by_keras(model: Any, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    return np.asarray(tf.function(lambda one: model(one, training=False))(inputs))


def assert_agrees(model: Any, inputs: dict[str, NDArray[Any]]) -> None:
    expected = by_keras(model, inputs)
    found = stored_pass(model)(inputs)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= AGREEMENT * np.abs(expected).max()


def every_network() -> Iterator[Any]:
    """Yield settings of every two choices together; the first of each cell are quick."""
    seen = set()
    for name in MODELS:
        for config, num_quantiles in combinations(name):
            key = (name, config.cell)
            marks = [pytest.mark.proof] if key in seen else []
            seen.add(key)
            yield pytest.param(config, num_quantiles, marks=marks)


@pytest.mark.parametrize(("config", "num_quantiles"), list(every_network()), ids=str)
def test_every_network_agrees_with_keras(config: Any, num_quantiles: int) -> None:
    """All kinds of inputs, with embeddings, and weights that saturate some gates."""
    shape = full_shape(num_quantiles=num_quantiles)
    model = shuffled(build_model(config, shape))
    assert_agrees(model, random_inputs(shape, 33))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("cell", CELLS)
def test_more_layers_of_other_widths_agree(name: str, cell: str) -> None:
    shape = full_shape(context_length=12, horizon=5)
    config = small(name, cell=cell, num_layers=2, units=(17, 5))
    assert_agrees(shuffled(build_model(config, shape)), random_inputs(shape, 9))


@pytest.mark.parametrize("norm", ["none", "last", "standard"])
@pytest.mark.parametrize("linear", ["none", "member", "residual"])
def test_every_ensemble_agrees(linear: Any, norm: str) -> None:
    shape = full_shape()
    config = Experiment(
        model=small("segment_bigru", instance_norm=norm),
        ensemble=EnsembleConfig(seeds=2, context_lengths=(4, 7), linear=linear),
    )
    model = shuffled(build_ensemble(config, shape).model)
    assert_agrees(model, random_inputs(shape, 9))


def test_members_of_weight_0_are_not_run() -> None:
    shape = full_shape()
    settings = EnsembleConfig(seeds=3, context_lengths=(7,), linear="member")
    ensemble = build_ensemble(Experiment(model=small("bigru"), ensemble=settings), shape)
    shuffled(ensemble.model)
    inputs = random_inputs(shape, 5)
    whole = len(stored_pass(ensemble.model)._steps)
    for weights in ([0.25, 0.0, 0.75, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]):
        ensemble.set_weights(weights)
        assert_agrees(ensemble.model, inputs)
        assert len(stored_pass(ensemble.model)._steps) < 0.7 * whole


def test_everything_inside_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of another type would double the time of all that follows."""
    shape = full_shape(num_quantiles=3)
    config = small("segment_bigru", attention="additive", instance_norm="standard")
    forward = stored_pass(shuffled(build_model(config, shape)))
    types = set()
    for step in forward._steps:
        function = step.function

        def watched(*given: Any, function: Any = function, **named: Any) -> Any:
            result = function(*given, **named)
            for part in result if isinstance(result, tuple) else [result]:
                types.add(part.dtype.name)
            return result

        monkeypatch.setitem(step.__dict__, "function", watched)
    forward(random_inputs(shape, 3))
    assert types == {"float32", "int32", "bool"}
