"""The matrix products of a recurrent layer, and their slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Products:
    """The products of something with the kernels of all gates, and their slopes.

    Attributes:
        kernel: (C, gates x U).
        num_gates: number of gates.
        masks: dropout of what is multiplied, (B, C): none, one, or one per gate.
    """

    kernel: Any
    num_gates: int
    masks: tuple[Any, ...] = ()

    @property
    def by_gate(self) -> bool:
        """Whether every gate has a mask of its own."""
        return len(self.masks) > 1

    def masked(self, x: Any) -> list[Any]:
        """What is multiplied: one tensor for all gates, or one per gate."""
        return [x * mask for mask in self.masks] or [x]

    def together(self, x: Any) -> list[Any]:
        """(B, U) per gate from x (B, C), as one product where that is possible."""
        if self.by_gate:
            return self.apart(x)
        return tf.split(tf.matmul(self.masked(x)[0], self.kernel), self.num_gates, axis=1)

    def apart(self, x: Any) -> list[Any]:
        """(..., U) per gate from x (..., B, C), one product and one array each."""
        parts = tf.split(self.kernel, self.num_gates, axis=1)
        masked = self.masked(x) if self.by_gate else self.masked(x) * self.num_gates
        return [product(one, part) for one, part in zip(masked, parts, strict=True)]

    def input_slopes(self, d: Any) -> Any:
        """Slopes of x (..., B, C) from those of its products, d (..., B, gates x U)."""
        if not self.by_gate:
            return self.masked(product(d, tf.transpose(self.kernel)))[0]
        parts = zip(self._by_gate(d), tf.split(self.kernel, self.num_gates, axis=1), self.masks, strict=True)
        return tf.add_n([product(one, tf.transpose(part)) * mask for one, part, mask in parts])

    def kernel_slopes(self, x: Any, d: Any) -> Any:
        """Slopes (C, gates x U) of the kernel from x (..., B, C) and d (..., B, gates x U)."""
        parts = zip(self.masked(x), self._by_gate(d) if self.by_gate else [d], strict=True)
        return tf.concat([tf.matmul(rows(one), rows(part), transpose_a=True) for one, part in parts], axis=1)

    def _by_gate(self, d: Any) -> list[Any]:
        return tf.split(d, self.num_gates, axis=-1)


def product(x: Any, kernel: Any) -> Any:
    """(..., B, U) from x (..., B, C) and kernel (C, U), as one product of matrices."""
    result = tf.matmul(rows(x), kernel)
    return result if len(x.shape) == 2 else tf.reshape(result, [*x.shape[:-2], -1, kernel.shape[1]])


def rows(x: Any) -> Any:
    """(rows, C) from (..., C)."""
    return tf.reshape(x, [-1, x.shape[-1]])
