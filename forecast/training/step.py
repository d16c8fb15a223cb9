"""The steps of training, and the optimizer.

One call of TensorFlow takes many steps and reads their batches, without Python in between. On
several devices a call is one step (`mirrored`). Where there are no C++ loops (`layers/native`), XLA
compiles the parts of a step that gain most, cluster by cluster (`layers/clusters.py`), if training
is long enough (`compiles`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.experiment.settings import TrainingConfig
from forecast.layers.precision import rounded_products
from forecast.layers.runtime import in_float32
from forecast.layers.traced import key_of, trace_once
from forecast.section import decided
from forecast.training.batches import WindowSource, count_batches
from forecast.training.losses import loss_key, make_cell_losses, total_weight, weighed
from forecast.training.mirrored import check_divisible, gradients_of_slices, make_strategy, mirror
from forecast.training.weight_update import BAD_GRADIENT, BAD_WEIGHT, SOUND, fused_update

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SMALLEST_RATE = 0.01
"""Last learning rate of a schedule, as a fraction of the first."""

BREAK_EVEN_STEPS = 300
"""Planned steps from which `jit: auto` compiles: see `compiles`."""


class Learned(NamedTuple):
    """Result of one or more steps.

    Attributes:
        steps: number of steps taken, a last one that failed included.
        ending: `SOUND`, or the reason of the failure: `BAD_GRADIENT` before or `BAD_WEIGHT` after
            the last step was applied.
        total: sum of the losses of the measured cells.
        measured: their number, or their weight where rows have weights.
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
    """A model with its optimizer and compiled functions.

    Attributes:
        model: the network; on several devices a copy of it, with variables on each device.
        optimizer: its optimizer.
        config: the training settings.
        strategy: the devices; None for a single device.
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
        """Return all variables that change in training, with the random states of dropout."""
        return [*self.model.variables, *self.optimizer.variables]

    def values(self) -> list[NDArray[Any]]:
        """Return the variables as arrays."""
        return [np.array(variable) for variable in self.variables()]


def make_run(model: keras.Model, training: WindowSource, config: TrainingConfig) -> Run:
    """Return the optimizer and the functions of a training.

    Each is traced at its first call, unless one of the same kind has been.
    """
    from forecast.layers.recurrent import check_rounding, runs_natively

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
    optimizer, decay = _build_optimizer(model, config, all_steps, strategy)
    loss = decided(config.loss, "training.loss")
    measure = make_cell_losses(
        loss,
        quantile_levels=config.quantile_levels,
        reads_quantiles=config.forecasts_quantiles,
    )
    compiled = compiles(config, all_steps)
    native = runs_natively(model)
    rounded = config.precision == "bfloat16"
    if rounded:
        check_rounding(model)
    of_slice = _of_slice(model, measure, rounded=rounded)
    learn = _make_learn(model, optimizer, of_slice, strategy=strategy, compiled=compiled)
    validate = _make_measure(model, measure, compiled=compiled)

    # With the variables, all that the graphs depend on.
    graph = (
        loss_key(loss),
        config.quantile_levels,
        compiled,
        native,
        rounded,
        strategy is not None,
    )
    rule = (config.optimizer, config.schedule, config.gradient_clip, config.weight_decay)
    learned = [*model.variables, *optimizer.variables, *decay]
    learn_key = validate_key = None
    if strategy is None:  # a function of copies on several devices serves them alone
        learn_key = key_of(model, learned, "learn", graph, rule)
        validate_key = key_of(model, model.variables, "measure", graph)
    return Run(
        model=model,
        optimizer=optimizer,
        config=config,
        strategy=strategy,
        num_steps=num_steps,
        compiled=compiled,
        native=native,
        learn=_at_first_call(learn_key, learned, learn),
        measure=_at_first_call(validate_key, model.variables, validate),
    )


def _build_optimizer(
    model: keras.Model, config: TrainingConfig, num_steps: int, strategy: Any
) -> tuple[keras.Optimizer, Any]:
    """Return the optimizer with its variables, on every device, and those of its schedule."""
    scope: AbstractContextManager[Any] = nullcontext()
    if strategy is not None:
        scope = strategy.scope()
    with in_float32(), scope:
        optimizer, decay = _make_optimizer(config, num_steps)
        optimizer.build(model.trainable_variables)
    return optimizer, decay


def compiles(config: TrainingConfig, num_steps: int) -> bool:
    """Return whether XLA compiles the steps of a training of `num_steps` steps.

    With `auto` it does not where there are faster loops, those in C++ or cuDNN's: the rest of a
    step, the update of the weights, gains nothing. Elsewhere it does from `BREAK_EVEN_STEPS` on.
    Compiling takes 3 to 6 s for two layers in both directions; a compiled step of 64 windows of 96
    rows takes 20 ms less than an uncompiled one, with 64 units (`benchmarks/`). Early stopping may
    come before that point; it cannot be foreseen.
    """
    import tensorflow as tf  # TensorFlow starts when training does, not before

    from forecast.layers.native import operations

    if config.strategy == "mirrored":
        return False
    if config.jit == "auto":
        has_fast_loops = operations() is not None or tf.config.list_logical_devices("GPU")
        return num_steps >= BREAK_EVEN_STEPS and not has_fast_loops
    return config.jit == "on"


def _of_slice(model: keras.Model, measure: Any, *, rounded: bool) -> Callable[..., Any]:
    """Return `slice_gradients` of a model, its products in bfloat16 where they are rounded."""

    def of_slice(*arguments: Any, **options: Any) -> tuple[Any, Any]:
        with rounded_products(rounded):
            return slice_gradients(model, measure, *arguments, **options)

    return of_slice


def _make_learn(
    model: keras.Model,
    optimizer: keras.Optimizer,
    of_slice: Callable[..., Any],
    *,
    strategy: Any,
    compiled: bool,
) -> Callable[..., Any]:
    """Return `Run.learn`, not yet traced."""
    import tensorflow as tf

    from forecast.layers.clusters import cluster, tracing

    def gradients_of(batch: Any) -> tuple[Any, Any, list[Any]]:
        """Return the sum of the losses, the measured cells or their weight, and the gradients."""
        count = _count_measured(batch[1], model.compute_dtype)
        if strategy is None:
            total, gradients = of_slice(batch, count)
        else:
            total, gradients = gradients_of_slices(strategy, of_slice, batch, count)
        return total, total_weight(batch, count), gradients

    update = None
    if strategy is None and not compiled:
        update = fused_update(optimizer, model.trainable_variables)

    def apply(*gradients: Any) -> Any:
        """Take a step of Keras' optimizer; return whether all weights are still finite."""
        optimizer.apply(gradients, model.trainable_variables)
        is_finite = [
            tf.reduce_all(tf.math.is_finite(variable.value))
            for variable in model.trainable_variables
        ]
        return tf.reduce_all(is_finite)

    def step(batch: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Return the fields of `Learned` after the first."""
        total, count, gradients = gradients_of(batch)
        loss = tf.math.divide_no_nan(total, count)
        if update is not None:
            outcome, norm = update(gradients, loss)
            return outcome, total, count, loss, norm
        norm = tf.linalg.global_norm(gradients)
        is_usable = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        is_sound = tf.cond(is_usable, lambda: cluster(apply)(*gradients), lambda: True)
        applied = tf.where(is_sound, SOUND, BAD_WEIGHT)
        return tf.where(is_usable, applied, BAD_GRADIENT), total, count, loss, norm

    def learn(iterator: Any, most: Any) -> Any:
        if strategy is not None:
            return tf.constant(1), *step(next(iterator))

        def may_go_on(steps: Any, ending: Any, *_: Any) -> Any:
            return (steps < most) & (ending == SOUND)

        def body(steps: Any, _: Any, total: Any, count: Any, *__: Any) -> Any:
            ending, batch_total, batch_count, loss, norm = step(next(iterator))
            total += tf.cast(batch_total, tf.float64)
            count += tf.cast(batch_count, tf.float64)
            return steps + 1, ending, total, count, loss, norm

        zero = tf.constant(0.0, tf.float64)
        nothing = tf.constant(0.0, model.compute_dtype)
        start = (0, SOUND, zero, zero, nothing, nothing)
        with tracing(compiled=compiled):
            return tf.while_loop(may_go_on, body, start)

    return learn


def _count_measured(target: Any, dtype: str) -> Any:
    """Return the number of measured cells of a target."""
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(~tf.math.is_nan(target), dtype))


def slice_gradients(
    model: keras.Model, measure: Any, batch: Any, count: Any, *, l2_fraction: float = 1.0
) -> tuple[Any, Any]:
    """Return the sum of the losses of a batch, or of a slice of one, and its gradients.

    Losses are multiplied by the weights of their rows, and their sum is divided by the number of
    cells, not by the weight of the batch: over all batches the mean weight is 1, and a batch of
    light rows moves the network little.

    Args:
        model: the network.
        measure: from `make_cell_losses`.
        batch: inputs, target and, if there are any, weights of the batch or slice.
        count: measured cells of the whole batch.
        l2_fraction: factor of the L2 terms.
    """
    import tensorflow as tf

    inputs, target, *weights = batch
    with tf.GradientTape() as tape:
        cells, _ = measure(target, model(inputs, training=True))
        total = tf.reduce_sum(weighed(cells, weights))
        minimised = total / tf.maximum(count, 1.0) + l2_fraction * sum(model.losses)
    weights = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(minimised, weights)
    return total, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _make_measure(model: keras.Model, measure: Any, *, compiled: bool) -> Callable[..., Any]:
    """Return `Run.measure`, not yet traced."""
    import tensorflow as tf

    from forecast.layers.clusters import tracing

    def measured(iterator: Any, num_batches: Any) -> Any:
        def body(done: Any, total: Any, count: Any) -> Any:
            inputs, target, *weights = next(iterator)
            cells, measured_cells = measure(target, model(inputs, training=False))
            total += tf.reduce_sum(tf.cast(weighed(cells, weights), tf.float64))
            count += tf.reduce_sum(tf.cast(weighed(measured_cells, weights), tf.float64))
            return done + 1, total, count

        zero = tf.constant(0.0, tf.float64)
        with tracing(compiled=compiled):
            return tf.while_loop(lambda done, *_: done < num_batches, body, (0, zero, zero))[1:]

    return measured


def _at_first_call(
    key: Hashable | None, variables: Sequence[Any], function: Callable[[Any, Any], Any]
) -> Callable[[Any, int], Any]:
    """Return a function of an iterator and a number, traced at its first call if need be.

    Later iterators must be like the first. Calls go to the traced function directly, without the
    lookup and the warnings of `tf.function`, which takes the functions of one training after
    another for one that is traced too often.

    Args:
        key: see `forecast.layers.traced.trace_once`.
        variables: that the function reads or writes.
        function: of an iterator over batches, and a number.
    """
    import tensorflow as tf

    traced: list[Any] = []

    def call(iterator: Any, number: int) -> Any:
        if not traced:
            full_key = key and (key, str(iterator.element_spec))
            signature = (iterator, tf.TensorSpec((), tf.int32))
            traced.append(trace_once(full_key, variables, function, signature))
        return traced[0](iterator, tf.constant(number, tf.int32))

    return call


def make_deterministic() -> None:
    """Make TensorFlow use deterministic kernels on a GPU.

    On CPU a step is deterministic as it is. The switch for GPUs is global and cannot be undone, so
    it is set only where a GPU is in use.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def _make_optimizer(config: TrainingConfig, num_steps: int) -> tuple[keras.Optimizer, list[Any]]:
    """Return the optimizer, with a schedule over `num_steps` steps and clipping by global norm.

    Returns:
        The optimizer, and the variables of its schedule: the first rate and the number of steps,
        which are no constants so that one traced step serves all trainings.
    """
    from keras import Variable, optimizers

    rate: Any = config.learning_rate
    decay: list[Any] = []
    schedule = decided(config.schedule, "training.schedule")
    if schedule != "constant":
        decay = [
            Variable(float(number), trainable=False, name="decay") for number in (rate, num_steps)
        ]
    if schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(*decay, alpha=SMALLEST_RATE)
    elif schedule == "exponential":
        rate = optimizers.schedules.ExponentialDecay(*decay, decay_rate=SMALLEST_RATE)
    # TensorFlow keeps what it knows about a variable by its name, as long as the process runs: the
    # variables of every training have the names of those before, which Keras would count.
    options: Any = {"name": "optimizer", "global_clipnorm": config.gradient_clip}
    if config.optimizer == "adamw":
        return optimizers.AdamW(rate, weight_decay=config.weight_decay, **options), decay
    kinds = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    return kinds[config.optimizer](rate, **options), decay
