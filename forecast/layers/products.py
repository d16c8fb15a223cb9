"""The matrix products of a recurrent layer, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Products:
    """The products of an input or a state with the kernels of all gates, and their gradients.

    Attributes:
        kernel: (C, gates x U).
        by_gate: the kernel of every gate, (C, U).
        transposed: (gates x U, C).
        masks: dropout of the left factor, (B, C): none, one, or one per gate.
    """

    kernel: Any
    by_gate: Sequence[Any]
    transposed: Any
    masks: tuple[Any, ...]

    @classmethod
    def of(cls, kernel: Any, num_gates: int, masks: tuple[Any, ...] = ()) -> Products:
        """Split and transpose the kernel outside of the loops that read it."""
        return cls(kernel, tf.split(kernel, num_gates, axis=1), tf.transpose(kernel), masks)

    @property
    def masks_differ(self) -> bool:
        """Whether every gate has its own mask."""
        return len(self.masks) > 1

    def masked(self, x: Any) -> list[Any]:
        """Return the left factors: one tensor for all gates, or one per gate."""
        return [x * mask for mask in self.masks] or [x]

    def together(self, x: Any) -> list[Any]:
        """Return (B, U) per gate from x (B, C), by a single product where that is possible."""
        if self.masks_differ:
            return self.apart(x)
        (factor,) = self.masked(x)
        return tf.split(tf.matmul(factor, self.kernel), len(self.by_gate), axis=1)

    def apart(self, x: Any) -> list[Any]:
        """Return (..., U) per gate from x (..., B, C), by one product for each gate."""
        factors = self.masked(x)
        if not self.masks_differ:
            factors = factors * len(self.by_gate)  # the same factor for each gate
        pairs = zip(factors, self.by_gate, strict=True)
        return [_product(factor, kernel) for factor, kernel in pairs]

    def input_gradients(self, d: Any) -> Any:
        """Return the gradients of x (..., B, C) from those of its products.

        Args:
            d: (..., B, gates x U).
        """
        if not self.masks_differ:
            (gradients,) = self.masked(_product(d, self.transposed))
            return gradients
        gates = zip(self._split(d), self.by_gate, self.masks, strict=True)
        return tf.add_n(
            [_product(d_gate, tf.transpose(kernel)) * mask for d_gate, kernel, mask in gates]
        )

    def kernel_gradients(self, x: Any, d: Any) -> Any:
        """Return the gradients (C, gates x U) of the kernel.

        Args:
            x: (..., B, C).
            d: gradients of the products, (..., B, gates x U).
        """
        d_gates = self._split(d) if self.masks_differ else [d]
        pairs = zip(self.masked(x), d_gates, strict=True)
        blocks = [
            tf.matmul(_rows(factor), _rows(d_gate), transpose_a=True) for factor, d_gate in pairs
        ]
        return tf.concat(blocks, axis=1)

    def _split(self, d: Any) -> list[Any]:
        return tf.split(d, len(self.by_gate), axis=-1)


def _product(x: Any, kernel: Any) -> Any:
    """Return (..., B, U) from x (..., B, C) and kernel (C, U), by a single matrix product."""
    result = tf.matmul(_rows(x), kernel)
    if len(x.shape) == 2:
        return result
    return tf.reshape(result, [*x.shape[:-2], -1, kernel.shape[1]])


def _rows(x: Any) -> Any:
    """Return (rows, C) from (..., C)."""
    return tf.reshape(x, [-1, x.shape[-1]])
