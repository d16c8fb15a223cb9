"""The weights of the members of an ensemble, by their errors on the validation windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.experiment.prepare import Prepared
from forecast.models.keras_network import Network
from forecast.training.ensemble_weights import cautious_weights
from forecast.training.epoch_batches import sampled_windows
from forecast.training.losses import ROBUST
from forecast.windows.index import WindowIndex

JUDGED_NUMBERS = 5_000_000
"""Errors of each member that its weight is chosen on, at most."""

JUDGED_WINDOWS = 20_000
"""Windows that they are of, at most; a sample as in `sampled_windows`."""

WINDOWS_AT_ONCE = 512
"""Windows whose inputs are in memory at a time."""

LEAST_WEIGHT = 0.05
"""Weight from which on a member of an ensemble counts. One below it moves the forecast by less than
chance does, and costs as much to refit and to run as any other."""


def choose_weights(
    prepared: Prepared, networks: Sequence[Network], is_linear: NDArray[np.bool_]
) -> FloatArray:
    """Return (M,) weights of members by their errors on the validation windows.

    Args:
        prepared: the windows.
        networks: the M members.
        is_linear: (M,) whether a member is a linear map.
    """
    errors = validation_errors(prepared, networks, robust=is_robust(prepared))
    evidence = independent_windows(prepared.validation.index)
    return cautious_weights(errors, is_linear, evidence, robust=is_robust(prepared))


def is_robust(prepared: Prepared) -> bool:
    """Return whether outlier windows are down-weighted, as by an absolute loss."""
    training = prepared.config.training
    if training.has_own_loss:
        return training.point == "median"
    return training.loss in ROBUST


def without_small(weights: FloatArray) -> FloatArray:
    """Return (M,) weights with sum 1, those below `LEAST_WEIGHT` replaced by 0.

    Of many members none may have so much: half an equal weight is always enough.
    """
    least = min(LEAST_WEIGHT, 0.5 / len(weights))
    kept = np.where(weights < least, 0.0, weights)
    return kept / kept.sum()


def independent_windows(index: WindowIndex) -> float:
    """Return the number of windows without overlap that fit into the forecast rows of an index.

    Windows that overlap forecast the same rows, and are little more evidence than one of them.
    """
    counts = np.diff(np.concatenate([[0], index.run_ends]))
    return float(((counts - 1) * index.stride + index.horizon).sum() / index.horizon)


def validation_errors(
    prepared: Prepared, networks: Sequence[Network], *, robust: bool = False
) -> FloatArray:
    """Return the (M, W D, H) errors, forecast minus actual, of members on validation windows.

    An error is 0 where the actual value is missing. Where rows have weights, errors are multiplied
    by them, or by their roots where squares are added up.

    Args:
        prepared: the windows.
        networks: the M members.
        robust: whether roots of mean squares are added up, as in `robust_weights`.
    """
    source = prepared.validation
    errors_per_window = prepared.config.windows.horizon * prepared.features.target.shape[1]
    most = min(JUDGED_WINDOWS, max(1, JUDGED_NUMBERS // errors_per_window))
    numbers = sampled_windows(len(source), most)

    batches = []
    for start in range(0, len(numbers), WINDOWS_AT_ONCE):
        inputs, target = source.batch(numbers[start : start + WINDOWS_AT_ONCE])
        outputs = np.stack([network(inputs) for network in networks]).astype(np.float64)
        if outputs.ndim == 5:  # (M, B, H, D, Q): each quantile is compared with the target
            target = np.repeat(target, outputs.shape[-1], axis=2)
        errors = outputs.reshape(*outputs.shape[:3], -1) - target  # (M, B, H, D Q)
        weights = source.weights(numbers[start : start + WINDOWS_AT_ONCE])
        if weights is not None:
            counted = weights if robust else np.sqrt(weights)
            errors = errors * counted[:, :, None]
        errors = errors.swapaxes(2, 3).reshape(len(networks), -1, errors.shape[2])
        batches.append(np.where(np.isfinite(errors).all(axis=0), errors, 0.0))
    return np.concatenate(batches, axis=1)
