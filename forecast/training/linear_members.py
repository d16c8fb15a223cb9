"""Ridge regressions as members of an ensemble, and ensembles of nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.experiment.prepare import Prepared
from forecast.inference.regressions import Regression, regression_pass
from forecast.training.ensemble import (
    Member,
    context_lengths,
    keras_model,
    linear_name,
    reads_known_values,
)
from forecast.training.fitted_network import FittedNetwork, TrainingRecord
from forecast.training.judged_members import choose_weights, is_robust, without_small
from forecast.windows.features import Features
from forecast.windows.index import WindowIndex, WindowShape


def fit_regressions(
    prepared: Prepared, shape: WindowShape, chosen: FittedNetwork | None = None
) -> FittedNetwork:
    """Fit an ensemble without networks, which needs no Keras.

    Args:
        prepared: the windows.
        shape: arrays that the ensemble reads and writes.
        chosen: an earlier fit, whose penalties and weights are kept; optional.
    """
    reads_known = reads_known_values(shape)
    names = []
    penalties = {}
    regressions = []
    for length in context_lengths(prepared.config, shape):
        name = linear_name(length)
        names.append(name)
        penalty = None
        if chosen is not None:
            penalty = chosen.penalties[name]
        ridge = solve_member(prepared, length, reads_known=reads_known, penalty=penalty)
        penalties[name] = ridge.penalty
        matrix = ridge.weights.astype(np.float32)
        regressions.append(Regression(length, matrix, reads_known))

    weights = np.ones(1)
    if chosen is not None:
        weights = np.array(list(chosen.record.weights.values()))
    elif len(regressions) > 1:
        alone = [regression_pass(shape, [regression], [1.0]) for regression in regressions]
        weights = without_small(choose_weights(prepared, alone, np.ones(len(alone), dtype=bool)))
    network = regression_pass(shape, regressions, weights.tolist())
    shares = weights.astype(np.float32).tolist()
    return FittedNetwork(
        network,
        partial(keras_model, prepared.config, shape, network.weights),
        penalties,
        TrainingRecord({}, dict(zip(names, shares, strict=True))),
    )


def fit_linear_member(prepared: Prepared, member: Member, penalty: float | None = None) -> float:
    """Set the weights of a linear member, see `solve_member`; return its penalty."""
    ridge = solve_member(
        prepared, member.context_length, reads_known=member.reads_known, penalty=penalty
    )
    member.model.get_layer("linear").set_weights([ridge.weights.astype(np.float32)])
    return ridge.penalty


def solve_member(
    prepared: Prepared, context_length: int, *, reads_known: bool, penalty: float | None = None
) -> RidgeWindow:
    """Solve a ridge regression on the scale of the network.

    Args:
        prepared: the windows.
        context_length: last steps of a window that it reads.
        reads_known: whether it reads known covariates.
        penalty: of the ridge; default: chosen on windows held out.
    """
    features = prepared.features
    targets = features.target.astype(np.float64)
    num_targets = targets.shape[1]
    rows = RidgeRows(
        targets,
        scale=np.ones((prepared.panel.num_series, num_targets)),
        inputs=features.past[:, :num_targets].astype(np.float64),
        positions=prepared.panel.positions,
        weights=row_weights(features),
    )
    if reads_known:
        rows = replace(rows, known=features.known.astype(np.float64))
    training = last_steps(prepared.training.index, context_length)
    validation = last_steps(prepared.validation.index, context_length)
    return RidgeWindow.fit(rows, training, validation, penalty=penalty, robust=is_robust(prepared))


def row_weights(features: Features) -> FloatArray | None:
    """Return (R,) how much each row counts, in float64; None: all alike."""
    if features.weights is None:
        return None
    return features.weights.astype(np.float64)


def last_steps(index: WindowIndex, length: int) -> WindowIndex:
    """Return the same windows with only the last steps of their contexts."""
    return replace(
        index, context_length=length, run_first=index.run_first + index.context_length - length
    )
