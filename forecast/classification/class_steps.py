"""The train step of a classifier's network, and its loss on sequences it does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.layers.traced import key_of, trace_once

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
        step: (inputs, targets (B, K) or (B, H, K), weights (B,)) -> loss in nats; changes the
            weights.
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


@dataclass(frozen=True)
class StepSettings:
    """Settings of a train step.

    Attributes:
        learning_rate: the first one.
        num_steps: of the whole training, over which the learning rate falls.
        clip_norm: largest norm of the gradients.
        label_smoothing: share of each label's weight that is given to all classes alike.
        label_weights: of each label, weight of sequences without it and with it, where a sequence
            has any number of labels; None: all count 1.
    """

    learning_rate: float
    num_steps: int
    clip_norm: float
    label_smoothing: float = 0.0
    label_weights: tuple[tuple[float, float], ...] | None = None


def make_steps(
    learner: keras.Model, training: StepSettings, *, has_label_sets: bool = False
) -> ClassSteps:
    """Return the functions of a network.

    Args:
        learner: from inputs to logits, of one answer (B, K) or of one for each of H steps
            (B, H, K): then the loss is the mean over these.
        training: the settings.
        has_label_sets: whether a sequence has any number of labels: then the loss is the mean of
            the binary cross-entropies of all.
    """
    import keras
    import tensorflow as tf

    rate = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, training.num_steps, alpha=SMALLEST_RATE
    )
    optimizer = keras.optimizers.Adam(rate, clipnorm=training.clip_norm)
    optimizer.build(learner.trainable_variables)
    names = tuple(tensor.name for tensor in learner.inputs)

    def loss_of(arguments: tuple[Any, ...], *, learns: bool) -> Any:
        *inputs, targets, weights = arguments
        logits = learner(dict(zip(names, inputs, strict=True)), training=learns)
        given = targets
        if learns and training.label_smoothing:
            kept = 1.0 - training.label_smoothing
            num_choices = 2 if has_label_sets else targets.shape[-1]
            targets = kept * targets + training.label_smoothing / num_choices
        if has_label_sets:
            each = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            if learns and training.label_weights is not None:
                without, having = np.array(training.label_weights, np.float32).T
                each *= (1.0 - given) * without + given * having
            losses = tf.reduce_mean(each, axis=-1)
        else:
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            if len(losses.shape) > 1:
                losses = tf.reduce_mean(losses, axis=-1)
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
    signature += [tf.TensorSpec((None, *learner.output.shape[1:])), tf.TensorSpec((None,))]
    variables = [*learner.variables, *optimizer.variables]
    learn_key = key_of(learner, variables, "classes", training, has_label_sets)
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


Batches = Iterable[tuple[Batch, NDArray[Any], NDArray[Any]]]
"""Inputs, targets and weights of each batch."""

HeldOut = Sequence[tuple[Batch, NDArray[Any]]]
"""Inputs and targets of what decides when to stop, in parts that fit into memory."""


@dataclass(frozen=True)
class Stopping:
    """When a training ends, and with which weights.

    Attributes:
        epochs: at most.
        patience: epochs without a better validation loss after which it stops; None: never.
        keeps_best: whether it ends with the weights of the best epoch; else all are trained.
    """

    epochs: int
    patience: int | None
    keeps_best: bool = True


def run_epochs(
    learner: keras.Model,
    steps: ClassSteps,
    batches: Callable[[int], Batches],
    held_out: HeldOut,
    stopping: Stopping,
) -> dict[str, list[float]]:
    """Train a network; return its losses by epoch.

    Args:
        learner: the network of the steps.
        steps: its functions.
        batches: from the number of an epoch to its batches.
        held_out: decides when to stop; empty: all epochs are trained.
        stopping: the rule.
    """
    history: dict[str, list[float]] = {"loss": []}
    best = learner.get_weights()
    for epoch in range(stopping.epochs):
        losses = [steps.learn(*batch) for batch in batches(epoch)]
        history["loss"].append(float(np.mean([float(loss) for loss in losses])))
        if not held_out:
            continue
        val_losses = history.setdefault("val_loss", [])
        val_losses.append(_mean_loss(steps, held_out))
        if not stopping.keeps_best:
            continue
        best_epoch = int(np.argmin(val_losses))
        if best_epoch == epoch:
            best = learner.get_weights()
        if stopping.patience is not None and epoch - best_epoch >= stopping.patience:
            break
    if held_out and stopping.keeps_best:
        learner.set_weights(best)
    return history


def _mean_loss(steps: ClassSteps, held_out: HeldOut) -> float:
    """Return the mean loss of all parts."""
    losses = [steps.measure(batch, targets) for batch, targets in held_out]
    return float(np.average(losses, weights=[len(targets) for _, targets in held_out]))
