"""The matrix products of a recurrent layer, and their slopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Products:
    """The products of something with the kernels of all gates, and their slopes.

    Attributes:
        kernel: (C, gates x U).
        by_gate: the kernel of every gate, (C, U).
        transposed: (gates x U, C).
        masks: dropout of what is multiplied, (B, C): none, one, or one per gate.
    """

    kernel: Any
    by_gate: Sequence[Any]
    transposed: Any
    masks: tuple[Any, ...]

    @classmethod
    def of(cls, kernel: Any, num_gates: int, masks: tuple[Any, ...] = ()) -> Products:
        """Cut and turn the kernel outside of the loops that read it."""
        return cls(kernel, tf.split(kernel, num_gates, axis=1), tf.transpose(kernel), masks)

    @property
    def masks_differ(self) -> bool:
        """Whether every gate has a mask of its own."""
        return len(self.masks) > 1

    def masked(self, x: Any) -> list[Any]:
        """What is multiplied: one tensor for all gates, or one per gate."""
        return [x * mask for mask in self.masks] or [x]

    def together(self, x: Any) -> list[Any]:
        """(B, U) per gate from x (B, C), as one product where that is possible."""
        if self.masks_differ:
            return self.apart(x)
        return tf.split(tf.matmul(self.masked(x)[0], self.kernel), len(self.by_gate), axis=1)

    def apart(self, x: Any) -> list[Any]:
        """(..., U) per gate from x (..., B, C), one product and one array each."""
        masked = self.masked(x) if self.masks_differ else self.masked(x) * len(self.by_gate)
        return [product(one, kernel) for one, kernel in zip(masked, self.by_gate, strict=True)]

    def input_slopes(self, d: Any) -> Any:
        """Slopes of x (..., B, C) from those of its products, d (..., B, gates x U)."""
        if not self.masks_differ:
            return self.masked(product(d, self.transposed))[0]
        parts = zip(self._cut(d), self.by_gate, self.masks, strict=True)
        return tf.add_n([product(one, tf.transpose(kernel)) * mask for one, kernel, mask in parts])

    def kernel_slopes(self, x: Any, d: Any) -> Any:
        """Slopes (C, gates x U) of the kernel from x (..., B, C) and d (..., B, gates x U)."""
        parts = zip(self.masked(x), self._cut(d) if self.masks_differ else [d], strict=True)
        return tf.concat(
            [tf.matmul(rows(one), rows(part), transpose_a=True) for one, part in parts], axis=1
        )

    def _cut(self, d: Any) -> list[Any]:
        return tf.split(d, len(self.by_gate), axis=-1)


def product(x: Any, kernel: Any) -> Any:
    """(..., B, U) from x (..., B, C) and kernel (C, U), as one product of matrices."""
    result = tf.matmul(rows(x), kernel)
    return result if len(x.shape) == 2 else tf.reshape(result, [*x.shape[:-2], -1, kernel.shape[1]])


def rows(x: Any) -> Any:
    """(rows, C) from (..., C)."""
    return tf.reshape(x, [-1, x.shape[-1]])
