"""A plan for training within a time (`training.budget`): which networks, epochs and windows.

The plan is made once, from the seconds that a few steps of each kind of network take on this
machine, and kept beside the checkpoints: a resumed training follows the same plan, to the same
bits. The epochs of the plan are those of the learning rate's schedule too, so that it ends where it
would without a budget.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from forecast.errors import TrainingError
from forecast.layers.traced import kind_of
from forecast.scores.history import History
from forecast.section import decided
from forecast.training.batches import (
    count_batches,
    evaluation_batches,
    fixed_batch_size,
    training_batches,
)
from forecast.training.checkpoint import (
    Checkpoint,
    check_place_for_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from forecast.training.epoch_batches import validated_windows
from forecast.training.members import Job, count_parallel
from forecast.training.step import make_run

PROBED_STEPS = 8
"""Steps that are timed, at most."""

LEAST_STEPS = 100
"""Steps without which a network is not worth its weight: fewer networks are trained instead."""

LEAST_EPOCHS = 3
"""Epochs of a training that is cut, at least: they learn fewer windows each."""

REFIT_TIME = 0.3
"""Time of the refit as a part of that of the training before it, where there is one: a quarter of
the epochs, with more rows."""

GAIN_OF_A_LANE = 0.4
"""Speed that each network trained beside the first one adds, as a part of the first one's."""


@dataclass(frozen=True)
class Plan:
    """A training within a budget.

    Attributes:
        epochs: of each network that is trained, by name.
        windows_per_epoch: of the same networks; None for the setting.
        skipped: networks that are not trained.
        budget: in seconds.
    """

    epochs: dict[str, int]
    windows_per_epoch: dict[str, int | None]
    skipped: tuple[str, ...]
    budget: float

    def apply(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that are left, as the plan wants them."""
        planned = []
        for job in jobs:
            if job.name in self.skipped:
                continue
            changes: dict[str, Any] = {"epochs": self.epochs[job.name]}
            if self.windows_per_epoch[job.name] is not None:
                changes["windows_per_epoch"] = self.windows_per_epoch[job.name]
            planned.append(replace(job, config=job.config.model_copy(update=changes)))
        return planned

    def text(self, jobs: Sequence[Job]) -> str:
        """Return what was cut, in one line; empty where nothing was.

        Args:
            jobs: as they were before the plan.
        """
        wanted = [decided(job.config.epochs, "training.epochs") for job in jobs]
        cuts = []
        if self.skipped:
            cuts.append(f"{len(self.epochs)} of {len(jobs)} networks")
        if min(self.epochs.values()) < max(wanted):
            cuts.append(f"{min(self.epochs.values())} of {max(wanted)} epochs")
        windows = [number for number in self.windows_per_epoch.values() if number is not None]
        if windows:
            cuts.append(f"{min(windows):,} windows an epoch")
        if not cuts:
            return ""
        return f"training.budget of {self.budget:g} s allowed {', '.join(cuts)}"


def make_plan(
    jobs: Sequence[Job], budget: float, *, refits: bool, place: Path | None, resume: bool
) -> Plan:
    """Plan the training of networks, or read the plan of the training that is resumed.

    Args:
        jobs: the networks.
        budget: seconds for all of them, the refit included.
        refits: whether a refit follows.
        place: file of the plan; optional.
        resume: whether to read it, where it exists.

    Raises:
        TrainingError: the file is damaged, or its plan is that of another training.
    """
    if place is not None and resume and place.exists():
        return _read(place, jobs, budget)
    start = time.perf_counter()
    speeds: dict[Any, tuple[float, float]] = {}
    for job in jobs:
        kind = kind_of(job.model) or job.name
        if kind not in speeds:
            speeds[kind] = _seconds(job)
    left = budget - (time.perf_counter() - start)
    if refits:
        left /= 1.0 + REFIT_TIME
    per_step = [speeds[kind_of(job.model) or job.name] for job in jobs]
    plan = _divide(jobs, per_step, max(left, 0.0), budget)
    if place is not None:
        check_place_for_checkpoint(place)
        history = History((), (), (), (), 0)
        save_checkpoint(place, Checkpoint([], [], history, {"plan": json.dumps(asdict(plan))}))
    return plan


def _read(place: Path, jobs: Sequence[Job], budget: float) -> Plan:
    """Return the plan in a file.

    Raises:
        TrainingError: the file is damaged, or its plan is that of another training.
    """
    stored = json.loads(load_checkpoint(place).fingerprint.get("plan", "{}"))
    names = {*stored.get("epochs", ()), *stored.get("skipped", ())}
    if names != {job.name for job in jobs} or stored["budget"] != budget:
        raise TrainingError(
            f"cannot resume: {place} has the plan of another training: restore training.budget and "
            f"the ensemble as they were, or train again without resuming"
        )
    return Plan(**{**stored, "skipped": tuple(stored["skipped"])})


def _seconds(job: Job) -> tuple[float, float]:
    """Return the seconds of a step and of a validation batch; the model stays as it is."""
    before = [np.array(variable) for variable in job.model.variables]
    run = make_run(job.model, job.training, job.config)
    size = decided(job.config.batch_size, "training.batch_size")
    steps = min(run.num_steps, PROBED_STEPS)
    step_seconds = batch_seconds = 0.0
    for epoch in (1, 2):  # the first time it is traced
        start = time.perf_counter()
        batches = training_batches(job.training, batch_size=size, seed=job.config.seed, epoch=epoch)
        iterator = iter(batches)
        for _ in range(1 if run.strategy is None else steps):
            run.learn(iterator, steps)
        step_seconds = (time.perf_counter() - start) / steps
        if job.validation is not None:
            start = time.perf_counter()
            num_batches = min(PROBED_STEPS, count_batches(job.validation, size))
            run.measure(iter(evaluation_batches(job.validation, size)), num_batches)
            batch_seconds = (time.perf_counter() - start) / num_batches
    for variable, value in zip(job.model.variables, before, strict=True):
        variable.assign(value)
    return step_seconds, batch_seconds


def _divide(
    jobs: Sequence[Job], speeds: Sequence[tuple[float, float]], seconds: float, budget: float
) -> Plan:
    """Divide seconds among the networks, or among some of them.

    Args:
        jobs: the networks.
        speeds: seconds of a step and of a validation batch of each.
        seconds: for the training of all.
        budget: that they were taken from.
    """
    by_seed = sorted(range(len(jobs)), key=lambda number: jobs[number].config.seed)
    plans = {}
    for num_kept in range(len(jobs), 0, -1):
        kept = sorted(by_seed[:num_kept])
        lanes = 1.0 + GAIN_OF_A_LANE * (count_parallel([jobs[number] for number in kept]) - 1)
        share = seconds * lanes / num_kept
        plans = {number: _fitted_to(jobs[number], speeds[number], share) for number in kept}
        if all(is_enough for _, _, is_enough in plans.values()):
            break
    return Plan(
        epochs={jobs[number].name: plan[0] for number, plan in plans.items()},
        windows_per_epoch={jobs[number].name: plan[1] for number, plan in plans.items()},
        skipped=tuple(job.name for number, job in enumerate(jobs) if number not in plans),
        budget=budget,
    )


def _fitted_to(
    job: Job, speed: tuple[float, float], seconds: float
) -> tuple[int, int | None, bool]:
    """Return epochs and windows per epoch of a network, and whether they are enough.

    Windows are None where an epoch is not cut.
    """
    size = fixed_batch_size(job.training, decided(job.config.batch_size, "training.batch_size"))
    wanted = decided(job.config.epochs, "training.epochs")
    num_windows = decided(job.config.windows_per_epoch, "training.windows_per_epoch")
    steps = count_batches(job.training, size, num_windows=num_windows)
    num_validated = 0
    if job.validation is not None:
        numbers = validated_windows(job.training, job.validation, job.config)
        num_validated = count_batches(job.validation, size, num_windows=len(numbers))
    epoch_seconds = steps * speed[0] + num_validated * speed[1]
    least = min(LEAST_STEPS, wanted * steps)
    epochs = min(int(seconds / epoch_seconds), wanted)
    if epochs >= min(LEAST_EPOCHS, wanted):
        return epochs, None, epochs * steps >= least
    epochs = min(LEAST_EPOCHS, wanted)
    cut = max(1, int(steps * seconds / (epochs * epoch_seconds)))
    return epochs, min(cut * size, len(job.training)), epochs * cut >= least
