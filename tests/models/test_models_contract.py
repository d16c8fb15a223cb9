"""What every entry of `MODELS` must do, and that every setting of it is live."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from window_arrays import full_shape, learnable_source, random_inputs

from forecast.experiment.settings import TrainingConfig
from forecast.models import MODELS, build_model
from forecast.section import OneOf, Section
from forecast.training import train
from forecast.windows.index import WindowShape

SMALL: dict[str, dict[str, Any]] = {
    "bigru": {"units": 6, "dropout": 0.0},
    "segment_bigru": {"units": 6, "dropout": 0.0, "segment_length": 2},
}
"""Settings that make a small model, per name."""

CHANGES: dict[str, dict[str, Any]] = {
    "bigru": {
        "cell": "lstm",
        "bidirectional": False,
        "num_layers": 2,
        "units": 5,
        "dropout": 0.5,
        "recurrent_dropout": 0.5,
        "l2": 0.1,
        "decoder": "direct",
        "attention": "dot",
        "instance_norm": "standard",
    },
    "segment_bigru": {
        "cell": "lstm",
        "bidirectional": False,
        "num_layers": 2,
        "units": 5,
        "dropout": 0.5,
        "recurrent_dropout": 0.5,
        "l2": 0.1,
        "segment_length": 3,
        "decoder": "recurrent",
        "channels": "joint",
        "attention": "dot",
        "instance_norm": "standard",
    },
}
"""Another value of every setting."""


def small(name: str, **settings: Any) -> Any:
    return MODELS[name].config(name=name, **{**SMALL[name], **settings})


def choices(config: type[Section], field: str) -> tuple[str, ...]:
    """The names that a field takes: those of a `Literal`, or of a table."""
    info = config.model_fields[field]
    for marker in info.metadata:
        if isinstance(marker, OneOf):
            return tuple(marker.names())
    return get_args(info.annotation)


def combinations(name: str) -> list[tuple[Any, int]]:
    """Settings and number of quantiles in which every two choices of two fields meet, greedily few
    of them."""
    config = MODELS[name].config
    fields = [field for field in config.model_fields if field != "name" and choices(config, field)]
    fields = [
        field for field in fields if all(isinstance(one, str) for one in choices(config, field))
    ]
    options = [*(choices(config, field) for field in fields), (True, False), (0, 3)]

    def pairs(values: tuple[Any, ...]) -> set[Any]:
        return set(itertools.combinations(enumerate(values), 2))

    every = list(itertools.product(*options))
    missing, chosen = set().union(*map(pairs, every)), []
    while missing:
        best = max(every, key=lambda values: len(pairs(values) & missing))
        missing -= pairs(best)
        *settings, bidirectional, num_quantiles = best
        named = dict(zip(fields, settings, strict=True), bidirectional=bidirectional)
        chosen.append((small(name, **named), num_quantiles))
    return chosen


def output(model: Any, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    return np.asarray(tf.function(model)(inputs))


def quick_and_proofs() -> Iterator[Any]:
    """Yield all combinations; the first of each architecture and cell is quick."""
    seen = set()
    for name in MODELS:
        for config, num_quantiles in combinations(name):
            key = (name, config.cell)
            marks = [pytest.mark.proof] if key in seen else []
            seen.add(key)
            yield pytest.param(config, num_quantiles, marks=marks)


@pytest.mark.parametrize(("config", "num_quantiles"), list(quick_and_proofs()), ids=str)
def test_every_combination_learns(config: Any, num_quantiles: int) -> None:
    shape = full_shape(num_quantiles=num_quantiles)
    source = learnable_source(shape, 32)
    settings = TrainingConfig(
        loss="quantile" if num_quantiles else "mse",
        schedule="constant",
        epochs=3,
        batch_size=32,
        windows_per_epoch=None,
        learning_rate=3e-3,
        patience=None,
    )
    history = train(build_model(config, shape), source, None, settings).history
    assert history.loss[0] > history.loss[1] > history.loss[2]


@pytest.mark.parametrize("name", MODELS)
def test_entry_is_named_like_its_config(name: str) -> None:
    assert choices(MODELS[name].config, "name") == (name,)
    assert build_model(small(name), full_shape()).name == name


@pytest.mark.parametrize(
    ("name", "decoder"),
    [(name, one) for name in MODELS for one in choices(MODELS[name].config, "decoder")],
)
def test_every_input_reaches_the_forecast(name: str, decoder: str) -> None:
    shape = full_shape()
    model, inputs = build_model(small(name, decoder=decoder), shape), random_inputs(shape, 4)
    forecast = tf.function(model)
    before = np.asarray(forecast(inputs))
    for key, array in inputs.items():
        for channel in range(array.shape[-1]):
            changed = array.copy()
            column = changed[..., channel]
            changed[..., channel] = (
                1 + column if array.dtype.kind == "f" else np.where(column == 0, 1, 0)
            )
            if key == "past" and channel < shape.num_targets:
                changed[:, -1, channel] = array[
                    :, -1, channel
                ]  # else the whole level moves, and is put back
            moved = np.abs(np.asarray(forecast({**inputs, key: changed})) - before).max()
            assert moved > 1e-6, (key, channel)


@pytest.mark.parametrize("name", MODELS)
def test_inputs_of_the_smallest_shape_are_enough(name: str) -> None:
    shape = WindowShape(context_length=1, horizon=1)
    model = build_model(small(name), shape)
    assert set(model.input) == {"past"}
    assert np.isfinite(output(model, random_inputs(shape, 2))).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_window_is_forecast_alike_in_any_batch(name: str) -> None:
    shape = full_shape()
    model, inputs = (
        tf.function(build_model(small(name, attention="additive"), shape)),
        random_inputs(shape, 65),
    )
    together = np.asarray(model(inputs))
    for rows in (slice(0, 1), slice(3, 10), slice(64, 65)):
        alone = np.asarray(model({key: array[rows] for key, array in inputs.items()}))
        np.testing.assert_allclose(alone, together[rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize("instance_norm", ["none", "last", "standard"])
@pytest.mark.parametrize("name", MODELS)
def test_quantiles_are_in_order_whatever_the_weights(name: str, instance_norm: str) -> None:
    shape = full_shape(num_quantiles=5)
    model, inputs = (
        build_model(small(name, instance_norm=instance_norm), shape),
        random_inputs(shape, 64),
    )
    generator, forecast = np.random.default_rng(0), tf.function(model)
    inputs["past"] *= 1000
    for scale in (1e-3, 1.0, 30.0):
        model.set_weights([generator.normal(0, scale, one.shape) for one in model.get_weights()])
        assert (np.diff(np.asarray(forecast(inputs)), axis=-1) >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_last_value_norm_moves_with_the_level(name: str) -> None:
    shape = full_shape()
    model, inputs = build_model(small(name, instance_norm="last"), shape), random_inputs(shape, 8)
    moved = inputs["past"].copy()
    moved[..., : shape.num_targets] += 16.0
    after = output(model, {**inputs, "past": moved})
    np.testing.assert_allclose(after, output(model, inputs) + 16.0, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_standard_norm_moves_with_level_and_scale_and_survives_a_constant(name: str) -> None:
    shape = full_shape()
    model, inputs = (
        build_model(small(name, instance_norm="standard"), shape),
        random_inputs(shape, 8),
    )
    moved = inputs["past"].copy()
    moved[..., : shape.num_targets] = 8.0 * moved[..., : shape.num_targets] - 4.0
    after = output(model, {**inputs, "past": moved})
    np.testing.assert_allclose(after, output(model, inputs) * 8.0 - 4.0, rtol=0, atol=1e-4)
    moved[..., : shape.num_targets] = np.float32(0.1)
    assert np.isfinite(output(model, {**inputs, "past": moved})).all()


@cache
def built(config: Any) -> Any:
    return build_model(config, full_shape())


def size_of(config: Any) -> Any:
    return built(config).count_params()


def own_losses(config: Any) -> Any:
    return sum(float(loss) for loss in built(config).losses)


@cache
def forecast_of(config: Any) -> Any:
    return output(built(config), random_inputs(full_shape(), 4))


@cache
def learned_from(config: Any) -> Any:
    """The output in training, where there is dropout."""
    model = built(config)
    return np.asarray(
        tf.function(lambda one: model(one, training=True))(random_inputs(full_shape(), 4))
    )


OBSERVED: list[Callable[[Any], Any]] = [size_of, own_losses, forecast_of, learned_from]
"""What can be observed of a model, the cheapest first."""


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (name, field)
        for name in MODELS
        for field in MODELS[name].config.model_fields
        if field != "name"
    ],
)
def test_every_setting_changes_something(name: str, field: str) -> None:
    usual, changed = small(name), small(name, **{field: CHANGES[name][field]})
    assert any(not np.array_equal(observe(usual), observe(changed)) for observe in OBSERVED)
