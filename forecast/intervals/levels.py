"""Levels of intervals and the quantiles that belong to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError
from forecast.scores.evaluation import BacktestResult
from forecast.scores.quantile_metrics import central_pairs

SHOWN_LEVELS = (80.0, 95.0)
"""Levels, in percent, of intervals where none are asked for."""


def central_levels(result: BacktestResult) -> dict[float, tuple[int, int]]:
    """Return the central intervals of a result, narrow ones first.

    Returns:
        Level in percent, such as 80.0 -> indices of the lower and the upper end.
    """
    pairs = central_pairs(result.quantile_levels)
    return {round(100.0 * share, 8): ends for share, ends in pairs.items()}


def tails(level: float) -> tuple[float, float]:
    """Quantile levels of the ends of a central interval: 0.1 and 0.9 of 80 %."""
    low = round((100.0 - level) / 200.0, 10)
    return low, round(1.0 - low, 10)


def check_level(level: float) -> None:
    """Check that a level is a percentage.

    Raises:
        ConfigError: it is not between 0 and 100.
    """
    if not 0 < level < 100:
        raise ConfigError(f"level is {level:g}; expected percent between 0 and 100, such as 80")


def needed_windows(level: float) -> int:
    """Least n for which the rank ceil((n + 1) level / 100) is one of 1..n."""
    share = level / 100.0
    return math.ceil(share / (1.0 - share) - 1e-9)


def widest_level(num_windows: int) -> float:
    """Return the highest level, in whole %, that n windows suffice for: 94 of 18; 0 of none."""
    return float(math.floor(100 * num_windows / (num_windows + 1) + 1e-9))


def supported_levels(levels: Sequence[float], num_windows: int) -> tuple[float, ...]:
    """Return levels in ascending order, the widest there can be in place of those beyond it.

    Args:
        levels: in %, such as (80, 95): of 18 windows (80, 94).
        num_windows: calibration windows.
    """
    widest = widest_level(num_windows)
    beyond = {level for level in levels if needed_windows(level) > num_windows}
    supported = {float(level) for level in levels} - beyond
    if widest and beyond:
        supported.add(widest)
    return tuple(sorted(supported))


def nested(
    quantile_levels: Sequence[float], quantiles: FloatArray, forecast: FloatArray
) -> FloatArray:
    """Return quantiles in the order of their levels, with the point forecast in the middle.

    Args:
        quantile_levels: Q ascending levels.
        quantiles: (B, H, D, Q), which may cross where intervals of one level were moved and those
            of another not.
        forecast: (B, H, D).
    """
    levels = np.asarray(quantile_levels)
    point = forecast[..., None]
    below = np.minimum(quantiles[..., levels < 0.5], point)
    above = np.maximum(quantiles[..., levels > 0.5], point)

    # outwards from the point forecast, each quantile is at least as far as the one before
    below = np.minimum.accumulate(below[..., ::-1], axis=-1)[..., ::-1]
    above = np.maximum.accumulate(above, axis=-1)
    return np.concatenate([below, quantiles[..., levels == 0.5], above], axis=-1)
