"""Matrix products in blocks of one shape.

A library of linear algebra chooses the order of its sums by the sizes of the factors, and cuts a
large product among threads. So the same row may have other bits beside other rows. Here every call
of the library multiplies `ROWS` rows, the last ones filled up with zeros, with few enough numbers
to stay in one thread: the bits of a row depend on nothing but the row. NumPy calls the library for
one block after the other, which costs a few percent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 8
"""Rows of a block."""

LARGEST = 2**18
"""Multiplications of one call, at most; above it OpenBLAS takes several threads."""

DEEPEST = 2048
"""Numbers that one call sums up, at most."""

NARROWEST = 16
"""Columns of one call, at least, where a kernel has as many."""

Floats = NDArray[np.float32]


class Kernel:
    """A matrix (C, U), cut into blocks for `product`."""

    def __init__(self, kernel: NDArray[Any]) -> None:
        depth, width = kernel.shape
        self.shape = (depth, width)
        deep = max(min(depth, DEEPEST), 1)
        columns = max(LARGEST // (ROWS * deep) // NARROWEST * NARROWEST, NARROWEST)
        self._blocks = [
            [
                (first, np.ascontiguousarray(kernel[first : first + deep, left : left + columns]))
                for first in range(0, depth, deep)
            ]
            for left in range(0, width, columns)
        ]

    def product(self, x: NDArray[Any]) -> Floats:
        """Return (..., U) from x (..., C)."""
        depth, width = self.shape
        num_rows = x.size // depth
        filled = -(-num_rows // ROWS) * ROWS
        rows = x.reshape(num_rows, depth)
        if filled != num_rows:
            padded = np.zeros((filled, depth), x.dtype)
            padded[:num_rows] = rows
            rows = padded
        blocks = np.ascontiguousarray(rows).reshape(-1, ROWS, depth)
        panels = [self._panel(blocks, panel) for panel in self._blocks]
        result = panels[0]
        if len(panels) > 1:
            result = np.concatenate(panels, axis=2)
        return result.reshape(filled, width)[:num_rows].reshape(*x.shape[:-1], width)

    @staticmethod
    def _panel(blocks: Floats, panel: list[tuple[int, Floats]]) -> Floats:
        total = None
        for first, kernel in panel:
            part = blocks
            if len(panel) > 1:
                part = np.ascontiguousarray(blocks[:, :, first : first + len(kernel)])
            product = np.matmul(part, kernel)
            total = product if total is None else total + product
        return total  # type: ignore[return-value]


def pairwise_products(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Return (B, H, L), the products of a (B, H, U) with b (B, L, U) of the same window."""
    _, num_rows, depth = a.shape
    num_columns = b.shape[1]
    b = b.swapaxes(1, 2)  # (B, U, L)
    if num_rows * depth * num_columns <= LARGEST:
        return np.matmul(a, b)
    columns = max(LARGEST // (ROWS * depth), 1)
    result = np.empty((len(a), num_rows, num_columns), np.float32)
    for top in range(0, num_rows, ROWS):
        for left in range(0, num_columns, columns):
            part = np.matmul(a[:, top : top + ROWS], b[:, :, left : left + columns])
            result[:, top : top + ROWS, left : left + columns] = part
    return result
