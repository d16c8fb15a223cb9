"""The model agrees with a float64 NumPy version written from the published equations."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from numpy.typing import NDArray
from window_arrays import full_shape, random_inputs, shuffled, weights_of

from forecast.errors import ConfigError
from forecast.layers.runtime import drawing_seeds
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig, build_bigru
from forecast.training.losses import make_cell_losses
from forecast.windows.index import WindowShape

COMBINATIONS = [
    BiGRUConfig(units=5),
    BiGRUConfig(units=(6, 3), num_layers=2, cell="lstm", attention="dot"),
    BiGRUConfig(
        units=(6, 3), num_layers=2, cell="rnn", attention="additive", instance_norm="standard"
    ),
    BiGRUConfig(units=4, bidirectional=False, num_layers=2, instance_norm="none"),
    BiGRUConfig(units=4, bidirectional=False, cell="lstm", decoder="direct", attention="additive"),
    BiGRUConfig(units=4, decoder="direct", attention="dot", instance_norm="standard"),
    BiGRUConfig(units=4, decoder="direct", cell="rnn", instance_norm="none"),
]


def settings_of(config: BiGRUConfig) -> str:
    return "-".join(str(value) for value in config.model_dump(exclude_defaults=True).values())


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("num_quantiles", [0, 4])
@pytest.mark.parametrize("config", COMBINATIONS, ids=settings_of)
def test_forecast_equals_reference_in_float64(config: BiGRUConfig, num_quantiles: int) -> None:
    shape = full_shape(num_quantiles=num_quantiles)
    model, inputs = shuffled(build_bigru(config, shape)), random_inputs(shape, 3, dtype="float64")
    expected = reference.predict(config, shape, inputs, weights_of(model))
    np.testing.assert_allclose(np.asarray(model(inputs)), expected, rtol=0, atol=1e-12)


def one_step_errors(
    config: BiGRUConfig, steps: int, dtype: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Largest error per step, of single steps from the model's own state and of the whole
    recurrence."""
    shape = WindowShape(steps, 2, num_past=4)
    with drawing_seeds(0):
        model = build_bigru(config, shape)
    layer = model.get_layer("encoder_0")
    outputs = tf.function(keras.Model(model.inputs, layer.output[0]))
    inputs = random_inputs(shape, 4, dtype=dtype)
    states = np.asarray(outputs(inputs), np.float64)
    past = inputs["past"].copy()
    past[:, :, :1] -= inputs["past"][
        :, -1:, :1
    ]  # in the model's precision: the encoder is judged on what it reads
    past = past.astype(np.float64)
    weights, units = weights_of(model), config.widths[0]
    single, whole = np.zeros(steps), np.zeros(steps)
    for direction, own in (("forward", states[..., :units]), ("backward", states[..., units:])):
        cell = reference.under(weights, f"encoder_0/{direction}_encoder_0")
        back = direction == "backward"
        expected, _ = reference.run_cell("gru", past, cell, backwards=back)
        whole = np.maximum(whole, np.abs(own - expected).max(axis=(0, 2)))
        before = np.zeros_like(own)
        if back:
            before[:, :-1] = own[:, 1:]
        else:
            before[:, 1:] = own[:, :-1]
        (step,) = reference.gru_step(past, (before,), cell)
        single = np.maximum(single, np.abs(own - step).max(axis=(0, 2)))
    return single, whole


@pytest.mark.parametrize("steps", [1, 24, 720])
def test_encoder_steps_agree_to_2e_7_in_float32(steps: int) -> None:
    single, whole = one_step_errors(BiGRUConfig(), steps, "float32")
    assert max(single.max(), whole.max()) < 2e-7


@pytest.mark.usefixtures("double")
def test_encoder_agrees_to_1e_12_over_720_steps_in_float64() -> None:
    single, whole = one_step_errors(BiGRUConfig(units=16), 720, "float64")
    assert max(single.max(), whole.max()) < 1e-12


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("config", COMBINATIONS, ids=settings_of)
def test_gradients_equal_finite_differences_of_reference(config: BiGRUConfig) -> None:
    shape = full_shape(num_quantiles=3)
    model, inputs = shuffled(build_bigru(config, shape)), random_inputs(shape, 3, dtype="float64")
    target = np.random.default_rng(7).normal(size=(3, shape.horizon, shape.num_targets))
    levels = (0.1, 0.5, 0.8)
    with tf.GradientTape() as tape:
        measure = make_cell_losses("quantile", quantile_levels=levels)
        loss = tf.reduce_mean(measure(tf.constant(target), model(inputs))[0])
    gradients = tape.gradient(loss, [one.value for one in model.trainable_variables])
    weights, generator = weights_of(model), np.random.default_rng(3)

    def slow_loss(path: str, value: NDArray[np.float64]) -> float:
        error = target[..., None] - reference.predict(
            config, shape, inputs, {**weights, path: value}
        )
        return float(
            np.mean(
                [
                    np.maximum(q * error[..., i], (q - 1) * error[..., i])
                    for i, q in enumerate(levels)
                ]
            )
        )

    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        exact, at = np.asarray(tf.convert_to_tensor(gradient)), weights[variable.path]
        for _ in range(2):
            place = tuple(int(generator.integers(size)) for size in at.shape)
            slope = reference.finite_difference(
                lambda value, path=variable.path: slow_loss(path, value), at, place, 1e-6
            )
            np.testing.assert_allclose(
                exact[place], slope, rtol=2e-6, atol=2e-9, err_msg=f"{variable.path}{place}"
            )


def expected_weights(config: BiGRUConfig, shape: WindowShape) -> int:
    """The number of weights as the builder's docstring says it."""

    def recurrent(reads: int, units: int) -> int:
        gates, biases = {"gru": (3, 2), "lstm": (4, 1), "rnn": (1, 1)}[config.cell]
        return gates * units * (reads + units + biases)

    def embedding(sizes: tuple[int, ...]) -> tuple[int, int]:
        widths = [int(np.ceil(np.sqrt(size))) + 1 for size in sizes]
        return sum(widths), sum(size * width for size, width in zip(sizes, widths, strict=True))

    (past, past_count), (known, known_count) = (
        embedding(shape.past_categories),
        embedding(shape.known_categories),
    )
    (static, static_count), (step, step_count) = (
        embedding(shape.static_categories),
        embedding((shape.horizon,)),
    )
    per_series, count = (
        shape.num_static + static,
        past_count + known_count + static_count + step_count,
    )
    reads, ways, units = (
        shape.num_past + past + per_series,
        1 + config.bidirectional,
        config.widths[-1],
    )
    for width in config.widths:
        count += ways * recurrent(reads, width)
        reads = ways * width
    memory = config.cell == "lstm" and config.decoder == "recurrent"
    count += (1 + memory) * (ways * units + 1) * units
    step_reads = step + shape.num_known + known + per_series
    if config.decoder == "recurrent":
        count += recurrent(step_reads, units)
    else:
        count += (units + 1) * shape.horizon * units + (units + step_reads + 1) * units
    if config.attention != "none":
        count += ways * units * units + 2 * units * units
    if config.attention == "additive":
        count += units * units + units
    return count + (units + 1) * shape.num_targets * max(1, shape.num_quantiles)


@pytest.mark.parametrize("config", COMBINATIONS, ids=settings_of)
def test_number_of_weights_is_that_of_the_docstring(config: BiGRUConfig) -> None:
    shape = full_shape(num_quantiles=3)
    assert build_model(config, shape).count_params() == expected_weights(config, shape)


def test_seed_decides_the_first_weights_and_leaves_random_alone() -> None:
    shape = full_shape()
    random.seed(3)
    expected = random.random()
    random.seed(3)
    one, same, other = (
        build_model(BiGRUConfig(units=4), shape, seed=seed).get_weights() for seed in (1, 1, 2)
    )
    assert random.random() == expected
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_units_must_fit_the_layers() -> None:
    with pytest.raises(
        ConfigError, match=r"units has 3 numbers for num_layers: 2; give one number"
    ):
        BiGRUConfig(num_layers=2, units=(4, 4, 4))
