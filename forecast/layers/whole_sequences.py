"""Layers for whole sequences of different lengths, each at the beginning of its padded steps."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

FAR_BELOW = -1e9
"""Score of a step behind the end of a sequence: its softmax is exactly 0."""

SCALE_MOMENTUM = 0.9
"""Share of the mean and deviation of a filter that stays from batch to batch; 0.99, the default of
Keras, would need hundreds of batches, which small sets do not have."""


@keras.saving.register_keras_serializable("forecast")
class ReverseSteps(keras.layers.Layer):
    """Turn each sequence round within its own length; steps behind its end stay.

    A recurrent layer over the result reads every sequence backwards from its last step, and what
    stands behind the end comes last, where it changes nothing before it. So no step needs a mask,
    and the fast loops run.
    """

    def call(self, steps: Any, lengths: Any) -> Any:
        """Reverse.

        Args:
            steps: (B, L, C).
            lengths: (B,) int32, steps of each sequence.

        Returns:
            (B, L, C).
        """
        return tf.reverse_sequence(steps, lengths, seq_axis=1, batch_axis=0)


@keras.saving.register_keras_serializable("forecast")
class NeighbourFilters(keras.layers.Layer):
    """A convolution over neighbouring steps, then a mean over every few steps.

    Each filter is scaled by its mean and deviation (Ioffe & Szegedy 2015, arXiv 1502.03167), then
    cut off below 0. Steps behind the end of a sequence count nowhere.

    Attributes:
        filters: F.
        width: neighbouring steps that a filter reads.
        stride: steps whose outputs become one.
    """

    def __init__(self, filters: int, width: int, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.width = width
        self.stride = stride

    def build(self, steps: Any, *_: Any) -> None:
        """Make the weights, for as many channels as the steps have."""
        self.convolution = keras.layers.Conv1D(
            self.filters, self.width, padding="same", use_bias=False, name="convolution"
        )
        self.scale = keras.layers.BatchNormalization(momentum=SCALE_MOMENTUM, name="scale")
        self.convolution.build(steps)
        self.scale.build((*steps[:-1], self.filters))
        self.built = True

    def call(self, steps: Any, lengths: Any, training: bool = False) -> Any:
        """Filter.

        Args:
            steps: (B, L, C).
            lengths: (B,) int32, steps of each sequence.
            training: whether filters are scaled by this batch, and not by those of the training.

        Returns:
            (B, ceil(L / stride), F), and the (B,) lengths of what is left of each sequence.
        """
        num_steps = ops.shape(steps)[1]
        is_inside = tf.sequence_mask(lengths, num_steps)  # (B, L)
        inside = is_inside[:, :, None]
        filtered = self.convolution(ops.where(inside, steps, 0.0))
        filtered = self.scale(filtered, training=training, mask=is_inside)
        filtered = ops.where(inside, ops.relu(filtered), 0.0)
        if self.stride == 1:
            return filtered, lengths
        num_groups = -(-num_steps // self.stride)
        behind = num_groups * self.stride - num_steps
        filtered = tf.pad(filtered, [[0, 0], [0, behind], [0, 0]])
        groups = tf.reshape(filtered, (-1, num_groups, self.stride, self.filters))
        left = lengths[:, None] - self.stride * tf.range(num_groups)  # (B, groups)
        counts = ops.cast(ops.clip(left, 1, self.stride), filtered.dtype)
        means = ops.sum(groups, axis=2) / counts[:, :, None]
        return means, -(-lengths // self.stride)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        sizes = {"filters": self.filters, "width": self.width, "stride": self.stride}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable("forecast")
class Pooling(keras.layers.Layer):
    """One vector of the outputs of all steps of a sequence; see `BiGRUClassifierConfig.pooling`.

    Attributes:
        how: `last`, `mean`, `max` or `attention`.
        is_bidirectional: whether the second half of the outputs was read backwards: its last step
            is the first of the sequence.
    """

    def __init__(self, how: str, is_bidirectional: bool, **options: Any) -> None:
        super().__init__(**options)
        self.how = how
        self.is_bidirectional = is_bidirectional

    def build(self, outputs: Any, *_: Any) -> None:
        """Make the weights of the attention, of the width of the outputs."""
        if self.how == "attention":
            width = outputs[-1]
            self.hidden = keras.layers.Dense(width, activation="tanh", name="hidden")
            self.score = keras.layers.Dense(1, use_bias=False, name="score")
            self.hidden.build(outputs)
            self.score.build((*outputs[:-1], width))
        self.built = True

    def call(self, outputs: Any, lengths: Any) -> Any:
        """Pool.

        Args:
            outputs: (B, L, U).
            lengths: (B,) int32, steps of each sequence.

        Returns:
            (B, U).
        """
        if self.how == "last":
            return self._last(outputs, lengths)
        is_inside = tf.sequence_mask(lengths, ops.shape(outputs)[1])[:, :, None]  # (B, L, 1)
        if self.how == "max":
            return ops.max(ops.where(is_inside, outputs, FAR_BELOW), axis=1)
        if self.how == "mean":
            total = ops.sum(ops.where(is_inside, outputs, 0.0), axis=1)
            return total / ops.cast(lengths, total.dtype)[:, None]
        return ops.sum(outputs * self.step_weights(outputs, lengths), axis=1)

    def step_weights(self, outputs: Any, lengths: Any) -> Any:
        """Return the (B, L, 1) weights of the attention, with sum 1 over the steps."""
        is_inside = tf.sequence_mask(lengths, ops.shape(outputs)[1])[:, :, None]
        scores = self.score(self.hidden(outputs))  # (B, L, 1)
        return tf.nn.softmax(ops.where(is_inside, scores, FAR_BELOW), axis=1)

    def _last(self, outputs: Any, lengths: Any) -> Any:
        """Return the output of the last step that each direction has read."""
        last = tf.gather(outputs, lengths - 1, axis=1, batch_dims=1)  # (B, U)
        if not self.is_bidirectional:
            return last
        half = outputs.shape[-1] // 2
        return ops.concatenate([last[:, :half], outputs[:, 0, half:]], axis=-1)

    def compute_output_shape(self, outputs: Any, *_: Any) -> Any:
        """Return the shape of the result."""
        return (outputs[0], outputs[-1])

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {
            **super().get_config(),
            "how": self.how,
            "is_bidirectional": self.is_bidirectional,
        }
