"""The distribution of a step between and beyond the ends of its calibrated intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.axes import FloatArray

GRID = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0)
"""Levels, in %, of the intervals between whose ends a distribution is linear."""


def at_places(levels: Sequence[float], quantiles: FloatArray, places: FloatArray) -> FloatArray:
    """Return the values at some places of a distribution.

    Between quantiles it is linear. Beyond the outermost ones it falls off exponentially, at the
    rate between the last two.

    Args:
        levels: Q ascending levels, 0.5 among them and one below and above it.
        quantiles: (..., Q) ascending.
        places: (P, ...) in (0, 1).

    Returns:
        (P, ...).
    """
    known = np.asarray(levels, np.float64)
    upper = np.clip(np.searchsorted(known, places), 1, len(known) - 1)
    spread = np.moveaxis(quantiles, -1, 0)  # (Q, ...)
    low = np.take_along_axis(spread, upper - 1, axis=0)
    high = np.take_along_axis(spread, upper, axis=0)
    share = (places - known[upper - 1]) / (known[upper] - known[upper - 1])
    values = low + np.clip(share, 0.0, 1.0) * (high - low)

    for end, inner, rest in ((0, 1, places), (-1, -2, 1.0 - places)):
        last = min(known[end], 1.0 - known[end])
        before = min(known[inner], 1.0 - known[inner])
        rate = (spread[end] - spread[inner]) / np.log(before / last)
        is_beyond = rest < last
        with np.errstate(divide="ignore"):
            beyond = spread[end] + rate * np.log(last / np.maximum(rest, 1e-12))
        values = np.where(is_beyond, beyond, values)
    return values
