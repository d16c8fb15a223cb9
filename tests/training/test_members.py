"""Networks of a blend are trained side by side, to the same bits, as many as cores and memory
allow."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Experiment, Forecaster
from forecast.errors import TrainingError
from forecast.layers.machine import core_count, free_bytes
from forecast.models import build_model
from forecast.training import EpochDone
from forecast.training.members import Job, count_parallel, train_members, training_bytes
from forecast.windows.index import WindowShape

SETTINGS: dict[str, Any] = {
    "data": {"freq": "h"},
    "windows": {"context_length": 24, "horizon": 6},
    "model": {"name": "segment_bigru", "units": 8, "segment_length": 6, "dropout": 0.2},
    # Without simple members, beside which a first network of no use would be the only one.
    "ensemble": {"seeds": 3, "linear": "residual", "simple": []},
    "training": {"epochs": 3, "batch_size": 16, "refit": True},
    "evaluation": {"validation_size": 24, "test_size": 12},
}


def table() -> pd.DataFrame:
    random, steps = np.random.default_rng(3), np.arange(200)
    values = np.sin(steps / 24 * 2 * np.pi) + random.normal(0, 0.1, 200)
    dates = pd.date_range("2020", periods=200, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": dates, "y": values})


def job(name: str, units: int = 4) -> Job:
    config = Experiment.model_validate(SETTINGS)
    model = build_model(
        config.model.model_copy(update={"units": units}), WindowShape(24, 6, num_targets=1)
    )
    return Job(name, lambda: model, model, None, None, config.training, None)  # type: ignore[arg-type]


@pytest.mark.proof
def test_side_by_side_gives_the_bits_of_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted = []
    settings = SETTINGS | {"ensemble": {"seeds": 2, "linear": "residual", "simple": []}}
    for cores in (1, 2):
        monkeypatch.setattr("forecast.training.members.core_count", lambda cores=cores: cores)
        fitted.append(Forecaster(Experiment.model_validate(settings)).fit(table()).fitted)
    one, other = fitted
    assert one.training.weights == other.training.weights
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_as_many_are_trained_at_once_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2, timeout=20)  # broken unless two wait at the same time
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 2)
    monkeypatch.setattr("forecast.training.members.train", lambda *_, **__: meeting.wait())
    found = train_members([job("a"), job("b"), job("c"), job("d")])
    assert list(found) == ["a", "b", "c", "d"]
    assert sorted(found.values()) == [0, 0, 1, 1]  # type: ignore[type-var]


def test_a_training_that_fails_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def train(model: Any, *_: Any, reporter: Any, **__: Any) -> Any:
        if model is jobs[1].model:
            raise TrainingError("diverged")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            reporter(EpochDone(1, 1, 0.0, None, 0.1, 0.1, is_best=True))
            time.sleep(0.01)
        heard.append("went on to the end")

    jobs = [job("a"), job("b"), job("c")]
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 2)
    monkeypatch.setattr("forecast.training.members.train", train)
    with pytest.raises(TrainingError, match="diverged"):
        train_members(jobs)
    assert not heard


def test_an_error_of_a_listener_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(event: Any) -> None:
        if event.name == "context 24, seed 1":
            raise KeyError(event.name)

    monkeypatch.setattr("forecast.training.members.core_count", lambda: 2)
    with pytest.raises(KeyError, match="context 24, seed 1"):
        Forecaster(Experiment.model_validate(SETTINGS)).fit(table(), reporter=listen)


def test_events_name_their_network_and_come_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, names = threading.Lock(), set()

    def listen(event: Any) -> None:
        assert inside.acquire(blocking=False)
        names.add(event.name)
        time.sleep(0.002)
        inside.release()

    monkeypatch.setattr("forecast.training.members.core_count", lambda: 3)
    settings = SETTINGS | {"training": {**SETTINGS["training"], "refit": False}}
    Forecaster(Experiment.model_validate(settings)).fit(table(), reporter=listen)
    assert names == {f"context 24, seed {seed}" for seed in range(3)}


def test_a_single_network_has_no_name() -> None:
    names = set()
    settings = SETTINGS | {"ensemble": {"seeds": 1, "linear": "residual", "simple": []}}
    Forecaster(Experiment.model_validate(settings)).fit(
        table(), reporter=lambda event: names.add(event.name)
    )
    assert names == {""}


def test_memory_bounds_how_many_there_are_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [job(name) for name in "abcd"]
    need = training_bytes(jobs[0].model, jobs[0].config.batch_size)
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 4)
    for free, fits in ((0, 1), (2 * need - 1, 1), (2 * need, 2), (4 * need, 3), (float("inf"), 4)):
        monkeypatch.setattr("forecast.training.members.free_bytes", lambda free=free: free)
        assert count_parallel(jobs) == fits


def test_what_training_takes_grows_with_the_network_and_the_batch() -> None:
    small, large = job("a").model, job("b", units=64).model
    assert training_bytes(large, 16) > 2 * training_bytes(small, 16)
    assert training_bytes(large, 256) > 4 * training_bytes(large, 16)


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr(
        "forecast.layers.runtime.os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False
    )
    assert core_count() == 3
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    assert core_count() == 2
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "0")
    assert core_count() == 3


def test_free_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**20 < free_bytes() < 2**50
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "MemTotal: 5 kB\n")
    assert free_bytes() == float("inf")
