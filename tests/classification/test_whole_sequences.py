"""The classifier's network is that of Keras' own masked layers, whatever the padding."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from forecast.layers.whole_sequences import NeighbourFilters, Pooling, ReverseSteps
from forecast.models.bigru_classifier import (
    BiGRUClassifierConfig,
    SequenceShape,
    build_bigru_classifier,
)

LENGTHS = np.array([1, 4, 9, 6], np.int32)
LENGTH, CHANNELS = 9, 3
SHAPE = SequenceShape(CHANNELS, (), (), 4, LENGTH)


def batch(length: int = LENGTH) -> dict[str, np.ndarray]:
    steps = np.random.default_rng(0).normal(size=(4, LENGTH, CHANNELS)).astype(np.float32)
    steps[np.arange(LENGTH) >= LENGTHS[:, None]] = 0.0
    more = np.zeros((4, length - LENGTH, CHANNELS), np.float32)
    return {"numbers": np.concatenate([steps, more], axis=1), "lengths": LENGTHS}


def make(seed: int = 0, shape: SequenceShape = SHAPE, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_bigru_classifier(BiGRUClassifierConfig(units=5, **settings), shape)


def test_steps_are_turned_within_each_length() -> None:
    given = batch()["numbers"]
    turned = np.asarray(ReverseSteps()(given, LENGTHS))
    for row, length in enumerate(LENGTHS):
        assert (turned[row, :length] == given[row, :length][::-1]).all()
        assert (turned[row, length:] == given[row, length:]).all()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_last_step_is_that_of_masked_layers_of_keras(cell: str, num_layers: int) -> None:
    model = make(cell=cell, num_layers=num_layers, pooling="last")
    kinds = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "rnn": keras.layers.SimpleRNN}
    steps = keras.Input((LENGTH, CHANNELS))
    mask = keras.Input((LENGTH,), dtype="bool")
    outputs = steps
    wrappers = []
    for number in range(num_layers):
        is_last = number == num_layers - 1
        layer = kinds[cell](5, return_sequences=not is_last)
        wrappers.append(keras.layers.Bidirectional(layer))
        outputs = wrappers[-1](outputs, mask=mask)
    head = keras.layers.Dense(4, activation="softmax")
    peer = keras.Model([steps, mask], head(outputs))
    for number, wrapper in enumerate(wrappers):
        for side in ("forward", "backward"):
            weights = model.get_layer(f"encoder_{number}_{side}").get_weights()
            getattr(wrapper, f"{side}_layer").set_weights(weights)
    head.set_weights(model.get_layer("logits").get_weights())

    given = batch()
    is_inside = np.arange(LENGTH) < LENGTHS[:, None]
    np.testing.assert_allclose(
        model(given), peer([given["numbers"], is_inside]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("filters", [None, 6])
def test_padding_changes_nothing(pooling: str, bidirectional: bool, filters: int | None) -> None:
    settings = {"pooling": pooling, "bidirectional": bidirectional, "num_layers": 2}
    settings |= {"filters": filters, "stride": 2}
    model = make(**settings)
    longer = make(1, SequenceShape(CHANNELS, (), (), 4, 20), **settings)
    longer.set_weights(model.get_weights())
    expected = np.asarray(model(batch()))
    np.testing.assert_allclose(longer(batch(20)), expected, rtol=1e-5, atol=1e-6)
    noisy = batch(20)
    noisy["numbers"][np.arange(20) >= LENGTHS[:, None]] = 1e3
    np.testing.assert_allclose(longer(noisy), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["mean", "max", "attention"])
def test_pooling_of_one_sequence_is_that_without_padding(how: str) -> None:
    pooling = Pooling(how, True)
    steps = batch()["numbers"]
    pooled = np.asarray(pooling(steps, LENGTHS))
    for row, length in enumerate(LENGTHS):
        alone = pooling(steps[row : row + 1, :length], LENGTHS[row : row + 1])
        np.testing.assert_allclose(alone[0], pooled[row], rtol=1e-5, atol=1e-6)
        if how == "mean":
            np.testing.assert_allclose(steps[row, :length].mean(axis=0), pooled[row], atol=1e-6)
        if how == "max":
            np.testing.assert_allclose(steps[row, :length].max(axis=0), pooled[row])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_filters_are_those_written_out(stride: int, training: bool) -> None:
    keras.utils.set_random_seed(0)
    layer = NeighbourFilters(3, 5, stride)
    given = batch()["numbers"]
    found, lengths = layer(given, LENGTHS, training=training)
    kernel = np.asarray(layer.convolution.kernel)  # (width, C, F)
    sums = np.zeros((*given.shape[:2], 3))
    for row, length in enumerate(LENGTHS):
        for step in range(length):
            for place in range(5):
                at = step + place - 2
                if 0 <= at < length:
                    sums[row, step] += given[row, at] @ kernel[place]
    inside = np.concatenate([sums[row, :length] for row, length in enumerate(LENGTHS)])
    mean, variance = (inside.mean(axis=0), inside.var(axis=0)) if training else (0.0, 1.0)
    scaled = np.maximum(0.0, (sums - mean) / np.sqrt(variance + layer.scale.epsilon))
    assert lengths.numpy().tolist() == [-(-length // stride) for length in LENGTHS]
    for row, length in enumerate(LENGTHS):
        for group, start in enumerate(range(0, length, stride)):
            expected = scaled[row, start : min(length, start + stride)].mean(axis=0)
            np.testing.assert_allclose(found[row, group], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"filters": 6, "stride": 2, "pooling": "max"}])
def test_batches_of_any_length_give_the_same(settings: dict[str, Any]) -> None:
    model = make(**settings)
    any_length = make(1, SequenceShape(CHANNELS, (), (), 4, None), **settings)
    any_length.set_weights(model.get_weights())
    np.testing.assert_allclose(any_length(batch(12)), model(batch()), rtol=1e-5, atol=1e-6)


def test_model_is_saved_and_loaded_by_keras(tmp_path: Any) -> None:
    model = make(pooling="attention", filters=4, stride=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(batch()), model(batch()))
