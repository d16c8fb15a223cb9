"""The loop over epochs: learn, validate, keep the best weights, stop early, resume."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.errors import TrainingError
from forecast.experiment.settings import TrainingConfig
from forecast.layers.runtime import in_float32
from forecast.scores.history import History
from forecast.section import decided
from forecast.training.batches import (
    WindowSource,
    count_batches,
    estimate,
    evaluation_batches,
)
from forecast.training.checkpoint import (
    Checkpoint,
    check_place_for_checkpoint,
    check_same_training,
    load_checkpoint,
    save_checkpoint,
)
from forecast.training.epoch_batches import EpochBatches, learned_batches, validated_batches
from forecast.training.events import (
    Ended,
    EpochBegun,
    EpochDone,
    Live,
    Reporter,
    Started,
    StepDone,
    ignore,
)
from forecast.training.fingerprint import fingerprint
from forecast.training.mirrored import spread_seeds
from forecast.training.step import Learned, Run, make_run
from forecast.training.weight_update import BAD_GRADIENT, BAD_WEIGHT

if TYPE_CHECKING:
    import keras

Weights = list[NDArray[Any]]

LEAST_GAIN = 0.001
"""Part of the loss that an epoch has to take off for training to go on; `patience` counts epochs
without such a gain. The best epoch is the one with the lowest loss, whatever it gained."""

SECONDS_PER_CALL = 0.2
"""Time of the steps in one call: its overhead is small beside it, and interrupts wait no longer."""


@dataclass(frozen=True)
class TrainingResult:
    """Result of training; the weights are in the model.

    Attributes:
        history: losses, learning rates and times, one entry per epoch.
        stopped_because: reason for the end, in words.
    """

    history: History
    stopped_because: str

    @property
    def best_epoch(self) -> int:
        """Epoch, counted from 1, whose weights are in the model."""
        return self.history.best_epoch

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(self.history.seconds)


class Watch(NamedTuple):
    """Observer of a training: where its events go, and what it may change.

    Attributes:
        report: gets each event.
        live: the training under way.
    """

    report: Reporter
    live: Live


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
    """Train a model; on return, and after an error, it has the weights of the best epoch so far.

    The best epoch is the one with the lowest validation loss, or training loss where there is no
    validation.

    Args:
        model: from `build_model`.
        training: training windows.
        validation: windows for early stopping; None for none.
        config: the training settings.
        checkpoint: file for the state of training after each epoch; optional.
        resume: whether to resume from `checkpoint` where it exists; the result is bitwise identical
            to that of uninterrupted training.
        reporter: gets each event; optional.

    Raises:
        TrainingError: a loss, gradient or weight is not finite, there is no window or measured
            target, or the checkpoint is damaged or of another training.
        OutputError: `checkpoint` is a file of another kind.
    """
    _check_windows(training, validation)
    run = make_run(model, training, config)
    history = History((), (), (), (), 0, run.compiled, run.native)
    best = model.get_weights()

    identity = {}
    if checkpoint:
        identity = fingerprint(model, training, validation, config)
        if run.strategy is not None:
            identity["devices"] = str(run.strategy.num_replicas_in_sync)
    if checkpoint and resume and checkpoint.exists():
        history, best = _restore(run, checkpoint, identity)
    elif checkpoint:
        check_place_for_checkpoint(checkpoint)

    learned = learned_batches(training, config)
    validated = None
    if validation is not None:
        validated = validated_batches(training, validation, config)
    report = reporter or ignore
    epoch_estimate = estimate(
        training,
        decided(config.batch_size, "training.batch_size"),
        num_windows=decided(config.windows_per_epoch, "training.windows_per_epoch"),
    )
    live = Live(run.model, run.optimizer, decided(config.epochs, "training.epochs"))
    watch = Watch(report, live)
    report(Started(epoch_estimate, run.compiled, run.native, live=live))
    try:
        while (reason := _stop_reason(history, config, live)) is None:
            history = _run_epoch(run, learned, validated, history, watch)
            if history.best_epoch == len(history.loss):
                best = run.model.get_weights()
            if checkpoint:
                save_checkpoint(checkpoint, Checkpoint(run.values(), best, history, identity))
    finally:
        try:
            report(Ended())
        finally:
            model.set_weights(best)
    return TrainingResult(history, reason)


def _run_epoch(
    run: Run,
    learned: EpochBatches,
    validated: EpochBatches | None,
    history: History,
    watch: Watch,
) -> History:
    """Train for one epoch, validate, and return the longer history."""
    start = time.perf_counter()
    epoch = len(history.loss) + 1
    watch.report(EpochBegun(epoch))
    loss = _learn(run, learned, history, watch)
    if validated is None:
        val_loss = None
        val_losses = history.val_loss
        is_best = loss < min(history.loss, default=math.inf)
    else:
        val_loss = _mean_loss(run, validated, epoch)
        val_losses = (*history.val_loss, val_loss)
        is_best = val_loss < min(history.val_loss, default=math.inf)

    seconds = time.perf_counter() - start
    with in_float32():  # a schedule computes the rate anew
        rate = float(np.array(run.optimizer.learning_rate))  # of all devices
    num_epochs = decided(run.config.epochs, "training.epochs")
    watch.report(EpochDone(epoch, num_epochs, loss, val_loss, rate, seconds, is_best))
    return replace(
        history,
        loss=(*history.loss, loss),
        val_loss=val_losses,
        learning_rate=(*history.learning_rate, rate),
        seconds=(*history.seconds, seconds),
        best_epoch=epoch if is_best else history.best_epoch,
    )


def _learn(run: Run, batches: EpochBatches, history: History, watch: Watch) -> float:
    """Take the steps of one epoch, in calls that take about `SECONDS_PER_CALL`.

    Returns:
        The mean loss over the measured cells of the epoch, without the L2 term.

    Raises:
        TrainingError: something is not finite, or no cell was measured.
    """
    config = run.config
    epoch = len(history.loss) + 1
    start = time.perf_counter()
    last_val_loss = None
    if history.val_loss:
        last_val_loss = history.val_loss[-1]
    num_epochs = decided(config.epochs, "training.epochs")
    event = StepDone(epoch, num_epochs, 0, run.num_steps, math.inf, last_val_loss, 0.0)

    iterator = batches.of_epoch(epoch)
    if run.strategy is not None:
        spread_seeds(run.model, run.strategy)

    done = 0
    most = 1  # the first step alone, since its call is traced
    total = count = 0.0
    while done < run.num_steps and not (done and watch.live.stop):
        called = time.perf_counter()
        fields = run.learn(iterator, min(most, run.num_steps - done))
        learned = Learned(*(field.numpy() for field in fields))
        call_seconds = time.perf_counter() - called

        done += int(learned.steps)
        _check_sound(run, history, done, learned)
        total += float(learned.total)
        count += float(learned.measured)
        seconds = time.perf_counter() - start
        mean = total / count if count else 0.0
        watch.report(replace(event, step=done, loss=mean, seconds=seconds))
        if not watch.live.every_step:
            most = max(1, int(SECONDS_PER_CALL * learned.steps / call_seconds))
    if not count:
        raise TrainingError(
            "no training window has a measured target, so that there is nothing to learn from: "
            "give more data"
        )
    return total / count


def _check_sound(run: Run, history: History, step: int, learned: Learned) -> None:
    """Raise where a step is not finite.

    Raises:
        TrainingError: loss or gradients are not finite, and were not applied; or a weight is no
            longer finite.
    """
    if learned.ending == BAD_GRADIENT:
        reason = f"the loss is {learned.loss:.4g} and the norm of the gradients {learned.norm:.4g}"
        raise _diverged(run, history, step, reason)
    if learned.ending == BAD_WEIGHT:
        reason = f"a weight has become infinite or NaN, at a loss of {learned.loss:.4g}"
        raise _diverged(run, history, step, reason)


def _diverged(run: Run, history: History, step: int, reason: str) -> TrainingError:
    """Return the error for a step that is not finite."""
    kept = "from before training"
    if history.best_epoch:
        kept = f"of epoch {history.best_epoch}"
    advice = f"try a learning_rate below {run.config.learning_rate:g}"
    if not run.config.gradient_clip:
        advice += ", set gradient_clip: 1.0"
    return TrainingError(
        f"training stopped in epoch {len(history.loss) + 1}, step {step}: {reason}; the weights "
        f"{kept} were kept: {advice}, or look for extreme values in the data"
    )


def _mean_loss(run: Run, validated: EpochBatches, epoch: int) -> float:
    """Return the mean loss over the measured cells of some windows, whatever the batch size.

    Raises:
        TrainingError: no cell was measured, or the loss is not finite.
    """
    sums = run.measure(validated.of_epoch(epoch), validated.num_batches)
    total, count = map(float, sums)
    if not count:  # of a sample perhaps
        size = decided(run.config.batch_size, "training.batch_size")
        batches = evaluation_batches(validated.source, size)
        sums = run.measure(iter(batches), count_batches(validated.source, size))
        total, count = map(float, sums)
    if not count:
        raise TrainingError(
            "no validation window has a measured target: give more rows, or none for validation"
        )
    if not math.isfinite(total):
        raise TrainingError(
            f"training stopped: the validation loss is {total / count:.4g}; try a lower "
            f"learning_rate than {run.config.learning_rate:g}, or look for extreme values in the "
            f"validation rows"
        )
    return total / count


def _stop_reason(history: History, config: TrainingConfig, live: Live) -> str | None:
    """Return the reason to stop training, or None to continue."""
    if live.stop and history.loss:
        return "a callback stopped it"
    done = len(history.loss)
    num_epochs = decided(config.epochs, "training.epochs")
    if done >= num_epochs:
        return f"all {num_epochs} epochs were run"
    if config.patience is not None and done - _last_gain(history) >= config.patience:
        return f"no loss better by {100 * LEAST_GAIN:g} % in {config.patience} epochs"
    return None


def _last_gain(history: History) -> int:
    """Return the last epoch, counted from 1, that was better than the gain before it by enough."""
    lowest = math.inf
    gained_in = 0
    for epoch, loss in enumerate(history.val_loss or history.loss, start=1):
        if loss < lowest * (1.0 - LEAST_GAIN):
            lowest = loss
            gained_in = epoch
    return gained_in


def _restore(run: Run, checkpoint: Path, identity: dict[str, str]) -> tuple[History, Weights]:
    """Put the state of a checkpoint into model and optimizer; return its history and best weights.

    Raises:
        TrainingError: the checkpoint is damaged or of another training.
    """
    stored = load_checkpoint(checkpoint)
    check_same_training(checkpoint, stored.fingerprint, identity)
    variables = run.variables()
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in stored.variables]:
        raise TrainingError(
            f"cannot resume from {checkpoint}: its variables are not those of this model and "
            f"optimizer (another version of Keras?): train again without resuming"
        )
    for variable, value in zip(variables, stored.variables, strict=True):
        variable.assign(value)
    return stored.history, stored.best_weights


def _check_windows(training: WindowSource, validation: WindowSource | None) -> None:
    """Raise unless there are training windows, and validation windows where validation is on.

    Raises:
        TrainingError: a source is empty.
    """
    for name, source in (("training", training), ("validation", validation)):
        if source is not None and not len(source):
            raise TrainingError(
                f"there is no {name} window; expected at least one: give more rows or shorter "
                f"windows"
            )
