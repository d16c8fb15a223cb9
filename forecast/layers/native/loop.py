"""A recurrent layer over a sequence through the compiled operations, as `dispatch` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from forecast.layers.native.registered import operations

OPERATION = "BigruForward"
"""Type of the operation in a graph."""


@dataclass(frozen=True, eq=False)
class NativeLoop:
    """A recurrent layer in C++, and how it traverses its sequence.

    Attributes:
        cell: name of a cell in `cells.h`.
        num_states: states of that cell: 1, or 2 with a memory beside the output.
        backwards: whether the last step of the sequence comes first.
        input_masks: dropout of the input, (B, C): one per gate, or none.
        state_masks: dropout of the state, (B, U): one per gate, or none.
        active: (B, L) bool, False at steps that leave the states unchanged; None for no such steps.
        bfloat16: whether products multiply numbers that are rounded to bfloat16.
    """

    cell: str
    num_states: int
    backwards: bool
    input_masks: tuple[Any, ...] = ()
    state_masks: tuple[Any, ...] = ()
    active: Any = None
    bfloat16: bool = False

    def infer(self, x: Any, *rest: Any, sequence: bool) -> tuple[list[Any], list[Any]]:
        """Run, and save nothing.

        Args:
            x: (B, L, C).
            rest: kernel (C, gates x U), recurrent kernel (U, gates x U), bias (4, U), and states
                (B, U).
            sequence: whether to return the outputs.

        Returns:
            The final states (B, U), and a list of the outputs (B, L, U) in the order of time, or an
            empty one.
        """
        outputs, states, _ = self._forward(x, *rest, save=False, sequence=sequence)
        return states, [outputs] if sequence else []

    def forward(self, x: Any, *rest: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Run, and save the activations that the gradient needs.

        Args:
            x: as for `infer`.
            rest: as for `infer`.

        Returns:
            The final states, the list of the outputs, and the arrays that `backward` takes.
        """
        outputs, states, saved = self._forward(x, *rest, save=True, sequence=True)
        return states, [outputs], [outputs, saved]

    def backward(self, arrays: Sequence[Any], d: Sequence[Any], x: Any, *rest: Any) -> list[Any]:
        """Return the gradients of x and of `rest`, in their order.

        Args:
            arrays: from `forward`.
            d: gradients of the final states, then those of the outputs, if those were returned.
            x: as for `infer`.
            rest: as for `infer`.
        """
        outputs, saved = arrays
        absent = tf.zeros((0, rest[1].shape[0]))
        d_last, *d_others = d
        d_memory = absent
        if self.num_states == 2:
            d_memory, *d_others = d_others
        d_outputs = d_others[0] if d_others else absent

        results = operations().bigru_backward(
            *self._read(x, *rest),
            outputs,
            saved,
            d_outputs,
            d_last,
            d_memory,
            **self._settings(save=True, sequence=True),
        )
        gradients = list(results)[: 4 + self.num_states]  # x, two kernels, bias, states
        for gradient, tensor in zip(gradients, (x, *rest), strict=True):
            gradient.set_shape(tensor.shape)
        return gradients

    def _forward(
        self, x: Any, *rest: Any, save: bool, sequence: bool
    ) -> tuple[Any, list[Any], Any]:
        """Return the outputs, the final states and the saved activations."""
        settings = self._settings(save=save, sequence=sequence)
        results = operations().bigru_forward(*self._read(x, *rest), **settings)
        outputs, last, memory, saved = results

        batch, length, _ = x.shape
        units = rest[1].shape[0]
        outputs.set_shape((batch, length if sequence else 0, units))
        last.set_shape((batch, units))
        memory.set_shape((batch if self.num_states == 2 else 0, units))
        return outputs, [last, memory][: self.num_states], saved

    def _read(self, x: Any, *rest: Any) -> list[Any]:
        """Return the inputs of the operations; an absent one is a tensor without elements."""
        absent = tf.zeros((0, rest[1].shape[0]))
        memory = [absent] if self.num_states == 1 else []
        input_mask = absent
        state_mask = absent
        if self.input_masks:
            input_mask = tf.stack(self.input_masks)  # (gates, B, C)
        if self.state_masks:
            state_mask = tf.stack(self.state_masks)  # (gates, B, U)
        active = self.active
        if active is None:
            active = tf.zeros((0, 0), tf.bool)
        return [x, *rest, *memory, input_mask, state_mask, active]

    def _settings(self, *, save: bool, sequence: bool) -> dict[str, Any]:
        """Return the attributes of the operations."""
        return {
            "cell": self.cell,
            "backwards": self.backwards,
            "rounded": self.bfloat16,
            "save": save,
            "sequence": sequence,
        }
