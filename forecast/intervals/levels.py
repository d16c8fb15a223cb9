"""Levels of intervals and the quantiles that belong to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError
from forecast.scores.evaluation import BacktestResult
from forecast.scores.quantile_metrics import central_pairs

SHOWN_LEVELS = (80.0, 95.0)
"""Intervals of a test part, in per cent, where there are calibration windows enough."""


def central_levels(result: BacktestResult) -> dict[float, tuple[int, int]]:
    """The intervals of a result by their level in per cent: places of the lower and the upper end."""
    return {
        round(100.0 * share, 8): places
        for share, places in central_pairs(result.quantile_levels).items()
    }


def tails(level: float) -> tuple[float, float]:
    """Quantile levels of the ends of a central interval of so many per cent: 0.1 and 0.9 of 80."""
    low = round((100.0 - level) / 200.0, 10)
    return low, round(1.0 - low, 10)


def check_level(level: float) -> None:
    """Raise where a level is no per cent.

    Raises:
        ConfigError: it is not between 0 and 100.
    """
    if not 0 < level < 100:
        raise ConfigError(f"level is {level:g}; expected per cent between 0 and 100, such as 80")


def nested(
    quantile_levels: Sequence[float], quantiles: FloatArray, forecast: FloatArray
) -> FloatArray:
    """Quantiles whose order is that of their levels, the point forecast in the middle.

    Args:
        quantile_levels: Q ascending levels.
        quantiles: (B, H, D, Q), which may cross where intervals of one level were moved and those
            of another not.
        forecast: (B, H, D).
    """
    levels = np.asarray(quantile_levels)
    below, above = quantiles[..., levels < 0.5], quantiles[..., levels > 0.5]
    below = np.minimum.accumulate(np.minimum(below, forecast[..., None])[..., ::-1], axis=-1)[
        ..., ::-1
    ]
    above = np.maximum.accumulate(np.maximum(above, forecast[..., None]), axis=-1)
    return np.concatenate([below, quantiles[..., levels == 0.5], above], axis=-1)
