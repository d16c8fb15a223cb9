"""Training: batches in, gradients checked before they are applied, best weights out.

The step is compiled by `tf.function` and not by XLA: on CPU it is faster at the usual sizes, and its bits do
not depend on the number of threads, which those of XLA's matrix products do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.batching import WindowSource, batch_signature, evaluation_batches, training_batches
from forecast.checkpoint import Checkpoint, check_same_training, load_checkpoint, save_checkpoint
from forecast.config import TrainingConfig
from forecast.errors import TrainingError
from forecast.fingerprint import fingerprint
from forecast.losses import make_cell_losses
from forecast.progress import EpochDone, Reporter, StepDone
from forecast.results import History

if TYPE_CHECKING:
    import keras

SMALLEST_RATE = 0.01
"""Share of the first learning rate that a schedule ends with."""

Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class TrainingResult:
    """What training went through; the weights are in the model.

    Attributes:
        history: losses, learning rates and times, one entry per epoch.
        stopped_because: why there were no more epochs, in words.
    """

    history: History
    stopped_because: str

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, whose weights the model holds."""
        return self.history.best_epoch

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(self.history.seconds)


def train(
    model: keras.Model,
    training: WindowSource,
    validation: WindowSource | None,
    config: TrainingConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> TrainingResult:
    """Find the weights of a model; on return it holds those of the best epoch.

    The best epoch is the one with the lowest validation loss, or training loss where there is no validation.

    Args:
        model: from `build_model`.
        training: windows to learn from.
        validation: windows for early stopping.
        config: how to train.
        checkpoint: file to hold the state of training after each epoch.
        resume: go on from `checkpoint` where it exists; the result is the same, bit for bit, as without a break.
        reporter: is told of each step and epoch.

    Raises:
        TrainingError: a loss, gradient or weight is not finite (the model then holds the best weights so far),
            there is nothing to learn from, or the checkpoint is damaged or of another training.
    """
    check_windows(training, validation)
    run = make_run(model, training, config)
    history, best = History((), (), (), (), 0), model.get_weights()
    identity = fingerprint(model, training, validation, config) if checkpoint else {}
    if checkpoint and resume and checkpoint.exists():
        history, best = restore(run, checkpoint, identity)
    try:
        while (reason := stop_reason(history, config)) is None:
            history = run_epoch(run, training, validation, history, reporter or ignore)
            if history.best_epoch == len(history.loss):
                best = model.get_weights()
            if checkpoint:
                save_checkpoint(checkpoint, Checkpoint(run.values(), best, history, identity))
    finally:
        model.set_weights(best)
    return TrainingResult(history, reason)


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

    def values(self) -> Weights:
        """The variables as arrays."""
        return [np.asarray(variable) for variable in self.variables()]


def make_run(model: keras.Model, training: WindowSource, config: TrainingConfig) -> Run:
    """Compile the steps of training for batches of any size, so that a smaller last one traces nothing anew."""
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
        finite = [tf.reduce_all(tf.math.is_finite(variable.value)) for variable in model.trainable_variables]
        return tf.reduce_all(finite)

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

    rate, schedules = config.learning_rate, optimizers.schedules
    decay: Any = {
        "constant": lambda: rate,
        "cosine": lambda: schedules.CosineDecay(rate, num_steps, alpha=SMALLEST_RATE),
        "exponential": lambda: schedules.ExponentialDecay(rate, num_steps, SMALLEST_RATE),
    }[config.schedule]()
    clip = config.gradient_clip
    if config.optimizer == "adamw":
        return optimizers.AdamW(decay, weight_decay=config.weight_decay, global_clipnorm=clip)
    kinds = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    return kinds[config.optimizer](decay, global_clipnorm=clip)


def run_epoch(
    run: Run, training: WindowSource, validation: WindowSource | None, history: History, report: Reporter
) -> History:
    """Learn every window of one epoch, validate, and return the longer history."""
    start = time.perf_counter()
    loss = learn(run, training, history, report)
    val_loss = mean_loss(run, validation) if validation is not None else None
    epoch = len(history.loss) + 1
    judged = loss if val_loss is None else val_loss
    earlier = history.loss if val_loss is None else history.val_loss
    is_best = judged < min(earlier, default=math.inf)
    rate, seconds = float(run.optimizer.learning_rate), time.perf_counter() - start
    report(EpochDone(epoch, run.config.epochs, loss, val_loss, rate, seconds, is_best))
    return History(
        loss=(*history.loss, loss),
        val_loss=history.val_loss if val_loss is None else (*history.val_loss, val_loss),
        learning_rate=(*history.learning_rate, rate),
        seconds=(*history.seconds, seconds),
        best_epoch=epoch if is_best else history.best_epoch,
    )


def learn(run: Run, training: WindowSource, history: History, report: Reporter) -> float:
    """Take the steps of one epoch.

    Returns:
        The mean loss over the measured cells of the epoch, without the L2 term.

    Raises:
        TrainingError: something is not finite, or no cell was measured.
    """
    config, epoch, start = run.config, len(history.loss) + 1, time.perf_counter()
    batches = training_batches(
        training,
        batch_size=config.batch_size,
        seed=config.seed,
        epoch=epoch,
        num_windows=config.windows_per_epoch,
    )
    event = StepDone(epoch, config.epochs, 0, run.num_steps, 0.0, history.val_loss[-1] if history.val_loss else None, 0)
    total = count = 0.0
    for step, (inputs, target) in enumerate(batches, start=1):
        batch_total, batch_count, norm, slopes = run.gradients(inputs, target)
        total, count = total + float(batch_total), count + float(batch_count)
        loss = total / max(count, 1.0)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise diverged(run, history, step, f"the loss is {loss:.4g} and the gradient norm {float(norm):.4g}")
        if not run.apply(slopes):
            raise diverged(run, history, step, f"a weight became infinite or NaN at a loss of {loss:.4g}")
        report(replace(event, step=step, loss=loss, seconds=time.perf_counter() - start))
    if not count:
        raise TrainingError("no training window has a measured target: there is nothing to learn; give more data")
    return loss


def mean_loss(run: Run, source: WindowSource) -> float:
    """The exact mean loss over the measured cells of all windows, whatever the batch size.

    Raises:
        TrainingError: no cell was measured, or the loss is not finite.
    """
    total = count = 0.0
    for inputs, target in evaluation_batches(source, run.config.batch_size):
        cells, measured = run.cells(inputs, target)
        total += float(np.sum(cells, dtype=np.float64))
        count += float(np.sum(measured, dtype=np.float64))
    if not count or not math.isfinite(total):
        reason = f"the validation loss is {total:.4g}" if count else "no validation window has a measured target"
        raise TrainingError(f"training stopped: {reason}; look for missing or extreme values in the validation rows")
    return total / count


def diverged(run: Run, history: History, step: int, what: str) -> TrainingError:
    """The error for a step that must not be taken."""
    kept = f"of epoch {history.best_epoch}" if history.best_epoch else "from before training"
    clip = "" if run.config.gradient_clip else ", set gradient_clip: 1.0"
    return TrainingError(
        f"training stopped in epoch {len(history.loss) + 1}, step {step}: {what}; the weights {kept} were kept. "
        f"Try a learning_rate below {run.config.learning_rate:g}{clip}, or look for extreme values in the data"
    )


def stop_reason(history: History, config: TrainingConfig) -> str | None:
    """Why training is over, or None to go on."""
    done = len(history.loss)
    if done >= config.epochs:
        return f"all {config.epochs} epochs were run"
    if config.patience is not None and done - history.best_epoch >= config.patience:
        return f"no better loss in {config.patience} epochs"
    return None


def restore(run: Run, checkpoint: Path, identity: dict[str, str]) -> tuple[History, Weights]:
    """Put the state of a checkpoint into model and optimizer; return its history and best weights.

    Raises:
        TrainingError: the checkpoint is damaged or of another training.
    """
    stored = load_checkpoint(checkpoint)
    check_same_training(checkpoint, stored.fingerprint, identity)
    variables = run.variables()
    if [tuple(one.shape) for one in variables] != [one.shape for one in stored.variables]:
        raise TrainingError(
            f"cannot resume from {checkpoint}: its variables are not those of this model and optimizer "
            "(another version of Keras?): train again without resuming"
        )
    for variable, value in zip(variables, stored.variables, strict=True):
        variable.assign(value)
    return stored.history, stored.best_weights


def check_windows(training: WindowSource, validation: WindowSource | None) -> None:
    """Raise where there is nothing to learn from or to validate on.

    Raises:
        TrainingError: a source is empty.
    """
    for name, source in (("training", training), ("validation", validation)):
        if source is not None and not len(source):
            raise TrainingError(f"there is no {name} window; expected at least one: give more rows or shorter windows")


def ignore(event: Any) -> None:
    """Report to nobody."""
