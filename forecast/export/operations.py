"""Operations that a forecast is written in; each format of export implements them once.

A value is a tensor of the graph that is being written. Values add, subtract, multiply and divide
with `+ - * /`, and their shapes broadcast as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Value = Any
"""A tensor of the graph that is being written."""

Type = Literal["float32", "float64", "int32", "int64", "bool"]

Unary = Literal["abs", "exp", "isnan", "log", "neg", "not", "relu", "sigmoid", "softplus", "sqrt"]
"""Functions of one value, beside `tanh`."""

Binary = Literal["and", "equal", "greater", "less", "maximum", "minimum", "power"]
"""Functions of two values, beside the signs of arithmetic."""

Reduction = Literal["max", "mean", "min", "sum"]

Shape = tuple[int | None, ...]
"""Sizes of the axes; None for the axis of the windows."""


Body = Callable[[Sequence[Value], Sequence[Value]], Sequence[Value]]
"""One step of a loop: from the states and the rows at a step to the next states."""


@dataclass(frozen=True, eq=False)
class CellWeights:
    """A recurrent layer of U units in one direction, with weights in the order of Keras.

    Attributes:
        kind: `gru` (reset after the product), `lstm` or `rnn`.
        kernel: (C, G U), for G gates: update, reset and candidate, or input, forget, candidate and
            output.
        recurrent_kernel: (U, G U).
        bias: (2, G U) of a GRU, of inputs and states; else (G U,).
        activation: of `rnn`: `tanh` or `relu`.
    """

    kind: Literal["gru", "lstm", "rnn"]
    kernel: NDArray[np.float32]
    recurrent_kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: str = "tanh"

    @property
    def units(self) -> int:
        """U."""
        return len(self.recurrent_kernel)


class Operations(Protocol):
    """Writes operations into a graph."""

    def constant(self, array: NDArray[Any] | np.generic) -> Value:
        """Return an array as a value."""

    def shape(self, x: Value) -> Shape:
        """Return the sizes of the axes."""

    def cast(self, x: Value, to: Type) -> Value:
        """Return a value of another type."""

    def unary(self, name: Unary | Literal["tanh"], x: Value) -> Value:
        """Apply a function to every number."""

    def binary(self, name: Binary, a: Value, b: Value) -> Value:
        """Apply a function to every two numbers."""

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """Choose from `a` where a condition holds, else from `b`."""

    def matmul(self, a: Value, b: Value) -> Value:
        """Return the product of the last two axes."""

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Join values along an axis."""

    def slice(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """Return the part of an axis from `start` to before `stop`, both counted from its start."""

    def take(self, x: Value, numbers: Sequence[int], axis: int) -> Value:
        """Return the numbered entries of an axis."""

    def rows(self, table: Value, numbers: Value) -> Value:
        """Return rows of a table (first axis) by their numbers, a value of whole numbers."""

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Return another shape; -1 for the axis of the windows."""

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """Return the axes in another order."""

    def expand(self, x: Value, axis: int) -> Value:
        """Insert an axis of size 1."""

    def squeeze(self, x: Value, axis: int) -> Value:
        """Remove an axis of size 1."""

    def reduce(self, name: Reduction, x: Value, axis: int) -> Value:
        """Reduce an axis to size 1."""

    def softmax(self, x: Value) -> Value:
        """Return exp(x) along the last axis with sum 1."""

    def cumsum(self, x: Value, axis: int) -> Value:
        """Add up along an axis."""

    def sort(self, x: Value, axis: int) -> Value:
        """Sort along an axis, ascending."""

    def argmin(self, x: Value, axis: int) -> Value:
        """Return the place of the least number along an axis of size 1, the first of equal ones."""

    def pick(self, x: Value, places: Value) -> Value:
        """Return (S, K) numbers of x (S, T) at places (S, K) of its second axis."""

    def loop(self, body: Body, rows: Sequence[Value], states: Sequence[Value]) -> list[Value]:
        """Go along rows and return the last states.

        Args:
            body: one step; what it reads besides its arguments must have been written before.
            rows: (T, ...) each; a step gets one entry of each.
            states: at the start, each of the shape that it keeps.
        """

    def choose(
        self,
        condition: Value,
        first: Callable[[], Sequence[Value]],
        second: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """Return the values of `first` where a condition (1,) holds, else those of `second`.

        Only the values that are returned are computed.
        """

    def recurrent(
        self, cell: CellWeights, x: Value, states: Sequence[Value] | None, *, backwards: bool
    ) -> tuple[Value, list[Value]]:
        """Run a recurrent layer over a sequence.

        Args:
            cell: its weights.
            x: (B, L, C).
            states: first states, (B, U) each; None for zeros.
            backwards: whether the last step comes first.

        Returns:
            The outputs (B, L, U) in the order of time, and the final states (B, U).
        """
