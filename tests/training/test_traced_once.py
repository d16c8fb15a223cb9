"""Networks of one kind are trained and run by functions traced once, with the bits of functions
traced anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from training_process import SHAPE, TRAINING, sources
from window_arrays import ArraySource

from forecast.experiment.settings import TrainingConfig
from forecast.layers import traced
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.models.keras_network import KerasNetwork
from forecast.training import train

ANYTHING_RANDOM = BiGRUConfig(
    units=4,
    bidirectional=False,
    decoder="direct",
    dropout=0.2,
    recurrent_dropout=0.2,
    l2=1e-4,
)
SETTINGS = TRAINING.model_copy(update={"epochs": 2, "patience": None})


@pytest.fixture(autouse=True)
def traces(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The functions that were traced, none at first."""
    table: Any = type(traced._TRACED)()
    monkeypatch.setattr(traced, "_TRACED", table)
    return table


def weights_of(
    seed: int,
    training: TrainingConfig = SETTINGS,
    *,
    model: BiGRUConfig = ANYTHING_RANDOM,
    windows: tuple[ArraySource, ArraySource] | None = None,
) -> list[np.ndarray]:
    """Weights, random states and a forecast after training."""
    network = build_model(model, SHAPE, seed=seed)
    train(network, *(windows or sources()), training.model_copy(update={"seed": seed}))
    inputs = sources()[1].inputs
    return [*map(np.asarray, network.variables), KerasNetwork(network)(inputs)]


def alone(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **named: Any) -> list[np.ndarray]:
    """The same where every function is traced anew."""
    with monkeypatch.context() as patched:
        patched.setattr("forecast.training.step.key_of", lambda *_: None)
        patched.setattr("forecast.models.keras_network.key_of", lambda *_: None)
        return weights_of(*arguments, **named)


def assert_equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_and_another_schedule_trace_nothing(
    traces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = SETTINGS.model_copy(update={"epochs": 3, "learning_rate": 0.003})
    shared = [weights_of(seed, training) for seed, training in ((1, SETTINGS), (2, longer))]
    assert len(traces) == 3, "a step, a validation, a forecast"
    assert_equal(shared[1], alone(monkeypatch, 2, longer))
    assert not np.array_equal(shared[0][-1], shared[1][-1])


@pytest.mark.proof
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"schedule": "exponential"},
        {"gradient_clip": 0.01},
        {"batch_size": 16},
        {"quantile_levels": (0.2, 0.5, 0.8)},
    ],
    ids=str,
)
def test_what_the_step_depends_on_is_traced_anew(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    weights_of(1)
    other = SETTINGS.model_copy(update=changes)
    assert_equal(weights_of(1, other), alone(monkeypatch, 1, other))


@pytest.mark.proof
def test_networks_that_differ_in_a_rate_of_dropout_share_nothing(traces: Any) -> None:
    first = weights_of(1)
    other = ANYTHING_RANDOM.model_copy(update={"dropout": 0.6})
    assert not np.array_equal(first[-1], weights_of(1, model=other)[-1])
    assert len(traces) == 6


@pytest.mark.proof
def test_threads_share_a_function(traces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(weights_of, (1, 2, 3)))
    assert len(traces) == 3
    for seed, weights in zip((1, 2, 3), together, strict=True):
        assert_equal(weights, alone(monkeypatch, seed))


@pytest.mark.proof
def test_weights_that_are_not_trained_are_another_kind() -> None:
    weights_of(1)
    network = build_model(ANYTHING_RANDOM, SHAPE, seed=1)
    network.get_layer("encoder_0").trainable = False
    before = [np.asarray(weight) for weight in network.get_layer("encoder_0").weights]
    train(network, *sources(), SETTINGS)
    assert_equal(before, [np.asarray(one) for one in network.get_layer("encoder_0").weights])


@pytest.mark.proof
def test_few_functions_are_kept(traces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "MOST_TRACED", 2)
    first = weights_of(1)
    assert len(traces) == 2
    assert_equal(weights_of(1), first)
    assert len(traces) == 2
