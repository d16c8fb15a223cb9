"""The contract of a recurrent cell: one step on TensorFlow tensors, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Tensors = Sequence[Any]


class Cell(Protocol):
    """One step of a recurrent layer of U units, written such that all loops treat cells alike.

    A step reads the products of its input with the kernel and of its state with the recurrent
    kernel, one (B, U) per gate, and four biases. It returns the next states and saves the
    activations needed by the backward pass.

    Attributes:
        native_name: name of the same cell in `native/cells.h`; None where there is none.
        num_states: states of the layer, the output first.
        num_gates: products of input and of state that a step reads.
        num_saved: activations per unit that a step saves.
        num_extra: gradients of input products that differ from those of the state products.
    """

    native_name: str | None
    num_states: int
    num_gates: int
    num_saved: int
    num_extra: int

    def biases(self, bias: Any) -> Any:
        """Return the four biases (4, U) of the bias of the Keras layer."""
        ...

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """Take one step.

        Args:
            x: input products, (B, U) per gate.
            m: state products, (B, U) per gate.
            bias: four biases (U,).
            states: (B, U) each, the output first.

        Returns:
            The next states, and the activations to save, (B, U) each.
        """
        ...

    def gradients(
        self, d: Tensors, before: Tensors, saved: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Turn the gradients of a step's new states into those of everything it read.

        Args:
            d: gradients of the new states, (B, U) each.
            before: the states the step started from.
            saved: the activations it saved.

        Returns:
            Gradients of the state products, one per gate; the extra gradients; and those of the
            states before, without the path through the state products.
        """
        ...

    def input_gradients(self, recurrent: Any, extra: Tensors) -> Any:
        """Return the gradients of the input products (rows, gates x U).

        Args:
            recurrent: gradients of the state products, (rows, gates x U).
            extra: the extra gradients, (rows, U) each.
        """
        ...

    def bias_gradients(self, recurrent: Any, extra: Tensors) -> Any:
        """Return the gradients (4, U) of the four biases.

        Args:
            recurrent: gradients of the state products, summed over all rows: (gates x U,).
            extra: the extra gradients, summed over all rows: (U,) each.
        """
        ...
