"""Training on two devices is training on one: the same losses and weights up to rounding, resumed
to the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mirrored_process
import numpy as np
import pandas as pd
import pytest
from layers.test_bfloat16 import needs_bfloat16
from mirrored_process import SHAPE, TRAINING
from window_arrays import learnable_source

from forecast import Forecaster
from forecast.errors import ConfigError, TrainingError
from forecast.experiment.settings import TrainingConfig
from forecast.models import build_model
from forecast.training import train
from forecast.training.members import Job, count_parallel

SCRIPT = Path(mirrored_process.__file__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mirrored")


def results_of(folder: Path, *names: str) -> dict[str, Any]:
    """What the process with two devices printed: devices cannot be added to this one."""
    paths = os.pathsep.join([str(SCRIPT.parents[1]), str(SCRIPT.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, str(SCRIPT), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def quick(folder: Path) -> dict[str, Any]:
    """The results that take little time."""
    return results_of(folder, "bigru", "masks", "refused")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """The other results."""
    return results_of(folder, "segment_bigru", "whole", "resumed", "forecast")


def assert_alike(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Four epochs of six batches, of four windows on one device and five on the other, where
    nothing is measured."""
    assert one["moved"] > 0.05
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=0, atol=1e-6)


def test_two_devices_learn_what_one_does(quick: dict[str, Any]) -> None:
    assert_alike(quick["bigru"]["none"], quick["bigru"]["mirrored"])


@pytest.mark.proof
def test_two_devices_learn_what_one_does_with_segments(found: dict[str, Any]) -> None:
    assert_alike(found["segment_bigru"]["none"], found["segment_bigru"]["mirrored"])


@pytest.mark.proof
def test_a_run_with_dropout_is_resumed_to_the_same_bits(found: dict[str, Any]) -> None:
    """Which it is not unless every run on as many devices gives the same bits."""
    assert found["resumed"]["weights"] == found["whole"]["weights"]
    assert found["resumed"]["losses"] == found["whole"]["losses"]


def test_every_device_draws_dropout_masks_of_its_own(quick: dict[str, Any]) -> None:
    first, second = np.array(quick["masks"])
    assert set(first) == set(second) == {0.0, 2.0}
    assert 16 < (first != second).sum() < 48  # about half of 64


@pytest.mark.proof
def test_a_blend_trained_on_two_devices_is_loaded_on_one(
    found: dict[str, Any], folder: Path
) -> None:
    loaded = Forecaster.load(folder / "model")
    table = pd.read_csv(folder / "table.csv", parse_dates=["ds"])
    np.testing.assert_allclose(
        loaded.predict(table).frame()["ensemble"], found["forecast"], rtol=1e-6
    )


@needs_bfloat16
@pytest.mark.proof
def test_every_device_rounds_the_factors_of_its_products(folder: Path) -> None:
    losses = results_of(folder, "precisions")["precisions"]
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.01)


def test_a_batch_with_fewer_windows_than_devices_is_refused(quick: dict[str, Any]) -> None:
    assert quick["refused"].startswith(
        "training.strategy 'mirrored' divides batches of 1 among 2 devices; expected"
    )


def test_one_device_alone_is_refused() -> None:
    model = build_model(mirrored_process.MODELS["bigru"], SHAPE)
    config = TRAINING.model_copy(update={"strategy": "mirrored"})
    with pytest.raises(
        TrainingError, match=r"finds one device, .*CPU:0; expected two or more GPUs: pass"
    ):
        train(model, learnable_source(SHAPE, 20), None, config)


def test_xla_is_refused_together_with_several_devices() -> None:
    with pytest.raises(
        ConfigError, match="jit is 'on', but XLA cannot compile the steps with strategy: mirrored"
    ):
        TrainingConfig(jit="on", strategy="mirrored")


def test_networks_that_take_all_devices_are_trained_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 2)
    model = build_model(mirrored_process.MODELS["bigru"], SHAPE)
    for strategy, number in (("none", 2), ("mirrored", 1)):
        config = TrainingConfig(strategy=strategy, batch_size=64)
        jobs = [Job(name, lambda: model, model, None, None, config, None) for name in "ab"]  # type: ignore[arg-type]
        assert count_parallel(jobs) == number
