"""Levels of intervals and the quantiles that belong to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError
from forecast.scores.evaluation import BacktestResult
from forecast.scores.quantile_metrics import central_pairs

SHOWN_LEVELS = (80.0, 95.0)
"""Levels, in percent, of the intervals of a test set, if there are enough calibration windows."""


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
