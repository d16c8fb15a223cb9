"""Quantiles that cannot cross."""

from __future__ import annotations

from typing import Any


def ordered_quantiles(raw: Any) -> Any:
    """Turn Q free numbers into Q ascending ones: the middle one as it is, the others by positive steps outwards.

    The steps are added one after another and not with `cumsum`, which a compiler may regroup: a sum
    of ordered terms rounds to an ordered result, so the order is exact in float32 as well.

    Args:
        raw: (B, H, D, Q).

    Returns:
        (B, H, D, Q), ascending along the last axis.
    """
    from keras import ops  # TensorFlow starts when a model is built, not before

    num_quantiles = raw.shape[-1]
    middle = num_quantiles // 2
    steps = ops.softplus(raw)
    quantiles = [raw[..., middle]]
    for place in range(middle + 1, num_quantiles):
        quantiles.append(quantiles[-1] + steps[..., place])
    for place in range(middle - 1, -1, -1):
        quantiles.insert(0, quantiles[0] - steps[..., place])
    return ops.stack(quantiles, axis=-1)
