"""The forecasts of categories to beat: the last one once more, what usually follows it, shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray

AFTER_LAST = "after the last"
ONCE_MORE = "the last once more"
FREQUENCIES = "frequencies"


@dataclass(frozen=True, eq=False)
class CategoryBaselines:
    """Counts of the training windows.

    Attributes:
        frequencies: (K,) share of each class, none of them 0.
        stays: (H,) share of windows whose last class is there again h steps later.
        follows: (H, K, K) probability of each class h steps after each last one: counts c that fall
            back on the frequencies f (Witten & Bell 1991), with n of all and k of different ones,
            (c + k f) / (n + k).
    """

    frequencies: FloatArray
    stays: FloatArray
    follows: FloatArray

    @classmethod
    def fit(cls, last: IntArray, ahead: IntArray, num_classes: int) -> CategoryBaselines:
        """Count.

        Args:
            last: (W,) class at each cutoff, -1 where it is unknown.
            ahead: (W, H) classes after it.
            num_classes: K.
        """
        counts = np.bincount(ahead.reshape(-1), minlength=num_classes)
        frequencies = (counts + 1 / num_classes) / (counts.sum() + 1)
        is_known = last >= 0
        stays = ((ahead == last[:, None])[is_known].sum(axis=0) + 1) / (is_known.sum() + 2)
        follows = np.empty((ahead.shape[1], num_classes, num_classes))
        for step in range(ahead.shape[1]):
            pairs = np.zeros((num_classes, num_classes))
            np.add.at(pairs, (last[is_known], ahead[is_known, step]), 1.0)
            kinds = np.maximum(1, np.count_nonzero(pairs, axis=1))[:, None]
            total = pairs.sum(axis=1, keepdims=True)
            follows[step] = (pairs + kinds * frequencies) / (total + kinds)
        return cls(frequencies, stays, follows)

    def probabilities(self, last: IntArray) -> dict[str, FloatArray]:
        """Return the (W, H, K) probabilities of each baseline by name.

        Args:
            last: (W,) class at each cutoff, -1 where it is unknown: then shares are forecast.
        """
        num_steps, num_classes, _ = self.follows.shape
        shares = np.tile(self.frequencies, (len(last), num_steps, 1))
        follows = self.follows[:, np.maximum(last, 0)].transpose(1, 0, 2)  # (W, H, K)
        is_last = np.eye(num_classes)[np.maximum(last, 0)][:, None]  # (W, 1, K)
        others = self.frequencies * (1 - is_last)
        others = others / others.sum(axis=-1, keepdims=True)
        stays = self.stays[:, None]
        once_more = stays * is_last + (1 - stays) * others
        is_unknown = (last < 0)[:, None, None]
        return {
            AFTER_LAST: np.where(is_unknown, shares, follows),
            ONCE_MORE: np.where(is_unknown, shares, once_more),
            FREQUENCIES: shares,
        }
