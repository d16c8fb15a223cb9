"""The steps of training, and the optimizer.

Many steps are taken in one call of TensorFlow, which also reads their batches: Python is asked
nothing in between. Over several devices it is one step a call (`mirrored`).
Where the loops in C++ are not to be had (`layers/native`), XLA compiles what gains most from it,
cluster by cluster (`layers/clusters.py`), if training is long enough to pay for that (`compiles`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.experiment.settings import TrainingConfig
from forecast.layers.runtime import in_float32
from forecast.section import decided
from forecast.training.batches import WindowSource, count_batches
from forecast.training.losses import make_cell_losses
from forecast.training.mirrored import check_divisible, gradients_of_parts, make_strategy, mirror

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SMALLEST_RATE = 0.01
"""Share of the first learning rate that a schedule ends with."""

BREAK_EVEN_STEPS = 300
"""Planned steps from which `jit: auto` compiles: see `compiles`."""

SOUND, BAD_GRADIENT, BAD_WEIGHT = range(3)
"""How a step ended."""


class Learned(NamedTuple):
    """What some steps came to.

    Attributes:
        steps: number of steps taken, a last one that failed included.
        ending: `SOUND`, or why the last one failed: `BAD_GRADIENT` before or `BAD_WEIGHT` after it
            was applied.
        total: sum of the losses of the measured cells.
        measured: their number.
        loss: mean loss of the last batch.
        norm: norm of its gradients.
    """

    steps: int
    ending: int
    total: float
    measured: float
    loss: float
    norm: float


@dataclass(frozen=True, eq=False)
class Run:
    """A model with everything that trains it.

    Attributes:
        model: the network; over several devices a copy of the one that was given, with a copy of it
            on each device.
        optimizer: its optimizer.
        config: how to train.
        strategy: the devices, where there are several; None for one.
        num_steps: of one epoch.
        compiled: whether XLA compiles what gains from it.
        native: whether the recurrent loops run in C++.
        learn: (iterator over batches, most steps) -> the fields of `Learned`; stops after a step
            that fails.
        measure: (iterator over batches, their number) -> total and count of the losses, without
            dropout.
    """

    model: keras.Model
    optimizer: keras.Optimizer
    config: TrainingConfig
    strategy: tf.distribute.Strategy | None
    num_steps: int
    compiled: bool
    native: bool
    learn: Callable[..., Any]
    measure: Callable[..., Any]

    def variables(self) -> list[Any]:
        """Everything that changes in training, the random states of dropout included."""
        return [*self.model.variables, *self.optimizer.variables]

    def values(self) -> list[NDArray[Any]]:
        """The variables as arrays."""
        return [np.array(variable) for variable in self.variables()]


def make_run(model: keras.Model, training: WindowSource, config: TrainingConfig) -> Run:
    """Make the optimizer and the functions of a training; they are traced when they are first called."""
    from forecast.layers.recurrent import runs_natively

    make_deterministic()
    num_steps = count_batches(
        training,
        decided(config.batch_size, "training.batch_size"),
        num_windows=decided(config.windows_per_epoch, "training.windows_per_epoch"),
    )
    all_steps = num_steps * decided(config.epochs, "training.epochs")
    strategy = make_strategy(config)
    if strategy is not None:
        check_divisible(strategy, training, config)
        model = mirror(model, strategy)
    with in_float32(), strategy.scope() if strategy is not None else nullcontext():
        optimizer = make_optimizer(config, all_steps)
        optimizer.build(model.trainable_variables)
    loss = decided(config.loss, "training.loss")
    measure = make_cell_losses(loss, quantile_levels=config.quantile_levels)
    compiled = compiles(config, all_steps)
    learn = make_learn(model, optimizer, measure, strategy=strategy, compiled=compiled)
    validate = make_measure(model, measure, compiled=compiled)
    return Run(
        model,
        optimizer,
        config,
        strategy,
        num_steps,
        compiled,
        runs_natively(model),
        learn,
        validate,
    )


def compiles(config: TrainingConfig, num_steps: int) -> bool:
    """Whether a training of so many steps has XLA compile its steps.

    With `auto` it does not where faster loops are there, those in C++ or cuDNN's: what is left, the
    update of the weights, gains nothing. Elsewhere it does from `BREAK_EVEN_STEPS` on. Compiling
    takes 3 to 6 s for two layers in both directions; a compiled step of 64 windows of 96 rows takes
    20 ms less than one that is not, with 64 units (`benchmarks/`). Stopping early may come before
    that point, but has not been planned.
    """
    import tensorflow as tf  # TensorFlow starts when training does, not before

    from forecast.layers.native import operations

    if config.strategy == "mirrored":
        return False
    if config.jit == "auto":
        has_fast_loops = operations() is not None or tf.config.list_logical_devices("GPU")
        return num_steps >= BREAK_EVEN_STEPS and not has_fast_loops
    return config.jit == "on"


def make_learn(
    model: keras.Model, optimizer: keras.Optimizer, measure: Any, *, strategy: Any, compiled: bool
) -> Callable[..., Any]:
    """See `Run.learn`."""
    import tensorflow as tf

    from forecast.layers.clusters import cluster, tracing

    def gradients(batch: Any) -> tuple[Any, Any, Any, Any, Any]:
        count = count_measured(batch[1], model.compute_dtype)
        if strategy is None:
            total, slopes = part_gradients(model, measure, batch, count)
        else:
            total, slopes = gradients_of_parts(
                strategy, partial(part_gradients, model, measure), batch, count
            )
        return total, count, total / tf.maximum(count, 1.0), tf.linalg.global_norm(slopes), slopes

    def apply(*slopes: Any) -> Any:
        optimizer.apply(slopes, model.trainable_variables)
        return tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(one.value)) for one in model.trainable_variables]
        )

    def step(batch: Any) -> tuple[Any, Any, Any, Any, Any]:
        total, count, loss, norm, slopes = gradients(batch)
        usable = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        sound = tf.cond(usable, lambda: cluster(apply)(*slopes), lambda: True)
        return (
            tf.where(usable, tf.where(sound, SOUND, BAD_WEIGHT), BAD_GRADIENT),
            total,
            count,
            loss,
            norm,
        )

    def learn(iterator: Any, most: Any) -> Any:
        def body(steps: Any, _: Any, total: Any, count: Any, *__: Any) -> Any:
            ending, more, counted, loss, norm = step(next(iterator))
            return (
                steps + 1,
                ending,
                total + tf.cast(more, tf.float64),
                count + tf.cast(counted, tf.float64),
                loss,
                norm,
            )

        if strategy is not None:
            return tf.constant(1), *step(next(iterator))
        zero = tf.constant(0.0, tf.float64)
        nothing = tf.constant(0.0, model.compute_dtype)
        start = (0, SOUND, zero, zero, nothing, nothing)
        with tracing(compiled=compiled):
            return tf.while_loop(
                lambda steps, ending, *_: (steps < most) & (ending == SOUND), body, start
            )

    return traced_once(learn)


def count_measured(target: Any, dtype: str) -> Any:
    """Number of the cells of a target that were measured."""
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(~tf.math.is_nan(target), dtype))


def part_gradients(
    model: keras.Model, measure: Any, part: Any, count: Any, *, share: float = 1.0
) -> tuple[Any, Any]:
    """Sum of the losses of the measured cells in a part of a batch, and its share of the gradients.

    Args:
        model: the network.
        measure: from `make_cell_losses`.
        part: inputs and target of some windows of a batch.
        count: measured cells of the whole batch.
        share: of the L2 terms.
    """
    import tensorflow as tf

    inputs, target = part
    with tf.GradientTape() as tape:
        cells, _ = measure(target, model(inputs, training=True))
        total = tf.reduce_sum(cells)
        minimised = total / tf.maximum(count, 1.0) + share * sum(model.losses)
    slopes = tape.gradient(minimised, [variable.value for variable in model.trainable_variables])
    return total, [tf.convert_to_tensor(slope) for slope in slopes]


def make_measure(model: keras.Model, measure: Any, *, compiled: bool) -> Callable[..., Any]:
    """See `Run.measure`."""
    import tensorflow as tf

    from forecast.layers.clusters import tracing

    def measured(iterator: Any, num_batches: Any) -> Any:
        def body(done: Any, total: Any, count: Any) -> Any:
            inputs, target = next(iterator)
            cells, known = (
                tf.cast(one, tf.float64) for one in measure(target, model(inputs, training=False))
            )
            return done + 1, total + tf.reduce_sum(cells), count + tf.reduce_sum(known)

        zero = tf.constant(0.0, tf.float64)
        with tracing(compiled=compiled):
            return tf.while_loop(lambda done, *_: done < num_batches, body, (0, zero, zero))[1:]

    return traced_once(measured)


def traced_once(function: Callable[[Any, Any], Any]) -> Callable[[Any, int], Any]:
    """A function of an iterator and a number, traced at its first call for all iterators like the first.

    Calls go to what was traced, without the search for it and the warnings of `tf.function`, which
    take the functions of one training after another for one that is traced too often.
    """
    import tensorflow as tf

    traced: list[Any] = []

    def call(iterator: Any, number: int) -> Any:
        if not traced:
            general = tf.function(function, autograph=False)
            with in_float32():
                traced.append(general.get_concrete_function(iterator, tf.TensorSpec((), tf.int32)))
        return traced[0](iterator, tf.constant(number, tf.int32))

    return call


def make_deterministic() -> None:
    """Make TensorFlow choose kernels that give the same bits every time, where that is not so anyway.

    On CPU a step is deterministic as it is. On GPU sums are not; the switch for that is global and
    cannot be undone, so it is touched only where a GPU is in use.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def make_optimizer(config: TrainingConfig, num_steps: int) -> keras.Optimizer:
    """The optimizer with its schedule over `num_steps` steps, and clipping by the norm of all gradients together."""
    from keras import optimizers

    rate: Any = config.learning_rate
    schedule = decided(config.schedule, "training.schedule")
    if schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, num_steps, alpha=SMALLEST_RATE)
    elif schedule == "exponential":
        rate = optimizers.schedules.ExponentialDecay(rate, num_steps, decay_rate=SMALLEST_RATE)
    clip = config.gradient_clip
    if config.optimizer == "adamw":
        return optimizers.AdamW(rate, weight_decay=config.weight_decay, global_clipnorm=clip)
    kinds = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    return kinds[config.optimizer](rate, global_clipnorm=clip)
