"""Quantiles that cannot cross."""

from __future__ import annotations

from typing import Any


def ordered_quantiles(raw: Any) -> Any:
    """Turn Q free numbers into Q ascending ones.

    The middle one stays as it is; the others follow outwards by positive steps. The steps are added
    one after another and not with `cumsum`, which a compiler may regroup: a sum of ordered terms
    rounds to an ordered result, so the order is exact in float32 as well.

    Args:
        raw: (B, H, D, Q).

    Returns:
        (B, H, D, Q), ascending along the last axis.
    """
    from keras import ops  # TensorFlow starts when a model is built, not before

    num_quantiles = raw.shape[-1]
    middle = num_quantiles // 2
    steps = ops.softplus(raw)  # (B, H, D, Q), positive
    quantiles = [raw[..., middle]]  # (B, H, D) each
    for level in range(middle + 1, num_quantiles):
        quantiles.append(quantiles[-1] + steps[..., level])
    for level in range(middle - 1, -1, -1):
        quantiles.insert(0, quantiles[0] - steps[..., level])
    return ops.stack(quantiles, axis=-1)
