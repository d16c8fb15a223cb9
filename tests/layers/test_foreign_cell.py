"""A cell that is no part of the package: an entry in the table is all it needs, from settings to a
saved model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from forecast.errors import ConfigError, ForecastWarning
from forecast.experiment.file import parse_experiment
from forecast.experiment.settings import (
    EvaluationConfig,
    Experiment,
    TrainingConfig,
    WindowsConfig,
)
from forecast.forecasting.forecaster import Forecaster
from forecast.inference.array_forms import sigmoid
from forecast.inference.cell_steps import CELL_FORMS, CellForm
from forecast.inference.forward import ForwardPass
from forecast.inference.row_blocks import Kernel
from forecast.layers.encoder import CELLS, CellKind
from forecast.models import build_model, keras_network
from forecast.models.bigru import BiGRUConfig
from forecast.section import wording
from forecast.windows.index import WindowShape

HOURS = 96


@keras.saving.register_keras_serializable("foreign")
class MinimalGatedCell(keras.layers.Layer):
    """Zhou et al. 2016, arXiv 1603.09420: a GRU whose forget gate f is update and reset gate.

    f = sigmoid(W_f [h, x] + b_f)    g = tanh(W_h [f h, x] + b_h)    h' = (1 - f) h + f g
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        rows = self.units + input_shape[-1]
        for name in ("forget", "candidate"):
            setattr(self, name, self.add_weight((rows, self.units), name=name))
            setattr(self, f"{name}_bias", self.add_weight((self.units,), "zeros", name=f"{name}_b"))

    def call(self, x: Any, states: Any, training: bool = False) -> Any:  # noqa: ARG002
        h = states[0]
        f = ops.sigmoid(ops.concatenate([h, x], -1) @ self.forget + self.forget_bias)
        g = ops.tanh(ops.concatenate([f * h, x], -1) @ self.candidate + self.candidate_bias)
        h = (1 - f) * h + f * g
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("foreign")
class MinimalGated(keras.layers.RNN):
    """The cell above in the loop of Keras; it has no dropout and no penalty."""

    def __init__(self, cell: Any, **options: Any) -> None:
        """Take the cell, as `keras.layers.RNN` does to copy itself, or its number of units."""
        for name in ("dropout", "recurrent_dropout", "kernel_regularizer", "recurrent_regularizer"):
            options.pop(name, None)
        if isinstance(cell, int):
            cell = MinimalGatedCell(cell)
        super().__init__(cell, **options)


def minimal_gated(options: dict[str, Any], weights: Sequence[Any]) -> CellForm:
    """The cell above in NumPy."""
    forget, forget_bias, candidate, candidate_bias = weights
    (units,) = options["state_sizes"]
    of_input = Kernel(np.concatenate([forget[units:], candidate[units:]], axis=1))
    bias = np.concatenate([forget_bias, candidate_bias])
    of_state = Kernel(forget[:units])
    of_forgotten = Kernel(candidate[:units])

    def step(x: Any, states: Sequence[Any]) -> list[Any]:
        (h,) = states
        f = sigmoid(x[:, :units] + of_state.product(h))
        g = np.tanh(x[:, units:] + of_forgotten.product(f * h))
        return [(1 - f) * h + f * g]

    return CellForm(lambda x: of_input.product(x) + bias, step)


@pytest.fixture(autouse=True)
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One entry more in the table, and settings described anew before and after."""
    monkeypatch.setitem(CELLS, "mgu", CellKind(lambda: MinimalGated))
    wording.schema_of.cache_clear()
    yield
    wording.schema_of.cache_clear()


@pytest.mark.parametrize("decoder", ["recurrent", "direct"])
def test_a_foreign_cell_is_trained_saved_and_loaded(
    decoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = pd.date_range("2024-03-01", periods=HOURS, freq="h")
    values = 5 + np.sin(2 * np.pi * np.arange(HOURS) / 24)
    table = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": values})
    config = Experiment(
        windows=WindowsConfig(context_length=8, horizon=3),
        model=BiGRUConfig(units=4, cell="mgu", decoder=decoder),
        training=TrainingConfig(epochs=1, batch_size=64, patience=None),
        evaluation=EvaluationConfig(validation_size=0, test_size=12),
    )
    forecaster = Forecaster(config).fit(table)
    forecast = forecaster.predict().values

    forecaster.save(tmp_path / "model")
    monkeypatch.setattr(keras_network, "WARNED", set())
    with pytest.warns(ForecastWarning, match="(MinimalGated|Bidirectional), has no form in NumPy"):
        loaded = Forecaster.load(tmp_path / "model")
    assert loaded.config.model.cell == "mgu"
    assert loaded.predict(table).values.tobytes() == forecast.tobytes()

    # With an entry in the table of cells it needs no Keras.
    name = f"{MinimalGated.__module__}.{MinimalGated.__qualname__}"
    monkeypatch.setitem(CELL_FORMS, name, minimal_gated)
    with_form = Forecaster.load(tmp_path / "model")
    assert isinstance(with_form.fitted.network, ForwardPass)
    np.testing.assert_allclose(with_form.predict(table).values, forecast, rtol=0, atol=1e-6)


def test_its_weights_are_those_of_its_equations() -> None:
    """Two matrices (U + C, U) and two biases (U,), in two directions and in the decoder."""
    shape = WindowShape(context_length=6, horizon=2)
    model = build_model(BiGRUConfig(units=3, cell="mgu"), shape)
    sizes = {layer.name: layer.count_params() for layer in model.layers}
    assert sizes["encoder_0"] == 2 * 2 * ((3 + 1) * 3 + 3)
    step_embedding = model.get_layer("step_embedding").output.shape[-1]
    assert sizes["decoder"] == 2 * ((3 + step_embedding) * 3 + 3)


def test_a_wrong_name_is_refused_with_the_names_of_the_table() -> None:
    with pytest.raises(
        ConfigError, match=r"cell is \"mgru\"; expected 'gru', 'lstm', 'rnn' or 'mgu'$"
    ):
        BiGRUConfig(cell="mgru")
    with pytest.raises(
        ConfigError, match="cell is \"mgru\"; expected 'gru', 'lstm', 'rnn' or 'mgu'"
    ):
        parse_experiment("model: {name: bigru, cell: mgru}")
    assert parse_experiment("model: {name: bigru, cell: mgu}").model.cell == "mgu"


def test_without_its_entry_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CELLS, "mgu")
    with pytest.raises(ConfigError, match=r"cell is \"mgu\"; expected 'gru', 'lstm' or 'rnn'$"):
        BiGRUConfig(cell="mgu")
