"""The loop over epochs: learn, validate, keep the best weights, stop early, go on after an interruption."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    training_batches,
)
from forecast.training.checkpoint import (
    Checkpoint,
    check_place_for_checkpoint,
    check_same_training,
    load_checkpoint,
    save_checkpoint,
)
from forecast.training.events import Ended, EpochDone, Reporter, Started, StepDone, ignore
from forecast.training.fingerprint import fingerprint
from forecast.training.mirrored import spread_seeds
from forecast.training.step import BAD_GRADIENT, BAD_WEIGHT, Learned, Run, make_run

if TYPE_CHECKING:
    import keras

Weights = list[NDArray[Any]]

SECONDS_PER_CALL = 0.2
"""Of the steps that are taken in one call: a call costs little beside them, and an interrupt waits
no longer."""


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
    """Find the weights of a model; on return, and after an error, it holds those of the best epoch so far.

    The best epoch is the one with the lowest validation loss, or training loss where there is no
    validation.

    Args:
        model: from `build_model`.
        training: windows to learn from.
        validation: windows for early stopping.
        config: how to train.
        checkpoint: file to hold the state of training after each epoch.
        resume: go on from `checkpoint` where it exists; the result is the same, bit for bit, as
            without a break.
        reporter: is told of each step and epoch.

    Raises:
        TrainingError: a loss, gradient or weight is not finite, there is nothing to learn from, or
            the checkpoint is damaged or of another training.
        OutputError: `checkpoint` is a file of another kind.
    """
    check_windows(training, validation)
    run = make_run(model, training, config)
    history, best = History((), (), (), (), 0, run.compiled, run.native), model.get_weights()
    identity = fingerprint(model, training, validation, config) if checkpoint else {}
    if checkpoint and run.strategy is not None:
        identity["devices"] = str(run.strategy.num_replicas_in_sync)
    if checkpoint and resume and checkpoint.exists():
        history, best = restore(run, checkpoint, identity)
    elif checkpoint:
        check_place_for_checkpoint(checkpoint)
    report = reporter or ignore
    report(
        Started(
            estimate(
                training,
                decided(config.batch_size, "training.batch_size"),
                num_windows=decided(config.windows_per_epoch, "training.windows_per_epoch"),
            ),
            run.compiled,
            run.native,
        )
    )
    try:
        while (reason := stop_reason(history, config)) is None:
            history = run_epoch(run, training, validation, history, report)
            if history.best_epoch == len(history.loss):
                best = run.model.get_weights()
            if checkpoint:
                save_checkpoint(checkpoint, Checkpoint(run.values(), best, history, identity))
    finally:
        model.set_weights(best)
        report(Ended())
    return TrainingResult(history, reason)


def run_epoch(
    run: Run,
    training: WindowSource,
    validation: WindowSource | None,
    history: History,
    report: Reporter,
) -> History:
    """Learn the windows of one epoch, validate, and return the longer history."""
    start = time.perf_counter()
    loss = learn(run, training, history, report)
    val_loss = mean_loss(run, validation) if validation is not None else None
    epoch = len(history.loss) + 1
    judged, earlier = (loss, history.loss) if val_loss is None else (val_loss, history.val_loss)
    is_best = judged < min(earlier, default=math.inf)
    seconds = time.perf_counter() - start
    with in_float32():  # a schedule computes it anew
        rate = float(run.optimizer.learning_rate)
    num_epochs = decided(run.config.epochs, "training.epochs")
    report(EpochDone(epoch, num_epochs, loss, val_loss, rate, seconds, is_best))
    return replace(
        history,
        loss=(*history.loss, loss),
        val_loss=history.val_loss if val_loss is None else (*history.val_loss, val_loss),
        learning_rate=(*history.learning_rate, rate),
        seconds=(*history.seconds, seconds),
        best_epoch=epoch if is_best else history.best_epoch,
    )


def learn(run: Run, training: WindowSource, history: History, report: Reporter) -> float:
    """Take the steps of one epoch, as many in one call as take about `SECONDS_PER_CALL`.

    Returns:
        The mean loss over the measured cells of the epoch, without the L2 term.

    Raises:
        TrainingError: something is not finite, or no cell was measured.
    """
    config, epoch, start = run.config, len(history.loss) + 1, time.perf_counter()
    before = history.val_loss[-1] if history.val_loss else None
    num_epochs = decided(config.epochs, "training.epochs")
    event = StepDone(epoch, num_epochs, 0, run.num_steps, math.inf, before, 0.0)
    batches = training_batches(
        training,
        batch_size=decided(config.batch_size, "training.batch_size"),
        seed=config.seed,
        epoch=epoch,
        num_windows=decided(config.windows_per_epoch, "training.windows_per_epoch"),
    )
    iterator, done, most = iter(batches), 0, 1
    if run.strategy is not None:
        spread_seeds(run.model, run.strategy)
    total = count = 0.0
    while done < run.num_steps:
        called = time.perf_counter()
        learned = Learned(
            *(one.numpy() for one in run.learn(iterator, min(most, run.num_steps - done)))
        )
        seconds, done = time.perf_counter() - called, done + int(learned.steps)
        check_sound(run, history, done, learned)
        total, count = total + float(learned.total), count + float(learned.measured)
        report(
            replace(
                event, step=done, loss=total / max(count, 1.0), seconds=time.perf_counter() - start
            )
        )
        most = max(1, int(SECONDS_PER_CALL * learned.steps / seconds))
    if not count:
        raise TrainingError(
            "no training window has a measured target: there is nothing to learn; give more data"
        )
    return total / count


def check_sound(run: Run, history: History, step: int, learned: Learned) -> None:
    """Stop training where a step would leave the finite numbers.

    Raises:
        TrainingError: loss or gradients are not finite, and were not applied; or a weight has
            become so.
    """
    if learned.ending == BAD_GRADIENT:
        what = f"the loss is {learned.loss:.4g} and the norm of the gradients {learned.norm:.4g}"
        raise diverged(run, history, step, what)
    if learned.ending == BAD_WEIGHT:
        raise diverged(
            run,
            history,
            step,
            f"a weight has become infinite or NaN, at a loss of {learned.loss:.4g}",
        )


def diverged(run: Run, history: History, step: int, what: str) -> TrainingError:
    """The error for a step after which there is nothing to go on with."""
    kept = f"of epoch {history.best_epoch}" if history.best_epoch else "from before training"
    clip = "" if run.config.gradient_clip else ", set gradient_clip: 1.0"
    return TrainingError(
        f"training stopped in epoch {len(history.loss) + 1}, step {step}: {what}; the weights "
        f"{kept} were kept: "
        f"try a learning_rate below {run.config.learning_rate:g}{clip}, or look for extreme values "
        f"in the data"
    )


def mean_loss(run: Run, source: WindowSource) -> float:
    """The exact mean loss over the measured cells of all windows, not the mean over batches.

    Raises:
        TrainingError: no cell was measured, or the loss is not finite.
    """
    size = decided(run.config.batch_size, "training.batch_size")
    batches = iter(evaluation_batches(source, size))
    total, count = (float(one) for one in run.measure(batches, count_batches(source, size)))
    if not count:
        raise TrainingError(
            "no validation window has a measured target: give more rows, or none for validation"
        )
    if not math.isfinite(total):
        raise TrainingError(
            f"training stopped: the validation loss is {total / count:.4g}; try a lower "
            f"learning_rate than "
            f"{run.config.learning_rate:g}, or look for extreme values in the validation rows"
        )
    return total / count


def stop_reason(history: History, config: TrainingConfig) -> str | None:
    """Why training is over, or None to go on."""
    done = len(history.loss)
    num_epochs = decided(config.epochs, "training.epochs")
    if done >= num_epochs:
        return f"all {num_epochs} epochs were run"
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
            f"cannot resume from {checkpoint}: its variables are not those of this model and "
            f"optimizer "
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
            raise TrainingError(
                f"there is no {name} window; expected at least one: give more rows or shorter "
                f"windows"
            )
