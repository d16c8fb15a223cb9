"""GRU and LSTM layers that are those of Keras, and on a CPU faster.

They have the weights, the options, the random numbers and the outputs of `keras.layers.GRU` and
`keras.layers.LSTM`, and stand wherever those can, inside `keras.layers.Bidirectional` as well.
Which loop runs:

- in float32 on a CPU that of `native`, in C++, where the machine has a compiler;
- for other types and masked steps, or without a compiler, that of `recurrence`, in TensorFlow,
  which XLA may compile;
- on a GPU, on another backend of Keras than TensorFlow, and for options that cuDNN does not know
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

from forecast.layers.cells import Cell, GRUCell, LSTMCell
from forecast.layers.clusters import cluster, clusters_are_compiled
from forecast.layers.native import operations
from forecast.layers.native.loop import NativeLoop
from forecast.layers.recurrence import Loop, Weights, run_backward, run_forward, to_batch_first
from forecast.layers.runtime import build_apart

Inner = tuple[Any, Any, list[Any]]

SMALLEST_SHARD = 16
"""Windows below which a part of a batch is not worth a processor of its own."""


@keras.saving.register_keras_serializable("forecast")
class GRU(keras.layers.GRU):
    """A `keras.layers.GRU` with a faster loop on a CPU."""

    in_order_of_time = False
    has_a_twin = False

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Inner:
        """What `keras.layers.RNN` calls; see `run_layer`."""
        if not can_run(self, sequences):
            return super().inner_loop(sequences, initial_state, mask, training)
        own, state = tf.unstack(tf.convert_to_tensor(self.cell.bias))
        (z, r, h), (state_z, state_r, state_h) = tf.split(own, 3), tf.split(state, 3)
        bias = tf.stack([z + state_z, r + state_r, h, state_h])
        return run_layer(
            self, GRUCell(), bias, sequences, initial_state, mask=mask, training=training
        )


@keras.saving.register_keras_serializable("forecast")
class LSTM(keras.layers.LSTM):
    """A `keras.layers.LSTM` with a faster loop on a CPU."""

    in_order_of_time = False
    has_a_twin = False

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Inner:
        """What `keras.layers.RNN` calls; see `run_layer`."""
        if not can_run(self, sequences):
            return super().inner_loop(sequences, initial_state, mask, training)
        bias = tf.reshape(tf.convert_to_tensor(self.cell.bias), [4, self.units])
        return run_layer(
            self, LSTMCell(), bias, sequences, initial_state, mask=mask, training=training
        )


@keras.saving.register_keras_serializable("forecast")
class Bidirectional(keras.layers.Bidirectional):
    """A `keras.layers.Bidirectional` that does not turn the sequence of its backward layer round twice."""

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> Any:
        """Run both layers and join their outputs."""
        layers = (self.forward_layer, self.backward_layer)
        fast = self.return_sequences and all(
            isinstance(one, (GRU, LSTM)) and can_run(one, sequences) for one in layers
        )
        self.forward_layer.has_a_twin = self.backward_layer.has_a_twin = True
        self.backward_layer.in_order_of_time = fast and self.merge_mode == "concat"
        if not self.backward_layer.in_order_of_time:
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        half = len(initial_state) // 2 if initial_state is not None else None
        starts = (initial_state[:half], initial_state[half:]) if half else (None, None)
        results = [
            layer(sequences, initial_state=start, mask=mask, training=training)
            for layer, start in zip(layers, starts, strict=True)
        ]
        if not self.return_state:
            return keras.ops.concatenate(results, axis=-1)
        (forward, *states), (backward, *more) = results
        return (keras.ops.concatenate([forward, backward], axis=-1), *states, *more)


def can_run(layer: Any, sequences: Any) -> bool:
    """Whether the loop of this package can stand in for that of Keras."""
    return (
        keras.config.backend() == "tensorflow"
        and not tf.config.list_logical_devices("GPU")
        and layer.activation is activations.tanh
        and layer.recurrent_activation is activations.sigmoid
        and layer.use_bias
        and getattr(layer, "reset_after", True)
        and not layer.unroll
        and bool(sequences.shape[1])
        and sequences.shape[2] is not None
    )


def run_layer(
    layer: Any, cell: Cell, bias: Any, sequences: Any, states: Any, *, mask: Any, training: bool
) -> Inner:
    """Run the loop of a layer.

    Args:
        layer: of Keras.
        cell: what a step of it does.
        bias: (4, U), see `Cell`.
        sequences: (B, L, C).
        states: (B, U) each.
        mask: (B, L) bool or None.
        training: whether dropout applies, and a gradient is expected.

    Returns:
        What `inner_loop` must: last output (B, U), outputs (B, L, U) or (B, 1, U), final states.
    """
    states = keras.tree.flatten(states)
    mask = None if mask is None else keras.tree.flatten(mask)[0]
    masks = layer.cell.get_dropout_mask(sequences[:, 0]) if training and layer.dropout else ()
    state_masks = (
        layer.cell.get_recurrent_dropout_mask(states[0])
        if training and layer.recurrent_dropout
        else ()
    )
    loop = Loop(cell, layer.go_backwards, _constants(masks), _constants(state_masks), mask)
    native = is_native(loop, sequences)
    if native and len(loop.input_masks) == 1:
        sequences, loop = sequences * loop.input_masks[0][:, None], replace(loop, input_masks=())
    kernels = (
        tf.convert_to_tensor(layer.cell.kernel),
        tf.convert_to_tensor(layer.cell.recurrent_kernel),
    )
    read = (sequences, *kernels, bias, *states)
    states, outputs = in_shards(
        loop,
        read,
        num_shards(layer, sequences, native=native),
        training=training,
        sequence=layer.return_sequences,
    )
    last = states[0]
    if mask is not None:
        visible = _visible(mask, loop, zeros=layer.zero_output_for_mask)
        last = tf.where(
            visible[:, :1] if loop.backwards else visible[:, -1:], last, tf.zeros_like(last)
        )
        outputs = [tf.where(visible[:, :, None], one, tf.zeros_like(one)) for one in outputs]
    if loop.backwards and not layer.in_order_of_time:
        outputs = [tf.reverse(one, [1]) for one in outputs]
    return last, outputs[0] if outputs else last[:, None], states


def is_native(loop: Loop, sequences: Any) -> bool:
    """Whether the loop in C++ can run it: float32, and no mask of steps."""
    return sequences.dtype == tf.float32 and loop.active is None and operations() is not None


def runs_natively(model: keras.Model) -> bool:
    """Whether a model has recurrent layers and their loops run in C++, which XLA cannot compile into anything."""
    return operations() is not None and any(
        isinstance(layer, (GRU, LSTM)) for layer in model._flatten_layers()
    )


def num_shards(layer: Any, sequences: Any, *, native: bool) -> int:
    """Parts that the windows of a batch are cut into, to run at the same time.

    Two for a layer in one direction. The directions of a bidirectional one keep two processors busy
    as they are. The number does not depend on the processors that are there, so that the bits do
    not either.

    Args:
        layer: of Keras.
        sequences: (B, L, C).
        native: whether the loop is the one in C++.
    """
    batch = sequences.shape[0]
    alone = (native or clusters_are_compiled()) and not layer.has_a_twin
    return (
        2 if alone and batch is not None and batch % 2 == 0 and batch >= 2 * SMALLEST_SHARD else 1
    )


def in_shards(
    loop: Loop, read: tuple[Any, ...], number: int, *, training: bool, sequence: bool
) -> tuple[list[Any], list[Any]]:
    """Run the loop on parts of the batch.

    Args:
        loop: how to go through the sequence.
        read: x (B, L, C), kernels, bias and states, as `differentiable` takes them.
        number: of parts.
        training: see `differentiable`.
        sequence: see `differentiable`.

    Returns:
        See `differentiable`.
    """

    def cut(tensors: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return list(zip(*(tf.split(one, number) for one in tensors), strict=True)) or [()] * number

    inputs, state_masks = cut(loop.input_masks), cut(loop.state_masks)
    active = tf.split(loop.active, number) if loop.active is not None else [None] * number
    results = []
    for part, (x, *states) in enumerate(cut((read[0], *read[4:]))):
        own = Loop(loop.cell, loop.backwards, inputs[part], state_masks[part], active[part])
        results.append(
            differentiable(own, training=training, sequence=sequence)(x, *read[1:4], *states)
        )
    finals, outputs = zip(*results, strict=True)
    joined = [
        [tf.concat(parts, axis=0) for parts in zip(*each, strict=True)]
        for each in (finals, outputs)
    ]
    return joined[0], joined[1]


def differentiable(
    loop: Loop, *, training: bool, sequence: bool
) -> Callable[..., tuple[list[Any], list[Any]]]:
    """The loop as a function of tensors with a gradient that is written out.

    Args:
        loop: how to go through the sequence.
        training: whether to keep what the gradient needs; it is made again where a gradient is
            asked for after all.
        sequence: whether to return the outputs of all steps.

    Returns:
        From x (B, L, C), kernels, bias and states to the final states, and a list of the outputs
        (B, L, U) in the order of time, or of nothing.
    """

    @tf.custom_gradient
    def run(*read: Any) -> Any:
        # Taken out of the tape's sight: it would trace the gradient of the inside as well.
        constants = [tf.stop_gradient(one) for one in read]
        parts = (
            native_parts(loop, sequence)
            if is_native(loop, constants[0])
            else cluster_parts(loop, sequence)
        )
        if training:
            final, outputs, arrays = parts.keep(*constants)
        else:
            (final, outputs), arrays = parts.infer(*constants), None

        def gradient(*d: Any) -> Any:
            kept = parts.keep(*constants)[2] if arrays is None else arrays
            return parts.slopes(kept, d, *constants)

        return [*final, *outputs], gradient

    def call(*read: Any) -> tuple[list[Any], list[Any]]:
        results = run(*read)
        return (results[:-1], results[-1:]) if sequence else (results, [])

    return call


class Parts(NamedTuple):
    """What `differentiable` is made of, all functions of x (B, L, C), kernels, bias and states.

    Attributes:
        infer: the final states, and the list of the outputs.
        keep: the same, and the arrays that `slopes` needs.
        slopes: (arrays, slopes of what `keep` returned, ...) -> slopes of everything read.
    """

    infer: Callable[..., Any]
    keep: Callable[..., Any]
    slopes: Callable[..., Any]


def native_parts(loop: Loop, sequence: bool) -> Parts:
    """The loop in C++."""
    own = NativeLoop(
        isinstance(loop.cell, LSTMCell), loop.backwards, loop.input_masks, loop.state_masks
    )

    def keep(*read: Any) -> Any:
        final, outputs, arrays = own.keep(*read)
        return final, outputs if sequence else [], arrays

    return Parts(partial(own.infer, sequence=sequence), keep, own.slopes)


def cluster_parts(loop: Loop, sequence: bool) -> Parts:
    """The loop in TensorFlow, compiled by XLA where the surrounding trace wants that."""

    def keep(x: Any, *rest: Any) -> Any:
        final, arrays = run_forward(loop, Weights(*rest[:3]), x, rest[3:], wanted="slopes")
        if not sequence:
            return final, [], arrays
        # What a step begins with is what the one before it came to.
        begun, last = arrays[0], final[0][None]
        outputs = tf.concat([last, begun[:-1]] if loop.backwards else [begun[1:], last], axis=0)
        return final, [to_batch_first(outputs)], arrays

    def infer(x: Any, *rest: Any) -> Any:
        wanted = "outputs" if sequence else "nothing"
        final, arrays = run_forward(loop, Weights(*rest[:3]), x, rest[3:], wanted=wanted)
        return final, [to_batch_first(array) for array in arrays]

    def slopes(arrays: Any, d: Any, x: Any, *rest: Any) -> Any:
        d_states, d_outputs = d[: len(rest) - 3], (d[-1] if sequence else None)
        weights = Weights(*rest[:3])
        d_x, d_states, d_weights = run_backward(loop, weights, x, arrays, (d_outputs, d_states))
        return [d_x, d_weights.kernel, d_weights.recurrent_kernel, d_weights.bias, *d_states]

    return Parts(cluster(infer), cluster(keep), cluster(slopes))


def _constants(masks: Any) -> tuple[Any, ...]:
    return tuple(tf.stop_gradient(mask) for mask in keras.tree.flatten(masks))


def _visible(mask: Any, loop: Loop, *, zeros: bool) -> Any:
    """(B, L) bool: where outputs are shown; elsewhere Keras shows zeros.

    With `zeros` that is every masked step, without it those that come before the first that is not
    masked.
    """
    return mask if zeros else tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=loop.backwards) > 0


def to_keras_layers(model: keras.Model) -> keras.Model:
    """The same model of stock Keras layers, with the same weights: to be saved or loaded where this package is not."""
    return _rebuilt(
        model, keras.layers.Bidirectional, {"GRU": keras.layers.GRU, "LSTM": keras.layers.LSTM}
    )


def from_keras_layers(model: keras.Model) -> keras.Model:
    """The same model with the layers of this module in place of Keras' own, and the same weights."""
    return _rebuilt(model, Bidirectional, {"GRU": GRU, "LSTM": LSTM})


def _rebuilt(model: keras.Model, wrapper: Any, kinds: dict[str, Any]) -> keras.Model:
    def replaced(layer: Any) -> Any:
        kind = (
            kinds.get(type(layer).__name__)
            if isinstance(layer, (keras.layers.GRU, keras.layers.LSTM))
            else None
        )
        return (kind or type(layer)).from_config(layer.get_config())

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Bidirectional):
            return replaced(layer)
        directions = {
            "layer": replaced(layer.forward_layer),
            "backward_layer": replaced(layer.backward_layer),
        }
        settings = {"merge_mode": layer.merge_mode, "name": layer.name, "dtype": layer.dtype_policy}
        return wrapper(**directions, **settings)

    copy = build_apart(partial(keras.models.clone_model, model, clone_function=clone), seed=0)
    copy.set_weights(model.get_weights())
    return copy
