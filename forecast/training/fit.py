"""From windows to a trained network: every member of a blend is fitted, then weighed on the validation windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import evenly_spaced
from forecast.baselines.ridge import RidgeRows, RidgeWindow
from forecast.experiment.prepare import Prepared
from forecast.models.network import make_network
from forecast.scores.history import History
from forecast.training import Reporter
from forecast.training.ensemble import Ensemble, Member, build_ensemble
from forecast.training.ensemble_weights import cautious_weights
from forecast.training.members import Job, train_members
from forecast.windows.index import WindowIndex, WindowShape

if TYPE_CHECKING:
    import keras


JUDGED_NUMBERS = 5_000_000
"""Numbers of each member that its weight is chosen on, at most: of windows spread evenly."""


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """Losses and weights of the members.

    Attributes:
        histories: losses per epoch of each network by name, that with the largest weight first.
        weights: weight of each member of an ensemble by name; 1 for a single network.
    """

    histories: dict[str, History]
    weights: dict[str, float]

    @property
    def history(self) -> History:
        """Losses per epoch of the network with the largest weight."""
        return next(iter(self.histories.values()))


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Result of training: the model, with the penalties and the record of its members.

    Attributes:
        model: the network, or the ensemble.
        penalties: ridge penalty of each linear member by name.
        record: losses and weights of the members.
    """

    model: keras.Model
    penalties: dict[str, float]
    record: TrainingRecord


def fit_network(
    prepared: Prepared,
    shape: WindowShape,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FittedNetwork:
    """Fit what an experiment describes.

    Args:
        prepared: the windows.
        shape: what the network reads and writes.
        checkpoint: file that holds the state of training after each epoch; further members add a
            number to its name.
        resume: go on from there.
        reporter: is told of each step and epoch of every network.

    Raises:
        TrainingError: training diverged, or a checkpoint belongs to something else.
    """
    ensemble = build_ensemble(prepared.config, shape)
    # Linear maps first, since networks may learn on their errors.
    penalties = {
        one.name: fit_linear_member(prepared, one) for one in ensemble.members if one.seed is None
    }
    validation = prepared.validation if len(prepared.validation) else None
    jobs = []
    for place, member in enumerate(ensemble.members):
        if member.seed is not None:
            training = prepared.config.training.model_copy(update={"seed": member.seed})
            kept = checkpoint and member_checkpoint(checkpoint, place)
            jobs.append(
                Job(member.name, member.model, prepared.training, validation, training, kept)
            )
    trained = train_members(jobs, resume=resume, reporter=reporter)
    if len(ensemble.members) > 1:
        errors = validation_errors(prepared, ensemble)
        is_linear = np.array([one.seed is None for one in ensemble.members])
        evidence = independent_windows(prepared.validation.index)
        ensemble.set_weights(
            cautious_weights(errors, is_linear, evidence, robust=is_robust(prepared))
        )
    heaviest_first = sorted(trained, key=lambda name: -ensemble.weights[name])
    histories = {name: trained[name].history for name in heaviest_first}
    record = TrainingRecord(histories, ensemble.weights)
    return FittedNetwork(ensemble.model, penalties, record)


def refit_network(
    whole: Prepared,
    shape: WindowShape,
    chosen: FittedNetwork,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FittedNetwork:
    """Fit the members anew on all rows, with the epochs, penalties and weights that were chosen before.

    Args:
        whole: windows of all rows.
        shape: what the network reads and writes.
        chosen: what the validation windows led to.
        checkpoint: as in `fit_network`; the numbers go on after those of its members.
        resume: as in `fit_network`.
        reporter: as in `fit_network`.

    Raises:
        TrainingError: as in `fit_network`.
    """
    ensemble = build_ensemble(whole.config, shape)
    for member in ensemble.members:
        if member.seed is None:
            fit_linear_member(whole, member, chosen.penalties[member.name])
    jobs = []
    for place, member in enumerate(ensemble.members, start=len(ensemble.members)):
        if member.seed is None or not chosen.record.weights[member.name]:
            continue
        changes = {
            "seed": member.seed,
            "epochs": chosen.record.histories[member.name].best_epoch,
            "patience": None,
        }
        training = whole.config.training.model_copy(update=changes)
        kept = checkpoint and member_checkpoint(checkpoint, place)
        jobs.append(Job(member.name, member.model, whole.training, None, training, kept))
    train_members(jobs, resume=resume, reporter=reporter)
    ensemble.set_weights(list(chosen.record.weights.values()))
    return replace(chosen, model=ensemble.model)


def member_checkpoint(checkpoint: Path, place: int) -> Path:
    """The file of a member: that of the first has no number."""
    return checkpoint.with_name(f"{checkpoint.name}-{place}") if place else checkpoint


def fit_linear_member(prepared: Prepared, member: Member, penalty: float | None = None) -> float:
    """Solve the ridge regression of a linear member on the scale of the network.

    Args:
        prepared: the windows.
        member: takes the numbers.
        penalty: chosen on the validation windows if left out.

    Returns:
        The penalty.
    """
    features = prepared.features
    targets = features.target.astype(np.float64)
    rows = RidgeRows(
        targets,
        scale=np.ones((prepared.panel.num_series, targets.shape[1])),
        inputs=features.past[:, : targets.shape[1]].astype(np.float64),
        known=features.known.astype(np.float64) if member.reads_known else None,
    )
    training, validation = (
        last_steps(one.index, member.context_length)
        for one in (prepared.training, prepared.validation)
    )
    ridge = RidgeWindow.fit(rows, training, validation, penalty=penalty, robust=is_robust(prepared))
    member.model.get_layer("linear").set_weights([ridge.weights.astype(np.float32)])
    return ridge.penalty


def is_robust(prepared: Prepared) -> bool:
    """Whether linear maps and weights heed wild windows as little as the loss of the networks does."""
    return prepared.config.training.loss in ("mae", "huber")


def last_steps(index: WindowIndex, length: int) -> WindowIndex:
    """The same windows with only the last steps of their contexts."""
    return replace(
        index, context_length=length, run_first=index.run_first + index.context_length - length
    )


def independent_windows(index: WindowIndex) -> float:
    """How many windows fit beside each other into the rows that the windows of an index forecast.

    Windows that overlap forecast the same rows, and say little more than one of them does.
    """
    counts = np.diff(np.concatenate([[0], index.run_ends]))
    return float(((counts - 1) * index.stride + index.horizon).sum() / index.horizon)


def validation_errors(prepared: Prepared, ensemble: Ensemble) -> NDArray[np.float64]:
    """(M, W D, H) forecast minus actual of every member on validation windows, 0 where nothing was measured."""
    source, networks = (
        prepared.validation,
        [make_network(one.model, jit="off") for one in ensemble.members],
    )
    size = min(one.largest_batch for one in networks)
    each = prepared.config.windows.horizon * prepared.features.target.shape[1]
    kept = min(len(source), max(1, JUDGED_NUMBERS // each))
    chosen = evenly_spaced(len(source), kept)
    found = []
    for start in range(0, kept, size):
        inputs, target = source.batch(chosen[start : start + size])
        outputs = np.stack([network(inputs) for network in networks]).astype(np.float64)
        if outputs.ndim == 5:  # of quantiles, each like a target
            target = np.repeat(target, outputs.shape[-1], axis=2)
        errors = (outputs.reshape(*outputs.shape[:3], -1) - target).swapaxes(2, 3)
        errors = errors.reshape(len(networks), -1, errors.shape[-1])
        found.append(np.where(np.isfinite(errors).all(axis=0), errors, 0.0))
    return np.concatenate(found, axis=1)
