"""From windows to a trained network: every member of a blend is fitted, then weighed on the validation windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.baselines import RidgeWindow
from forecast.ensemble import Ensemble, Member, build_ensemble, cautious_shares
from forecast.network import make_network
from forecast.preparation import Prepared
from forecast.results import History
from forecast.training import Reporter, train
from forecast.windows import WindowIndex, WindowShape

if TYPE_CHECKING:
    import keras

JUDGED_NUMBERS = 20_000_000
"""Numbers of each member that its weight is chosen on, at most: of windows spread evenly."""


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """What training leaves.

    Attributes:
        model: the network, or the blend.
        history: of the network with the largest weight.
        shares: weight of each member by name.
    """

    model: keras.Model
    history: History
    shares: dict[str, float]


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
        checkpoint: file that holds the state of training after each epoch; further members add a number to its name.
        resume: go on from there.
        reporter: is told of each step and epoch of every network.

    Raises:
        TrainingError: training diverged, or a checkpoint belongs to something else.
    """
    ensemble = build_ensemble(prepared.config, shape)
    histories: dict[str, History] = {}
    for place, member in enumerate(ensemble.members):
        if member.seed is None:
            fit_linear_member(prepared, member)
            continue
        config = prepared.config.training.model_copy(update={"seed": member.seed})
        histories[member.name] = train(
            member.model,
            prepared.training,
            prepared.validation if len(prepared.validation) else None,
            config,
            checkpoint=checkpoint and member_checkpoint(checkpoint, place),
            resume=resume,
            reporter=reporter,
        ).history
    if len(ensemble.members) > 1:
        errors = validation_errors(prepared, ensemble)
        is_linear = np.array([one.seed is None for one in ensemble.members])
        ensemble.weigh(cautious_shares(errors, is_linear, independent_windows(prepared.validation.index)))
    shares = ensemble.shares
    return FittedNetwork(ensemble.model, histories[max(histories, key=lambda name: shares[name])], shares)


def member_checkpoint(checkpoint: Path, place: int) -> Path:
    """The file of a member: that of the first has no number."""
    return checkpoint.with_name(f"{checkpoint.name}-{place}") if place else checkpoint


def fit_linear_member(prepared: Prepared, member: Member) -> None:
    """Solve the ridge regression of a linear member on the scale of the network, its penalty chosen on validation."""
    targets = prepared.features.target.astype(np.float64)
    train_index, validation_index = (
        last_steps(one.index, member.context_length) for one in (prepared.training, prepared.validation)
    )
    scale = np.ones((prepared.panel.num_series, targets.shape[1]))
    known = prepared.features.known.astype(np.float64) if member.reads_known else None
    ridge = RidgeWindow.fit(targets, train_index, validation_index, scale=scale, known=known)
    member.model.get_layer("linear").set_weights([ridge.weights.astype(np.float32)])


def last_steps(index: WindowIndex, length: int) -> WindowIndex:
    """The same windows with only the last steps of their contexts."""
    return replace(index, context_length=length, run_first=index.run_first + index.context_length - length)


def independent_windows(index: WindowIndex) -> float:
    """How many windows fit beside each other into the rows that the windows of an index forecast.

    Windows that overlap forecast the same rows, and say little more than one of them does.
    """
    counts = np.diff(np.concatenate([[0], index.run_ends]))
    return float(((counts - 1) * index.stride + index.horizon).sum() / index.horizon)


def validation_errors(prepared: Prepared, ensemble: Ensemble) -> NDArray[np.float64]:
    """(M, n) forecast minus actual of every member on the measured targets of the validation windows."""
    source, networks = prepared.validation, [make_network(one.model, jit="off") for one in ensemble.members]
    size = min(one.largest_batch for one in networks)
    each = prepared.config.windows.horizon * prepared.features.target.shape[1]
    kept = min(len(source), max(1, JUDGED_NUMBERS // each))
    chosen = np.linspace(0, len(source) - 1, kept).round().astype(np.int64)
    found = []
    for start in range(0, kept, size):
        inputs, target = source.batch(chosen[start : start + size])
        outputs = np.stack([network(inputs) for network in networks]).astype(np.float64)
        actual = target if outputs.ndim == 4 else target[..., None]
        errors = (outputs - actual).reshape(len(networks), -1)
        found.append(errors[:, np.isfinite(errors).all(axis=0)])
    return np.concatenate(found, axis=1)
