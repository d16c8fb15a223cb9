"""Choose the loop that runs a recurrent layer, and give that loop a gradient that is written out.

Which loop runs:

- in float32 on a CPU that of `native`, in C++, where the machine has a compiler;
- for other types, without a compiler, and in a graph that is exported, that of
  `recurrence`, in TensorFlow, which XLA may compile;
- on a GPU, on another backend of Keras than TensorFlow, and for options that cuDNN does not support
  either (another activation, no bias, the reset gate before the product), that of Keras itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import activations

from forecast.layers.cell_contract import Cell, Tensors
from forecast.layers.clusters import cluster, clusters_are_compiled
from forecast.layers.exported import is_exported
from forecast.layers.native import operations
from forecast.layers.native.loop import NativeLoop
from forecast.layers.precision import products_are_rounded, refuse_other_loop
from forecast.layers.recurrence import Loop, Weights, run_backward, run_forward, to_batch_first

InnerLoop = tuple[Any, Any, list[Any]]
"""Result of a Keras `inner_loop`: last output (B, U), outputs (B, L, U) or (B, 1, U), states."""

SMALLEST_SHARD = 16
"""Windows below which a shard of a batch is not worth its own processor."""


class FasterLoop(keras.layers.RNN):
    """Base class that gives a recurrent layer of Keras another loop.

    It comes before that layer in the bases of a class, such as `GRU(FasterLoop, keras.layers.GRU)`.

    Attributes:
        step_cell: the step of the layer and its gradient.
        keras_layer: the layer of Keras with the same weights.
        in_order_of_time: whether a layer that goes backwards returns its outputs in the order of
            time; set by `Bidirectional`.
        has_a_twin: whether another direction runs at the same time; set by `Bidirectional`.
    """

    step_cell: Cell
    keras_layer: Any
    in_order_of_time = False
    has_a_twin = False

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> InnerLoop:
        """Run the loop, called by `keras.layers.RNN`; see `run_layer`."""
        if not can_run(self, sequences):
            refuse_other_loop(self.name)
            return super().inner_loop(sequences, initial_state, mask, training)
        return run_layer(self, sequences, initial_state, mask=mask, training=training)


def can_run(layer: Any, sequences: Any) -> bool:
    """Return whether a loop of this package can replace that of Keras.

    Args:
        layer: of Keras.
        sequences: (B, L, C).
    """
    if keras.config.backend() != "tensorflow":
        return False
    if tf.config.list_logical_devices("GPU") and not is_exported():
        return False
    has_known_size = bool(sequences.shape[1]) or _takes_any_length(layer, sequences)
    return (
        layer.activation is activations.tanh
        and layer.recurrent_activation is activations.sigmoid
        and layer.use_bias
        and getattr(layer, "reset_after", True)
        and not layer.unroll
        and has_known_size
        and sequences.shape[2] is not None
    )


def _takes_any_length(layer: Any, sequences: Any) -> bool:
    """Return whether a sequence of unknown length can be run: by the loop in C++ alone."""
    if sequences.shape[1] is not None:
        return False
    return isinstance(layer, FasterLoop) and is_native(Loop(layer.step_cell), sequences)


def run_layer(layer: Any, sequences: Any, states: Any, *, mask: Any, training: bool) -> InnerLoop:
    """Run the loop of a layer.

    Args:
        layer: a `FasterLoop`.
        sequences: (B, L, C).
        states: (B, U) each.
        mask: (B, L) bool or None.
        training: whether dropout applies, and a gradient is expected.

    Returns:
        See `InnerLoop`.
    """
    states = keras.tree.flatten(states)
    if mask is not None:
        mask = keras.tree.flatten(mask)[0]

    input_masks: tuple[Any, ...] = ()
    state_masks: tuple[Any, ...] = ()
    if training and layer.dropout:
        input_masks = _constants(layer.cell.get_dropout_mask(sequences[:, 0]))
    if training and layer.recurrent_dropout:
        state_masks = _constants(layer.cell.get_recurrent_dropout_mask(states[0]))

    loop = Loop(layer.step_cell, layer.go_backwards, input_masks, state_masks, mask)
    native = is_native(loop, sequences)
    if not native:
        refuse_other_loop(layer.name)
    if native and len(input_masks) == 1:  # C++ knows no mask that all gates share
        sequences = sequences * input_masks[0][:, None]
        loop = replace(loop, input_masks=())

    weights = Weights(
        tf.convert_to_tensor(layer.cell.kernel),
        tf.convert_to_tensor(layer.cell.recurrent_kernel),
        layer.step_cell.biases(tf.convert_to_tensor(layer.cell.bias)),
    )
    shards = 1  # C++ cuts a batch itself
    if not native:
        shards = num_shards(layer, sequences)
    run = _Run(loop, shards, training, layer.return_sequences)
    states, outputs = _run_in_shards(run, weights, sequences, states)

    last = states[0]
    if mask is not None:
        visible = _visible(mask, loop, zeros=layer.zero_output_for_mask)  # (B, L)
        last_visible = visible[:, :1] if loop.backwards else visible[:, -1:]  # (B, 1)
        last = tf.where(last_visible, last, tf.zeros_like(last))
        outputs = [
            tf.where(visible[:, :, None], output, tf.zeros_like(output)) for output in outputs
        ]
    if loop.backwards and not layer.in_order_of_time:
        outputs = [tf.reverse(output, [1]) for output in outputs]
    if not outputs:
        return last, last[:, None], states
    return last, outputs[0], states


def is_native(loop: Loop, sequences: Any) -> bool:
    """Return whether the loop in C++ can run it.

    It runs the cells it has, in float32, and in graphs that stay here.
    """
    return (
        loop.cell.native_name is not None
        and sequences.dtype == tf.float32
        and operations() is not None
        and not is_exported()
    )


def num_shards(layer: Any, sequences: Any) -> int:
    """Return into how many shards XLA cuts the windows of a batch, to run at the same time.

    Two for a layer in one direction. The directions of a bidirectional one keep two processors busy
    as they are. The number does not depend on the processors of the machine, so that the bits do
    not either.

    Args:
        layer: a `FasterLoop`.
        sequences: (B, L, C).
    """
    batch = sequences.shape[0]
    runs_alone = clusters_are_compiled() and not layer.has_a_twin
    if not runs_alone or batch is None:
        return 1
    can_be_halved = batch % 2 == 0 and batch >= 2 * SMALLEST_SHARD
    return 2 if can_be_halved else 1


class _Run(NamedTuple):
    """One run of a layer.

    Attributes:
        loop: how the sequence is traversed.
        shards: shards of the batch.
        training: whether to save the activations that the gradient needs; if not, the forward pass
            runs again where a gradient is asked for after all.
        sequence: whether to return the outputs of all steps.
    """

    loop: Loop
    shards: int
    training: bool
    sequence: bool


def _run_in_shards(
    run: _Run, weights: Weights, x: Any, states: Tensors
) -> tuple[list[Any], list[Any]]:
    """Run the loop on shards of the batch.

    Args:
        run: see `_Run`.
        weights: of the layer.
        x: (B, L, C).
        states: (B, U) each.

    Returns:
        The final states (B, U), and a list of the outputs (B, L, U) in the order of time, or an
        empty one.
    """
    loop = run.loop
    tensors = _shards((x, *states), run.shards)
    input_masks = _shards(loop.input_masks, run.shards)
    state_masks = _shards(loop.state_masks, run.shards)
    active: list[Any] = [None] * run.shards
    if loop.active is not None:
        active = tf.split(loop.active, run.shards)

    finals = []
    outputs = []
    for number, (shard_x, *shard_states) in enumerate(tensors):
        shard_loop = replace(
            loop,
            input_masks=input_masks[number],
            state_masks=state_masks[number],
            active=active[number],
        )
        call = _differentiable(run._replace(loop=shard_loop))
        final, output = call(shard_x, *weights.as_tuple(), *shard_states)
        finals.append(final)
        outputs.append(output)
    return _joined(finals), _joined(outputs)


def _shards(tensors: Tensors, number: int) -> list[tuple[Any, ...]]:
    """Cut every tensor along the batch; return the tensors of each shard."""
    if not tensors:
        return [()] * number
    return list(zip(*(tf.split(tensor, number) for tensor in tensors), strict=True))


def _joined(shards: list[list[Any]]) -> list[Any]:
    """Join the tensors of all shards along the batch."""
    return [tf.concat(pieces, axis=0) for pieces in zip(*shards, strict=True)]


def _differentiable(run: _Run) -> Callable[..., tuple[list[Any], list[Any]]]:
    """Return the loop as a function of tensors with a gradient that is written out.

    Args:
        run: see `_Run`.

    Returns:
        A function from x (B, L, C), kernels, bias and states to the final states, and a list of the
        outputs (B, L, U) in the order of time, or an empty one.
    """

    @tf.custom_gradient
    def differentiable(*tensors: Any) -> Any:
        # Hidden from the tape, which would trace the gradient of the inside as well.
        constants = [tf.stop_gradient(tensor) for tensor in tensors]
        if is_native(run.loop, constants[0]):
            passes = _native_passes(run.loop, run.sequence)
        else:
            passes = _xla_passes(run.loop, run.sequence)

        saved = None
        if run.training:
            final, outputs, saved = passes.forward(*constants)
        else:
            final, outputs = passes.infer(*constants)

        def gradient(*d: Any) -> Any:
            activations_saved = saved
            if activations_saved is None:
                _, _, activations_saved = passes.forward(*constants)
            return passes.backward(activations_saved, d, *constants)

        return [*final, *outputs], gradient

    def call(*tensors: Any) -> tuple[list[Any], list[Any]]:
        results = differentiable(*tensors)
        if run.sequence:
            return results[:-1], results[-1:]
        return results, []

    return call


class _Passes(NamedTuple):
    """The passes of a loop, all functions of x (B, L, C), kernels, bias and states.

    Attributes:
        infer: returns the final states, and the list of the outputs.
        forward: the same, and the activations that `backward` needs.
        backward: (activations, gradients of the results, ...) -> gradients of all arguments.
    """

    infer: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]


def _native_passes(loop: Loop, sequence: bool) -> _Passes:
    """Return the passes in C++."""
    native = NativeLoop(
        str(loop.cell.native_name),
        loop.cell.num_states,
        loop.backwards,
        loop.input_masks,
        loop.state_masks,
        loop.active,
        products_are_rounded(),
    )

    def forward(*tensors: Any) -> Any:
        final, outputs, saved = native.forward(*tensors)
        return final, outputs if sequence else [], saved

    return _Passes(partial(native.infer, sequence=sequence), forward, native.backward)


def _xla_passes(loop: Loop, sequence: bool) -> _Passes:
    """Return the passes in TensorFlow, compiled by XLA where the surrounding trace wants that."""

    def infer(x: Any, *rest: Any) -> Any:
        weights = Weights(*rest[:3])
        states = rest[3:]
        wanted = "outputs" if sequence else "nothing"
        final, arrays = run_forward(loop, weights, x, states, wanted=wanted)
        return final, [to_batch_first(array) for array in arrays]

    def forward(x: Any, *rest: Any) -> Any:
        weights = Weights(*rest[:3])
        states = rest[3:]
        final, arrays = run_forward(loop, weights, x, states, wanted="gradients")
        if not sequence:
            return final, [], arrays

        # The output of a step is the state that the next step begins with.
        first_states = arrays[0]  # (L, B, U)
        last = final[0][None]
        if loop.backwards:
            outputs = tf.concat([last, first_states[:-1]], axis=0)
        else:
            outputs = tf.concat([first_states[1:], last], axis=0)
        return final, [to_batch_first(outputs)], arrays

    def backward(arrays: Any, d: Any, x: Any, *rest: Any) -> Any:
        weights = Weights(*rest[:3])
        states = rest[3:]
        d_states = d[: len(states)]
        d_outputs = d[-1] if sequence else None
        d_x, d_states, d_weights = run_backward(loop, weights, x, arrays, (d_outputs, d_states))
        return [d_x, *d_weights.as_tuple(), *d_states]

    return _Passes(cluster(infer), cluster(forward), cluster(backward))


def _constants(masks: Any) -> tuple[Any, ...]:
    return tuple(tf.stop_gradient(mask) for mask in keras.tree.flatten(masks))


def _visible(mask: Any, loop: Loop, *, zeros: bool) -> Any:
    """Return (B, L) bool: the steps with outputs; at the others Keras returns zeros.

    With `zeros` those are all masked steps, without it those before the first step that is not
    masked.
    """
    if zeros:
        return mask
    return tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=loop.backwards) > 0
