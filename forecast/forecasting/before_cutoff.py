"""Values of the targets before a cutoff, as they are known there."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.windows.features import Features


def targets_before(features: Features, cutoff: IntArray, steps: int) -> FloatArray:
    """Return (B, steps, D) filled targets of the rows before each cutoff row.

    In a gap that ends after the cutoff no value is interpolated from behind it.
    """
    num_targets = features.target.shape[1]
    rows = cutoff[:, None] + np.arange(-steps, 0)
    filled = features.filled
    values = filled.values[rows, :num_targets]
    if filled.interpolated is None or filled.next_observed is None:
        return values
    known = filled.next_observed[rows, :num_targets] < cutoff[:, None, None]
    return np.where(known, filled.interpolated[rows, :num_targets], values)
