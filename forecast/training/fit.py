"""Fit every member of an ensemble, then choose their weights on the validation windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.experiment.prepare import Prepared
from forecast.models.network import make_network
from forecast.scores.history import History
from forecast.training import Reporter
from forecast.training.budget import Plan, make_plan
from forecast.training.ensemble import Member, build_ensemble
from forecast.training.ensemble_weights import cautious_weights
from forecast.training.epoch_batches import sampled_windows
from forecast.training.losses import ROBUST
from forecast.training.members import Job, train_members
from forecast.windows.index import WindowIndex, WindowShape

if TYPE_CHECKING:
    import keras


JUDGED_NUMBERS = 5_000_000
"""Errors of each member that its weight is chosen on, at most."""

JUDGED_WINDOWS = 20_000
"""Windows that they are of, at most; a sample as in `sampled_windows`."""


REFIT_PART = 0.25
"""Epochs of the refit as a part of the best epoch of the training before it.

To train from the start again, for as many epochs, took half of all steps and was no better
(`benchmarks/notes.md`).
"""

LEAST_WEIGHT = 0.05
"""Weight from which on a member of an ensemble counts. One below it moves the forecast by less than
chance does, and costs as much to refit and to run as any other."""


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """Losses and weights of the members.

    Attributes:
        histories: losses per epoch of each network by name, that with the largest weight first.
        weights: weight of each member of an ensemble by name; 1 for a single network.
        cuts: what `training.budget` cut, in words; empty for nothing.
    """

    histories: dict[str, History]
    weights: dict[str, float]
    cuts: str = ""

    @property
    def history(self) -> History:
        """Losses per epoch of the network with the largest weight; of nothing without a network."""
        return next(iter(self.histories.values()), History.of_nothing())


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Result of training: the model, with the penalties and the record of its members.

    Attributes:
        model: the network, or the ensemble.
        penalties: ridge penalty of each linear member by name.
        record: losses and weights of the members.
        plan: that of `training.budget`, if there is one.
    """

    model: keras.Model
    penalties: dict[str, float]
    record: TrainingRecord
    plan: Plan | None = None


def fit_network(
    prepared: Prepared,
    shape: WindowShape,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FittedNetwork:
    """Fit the network or the ensemble of an experiment.

    Args:
        prepared: the windows.
        shape: arrays that the network reads and writes.
        checkpoint: file for the state of training after each epoch; further members add a number to
            its name.
        resume: whether to resume training from the checkpoints.
        reporter: gets the events of every network; optional.

    Raises:
        TrainingError: training diverged, or a checkpoint is that of another training.
    """
    ensemble = build_ensemble(prepared.config, shape)
    # Linear maps first, since networks may learn on their errors.
    penalties = {}
    for member in ensemble.members:
        if member.seed is None:
            penalties[member.name] = fit_linear_member(prepared, member)

    validation = None
    if len(prepared.validation):
        validation = prepared.validation
    jobs = []
    for number, member in enumerate(ensemble.members):
        if member.seed is None:
            continue
        config = prepared.config.training.model_copy(update={"seed": member.seed})
        file = checkpoint and member_checkpoint(checkpoint, number)
        jobs.append(Job(member.name, member.model, prepared.training, validation, config, file))
    plan = None
    if jobs and prepared.config.training.budget is not None:
        file = checkpoint and member_checkpoint(checkpoint, 2 * len(ensemble.members))
        plan = make_plan(
            jobs,
            prepared.config.training.budget,
            refits=bool(prepared.config.training.refit),
            place=file,
            resume=resume,
        )
    planned = plan.apply(jobs) if plan else jobs
    trained = train_members(planned, resume=resume, reporter=reporter)

    if len(ensemble.members) > 1:
        is_linear = np.array([member.seed is None for member in ensemble.members])
        is_fitted = is_linear | np.array([member.name in trained for member in ensemble.members])
        fitted = [ensemble.members[number] for number in np.flatnonzero(is_fitted)]
        errors = validation_errors(prepared, fitted)
        evidence = independent_windows(prepared.validation.index)
        weights = np.zeros(len(ensemble.members))
        weights[is_fitted] = cautious_weights(
            errors, is_linear[is_fitted], evidence, robust=_is_robust(prepared)
        )
        ensemble.set_weights(without_small(weights))
    heaviest_first = sorted(trained, key=lambda name: -ensemble.weights[name])
    histories = {name: trained[name].history for name in heaviest_first}
    cuts = plan.text(jobs) if plan else ""
    record = TrainingRecord(histories, ensemble.weights, cuts)
    return FittedNetwork(ensemble.model, penalties, record, plan)


def refit_network(
    whole: Prepared,
    shape: WindowShape,
    chosen: FittedNetwork,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FittedNetwork:
    """Fit the members again on all rows, with the penalties and weights chosen before.

    Networks go on from their weights for a part of the epochs that were best. Where new rows bring
    new categories, these weights do not fit: then networks are trained from the start.

    Args:
        whole: windows of all rows.
        shape: arrays that the network reads and writes.
        chosen: the result of the first fit.
        checkpoint: as in `fit_network`; the numbers follow those of its members.
        resume: as in `fit_network`.
        reporter: as in `fit_network`.

    Raises:
        TrainingError: as in `fit_network`.
    """
    ensemble = build_ensemble(whole.config, shape)
    goes_on = _take_weights(ensemble.model, chosen.model)
    for member in ensemble.members:
        if member.seed is None:
            fit_linear_member(whole, member, chosen.penalties[member.name])
    jobs = []
    for number, member in enumerate(ensemble.members, start=len(ensemble.members)):
        if member.seed is None or not chosen.record.weights[member.name]:
            continue
        epochs = chosen.record.histories[member.name].best_epoch
        if goes_on:
            epochs = math.ceil(REFIT_PART * epochs)
        changes = {"seed": member.seed, "epochs": epochs, "patience": None}
        if chosen.plan and chosen.plan.windows_per_epoch[member.name] is not None:
            changes["windows_per_epoch"] = chosen.plan.windows_per_epoch[member.name]
        config = whole.config.training.model_copy(update=changes)
        file = checkpoint and member_checkpoint(checkpoint, number)
        jobs.append(Job(member.name, member.model, whole.training, None, config, file))
    train_members(jobs, resume=resume, reporter=reporter)
    ensemble.set_weights(list(chosen.record.weights.values()))
    return replace(chosen, model=ensemble.model)


def _take_weights(model: keras.Model, earlier: keras.Model) -> bool:
    """Give a model the weights of an earlier one; return whether they fit."""
    weights = earlier.get_weights()
    if [array.shape for array in weights] != [tuple(own.shape) for own in model.weights]:
        return False
    model.set_weights(weights)
    return True


def without_small(weights: FloatArray) -> FloatArray:
    """Return (M,) weights with sum 1, those below `LEAST_WEIGHT` replaced by 0.

    Of many members none may have so much: half an equal weight is always enough.
    """
    least = min(LEAST_WEIGHT, 0.5 / len(weights))
    kept = np.where(weights < least, 0.0, weights)
    return kept / kept.sum()


def member_checkpoint(checkpoint: Path, number: int) -> Path:
    """Return the checkpoint of a member; the name of the first has no number."""
    if number == 0:
        return checkpoint
    return checkpoint.with_name(f"{checkpoint.name}-{number}")


def fit_linear_member(prepared: Prepared, member: Member, penalty: float | None = None) -> float:
    """Solve the ridge regression of a linear member on the scale of the network.

    Args:
        prepared: the windows.
        member: the linear member; its weights are set.
        penalty: of the ridge; default: chosen on windows held out.

    Returns:
        The penalty.
    """
    features = prepared.features
    targets = features.target.astype(np.float64)
    num_targets = targets.shape[1]
    rows = RidgeRows(
        targets,
        scale=np.ones((prepared.panel.num_series, num_targets)),
        inputs=features.past[:, :num_targets].astype(np.float64),
        positions=prepared.panel.positions,
    )
    if member.reads_known:
        rows = replace(rows, known=features.known.astype(np.float64))
    training = last_steps(prepared.training.index, member.context_length)
    validation = last_steps(prepared.validation.index, member.context_length)
    ridge = RidgeWindow.fit(
        rows, training, validation, penalty=penalty, robust=_is_robust(prepared)
    )
    member.model.get_layer("linear").set_weights([ridge.weights.astype(np.float32)])
    return ridge.penalty


def _is_robust(prepared: Prepared) -> bool:
    """Return whether outlier windows are down-weighted, as by an absolute loss."""
    return prepared.config.training.loss in ROBUST


def last_steps(index: WindowIndex, length: int) -> WindowIndex:
    """Return the same windows with only the last steps of their contexts."""
    return replace(
        index, context_length=length, run_first=index.run_first + index.context_length - length
    )


def independent_windows(index: WindowIndex) -> float:
    """Return the number of windows without overlap that fit into the forecast rows of an index.

    Windows that overlap forecast the same rows, and are little more evidence than one of them.
    """
    counts = np.diff(np.concatenate([[0], index.run_ends]))
    return float(((counts - 1) * index.stride + index.horizon).sum() / index.horizon)


def validation_errors(prepared: Prepared, members: Sequence[Member]) -> FloatArray:
    """Return the (M, W D, H) errors, forecast minus actual, of members on validation windows.

    An error is 0 where the actual value is missing.
    """
    source = prepared.validation
    networks = [make_network(member.model, jit="off") for member in members]
    size = min(network.largest_batch for network in networks)
    errors_per_window = prepared.config.windows.horizon * prepared.features.target.shape[1]
    most = min(JUDGED_WINDOWS, max(1, JUDGED_NUMBERS // errors_per_window))
    numbers = sampled_windows(len(source), most)

    batches = []
    for start in range(0, len(numbers), size):
        inputs, target = source.batch(numbers[start : start + size])
        outputs = np.stack([network(inputs) for network in networks]).astype(np.float64)
        if outputs.ndim == 5:  # (M, B, H, D, Q): each quantile is compared with the target
            target = np.repeat(target, outputs.shape[-1], axis=2)
        errors = outputs.reshape(*outputs.shape[:3], -1) - target  # (M, B, H, D Q)
        errors = errors.swapaxes(2, 3).reshape(len(networks), -1, errors.shape[2])
        batches.append(np.where(np.isfinite(errors).all(axis=0), errors, 0.0))
    return np.concatenate(batches, axis=1)
