"""Features of documents most of which are zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SparseFeatures:
    """An (N, F) matrix as the V values that are not zero.

    Attributes:
        values: (V,).
        rows: (V,) document of each value, in ascending order.
        places: (V,) feature of each value.
        num_rows: N.
        num_features: F.
    """

    values: FloatArray
    rows: IntArray
    places: IntArray
    num_rows: int
    num_features: int

    def times(self, weights: FloatArray) -> FloatArray:
        """Return the (N, M) product with weights (F, M)."""
        columns = [
            np.bincount(self.rows, self.values * column[self.places], self.num_rows)
            for column in weights.T
        ]
        return np.stack(columns, axis=1)

    def turned_times(self, shares: FloatArray) -> FloatArray:
        """Return the (F, M) product of the transposed matrix with shares (N, M)."""
        columns = [
            np.bincount(self.places, self.values * column[self.rows], self.num_features)
            for column in shares.T
        ]
        return np.stack(columns, axis=1)

    def squared(self) -> SparseFeatures:
        """Return the matrix of squares."""
        return SparseFeatures(
            self.values**2, self.rows, self.places, self.num_rows, self.num_features
        )

    def take(self, which: IntArray) -> SparseFeatures:
        """Return some of the documents.

        Args:
            which: (B,) their numbers, in ascending order.
        """
        number = np.full(self.num_rows, -1)
        number[which] = np.arange(len(which))
        rows = number[self.rows]
        kept = rows >= 0
        return SparseFeatures(
            self.values[kept], rows[kept], self.places[kept], len(which), self.num_features
        )
