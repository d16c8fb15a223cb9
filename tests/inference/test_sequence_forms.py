"""Networks for sequences in NumPy: what Keras computes, in a process without it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import (
    CategoryForecaster,
    CategorySettings,
    Classification,
    Classifier,
    NextSymbol,
    NextSymbolSettings,
)
from forecast.classification.saved.sequence_networks import golden_batch
from forecast.models.sequence_network import SequenceNetwork

QUICK = {"training": {"epochs": 1, "seeds": 1}}


def batch_for(classifier: Classifier, length: int) -> dict[str, np.ndarray]:
    """Random sequences of other lengths than those of training."""
    return golden_batch(replace(classifier.fitted.encoding.shape, length=length))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_pooling_is_that_of_keras(pooling: str, bidirectional: bool) -> None:
    model = {"units": 5, "num_layers": 2, "pooling": pooling, "bidirectional": bidirectional}
    classifier = Classifier(Classification(model=model, **QUICK)).fit(waves(12))
    _compare(classifier, 17)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_every_cell_is_that_of_keras(cell: str) -> None:
    settings = Classification(
        data={"text_col": "text"}, model={"units": 5, "cell": cell, "pooling": "last"}, **QUICK
    )
    _compare(Classifier(settings).fit(reviews(12)), 9)


def test_a_sigmoid_for_each_label_is_that_of_keras() -> None:
    table = waves(12)
    table["label"] = table["label"].map({"up": "up|fast", "down": "down"})
    settings = Classification(data={"label_separator": "|"}, model={"units": 4}, **QUICK)
    _compare(Classifier(settings).fit(table), 9)


def _compare(classifier: Classifier, length: int) -> None:
    (network,) = classifier.fitted.networks
    assert network.forward is not None
    batch = batch_for(classifier, length)
    expected = np.asarray(network.in_keras(length)(batch, training=False))
    np.testing.assert_allclose(network(batch), expected, atol=1e-6)
    # steps behind the ends change nothing, and neither do other sequences
    longer = {
        name: np.pad(array, [(0, 0), (0, 3), (0, 0)], constant_values=3)
        for name, array in batch.items()
        if array.ndim == 3
    }
    np.testing.assert_array_equal(network({**batch, **longer}), network(batch))
    alone = {name: array[1:2] for name, array in batch.items()}
    np.testing.assert_array_equal(network(alone), network(batch)[1:2])


def test_states_come_out_beside_the_logits() -> None:
    settings = NextSymbolSettings(
        model={"units": 6, "num_layers": 2, "cell": "lstm"},
        training={"epochs": 1, "batch_size": 2, "length": 8},
    )
    table = pd.DataFrame({"id": 1, "symbol": list("abcab") * 20})
    network = NextSymbol(settings).fit(table).fitted.network
    assert network.forward is not None
    draw = np.random.default_rng(0)
    inputs: dict[str, Any] = {"symbols": draw.integers(0, 5, (1, 11)).astype(np.int32)}
    for layer in range(2):
        for part in range(2):
            inputs[f"state_{layer}_{part}"] = draw.normal(size=(1, 6)).astype(np.float32)
    model = network.in_keras(11)
    expected = model([inputs[tensor.name] for tensor in model.inputs], training=False)
    outputs = network.outputs(inputs)
    assert len(outputs) == len(expected) == 5
    for own, of_keras in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(own, np.asarray(of_keras), atol=2e-6)


def test_a_layer_without_a_form_runs_in_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.inference.forms import FORMS

    classifier = Classifier(Classification(model={"units": 3}, **QUICK)).fit(waves(12))
    (network,) = classifier.fitted.networks
    batch = batch_for(classifier, 9)
    expected = network(batch)
    monkeypatch.delitem(FORMS, "forecast.Pooling")
    other = SequenceNetwork(network.graph, network.weights, network.make)
    with pytest.warns(UserWarning, match="start Keras and TensorFlow"):
        assert other.forward is None
    np.testing.assert_allclose(other(batch), expected, atol=1e-6)


PROGRAM = """
import sys
import pandas as pd
from forecast import CategoryForecaster, Classifier, NextSymbol

table = pd.read_csv("waves.csv")
classifier = Classifier.load("classes")
print(classifier.predict(table)["bigru"].tolist()[:4])
print(classifier.evaluate(table).verdict()[:5])
print(len(CategoryForecaster.load("categories").predict("states.csv")))
model = NextSymbol.load("symbols")
print(model.generate(["a"], 2, temperature=0.0))
print(len(model.scores("symbols.csv")))
print([name for name in ("keras", "tensorflow") if name in sys.modules])
"""


@pytest.mark.proof
def test_nothing_starts_tensorflow(tmp_path: Path) -> None:
    waves(12).to_csv(tmp_path / "waves.csv", index=False)
    states = pd.DataFrame({"id": 1, "step": range(60), "state": ["a", "b", "b"] * 20})
    states.to_csv(tmp_path / "states.csv", index=False)
    states.rename(columns={"state": "symbol"}).to_csv(tmp_path / "symbols.csv", index=False)
    Classifier(Classification(model={"units": 3}, **QUICK)).fit(waves(12)).save(
        tmp_path / "classes"
    )
    settings = CategorySettings(model={"units": 3}, training={"epochs": 1})
    forecaster = CategoryForecaster(settings).fit(tmp_path / "states.csv")
    forecaster.save(tmp_path / "categories")
    quick = {"epochs": 1, "batch_size": 2, "length": 8}
    symbols = NextSymbol(NextSymbolSettings(model={"units": 3}, training=quick))
    symbols.fit(tmp_path / "symbols.csv").save(tmp_path / "symbols")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last == "[]"
