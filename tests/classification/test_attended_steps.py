"""Weights of the steps are those of Keras' own layer, and their sum over a sequence is 1."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from labelled import reviews, waves

from forecast import Classification, Classifier
from forecast.classification.encoding import padded
from forecast.errors import ConfigError

QUICK = {"epochs": 2, "seeds": 2, "learning_rate": 0.05}


def fitted(table: Any, *, data: Any = None, training: Any = None, **model: Any) -> Classifier:
    settings = {"data": data or {}, "training": {**QUICK, **(training or {})}}
    model = {"units": 4, "pooling": "attention", **model}
    return Classifier(Classification(**settings, model=model)).fit(table)


def in_keras(model: keras.Model, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Return the (B, L / stride) weights, with the softmax written out over each sequence."""
    pooling = model.get_layer("pooling")
    outputs, lengths = keras.Model(model.inputs, pooling.input)(batch)
    scores = np.asarray(pooling.score(pooling.hidden(outputs)), np.float64)[:, :, 0]
    weights = np.zeros_like(scores)
    for row, length in enumerate(np.asarray(lengths)):
        raised = np.exp(scores[row, :length] - scores[row, :length].max())
        weights[row, :length] = raised / raised.sum()
    return weights


@pytest.mark.parametrize("filters", [{"filters": None}, {"filters": 5, "stride": 3}])
def test_weights_are_those_of_the_layers_of_keras(filters: dict[str, Any]) -> None:
    table = waves(20)
    classifier = fitted(table, **filters)
    state = classifier.fitted
    frame = classifier.attention(table)
    assert frame.columns.tolist() == ["id", "step", "weight"]
    assert frame[["id", "step"]].to_numpy().tolist() == table[["id", "step"]].to_numpy().tolist()
    np.testing.assert_allclose(frame.groupby("id")["weight"].sum(), 1.0, atol=1e-6)

    sequences = classifier._read(table, has_labels=False)
    rows = state.encoding.rows(sequences)
    batch = padded(rows, np.arange(20))
    of_networks = [in_keras(model, batch) for model in longest(state, batch)]
    stride = filters.get("stride", 1)
    expected = []
    for row, length in enumerate(rows.lengths):
        for step in range(length):
            group = step // stride
            size = min(stride, length - group * stride)
            expected.append(np.mean([weights[row, group] for weights in of_networks]) / size)
    np.testing.assert_allclose(frame["weight"], expected, rtol=1e-4, atol=1e-6)
    assert frame["weight"].std() > 0


def longest(state: Any, batch: dict[str, np.ndarray]) -> list[keras.Model]:
    return [network.in_keras(batch["numbers"].shape[1]) for network in state.networks]


def test_a_network_without_a_form_in_numpy_has_the_same_weights() -> None:
    classifier = fitted(waves(12), training={"seeds": 1})
    (network,) = classifier.fitted.networks
    sequences = classifier._read(waves(12), has_labels=False)
    batch = padded(classifier.fitted.encoding.rows(sequences), np.arange(12))
    of_keras = dataclasses.replace(network, graph=None)
    np.testing.assert_allclose(
        of_keras.step_weights(batch), network.step_weights(batch), rtol=1e-4, atol=1e-6
    )


def test_the_telling_word_has_the_largest_weight(tmp_path: Path) -> None:
    training = {"epochs": 15, "seeds": 1}
    classifier = fitted(reviews(200), data={"text_col": "text"}, training=training)
    classifier.save(tmp_path / "model")
    frame = Classifier.load(tmp_path / "model").attention(reviews(40, seed=5))
    assert frame.columns.tolist()[1:] == ["step", "word", "weight"]
    (id_col, *_) = frame.columns
    heaviest = frame.loc[frame.groupby(id_col)["weight"].idxmax(), "word"]
    assert heaviest.isin(["great", "awful"]).mean() > 0.9


def test_another_pooling_has_no_weights() -> None:
    classifier = fitted(waves(12), pooling="mean", training={"seeds": 1})
    with pytest.raises(ConfigError, match=r"model\.pooling is 'mean', which has no weights"):
        classifier.attention(waves(12))
