"""No batch size is special: B windows together are forecast, and learned from, as one by one.

Keras takes a small second operand of a sum for a bias where its only axis is as long as an axis of
the first one. A level of every window, (B, 1, 1), was then added to the steps of a forecast (B, H,
1) wherever B = H.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from window_arrays import full_shape, learnable_source, random_inputs, shuffled

from forecast.experiment.settings import EnsembleConfig, Experiment, TrainingConfig
from forecast.models import MODELS, build_model
from forecast.training import train
from forecast.training.ensemble import build_ensemble
from forecast.training.losses import make_cell_losses
from forecast.windows.index import WindowShape

Inputs = dict[str, NDArray[Any]]
Way = Callable[[Inputs], tuple[Any, list[Any]]]
"""From windows to their forecast (B, H, D) or (B, H, D, Q), and the gradient of each variable."""

SHAPES = {
    "1 target": WindowShape(5, 3),
    "1 target, 5 quantiles": WindowShape(5, 3, num_quantiles=5),
    "2 targets": full_shape(context_length=5),
    "3 targets, 3 steps, 3 quantiles": full_shape(
        context_length=5, num_targets=3, num_past=5, num_quantiles=3
    ),
}
"""No two axes of the first shapes are equal; of the last one three are."""

UNITS = 3

LONGEST_AXIS = 2 * UNITS
"""Of any tensor between inputs and forecast: both directions of the encoder."""

BATCHES = range(1, LONGEST_AXIS + 2)
NORMS = ("none", "last", "standard")
LINEAR = ("member", "residual")
LOSSES = ("mse", "mae", "huber", "quantile")
LEVELS = (0.05, 0.3, 0.5, 0.8, 0.9)


def network(name: str, norm: str, shape: WindowShape, **settings: Any) -> keras.Model:
    """A small network with random weights."""
    config = MODELS[name].config(
        name=name, units=UNITS, dropout=0.0, instance_norm=norm, **settings
    )
    return shuffled(build_model(config, shape))


def blend(name: str, norm: str, shape: WindowShape, linear: str) -> keras.Model:
    """Two networks that look back 3 and 5 steps, with their ridge regressions."""
    model = MODELS[name].config(name=name, units=UNITS, dropout=0.0, instance_norm=norm)
    ensemble = EnsembleConfig(seeds=1, context_lengths=(3, 5), linear=linear)
    return shuffled(build_ensemble(Experiment(model=model, ensemble=ensemble), shape).model)


def windows(shape: WindowShape, size: int) -> Inputs:
    """Windows whose levels lie far apart, so that a level in the wrong place is seen."""
    inputs = random_inputs(shape, size)
    inputs["past"] += 10.0 * np.arange(1, size + 1, dtype=np.float32)[:, None, None]
    return inputs


def chosen(inputs: Inputs, rows: slice) -> Inputs:
    return {name: array[rows] for name, array in inputs.items()}


def forecast_and_gradient(model: keras.Model, inputs: Any) -> tuple[Any, list[Any]]:
    """The forecast, and the gradient of a sum over its cells in which no two cells of a window
    count alike."""
    with tf.GradientTape() as tape:
        forecast = model(inputs, training=True)
        cells = tf.reshape(forecast, (-1, np.prod(forecast.shape[1:])))
        total = tf.reduce_sum(tf.square(cells) * tf.range(1.0, cells.shape[1] + 1.0))
    variables = [variable.value for variable in model.trainable_variables]
    return forecast, [tf.convert_to_tensor(one) for one in tape.gradient(total, variables)]


def eager(model: keras.Model, size: int) -> Way:  # noqa: ARG001 - as `traced`
    """Run the model operation by operation."""
    return lambda inputs: forecast_and_gradient(model, inputs)


def traced(model: keras.Model, size: int | None) -> Way:
    """Trace the model for batches of one size, as they come in training, or of any size, as in
    forecasts."""
    signature = {one.name: tf.TensorSpec((size, *one.shape[1:]), one.dtype) for one in model.inputs}
    return tf.function(
        lambda inputs: forecast_and_gradient(model, inputs), input_signature=[signature]
    )


def check_every_batch_size(
    model: keras.Model, shape: WindowShape, way: Callable[[keras.Model, int], Way]
) -> None:
    """Compare B windows together with the same one by one, in forecast and gradient."""
    inputs = windows(shape, BATCHES[-1])
    alone = traced(model, None)  # no size is known, so none can be special
    singles = [alone(chosen(inputs, slice(row, row + 1))) for row in range(BATCHES[-1])]
    forecasts = np.concatenate([np.asarray(forecast) for forecast, _ in singles])
    gradients = [
        np.cumsum(of_each, axis=0) for of_each in zip(*(each for _, each in singles), strict=True)
    ]
    for size in BATCHES:
        forecast, gradient = way(model, size)(chosen(inputs, slice(0, size)))
        np.testing.assert_allclose(
            forecast, forecasts[:size], rtol=1e-5, atol=1e-5, err_msg=f"B = {size}"
        )
        for own, expected in zip(gradient, gradients, strict=True):
            scale = np.abs(expected[size - 1]).max()
            np.testing.assert_allclose(
                own, expected[size - 1], rtol=0, atol=1e-5 * scale, err_msg=f"B = {size}"
            )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "norm",
    [
        pytest.param("none", marks=pytest.mark.slow),
        "last",
        pytest.param("standard", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_windows_together_equal_windows_alone(name: str, norm: str, shape: WindowShape) -> None:
    check_every_batch_size(network(name, norm, shape), shape, eager)


@pytest.mark.parametrize("name", MODELS)
def test_windows_together_equal_windows_alone_where_the_batch_is_traced(name: str) -> None:
    shape = SHAPES["1 target"]
    check_every_batch_size(network(name, "standard", shape), shape, traced)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", MODELS)
def test_windows_together_equal_windows_alone_in_every_trace(
    name: str, norm: str, shape: WindowShape
) -> None:
    check_every_batch_size(network(name, norm, shape), shape, traced)


@pytest.mark.parametrize("linear", [pytest.param("member", marks=pytest.mark.slow), "residual"])
@pytest.mark.parametrize(
    "norm",
    [
        pytest.param("none", marks=pytest.mark.slow),
        pytest.param("last", marks=pytest.mark.slow),
        "standard",
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_windows_of_a_blend_together_equal_windows_alone(name: str, norm: str, linear: str) -> None:
    shape = SHAPES["1 target"] if norm != "none" else SHAPES["2 targets"]
    check_every_batch_size(blend(name, norm, shape, linear), shape, eager)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("num_targets", [1, 2])
def test_losses_of_windows_together_equal_those_of_windows_alone(
    loss: str, num_targets: int
) -> None:
    draw = np.random.default_rng(0)
    target = draw.normal(size=(BATCHES[-1], 3, num_targets)).astype(np.float32)
    target[::2, 1] = np.nan
    levels = LEVELS if loss == "quantile" else ()
    forecast = draw.normal(size=(*target.shape, *([len(levels)] * bool(levels)))).astype(np.float32)
    measure = make_cell_losses(loss, quantile_levels=levels)
    alone = [
        measure(target[row : row + 1], tf.constant(forecast[row : row + 1]))
        for row in range(len(target))
    ]
    for size in BATCHES:
        together = measure(target[:size], tf.constant(forecast[:size]))
        for own, singles in zip(together, zip(*alone[:size], strict=True), strict=True):
            np.testing.assert_array_equal(own, np.concatenate(singles), err_msg=f"B = {size}")


def sums_in(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """The operands of every sum in a model's graph, and in the graphs of the models it is made
    of."""
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            yield from sums_in(operation)
        elif type(operation).__name__ == "Add" and isinstance(operation.input, list):
            yield operation.input[0], operation.input[1]  # a single input is added to a constant


@pytest.mark.parametrize("linear", LINEAR)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_the_smaller_operand_of_a_sum_stands_first(
    name: str, shape: WindowShape, linear: str
) -> None:
    """Then none is taken for a bias: an axis that both have is as long in both, any other is 1 in
    the first."""
    models = [network(name, norm, shape) for norm in NORMS]
    if not shape.num_quantiles:
        models += [blend(name, norm, shape, linear) for norm in NORMS]
    found = [pair for model in models for pair in sums_in(model)]
    assert len(found) >= len(NORMS)
    for first, second in found:
        assert len(first.shape) <= max(1, len(second.shape))
        if len(first.shape) == len(second.shape):
            assert all(
                own in (1, other) for own, other in zip(first.shape, second.shape, strict=True)
            )


@pytest.mark.parametrize(("name", "norm"), [("bigru", "last"), ("segment_bigru", "standard")])
def test_a_batch_as_large_as_the_horizon_learns_as_one_that_is_larger(name: str, norm: str) -> None:
    shape = WindowShape(6, 8)
    source = learnable_source(shape, 48)
    levels = 5.0 * np.arange(len(source), dtype=np.float32)[:, None, None]
    source.inputs["past"] += levels
    source.target += levels
    config = MODELS[name].config(name=name, units=UNITS, dropout=0.0, instance_norm=norm)

    def last_loss(batch_size: int) -> float:
        settings = TrainingConfig(
            loss="mse",
            schedule="constant",
            epochs=3,
            batch_size=batch_size,
            windows_per_epoch=None,
            patience=None,
        )
        return train(build_model(config, shape), source, None, settings).history.loss[-1]

    assert last_loss(shape.horizon) == pytest.approx(last_loss(shape.horizon + 1), rel=0.1)
