"""A recurrent layer over a sequence through the compiled operations: the functions that `recurrent` calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from forecast.layers.native.build import operations

OPERATION = "BigruForward"
"""Type of the operation in a graph."""


@dataclass(frozen=True, eq=False)
class NativeLoop:
    """How a layer goes through its sequence.

    Attributes:
        lstm: whether the cell is an LSTM's; it is a GRU's otherwise.
        backwards: whether the last step of the sequence comes first.
        input_masks: dropout of the input, (B, C): one per gate, or none.
        state_masks: dropout of the state, (B, U): one per gate, or none.
    """

    lstm: bool
    backwards: bool
    input_masks: tuple[Any, ...] = ()
    state_masks: tuple[Any, ...] = ()

    def keep(self, x: Any, *rest: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Run, and keep what the gradient needs.

        Args:
            x: (B, L, C).
            rest: kernel (C, gates x U), recurrent kernel (U, gates x U), bias (4, U), and states
                (B, U).

        Returns:
            The final states, the outputs (B, L, U) in the order of time, and what to hand to
            `slopes`.
        """
        outputs, last, memory, kept = self._forward(x, *rest, keep=True, sequence=True)
        return [last, memory][: self.num_states], [outputs], [outputs, kept]

    def infer(self, x: Any, *rest: Any, sequence: bool) -> tuple[list[Any], list[Any]]:
        """The final states, and with `sequence` the outputs."""
        outputs, last, memory, _ = self._forward(x, *rest, keep=False, sequence=sequence)
        return [last, memory][: self.num_states], [outputs] if sequence else []

    def slopes(self, kept: Sequence[Any], d: Sequence[Any], x: Any, *rest: Any) -> list[Any]:
        """The gradient.

        Args:
            kept: from `keep`.
            d: slopes of the final states, then those of the outputs, if those were returned.
            x: as for `keep`.
            rest: as for `keep`.

        Returns:
            Slopes of x and of `rest`, in their order.
        """
        outputs, arrays = kept
        number = self.num_states
        nothing = tf.zeros((0, rest[1].shape[0]))
        d_outputs = d[number] if len(d) > number else nothing
        d_memory = d[1] if self.lstm else nothing
        results = operations().bigru_backward(
            *self._read(x, *rest),
            outputs,
            arrays,
            d_outputs,
            d[0],
            d_memory,
            **self._settings(keep=True),
        )
        slopes = list(results)[: 5 + self.lstm]
        for slope, read in zip(slopes, (x, *rest), strict=True):
            slope.set_shape(read.shape)
        return slopes

    @property
    def num_states(self) -> int:
        """An LSTM has two."""
        return 2 if self.lstm else 1

    def _forward(self, x: Any, *rest: Any, keep: bool, sequence: bool) -> tuple[Any, Any, Any, Any]:
        settings = self._settings(keep=keep, sequence=sequence)
        outputs, last, memory, kept = operations().bigru_forward(*self._read(x, *rest), **settings)
        units = rest[1].shape[0]
        outputs.set_shape((x.shape[0], x.shape[1] if sequence else 0, units))
        last.set_shape((x.shape[0], units))
        memory.set_shape((x.shape[0] if self.lstm else 0, units))
        return outputs, last, memory, kept

    def _read(self, x: Any, *rest: Any) -> list[Any]:
        nothing = tf.zeros((0, rest[1].shape[0]))
        masks = [tf.stack(one) if one else nothing for one in (self.input_masks, self.state_masks)]
        return [x, *rest, *([] if self.lstm else [nothing]), *masks]

    def _settings(self, *, keep: bool, sequence: bool = True) -> dict[str, bool]:
        return {"lstm": self.lstm, "backwards": self.backwards, "keep": keep, "sequence": sequence}
