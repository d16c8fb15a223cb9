"""The loop of a recurrent layer over time, and its gradient, for XLA on a CPU.

Compared with the loop of stock Keras:

- The products of the input with the kernel are taken for a chunk of steps at once, outside the
  inner loop, and the chunk is small enough for its products to stay in the cache until the inner
  loop has read them.
- The gradient is written out. The loop backwards in time carries the slopes of the state alone;
  those of the kernels are one large product per chunk, where automatic differentiation adds up one
  small product per step.
- Gates are arrays of their own, so that the compiler reads them in one sweep. Where no gradient is
  asked for, none is kept.

Arrays inside are (L, B, ...) in the order of time, for a loop that goes backwards as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from forecast.layers.cells import Cell
from forecast.layers.products import Products

ROWS_PER_CHUNK = 1536
"""Rows of the products taken at once: enough for a product to run at full speed, few enough for the
cache."""

USUAL_BATCH = 64
"""Batch size to plan chunks for where it is not known."""

Tensors = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Weights:
    """What a layer multiplies and adds, as tensors.

    Attributes:
        kernel: (C, gates x U), from the input.
        recurrent_kernel: (U, gates x U), from the state.
        bias: (4, U), see `Cell`.
    """

    kernel: Any
    recurrent_kernel: Any
    bias: Any


@dataclass(frozen=True, eq=False)
class Loop:
    """How a layer goes through its sequence.

    Attributes:
        cell: what a step does.
        backwards: whether the last step of the sequence comes first.
        input_masks: dropout of the input, (B, C): none, one, or one per gate.
        state_masks: dropout of the state, (B, U): none, one, or one per gate.
        active: (B, L) bool, False at steps that leave the states as they are; None for no such
            steps.
    """

    cell: Cell
    backwards: bool = False
    input_masks: tuple[Any, ...] = ()
    state_masks: tuple[Any, ...] = ()
    active: Any = None

    def first_step(self, done: Any, steps: int, length: int) -> Any:
        """The earliest step of the chunk that comes when `done` steps of a sequence are done."""
        return length - done - steps if self.backwards else done

    def place(self, done: Any, steps: int) -> Any:
        """Where in its chunk the step is that comes when `done` steps of the chunk are done."""
        return steps - 1 - done if self.backwards else done


def chunk_lengths(length: int, batch: int | None) -> tuple[int, int]:
    """Steps of a chunk, and steps of a shorter one that comes first (0 for none)."""
    steps = min(length, max(1, ROWS_PER_CHUNK // (batch or USUAL_BATCH)))
    # A divisor nearby spares the shorter chunk, which would have to be compiled as well.
    for near in range(steps, steps // 2, -1):
        if length % near == 0:
            return near, 0
    return steps, length % steps


def run_forward(
    loop: Loop, weights: Weights, x: Any, states: Tensors, *, wanted: str
) -> tuple[list[Any], list[Any]]:
    """Go through a sequence.

    Args:
        loop: how.
        weights: of the layer.
        x: (B, L, C).
        states: (B, U) each, to start from.
        wanted: arrays to return: `nothing`; `outputs`; or `slopes`, all that `run_backward` needs.

    Returns:
        The final states (B, U), and the arrays (L, B, U): the outputs; or the states that each step
        began with, and what the cell kept of it.
    """
    cell, length = loop.cell, x.shape[1]
    inputs = Products.of(weights.kernel, cell.num_gates, loop.input_masks)
    recurrent = Products.of(weights.recurrent_kernel, cell.num_gates, loop.state_masks)
    bias = tf.unstack(weights.bias)

    def chunk(done: Any, steps: int, states: Tensors, arrays: Tensors) -> Any:
        start = loop.first_step(done, steps, length)
        x_products, active = (
            inputs.apart(read_chunk(x, start, steps)),
            _active_chunk(loop, start, steps),
        )

        def step(j: Any, states: Tensors, arrays: Tensors) -> Any:
            place = loop.place(j, steps)
            products = [array[place] for array in x_products]
            new, kept = cell.step(products, recurrent.together(states[0]), bias, states)
            if active is not None:
                new = [
                    tf.where(active[place], one, old) for one, old in zip(new, states, strict=True)
                ]
            values = {"nothing": [], "outputs": new[:1], "slopes": [*states, *kept]}[wanted]
            return (
                j + 1,
                new,
                [
                    array.write(start + place, one)
                    for array, one in zip(arrays, values, strict=True)
                ],
            )

        return tf.while_loop(lambda j, *_: j < steps, step, (0, states, arrays))[1:]

    number = {"nothing": 0, "outputs": 1, "slopes": len(states) + cell.num_kept}[wanted]
    carried: Any = (
        list(states),
        [_array(states[0].dtype, length, states[0].shape) for _ in range(number)],
    )
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
    loop: Loop, weights: Weights, x: Any, arrays: Tensors, slopes: tuple[Any, Tensors]
) -> tuple[Any, list[Any], Weights]:
    """The gradient of `run_forward`.

    Args:
        loop: how the sequence was gone through.
        weights: of the layer.
        x: (B, L, C).
        arrays: from `run_forward` with `wanted="slopes"`.
        slopes: those of the outputs, (B, L, U) or None; and those of the final states, (B, U) each.

    Returns:
        Slopes of x (B, L, C), of the states at the start (B, U), and of the weights.
    """
    cell, length = loop.cell, x.shape[1]
    inputs = Products.of(weights.kernel, cell.num_gates, loop.input_masks)
    recurrent = Products.of(weights.recurrent_kernel, cell.num_gates, loop.state_masks)
    d_outputs, d_states = slopes

    def chunk(done: Any, steps: int, d_states: Tensors, sums: Tensors) -> Any:
        start = loop.first_step(done, steps, length)
        joined, extra, d_states = slopes_of_chunk(
            loop, recurrent, arrays, d_outputs, (start, steps, d_states)
        )
        of_input = cell.input_slopes(joined, extra)
        before = take(arrays[0], start, steps, axis=0)
        over_rows = [tf.reduce_sum(one, axis=[0, 1]) for one in (joined, *extra)]
        more = (
            inputs.kernel_slopes(read_chunk(x, start, steps), of_input),
            recurrent.kernel_slopes(before, joined),
            cell.bias_slopes(over_rows[0], over_rows[1:]),
        )
        return (
            d_states,
            [one + other for one, other in zip(sums, more, strict=True)],
            inputs.input_slopes(of_input),
        )

    def body(i: Any, d_states: Tensors, sums: Tensors, blocks: Any) -> Any:
        left = number - 1 - i
        d_states, sums, d_x = chunk(short + left * steps, steps, d_states, sums)
        return i + 1, d_states, sums, blocks.write(loop.place(left, number), d_x)

    steps, short = chunk_lengths(length, x.shape[0])
    number = length // steps
    sums = [tf.zeros_like(one) for one in (weights.kernel, weights.recurrent_kernel, weights.bias)]
    blocks = _array(x.dtype, number, (steps, x.shape[0], x.shape[2]))
    _, d_states, sums, blocks = tf.while_loop(
        lambda i, *_: i < number, body, (0, list(d_states), sums, blocks)
    )
    parts = [tf.reshape(blocks.stack(), [length - short, -1, x.shape[2]])]
    if short:
        d_states, sums, d_x = chunk(0, short, d_states, sums)
        parts.insert(len(parts) if loop.backwards else 0, d_x)
    return to_batch_first(tf.concat(parts, axis=0)), d_states, Weights(*sums)


def slopes_of_chunk(
    loop: Loop,
    recurrent: Products,
    arrays: Tensors,
    d_outputs: Any,
    place: tuple[Any, int, Tensors],
) -> tuple[Any, list[Any], list[Any]]:
    """Go backwards through a chunk.

    Args:
        loop: how the sequence was gone through.
        recurrent: products of the state.
        arrays: as for `run_backward`.
        d_outputs: as for `run_backward`.
        place: earliest step, number of steps, and slopes of the states after the chunk.

    Returns:
        The recurrent slopes (steps, B, gates x U), the extra slopes (steps, B, U), and those of the
        states before the chunk.
    """
    cell, (start, steps, d_states) = loop.cell, place
    num_states, active = len(d_states), _active_chunk(loop, start, steps)
    d_chunk = None if d_outputs is None else read_chunk(d_outputs, start, steps)

    def step(j: Any, d: Tensors, slopes: Tensors) -> Any:
        here = loop.place(steps - 1 - j, steps)
        read = [array[start + here] for array in arrays]
        if d_chunk is not None:
            d = [d[0] + d_chunk[here], *d[1:]]
        moved = (
            d if active is None else [tf.where(active[here], one, tf.zeros_like(one)) for one in d]
        )
        through, extra, before = cell.slopes(moved, read[:num_states], read[num_states:])
        joined = tf.concat(through, axis=1)
        before[0] += recurrent.input_slopes(joined)
        if active is not None:  # where the states stood still, their slopes pass by
            before = [
                tf.where(active[here], one, still) for one, still in zip(before, d, strict=True)
            ]
        return (
            j + 1,
            before,
            [array.write(here, one) for array, one in zip(slopes, (joined, *extra), strict=True)],
        )

    dtype, (batch, units) = d_states[0].dtype, d_states[0].shape
    widths = [cell.num_gates * units, *[units] * cell.num_extra]
    blank = [_array(dtype, steps, (batch, width)) for width in widths]
    _, d_states, slopes = tf.while_loop(lambda j, *_: j < steps, step, (0, list(d_states), blank))
    joined, *extra = (array.stack() for array in slopes)
    return joined, extra, d_states


def read_chunk(sequence: Any, start: Any, steps: int) -> Any:
    """(steps, B, C) of a sequence (B, L, C)."""
    return tf.transpose(take(sequence, start, steps, axis=1), [1, 0, 2])


def take(array: Any, first: Any, steps: int, *, axis: int) -> Any:
    """Some steps of an array with three axes.

    Every size is given as a number: XLA copies an array twice its size for a slice "up to the end".
    """
    begin, size = (
        [0, 0, 0],
        [tf.shape(array)[i] if length is None else length for i, length in enumerate(array.shape)],
    )
    begin[axis], size[axis] = first, steps
    return tf.slice(array, begin, size)


def to_batch_first(array: Any) -> Any:
    """(B, L, C) from (L, B, C)."""
    return tf.transpose(array, [1, 0, 2])


def _active_chunk(loop: Loop, start: Any, steps: int) -> Any:
    """(steps, B, 1) bool, or None where all steps are active."""
    if loop.active is None:
        return None
    return read_chunk(loop.active[:, :, None], start, steps)


def _array(dtype: Any, length: int, shape: Sequence[int | None]) -> Any:
    return tf.TensorArray(dtype, length, element_shape=shape)
