"""Shares of the steps at which fixed patterns are found: MiniRocket, for a ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.classification.encoding import EncodedRows

WIDTH = 9
"""Steps that a kernel reads."""

KERNELS = np.array(list(combinations(range(WIDTH), 3)))
"""(84, 3): the taps of each kernel that weigh 2; the other six weigh -1."""

MOST_DILATIONS = 8

LEVELS = 4
"""Thresholds of each kernel and dilation."""

USUAL_CHANNELS = 3
"""Channels that a kernel reads, on average."""

SEEN_SEQUENCES = 20
"""Sequences whose values the thresholds are quantiles of."""


@dataclass(frozen=True, eq=False)
class KernelFeatures:
    """Kernels with their thresholds.

    Dempster, Schmidt & Webb 2021, "MiniRocket" (KDD, arXiv 2012.08791), without its variants of
    padding and with thresholds from several sequences at once.

    Attributes:
        dilations: (D,) steps between two taps.
        channels: (D, 84, C) 1 where a kernel reads a channel, else 0.
        thresholds: (D, 84, LEVELS).
    """

    dilations: NDArray[np.int64]
    channels: FloatArray
    thresholds: FloatArray

    @classmethod
    def fit(cls, rows: EncodedRows) -> KernelFeatures:
        """Draw channels, and take thresholds from the values of the training sequences.

        Args:
            rows: the training sequences.
        """
        draw = np.random.default_rng(0)
        num_channels = rows.numbers.shape[1]
        furthest = max(1.0, (np.median(rows.lengths) - 1) / (WIDTH - 1))
        powers = np.linspace(0.0, np.log2(furthest), MOST_DILATIONS)
        dilations = np.unique((2.0**powers).astype(np.int64))
        size = (len(dilations), len(KERNELS), num_channels)
        is_read = draw.random(size) < USUAL_CHANNELS / num_channels
        always = draw.integers(0, num_channels, size[:2])  # at least this one
        np.put_along_axis(is_read, always[..., None], True, axis=2)
        channels = is_read.astype(np.float64)

        seen = draw.permutation(len(rows.lengths))[:SEEN_SEQUENCES]
        levels = (np.arange(LEVELS) + 0.5) / LEVELS
        thresholds = np.empty((*size[:2], LEVELS))
        for place, dilation in enumerate(dilations):
            found = [_found(_steps(rows, number), dilation, channels[place]) for number in seen]
            thresholds[place] = np.quantile(np.concatenate(found, axis=1), levels, axis=1).T
        return cls(dilations, channels, thresholds)

    def values(self, rows: EncodedRows) -> FloatArray:
        """Return the (N, D x 84 x LEVELS) share of the steps above each threshold."""
        num_sequences = len(rows.lengths)
        values = np.empty((num_sequences, *self.thresholds.shape))
        for number in range(num_sequences):
            steps = _steps(rows, number)
            for place, dilation in enumerate(self.dilations):
                found = _found(steps, dilation, self.channels[place])  # (84, L)
                is_above = found[:, :, None] > self.thresholds[place][:, None]
                values[number, place] = is_above.mean(axis=1)
        return values.reshape(num_sequences, -1)


def _steps(rows: EncodedRows, number: int) -> FloatArray:
    """Return the (L, C) numbers of a sequence."""
    start, end = rows.offsets[number : number + 2]
    return rows.numbers[start:end].astype(np.float64)


def _found(steps: FloatArray, dilation: int, channels: FloatArray) -> FloatArray:
    """Return the (84, L) sum of all kernels over their channels at each step.

    Args:
        steps: (L, C).
        dilation: steps between two taps.
        channels: (84, C).
    """
    reach = (WIDTH // 2) * dilation
    padded = np.pad(steps, ((reach, reach), (0, 0)))
    taps = np.stack([padded[tap * dilation :][: len(steps)] for tap in range(WIDTH)])  # (9, L, C)
    sums = 3.0 * taps[KERNELS].sum(axis=1) - taps.sum(axis=0)  # (84, L, C)
    found: FloatArray = np.einsum("klc,kc->kl", sums, channels)
    return found
