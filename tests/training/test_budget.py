"""A training within a time: what is cut, that it takes no longer, and that a resumed one follows
the same plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.test_members import SETTINGS, table

from forecast import Experiment, Forecaster
from forecast.errors import TrainingError
from forecast.training import EpochDone
from forecast.training.epochs import TrainingResult

STEP = 0.05
"""Seconds of a step in these tests; validation takes a third."""


@pytest.fixture(autouse=True)
def _known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.training.budget._seconds", lambda _: (STEP, STEP / 3))
    monkeypatch.setattr("forecast.training.members.core_count", lambda: 1)


def experiment(budget: float | None, *, refit: bool = False) -> Experiment:
    training = {**SETTINGS["training"], "epochs": 20, "budget": budget, "refit": refit}
    return Experiment.model_validate({**SETTINGS, "training": training | {"patience": 20}})


def steps_of(
    monkeypatch: pytest.MonkeyPatch, budget: float | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Steps and epochs planned for each network; nothing is trained.

    Without simple members, beside which the first network would have to earn a weight.
    """
    config = experiment(budget)
    alone = config.ensemble.model_copy(update={"simple": ()})
    config = config.model_copy(update={"ensemble": alone})
    steps = {}
    epochs = {}

    def record(jobs: Any, **_: Any) -> dict[str, TrainingResult]:
        for job in jobs:
            windows = job.config.windows_per_epoch or len(job.training)
            epochs[job.name] = job.config.epochs
            steps[job.name] = job.config.epochs * -(-min(windows, len(job.training)) // 16)
        raise KeyboardInterrupt

    monkeypatch.setattr("forecast.training.fit.train_members", record)
    with pytest.raises(KeyboardInterrupt):
        Forecaster(config).fit(table(), verbose=0)
    return steps, epochs


def test_without_a_budget_and_with_a_large_one_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert steps_of(monkeypatch, None) == steps_of(monkeypatch, 1e6)
    assert set(steps_of(monkeypatch, None)[1].values()) == {20}


@pytest.mark.parametrize(("budget", "networks"), [(27.0, 3), (20.0, 3), (12.0, 2), (6.0, 1)])
def test_the_steps_of_all_networks_fit_into_the_budget(
    monkeypatch: pytest.MonkeyPatch, budget: float, networks: int
) -> None:
    steps, epochs = steps_of(monkeypatch, budget)
    assert len(steps) == networks
    learning = STEP * sum(steps.values())
    assert 0.5 * budget < learning <= budget
    assert all(3 <= number < 20 for number in epochs.values())
    assert all(number >= 90 for number in steps.values()), "a network is worth its weight"


def test_a_budget_for_nothing_still_trains_one_network() -> None:
    fitted = Forecaster(experiment(1e-3)).fit(table(), verbose=0).fitted
    assert list(fitted.training.histories) == ["context 24, seed 0"]
    assert fitted.training.weights["context 24, seed 1"] == 0.0
    assert sum(fitted.training.weights.values()) == pytest.approx(1.0)
    assert fitted.training.cuts == (
        "training.budget of 0.001 s allowed 1 of 3 networks, 3 of 20 epochs, 16 windows an epoch"
    )


@pytest.mark.proof
def test_a_resumed_training_follows_the_plan_it_began_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = experiment(6.0, refit=True)
    whole = Forecaster(config).fit(table(), verbose=0, checkpoint=tmp_path / "whole")

    def stop(event: Any) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise KeyboardInterrupt

    place = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        Forecaster(config).fit(table(), checkpoint=place, reporter=stop)
    monkeypatch.setattr("forecast.training.budget._seconds", None)  # on a machine of another speed
    resumed = Forecaster(config).fit(table(), verbose=0, checkpoint=place, resume=True)
    for one, other in zip(
        whole.fitted.model.get_weights(), resumed.fitted.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(TrainingError, match=r"restore training\.budget"):
        Forecaster(experiment(7.0, refit=True)).fit(
            table(), verbose=0, checkpoint=place, resume=True
        )
