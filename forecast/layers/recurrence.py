"""The loop of a recurrent layer over time, and its gradient, for XLA on a CPU.

Compared with the loop of stock Keras:

- The products of the input with the kernel are computed for a chunk of steps at once, outside the
  inner loop, and the chunk is small enough for its products to stay in the cache until the inner
  loop has read them.
- The gradient is written out. The loop backwards in time carries the gradients of the state alone;
  those of the kernels are one large product per chunk, where automatic differentiation adds up one
  small product per step.
- Gates are separate arrays, so that the compiler reads them in one sweep. Where no gradient is
  asked for, no activations are saved.

Arrays inside are (L, B, ...) in the order of time, also for a loop that goes backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from forecast.layers.cell_contract import Cell, Tensors
from forecast.layers.products import Products

ROWS_PER_CHUNK = 1536
"""Rows of the products computed at once: enough for a product to run at full speed, few enough for
the cache."""

USUAL_BATCH = 64
"""Batch size to plan chunks for where it is not known."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a layer, as tensors; also their gradients.

    Attributes:
        kernel: (C, gates x U), for the input.
        recurrent_kernel: (U, gates x U), for the state.
        bias: (4, U), see `Cell`.
    """

    kernel: Any
    recurrent_kernel: Any
    bias: Any

    def as_tuple(self) -> tuple[Any, Any, Any]:
        """Return the weights in the order of the attributes."""
        return self.kernel, self.recurrent_kernel, self.bias


@dataclass(frozen=True, eq=False)
class Loop:
    """A traversal of a sequence by a layer.

    Attributes:
        cell: its step.
        backwards: whether the last step of the sequence comes first.
        input_masks: dropout of the input, (B, C): none, one, or one per gate.
        state_masks: dropout of the state, (B, U): none, one, or one per gate.
        active: (B, L) bool, False at steps that leave the states unchanged; None for no such steps.
    """

    cell: Cell
    backwards: bool = False
    input_masks: tuple[Any, ...] = ()
    state_masks: tuple[Any, ...] = ()
    active: Any = None

    def first_step(self, done: Any, steps: int, length: int) -> Any:
        """Return the earliest step of the next chunk, when `done` steps are done."""
        return length - done - steps if self.backwards else done

    def index_in_chunk(self, done: Any, steps: int) -> Any:
        """Return the index of the next step in its chunk, when `done` steps are done."""
        return steps - 1 - done if self.backwards else done


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer inside its loop.

    Attributes:
        loop: how the sequence is traversed.
        inputs: products of the input.
        recurrent: products of the state.
    """

    loop: Loop
    inputs: Products
    recurrent: Products

    @classmethod
    def of(cls, loop: Loop, weights: Weights) -> _Layer:
        num_gates = loop.cell.num_gates
        return cls(
            loop,
            Products.of(weights.kernel, num_gates, loop.input_masks),
            Products.of(weights.recurrent_kernel, num_gates, loop.state_masks),
        )


def chunk_lengths(length: int, batch: int | None) -> tuple[int, int]:
    """Return the steps of a chunk, and the steps of a shorter one that comes first (0 for none)."""
    steps = min(length, max(1, ROWS_PER_CHUNK // (batch or USUAL_BATCH)))
    # A divisor nearby spares the shorter chunk, which would have to be compiled as well.
    for divisor in range(steps, steps // 2, -1):
        if length % divisor == 0:
            return divisor, 0
    return steps, length % steps


def run_forward(
    loop: Loop, weights: Weights, x: Any, states: Tensors, *, wanted: str
) -> tuple[list[Any], list[Any]]:
    """Run the forward pass.

    Args:
        loop: how the sequence is traversed.
        weights: of the layer.
        x: (B, L, C).
        states: initial states, (B, U) each.
        wanted: arrays to return: `nothing`; `outputs`; or `gradients`, all that `run_backward`
            needs.

    Returns:
        The final states (B, U), and the arrays (L, B, U): the outputs; or the states that each step
        began with, and the activations it saved.
    """
    cell = loop.cell
    length = x.shape[1]
    layer = _Layer.of(loop, weights)
    bias = tf.unstack(weights.bias)

    def chunk(done: Any, steps: int, states: Tensors, arrays: Tensors) -> Any:
        start = loop.first_step(done, steps, length)
        x_products = layer.inputs.apart(_read_chunk(x, start, steps))  # (steps, B, U) per gate
        active = _active_chunk(loop, start, steps)

        def step(j: Any, states: Tensors, arrays: Tensors) -> Any:
            index = loop.index_in_chunk(j, steps)
            products = [array[index] for array in x_products]
            state_products = layer.recurrent.together(states[0])
            new_states, saved = cell.step(products, state_products, bias, states)
            if active is not None:
                new_states = _where(active[index], new_states, states)
            values = {
                "nothing": [],
                "outputs": new_states[:1],
                "gradients": [*states, *saved],
            }[wanted]
            return j + 1, new_states, _written(arrays, start + index, values)

        return tf.while_loop(lambda j, *_: j < steps, step, (0, states, arrays))[1:]

    num_arrays = {"nothing": 0, "outputs": 1, "gradients": len(states) + cell.num_saved}[wanted]
    shape = states[0].shape
    arrays = [_array(states[0].dtype, length, shape) for _ in range(num_arrays)]
    carried: Any = (list(states), arrays)

    steps, short = chunk_lengths(length, x.shape[0])
    if short:
        carried = chunk(0, short, *carried)
    _, states, arrays = tf.while_loop(
        lambda i, *_: i < length // steps,
        lambda i, *carried: (i + 1, *chunk(short + i * steps, steps, *carried)),
        (0, *carried),
    )
    return list(states), [array.stack() for array in arrays]


def run_backward(
    loop: Loop, weights: Weights, x: Any, arrays: Tensors, d: tuple[Any, Tensors]
) -> tuple[Any, list[Any], Weights]:
    """Run the backward pass, the gradient of `run_forward`.

    Args:
        loop: how the sequence was traversed.
        weights: of the layer.
        x: (B, L, C).
        arrays: from `run_forward` with `wanted="gradients"`.
        d: gradients of the outputs, (B, L, U) or None; and of the final states, (B, U) each.

    Returns:
        Gradients of x (B, L, C), of the initial states (B, U), and of the weights.
    """
    cell = loop.cell
    length = x.shape[1]
    layer = _Layer.of(loop, weights)
    d_outputs, d_states = d

    def chunk(done: Any, steps: int, d_states: Tensors, sums: Tensors) -> Any:
        start = loop.first_step(done, steps, length)
        joined, extra, d_states = _chunk_backward(
            layer, arrays, d_outputs, (start, steps, d_states)
        )
        d_products = cell.input_gradients(joined, extra)  # (steps, B, gates x U)
        before = _take(arrays[0], start, steps, axis=0)
        over_rows = [tf.reduce_sum(array, axis=[0, 1]) for array in (joined, *extra)]
        of_chunk = (
            layer.inputs.kernel_gradients(_read_chunk(x, start, steps), d_products),
            layer.recurrent.kernel_gradients(before, joined),
            cell.bias_gradients(over_rows[0], over_rows[1:]),
        )
        sums = [total + part for total, part in zip(sums, of_chunk, strict=True)]
        return d_states, sums, layer.inputs.input_gradients(d_products)

    def body(i: Any, d_states: Tensors, sums: Tensors, blocks: Any) -> Any:
        left = num_chunks - 1 - i
        d_states, sums, d_x = chunk(short + left * steps, steps, d_states, sums)
        return i + 1, d_states, sums, blocks.write(loop.index_in_chunk(left, num_chunks), d_x)

    steps, short = chunk_lengths(length, x.shape[0])
    num_chunks = length // steps
    sums = [tf.zeros_like(weight) for weight in weights.as_tuple()]
    blocks = _array(x.dtype, num_chunks, (steps, x.shape[0], x.shape[2]))
    _, d_states, sums, blocks = tf.while_loop(
        lambda i, *_: i < num_chunks, body, (0, list(d_states), sums, blocks)
    )

    d_x_blocks = [tf.reshape(blocks.stack(), [length - short, -1, x.shape[2]])]
    if short:
        d_states, sums, d_x = chunk(0, short, d_states, sums)
        # The shorter chunk was the first to be run: the last steps of a loop backwards.
        d_x_blocks.insert(1 if loop.backwards else 0, d_x)
    return to_batch_first(tf.concat(d_x_blocks, axis=0)), d_states, Weights(*sums)


def _chunk_backward(
    layer: _Layer, arrays: Tensors, d_outputs: Any, span: tuple[Any, int, Tensors]
) -> tuple[Any, list[Any], list[Any]]:
    """Go backwards through a chunk.

    Args:
        layer: the layer.
        arrays: as for `run_backward`.
        d_outputs: as for `run_backward`.
        span: earliest step, number of steps, and gradients of the states after the chunk.

    Returns:
        The gradients of the state products (steps, B, gates x U), the extra gradients
        (steps, B, U), and those of the states before the chunk.
    """
    loop = layer.loop
    cell = loop.cell
    start, steps, d_states = span
    num_states = len(d_states)
    active = _active_chunk(loop, start, steps)
    d_chunk = None
    if d_outputs is not None:
        d_chunk = _read_chunk(d_outputs, start, steps)

    def step(j: Any, d: Tensors, gradients: Tensors) -> Any:
        index = loop.index_in_chunk(steps - 1 - j, steps)
        saved = [array[start + index] for array in arrays]
        if d_chunk is not None:
            d = [d[0] + d_chunk[index], *d[1:]]
        d_active = d
        if active is not None:
            d_active = _where(active[index], d, [tf.zeros_like(gradient) for gradient in d])

        d_gates, extra, before = cell.gradients(d_active, saved[:num_states], saved[num_states:])
        joined = tf.concat(d_gates, axis=1)  # (B, gates x U)
        before[0] += layer.recurrent.input_gradients(joined)
        if active is not None:  # where the states stay the same, their gradients do too
            before = _where(active[index], before, d)
        return j + 1, before, _written(gradients, index, (joined, *extra))

    dtype = d_states[0].dtype
    batch, units = d_states[0].shape
    widths = [cell.num_gates * units, *[units] * cell.num_extra]
    blank = [_array(dtype, steps, (batch, width)) for width in widths]
    _, d_states, gradients = tf.while_loop(
        lambda j, *_: j < steps, step, (0, list(d_states), blank)
    )
    joined, *extra = (array.stack() for array in gradients)
    return joined, extra, d_states


def to_batch_first(array: Any) -> Any:
    """Return (B, L, C) from (L, B, C)."""
    return tf.transpose(array, [1, 0, 2])


def _read_chunk(sequence: Any, start: Any, steps: int) -> Any:
    """Return (steps, B, C) of a sequence (B, L, C)."""
    return tf.transpose(_take(sequence, start, steps, axis=1), [1, 0, 2])


def _take(array: Any, first: Any, steps: int, *, axis: int) -> Any:
    """Return some steps of an array with three axes.

    Every size is given as a number: XLA copies an array twice its size for a slice "up to the end".
    """
    begin = [0, 0, 0]
    begin[axis] = first
    size = [
        tf.shape(array)[i] if length is None else length for i, length in enumerate(array.shape)
    ]
    size[axis] = steps
    return tf.slice(array, begin, size)


def _active_chunk(loop: Loop, start: Any, steps: int) -> Any:
    """Return (steps, B, 1) bool, or None where all steps are active."""
    if loop.active is None:
        return None
    return _read_chunk(loop.active[:, :, None], start, steps)


def _where(condition: Any, chosen: Tensors, others: Tensors) -> list[Any]:
    """Return each tensor where the condition (B, 1) is true, and the other elsewhere."""
    pairs = zip(chosen, others, strict=True)
    return [tf.where(condition, tensor, other) for tensor, other in pairs]


def _written(arrays: Tensors, index: Any, values: Sequence[Any]) -> list[Any]:
    """Write one value into each tensor array."""
    return [array.write(index, value) for array, value in zip(arrays, values, strict=True)]


def _array(dtype: Any, length: int, shape: Sequence[int | None]) -> Any:
    return tf.TensorArray(dtype, length, element_shape=shape)
