"""A network is trained with products in bfloat16, and forecasts with its float32 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from layers.test_bfloat16 import needs_bfloat16

from forecast import Experiment, Forecaster
from forecast.errors import TrainingError


def table() -> pd.DataFrame:
    """A daily wave with noise."""
    hours = np.arange(400)
    values = np.sin(2 * np.pi * hours / 24) + 0.2 * np.random.default_rng(0).normal(size=400)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=400, freq="h"), "y": values})


def experiment(precision: str, **model: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "windows": {"context_length": 24, "horizon": 6},
            "model": {"name": "bigru", "cell": "gru", "units": 16, **model},
            "training": {"precision": precision, "epochs": 3},
        }
    )


def fitted(precision: str) -> Forecaster:
    return Forecaster(experiment(precision)).fit(table(), verbose=0)


@needs_bfloat16
@pytest.mark.proof
def test_it_learns_nearly_the_same_and_is_recorded(tmp_path: Path) -> None:
    exact = fitted("float32")
    rounded = fitted("bfloat16")
    losses = exact.fitted.history.loss, rounded.fitted.history.loss
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)

    rounded.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.config.training.precision == "bfloat16"
    forecast = rounded.predict(table())
    np.testing.assert_array_equal(loaded.predict(table()).values, forecast.values)
    # the Keras model rounds nothing: as far from the forecast as float32 is
    inputs, _ = rounded._prepared.test.batch(np.arange(8))  # type: ignore[union-attr]
    outputs = rounded.keras_model()(inputs, training=False)
    np.testing.assert_allclose(rounded.fitted.network(inputs), outputs, rtol=0, atol=1e-6)


@needs_bfloat16
def test_a_cell_in_other_loops_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"does not run in C\+\+ here: pass"):
        Forecaster(experiment("bfloat16", cell="rnn")).fit(table(), verbose=0)


def test_without_the_loops_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.layers.precision.loaded_loops", lambda: (None, ""))
    with pytest.raises(TrainingError, match=r"no loops in C\+\+ \(they are turned off\)"):
        fitted("bfloat16")
