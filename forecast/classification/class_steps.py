"""The train step of a classifier's network, and its loss on sequences it does not learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.classification.class_settings import ClassTraining
from forecast.layers.traced import key_of, trace_once
from forecast.section import decided

if TYPE_CHECKING:
    import keras

Batch = dict[str, NDArray[Any]]

SMALLEST_RATE = 0.01
"""Last learning rate, as a fraction of the first."""


@dataclass(frozen=True, eq=False)
class ClassSteps:
    """Functions of one network, traced once for all networks of its kind.

    Attributes:
        inputs: names of the network's inputs, in the order of the arguments.
        step: (inputs, targets (B, K), weights (B,)) -> loss in nats; changes the weights.
        loss: the same arguments -> loss, without dropout.
    """

    inputs: tuple[str, ...]
    step: Callable[..., Any]
    loss: Callable[..., Any]

    def learn(self, batch: Batch, targets: NDArray[Any], weights: NDArray[Any]) -> Any:
        """Take a step; return its loss, as a tensor."""
        return self.step(*self._arguments(batch, targets, weights))

    def measure(self, batch: Batch, targets: NDArray[Any]) -> float:
        """Return the mean loss."""
        weights = np.ones(len(targets), np.float32)
        return float(self.loss(*self._arguments(batch, targets, weights)))

    def _arguments(
        self, batch: Batch, targets: NDArray[Any], weights: NDArray[Any]
    ) -> list[NDArray[Any]]:
        return [*(batch[name] for name in self.inputs), targets, weights]


def make_steps(
    learner: keras.Model, training: ClassTraining, num_steps: int, *, has_label_sets: bool = False
) -> ClassSteps:
    """Return the functions of a network.

    Args:
        learner: from inputs to logits.
        training: the settings.
        num_steps: of the whole training, over which the learning rate falls.
        has_label_sets: whether a sequence has any number of labels: then the loss is the mean of
            the binary cross-entropies of all.
    """
    import keras
    import tensorflow as tf

    first_rate = decided(training.learning_rate, "training.learning_rate")
    rate = keras.optimizers.schedules.CosineDecay(first_rate, num_steps, alpha=SMALLEST_RATE)
    optimizer = keras.optimizers.Adam(rate, clipnorm=training.clip_norm)
    optimizer.build(learner.trainable_variables)
    names = tuple(tensor.name for tensor in learner.inputs)

    def loss_of(arguments: tuple[Any, ...], *, learns: bool) -> Any:
        *inputs, targets, weights = arguments
        logits = learner(dict(zip(names, inputs, strict=True)), training=learns)
        if learns and training.label_smoothing:
            kept = 1.0 - training.label_smoothing
            num_choices = 2 if has_label_sets else targets.shape[-1]
            targets = kept * targets + training.label_smoothing / num_choices
        if has_label_sets:
            each = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            losses = tf.reduce_mean(each, axis=-1)
        else:
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(losses * weights) / tf.reduce_sum(tf.ones_like(weights))

    def step(*arguments: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(arguments, learns=True)
            total = tf.add_n([loss, *learner.losses])
        gradients = tape.gradient(total, learner.trainable_variables)
        optimizer.apply(gradients, learner.trainable_variables)
        return loss

    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in learner.inputs
    ]
    signature += [tf.TensorSpec((None, learner.output.shape[-1])), tf.TensorSpec((None,))]
    variables = [*learner.variables, *optimizer.variables]
    parts = (first_rate, num_steps, training.clip_norm, training.label_smoothing, has_label_sets)
    learn_key = key_of(learner, variables, "classes", *parts)
    loss_key = key_of(learner, learner.variables, "loss of classes", has_label_sets)
    return ClassSteps(
        names,
        trace_once(learn_key, variables, step, signature),
        trace_once(
            loss_key,
            learner.variables,
            lambda *arguments: loss_of(arguments, learns=False),
            signature,
        ),
    )
