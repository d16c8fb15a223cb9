"""Reversible normalisation of every window by its level and spread.

Source: Kim et al. 2022, "Reversible Instance Normalization for Accurate Time-Series Forecasting
against Distribution Shift" (RevIN), without its learned affine part; subtracting the last value
alone is the normalisation of NLinear in Zeng et al. 2023, "Are Transformers Effective for Time
Series Forecasting?".
"""

from __future__ import annotations

from typing import Any


def normalise(past: Any, num_targets: int, how: str) -> tuple[Any, Any, Any]:
    """Remove the level, and for `standard` the spread, from the target channels of each window.

    Args:
        past: (B, L, C), targets first.
        num_targets: D.
        how: `none`, `last` (level: the last value) or `standard` (the last value, and the standard
            deviation; a constant window keeps a spread of 1).

    Returns:
        The normalised `past` (B, L, C), and level and spread, both (B, 1, D).
    """
    from keras import ops  # TensorFlow starts when a model is built, not before

    targets = past[:, :, :num_targets]  # (B, L, D)
    level = targets[:, -1:]  # (B, 1, D)
    if how == "none":
        level = ops.zeros_like(level)

    # Centred first: the deviation of a constant window is then exactly 0, whatever its level.
    centred = targets - level
    spread = ops.ones_like(level)
    if how == "standard":
        deviation = ops.std(centred, axis=1, keepdims=True)
        spread = ops.where(deviation > 0, deviation, spread)  # (B, 1, D)
    normalised = ops.concatenate([centred / spread, past[:, :, num_targets:]], axis=2)
    return normalised, level, spread


def denormalise(forecast: Any, level: Any, spread: Any) -> Any:
    """Restore level and spread.

    Args:
        forecast: (B, H, D) or (B, H, D, Q).
        level: (B, 1, D).
        spread: (B, 1, D).

    Returns:
        The forecast in the unit of the input, same shape.
    """
    from keras import ops

    has_quantiles = len(forecast.shape) == len(level.shape) + 1
    if has_quantiles:
        level = ops.expand_dims(level, -1)  # (B, 1, D, 1)
        spread = ops.expand_dims(spread, -1)

    # The smaller operand of a sum stands first: Keras takes a small *second* one for a bias where
    # its only axis happens to be as long as an axis of the first, so that B = H windows would trade
    # their levels.
    return level + forecast * spread
