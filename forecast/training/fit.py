"""Fit every member of an ensemble, then choose their weights on the validation windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecast.experiment.prepare import Prepared
from forecast.layers.runtime import start_quietly
from forecast.models.keras_network import network_of
from forecast.section import decided
from forecast.training import Reporter, TrainingResult
from forecast.training.budget import make_plan
from forecast.training.ensemble import Ensemble, build_ensemble, member_model
from forecast.training.fitted_network import FittedNetwork, TrainingRecord
from forecast.training.judged_members import choose_weights, without_small
from forecast.training.linear_members import fit_linear_member, fit_regressions
from forecast.training.members import Job, train_members
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras


REFIT_PART = 0.25
"""Epochs of the refit as a part of the best epoch of the training before it.

To train from the start again, for as many epochs, took half of all steps and was no better
(`benchmarks/notes.md`).
"""


def has_networks(prepared: Prepared) -> bool:
    """Return whether an experiment trains a network, which needs Keras."""
    return decided(prepared.config.ensemble.seeds, "ensemble.seeds") > 0


def fit_network(
    prepared: Prepared,
    shape: WindowShape,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
    is_of_use: Callable[[FittedNetwork], bool] | None = None,
    start: Callable[[], keras.Model] | None = None,
) -> FittedNetwork:
    """Fit the network or the ensemble of an experiment; without networks Keras is not started.

    Args:
        prepared: the windows.
        shape: arrays that the network reads and writes.
        checkpoint: file for the state of training after each epoch; further members add a number to
            its name.
        resume: whether to resume training from the checkpoints.
        reporter: gets the events of every network; optional.
        is_of_use: tells of the first network, which has the shortest context, whether the others
            are worth their time; default: they are.
        start: returns a model of the same settings from whose weights networks go on, for a part of
            the epochs; default: they are trained from the start, as where the weights do not fit.

    Raises:
        TrainingError: training diverged, or a checkpoint is that of another training.
    """
    if not has_networks(prepared):
        return fit_regressions(prepared, shape)
    start_quietly()
    ensemble = build_ensemble(prepared.config, shape)
    goes_on = start is not None and _take_weights(ensemble.model, start())
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
        changes = {"seed": member.seed}
        if goes_on:
            epochs = decided(prepared.config.training.epochs, "training.epochs")
            changes["epochs"] = math.ceil(REFIT_PART * epochs)
        config = prepared.config.training.model_copy(update=changes)
        file = checkpoint and member_checkpoint(checkpoint, number)
        build = partial(member_model, prepared.config, shape, number)
        jobs.append(
            Job(member.name, build, member.model, prepared.training, validation, config, file)
        )
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

    def fitted(trained: Mapping[str, TrainingResult]) -> FittedNetwork:
        record = TrainingRecord(
            {name: result.history for name, result in trained.items()},
            _weigh(ensemble, prepared, trained),
            plan.text(jobs) if plan else "",
        )
        network = network_of(ensemble.model)
        return FittedNetwork(network, lambda: ensemble.model, penalties, record.sorted(), plan)

    train = partial(train_members, resume=resume, reporter=reporter, are_named=len(planned) > 1)
    if is_of_use is None or len(planned) < 2:
        return fitted(train(planned))
    first = train(planned[:1])
    if not is_of_use(fitted(first)):
        return fitted(first)
    return fitted(first | train(planned[1:]))


def _weigh(ensemble: Ensemble, prepared: Prepared, trained: Collection[str]) -> dict[str, float]:
    """Give the members of an ensemble their weights, and return these by name.

    Args:
        ensemble: its linear members are fitted.
        prepared: the windows.
        trained: names of the networks that are; the others get no weight.
    """
    if len(ensemble.members) > 1:
        is_linear = np.array([member.seed is None for member in ensemble.members])
        is_fitted = is_linear | np.array([member.name in trained for member in ensemble.members])
        networks = [
            network_of(ensemble.members[number].model) for number in np.flatnonzero(is_fitted)
        ]
        weights = np.zeros(len(ensemble.members))
        weights[is_fitted] = choose_weights(prepared, networks, is_linear[is_fitted])
        ensemble.set_weights(without_small(weights))
    return ensemble.weights


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
    if not has_networks(whole):
        return fit_regressions(whole, shape, chosen)
    ensemble = build_ensemble(whole.config, shape)
    goes_on = _take_weights(ensemble.model, chosen.make_model())
    for member in ensemble.members:
        if member.seed is None:
            fit_linear_member(whole, member, chosen.penalties[member.name])
    jobs = []
    for number, member in enumerate(ensemble.members):
        if member.seed is None or not chosen.record.weights[member.name]:
            continue
        epochs = chosen.record.histories[member.name].best_epoch
        if goes_on:
            epochs = math.ceil(REFIT_PART * epochs)
        changes = {"seed": member.seed, "epochs": epochs, "patience": None}
        if chosen.plan and chosen.plan.windows_per_epoch[member.name] is not None:
            changes["windows_per_epoch"] = chosen.plan.windows_per_epoch[member.name]
        config = whole.config.training.model_copy(update=changes)
        file = checkpoint and member_checkpoint(checkpoint, number + len(ensemble.members))
        build = partial(member_model, whole.config, shape, number)
        jobs.append(Job(member.name, build, member.model, whole.training, None, config, file))
    train_members(jobs, resume=resume, reporter=reporter)
    ensemble.set_weights(list(chosen.record.weights.values()))
    return replace(chosen, network=network_of(ensemble.model), make_model=lambda: ensemble.model)


def _take_weights(model: keras.Model, earlier: keras.Model) -> bool:
    """Give a model the weights of an earlier one; return whether they fit."""
    weights = earlier.get_weights()
    if [array.shape for array in weights] != [tuple(own.shape) for own in model.weights]:
        return False
    model.set_weights(weights)
    return True


def member_checkpoint(checkpoint: Path, number: int) -> Path:
    """Return the checkpoint of a member; the name of the first has no number."""
    if number == 0:
        return checkpoint
    return checkpoint.with_name(f"{checkpoint.name}-{number}")
