"""The compiled steps of training, and the optimizer.

They are compiled by `tf.function` and not by XLA: on CPU that is faster at the usual sizes, and the bits do
not depend on the number of threads, which those of XLA's matrix products do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.batching import WindowSource, batch_signature
from forecast.config import TrainingConfig
from forecast.losses import make_cell_losses

if TYPE_CHECKING:
    import keras

SMALLEST_RATE = 0.01
"""Share of the first learning rate that a schedule ends with."""


@dataclass(frozen=True, eq=False)
class Run:
    """A model with everything compiled to train it.

    Attributes:
        model: the network.
        optimizer: its optimizer.
        config: how to train.
        num_steps: of one epoch.
        gradients: (inputs, target) -> sum of the cell losses, measured cells, gradient norm, gradients.
        apply: gradients -> whether all weights are finite afterwards.
        cells: (inputs, target) -> cell losses (B, H, D) and 1 or 0 for measured or not, without dropout.
    """

    model: keras.Model
    optimizer: keras.Optimizer
    config: TrainingConfig
    num_steps: int
    gradients: Callable[..., Any]
    apply: Callable[..., Any]
    cells: Callable[..., Any]

    def variables(self) -> list[Any]:
        """Everything that changes in training, the random states of dropout included."""
        return [*self.model.variables, *self.optimizer.variables]

    def values(self) -> list[NDArray[Any]]:
        """The variables as arrays."""
        return [np.array(variable) for variable in self.variables()]


def make_run(model: keras.Model, training: WindowSource, config: TrainingConfig) -> Run:
    """Compile the steps for batches of any size, so that a smaller last one traces nothing anew."""
    import tensorflow as tf  # TensorFlow starts when training does, not before

    make_deterministic()
    num_windows = min(len(training), config.windows_per_epoch or len(training))
    num_steps = math.ceil(num_windows / config.batch_size)
    optimizer = make_optimizer(config, num_steps * config.epochs)
    optimizer.build(model.trainable_variables)
    measure = make_cell_losses(config.loss, quantile_levels=config.quantile_levels)
    signature = batch_signature(training)

    @tf.function(input_signature=signature)
    def gradients(inputs: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            cells, measured = measure(target, model(inputs, training=True))
            total, count = tf.reduce_sum(cells), tf.reduce_sum(measured)
            loss = total / tf.maximum(count, 1.0) + sum(model.losses)
        slopes = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        slopes = [tf.convert_to_tensor(slope) for slope in slopes]
        return total, count, tf.linalg.global_norm(slopes), slopes

    @tf.function
    def apply(slopes: Any) -> Any:
        optimizer.apply(slopes, model.trainable_variables)
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(one.value)) for one in model.trainable_variables])

    @tf.function(input_signature=signature)
    def cells(inputs: Any, target: Any) -> Any:
        return measure(target, model(inputs, training=False))

    return Run(model, optimizer, config, num_steps, gradients, apply, cells)


def make_deterministic() -> None:
    """Make TensorFlow choose kernels that give the same bits every time, where that is not so anyway.

    On CPU the compiled step is deterministic as it is. On GPU sums are not; the switch for that is global and
    cannot be undone, so it is touched only where a GPU is in use.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def make_optimizer(config: TrainingConfig, num_steps: int) -> keras.Optimizer:
    """The optimizer with its schedule over `num_steps` steps, and clipping by the norm of all gradients together."""
    from keras import optimizers

    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, num_steps, alpha=SMALLEST_RATE)
    elif config.schedule == "exponential":
        rate = optimizers.schedules.ExponentialDecay(rate, num_steps, decay_rate=SMALLEST_RATE)
    clip = config.gradient_clip
    if config.optimizer == "adamw":
        return optimizers.AdamW(rate, weight_decay=config.weight_decay, global_clipnorm=clip)
    kinds = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    return kinds[config.optimizer](rate, global_clipnorm=clip)
