"""Mixtures of training sequences, which small sets learn from as well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = dict[str, NDArray[Any]]


def mixed(
    batch: Batch, targets: NDArray[np.float32], strength: float, draw: np.random.Generator
) -> tuple[Batch, NDArray[np.float32]]:
    """Mix each sequence of a batch with another one, and their labels alike.

        x = s x_i + (1 - s) x_j    y = s y_i + (1 - s) y_j    s from Beta(strength, strength)

    Zhang et al. 2018, "mixup" (arXiv 1710.09412). A mixture is as long as the longer one; codes
    cannot be mixed, and those of the sequence with the larger share stay.

    Args:
        batch: `lengths` (B,), `numbers` (B, L, C), `codes` (B, L, columns).
        targets: (B, K).
        strength: of the mixture; the larger, the nearer its shares are to a half.
        draw: where random numbers come from.
    """
    size = len(targets)
    shares = draw.beta(strength, strength, size).astype(np.float32)
    shares = np.maximum(shares, 1 - shares)  # the first is the one with the larger share
    other = draw.permutation(size)
    result = dict(batch)
    result["lengths"] = np.maximum(batch["lengths"], batch["lengths"][other])
    if "numbers" in batch:
        numbers = batch["numbers"]
        own = shares[:, None, None]
        result["numbers"] = own * numbers + (1 - own) * numbers[other]
    own = shares[:, None]
    return result, own * targets + (1 - own) * targets[other]
