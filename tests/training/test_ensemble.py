"""Blends: the sum of their members, the best weights, and a fit that can be interrupted in any
member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import panel_of
from window_arrays import full_shape, random_inputs, shuffled

from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import (
    EnsembleConfig,
    EvaluationConfig,
    Experiment,
    TrainingConfig,
    TransformConfig,
    TransformsConfig,
    WindowsConfig,
)
from forecast.forecasting.artifact import load_artifact, save_artifact
from forecast.forecasting.forecaster import Forecaster
from forecast.layers.combination import LinearWindow
from forecast.models import SegmentBiGRUConfig
from forecast.models.keras_network import network_of
from forecast.training import EpochDone
from forecast.training.ensemble import Ensemble, build_ensemble
from forecast.training.ensemble_weights import (
    cautious_weights,
)
from forecast.training.judged_members import independent_windows, validation_errors
from forecast.training.linear_members import last_steps
from forecast.windows.index import index_windows

MODEL = SegmentBiGRUConfig(units=4, segment_length=2, dropout=0.2)
SHAPE = full_shape()
BLEND = EnsembleConfig(seeds=2, context_lengths=(4, 7), linear="member")


def built(**settings: Any) -> Ensemble:
    ensemble = build_ensemble(Experiment(model=MODEL, ensemble=EnsembleConfig(**settings)), SHAPE)
    for number, member in enumerate(ensemble.members):
        shuffled(member.model, seed=number)
    return ensemble


def test_an_ensemble_is_the_weighted_sum_of_its_members() -> None:
    ensemble, inputs = (
        built(seeds=2, context_lengths=(4, 7), linear="member"),
        random_inputs(SHAPE, 5),
    )
    outputs = np.stack([np.asarray(one.model(inputs)) for one in ensemble.members])
    assert len(ensemble.members) == BLEND.num_members == len(outputs) == 6
    np.testing.assert_allclose(
        np.asarray(ensemble.model(inputs)), outputs.mean(axis=0), rtol=0, atol=1e-6
    )
    weights = np.array([0.1, 0.0, 0.3, 0.2, 0.15, 0.25])
    ensemble.set_weights(weights)
    expected = np.tensordot(weights, outputs, axes=1)
    np.testing.assert_allclose(np.asarray(ensemble.model(inputs)), expected, rtol=0, atol=1e-6)
    assert list(ensemble.weights.values()) == pytest.approx(weights.tolist())


def test_a_member_looks_at_the_end_of_the_window_only() -> None:
    inputs = random_inputs(SHAPE, 3)
    for member in built(seeds=1, context_lengths=(4, 7), linear="member").members:
        before = np.asarray(member.model(inputs))
        for step in range(SHAPE.context_length):
            changed = {**inputs, "past": inputs["past"].copy()}
            changed["past"][:, step] += 1.0
            moved = not np.array_equal(np.asarray(member.model(changed)), before)
            assert moved == (step >= SHAPE.context_length - member.context_length), (
                member.name,
                step,
            )


def test_one_member_is_no_ensemble() -> None:
    ensemble = built(seeds=1, context_lengths=(), linear="none")
    assert ensemble.model is ensemble.members[0].model
    assert list(ensemble.weights.values()) == [1.0]


@pytest.mark.parametrize(
    ("rows", "stride", "expected"), [(100, 1, 100 / 4), (4, 1, 1.0), (100, 3, 100 / 4)]
)
def test_windows_that_overlap_count_once(rows: int, stride: int, expected: float) -> None:
    """100 rows to forecast, 4 at a time: as many as fit beside each other, however many there
    are."""
    panel = panel_of([range(12 + rows)] * 2)
    index = index_windows(panel, 12, 4, stride=stride)
    assert independent_windows(index) == pytest.approx(2 * expected, rel=0.03)


def waves(rows: int = 260) -> pd.DataFrame:
    hours, draw = np.arange(rows), np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": stamps,
                "y": level + np.sin(hours / 4) + 0.3 * draw.normal(size=rows),
            }
        )
        for name, level in (("a", 10.0), ("b", 50.0))
    ]
    return pd.concat(parts, ignore_index=True)


def experiment(**ensemble: Any) -> Experiment:
    return Experiment(
        windows=WindowsConfig(horizon=4, context_length=12),
        model=MODEL,
        transforms=TransformsConfig(target=(TransformConfig(name="standard"),)),
        training=TrainingConfig(
            loss="mse",
            epochs=3,
            batch_size=64,
            windows_per_epoch=None,
            patience=None,
            learning_rate=1e-2,
            schedule="constant",
            refit=False,
        ),
        ensemble=EnsembleConfig(
            **{"seeds": 1, "context_lengths": (6, 12), "linear": "member", "simple": (), **ensemble}
        ),
        evaluation=EvaluationConfig(validation_size=40, test_size=40),
    )


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    """The ensemble of `experiment()`, to be read and not fitted again."""
    return Forecaster(experiment()).fit(waves())


def test_an_ensemble_is_fitted_weighed_saved_and_loaded(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    weights = forecaster.fitted.training.weights
    assert list(weights) == [
        "context 6, seed 0",
        "context 12, seed 0",
        "linear, context 6",
        "linear, context 12",
    ]
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= 0
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fitted.training.weights == weights
    np.testing.assert_array_equal(loaded.predict(waves()).values, forecaster.predict().values)
    histories = forecaster.fitted.training.histories
    assert list(histories) == sorted(
        (name for name in weights if "seed" in name), key=lambda name: -weights[name]
    )
    assert list(loaded.fitted.training.histories.items()) == list(histories.items())
    assert loaded.fitted.history == histories[max(histories, key=lambda name: weights[name])]


def test_a_model_saved_with_the_losses_of_one_network_can_be_loaded(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    """As versions before those of every network were kept have written it."""
    forecaster.save(tmp_path / "model")
    stored = load_artifact(tmp_path / "model")
    meta = {name: value for name, value in stored.meta.items() if name != "histories"}
    save_artifact(tmp_path / "old", replace(stored, meta=meta))
    loaded = Forecaster.load(tmp_path / "old").fitted
    assert loaded.history == forecaster.fitted.history
    assert len(loaded.training.histories) == 1


def test_the_weights_are_those_of_the_errors_on_validation(forecaster: Forecaster) -> None:
    """Errors and overlap worked out anew, from the members inside the fitted ensemble."""
    ensemble_model = forecaster.fitted.model
    prepared = prepare(experiment(), waves())
    inputs, target = prepared.validation.batch(np.arange(len(prepared.validation)))
    members = [layer for layer in ensemble_model.layers if hasattr(layer, "layers")]
    errors = np.stack([(np.asarray(one(inputs)) - target)[..., 0] for one in members]).astype(
        np.float64
    )
    weights = cautious_weights(errors, np.array([False, False, True, True]), 2 * 40 / 4)
    weights[weights < 0.05] = 0.0
    weights /= weights.sum()
    np.testing.assert_allclose(
        np.asarray(ensemble_model.get_layer("blend").shares), weights, atol=1e-4
    )


def test_missing_targets_say_nothing_of_a_member() -> None:
    table = waves()
    table.loc[200:205, "y"] = (
        np.nan
    )  # in the validation part of series b is none; in that of a there is
    config = experiment()
    data = config.data.model_copy(update={"missing": "forward_fill"})
    prepared = prepare(config.model_copy(update={"data": data}), table)
    shape = prepared.features.shape(12, 4)
    members = build_ensemble(prepared.config, shape).members
    errors = validation_errors(prepared, [network_of(member.model) for member in members])
    assert np.isfinite(errors).all()
    target = prepared.validation.batch(np.arange(len(prepared.validation)))[1]
    missing = np.isnan(target[..., 0])
    assert missing.any()
    assert (errors[:, missing] == 0).all()
    assert (errors[:, ~missing] != 0).all()


@pytest.mark.parametrize("instance_norm", ["none", "last", "standard"])
def test_a_network_on_a_linear_map_adds_to_it(instance_norm: Any) -> None:
    """With `last` and `standard` both start from the last value, which counts once; with `none` the
    map alone does."""
    model = SegmentBiGRUConfig(units=4, segment_length=2, instance_norm=instance_norm)
    settings = EnsembleConfig(seeds=1, context_lengths=(4, 7), linear="residual")
    ensemble, inputs = (
        build_ensemble(Experiment(model=model, ensemble=settings), SHAPE),
        random_inputs(SHAPE, 5),
    )
    for number, member in enumerate(ensemble.members):
        shuffled(member.model, seed=number)
    last = inputs["past"][:, -1:, : SHAPE.num_targets] if instance_norm != "none" else 0.0
    for network, linear in zip(ensemble.members[:2], ensemble.members[2:], strict=True):
        assert network.context_length == linear.context_length
        alone = next(one for one in network.model.layers if one.name.endswith("seed_0"))
        expected = np.asarray(alone(inputs)) + np.asarray(linear.model(inputs)) - last
        np.testing.assert_allclose(np.asarray(network.model(inputs)), expected, rtol=0, atol=1e-5)


def test_a_network_on_a_linear_map_learns_its_errors() -> None:
    """On a line with a wave of known shape ridge is perfect, and a network that starts on it stays
    close."""
    config = experiment(linear="residual", context_lengths=(12,))
    quiet = waves().assign(
        y=lambda table: np.sin(np.arange(len(table)) / 4) + table["unique_id"].eq("b") * 50
    )
    frozen = config.training.model_copy(update={"learning_rate": 1e-9})
    first = Forecaster(config.model_copy(update={"training": frozen})).fit(quiet)
    losses = Forecaster(config).fit(quiet).fitted.history.loss
    assert losses[-1] < 0.2 * first.fitted.history.loss[0]


def test_a_linear_member_is_the_ridge_of_the_baselines(forecaster: Forecaster) -> None:
    prepared = prepare(experiment(), waves())
    ensemble_model = forecaster.fitted.model
    linear = next(layer for layer in ensemble_model.layers if layer.name == "linear_12")
    targets, known = (
        one.astype(np.float64) for one in (prepared.features.target, prepared.features.known)
    )
    parts = (prepared.training.index, prepared.validation.index)
    positions = prepared.panel.positions
    rows = RidgeRows(targets, np.ones((2, 1)), known=known, positions=positions)
    ridge = RidgeWindow.fit(rows, *parts)
    inputs, _ = prepared.test.batch(np.arange(20))
    expected = ridge.predict(
        inputs["past"][:, :, :1].astype(np.float64), inputs["known"].astype(np.float64)
    )
    np.testing.assert_allclose(np.asarray(linear(inputs)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_known", [0, 3])
def test_the_layer_of_a_linear_member_forecasts_as_the_ridge(num_known: int) -> None:
    draw = np.random.default_rng(num_known)
    ridge = RidgeWindow(0.1 * draw.normal(size=(6 + 4 * num_known, 4)), 1.0, num_known)
    past = draw.normal(size=(5, 6, 2))
    known = draw.normal(size=(5, 4, num_known))
    tensors = [past.astype(np.float32)]
    expected = ridge.predict(past)
    if num_known:
        tensors.append(known.astype(np.float32))
        expected = ridge.predict(past, known)
    layer = LinearWindow(4)
    layer.build([tensor.shape for tensor in tensors])
    layer.set_weights([ridge.weights.astype(np.float32)])
    np.testing.assert_allclose(np.asarray(layer(tensors)), expected, rtol=0, atol=1e-6)


def test_the_last_steps_of_windows_forecast_the_same_rows() -> None:
    index = prepare(experiment(), waves()).training.index
    shorter = last_steps(index, 5)
    numbers = np.arange(len(index))
    first, later = index.locate(numbers)[1], shorter.locate(numbers)[1]
    np.testing.assert_array_equal(index.horizon_rows(first), shorter.horizon_rows(later))
    np.testing.assert_array_equal(index.context_rows(first)[:, -5:], shorter.context_rows(later))


class InterruptedFitError(Exception):
    """As if the process were ended."""


@pytest.mark.proof
def test_a_fit_goes_on_in_the_member_it_was_interrupted_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 1)
    config = experiment(seeds=3, context_lengths=(12,))
    table, checkpoint = waves(), tmp_path / "state"
    whole = Forecaster(config).fit(table)
    heard: list[int] = []

    def interrupt(event: Any) -> None:
        if isinstance(event, EpochDone):
            heard.append(event.epoch)
            if len(heard) == 5:  # in the second epoch of the second network
                raise InterruptedFitError

    with pytest.raises(InterruptedFitError):
        Forecaster(config).fit(table, checkpoint=checkpoint, reporter=interrupt)
    again: list[int] = []

    def listen(event: Any) -> None:
        again.extend([event.epoch] if isinstance(event, EpochDone) else [])

    resumed = Forecaster(config).fit(table, checkpoint=checkpoint, resume=True, reporter=listen)
    assert heard == [1, 2, 3, 1, 2]
    assert again == [2, 3, 1, 2, 3]
    for one, other in zip(
        whole.fitted.model.get_weights(), resumed.fitted.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
