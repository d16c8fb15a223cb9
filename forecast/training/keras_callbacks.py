"""Keras callbacks around the epochs of this package, which `keras.Model.fit` does not run.

They see every network that is trained to choose its best epoch, one network after another: from
`on_train_begin` to `on_train_end` with `set_model` and `set_params` before. A refit on all rows is
not shown to them, since nothing is validated there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forecast.errors import ConfigError
from forecast.experiment.settings import TrainingConfig
from forecast.training.events import (
    Both,
    Ended,
    EpochBegun,
    EpochDone,
    Event,
    Live,
    Reporter,
    Started,
    StepDone,
)

if TYPE_CHECKING:
    import keras

_ELSEWHERE = {
    "BackupAndRestore": "pass `checkpoint=` and `resume=` to fit instead",
    "OrbaxCheckpoint": "pass `checkpoint=` and `resume=` to fit instead",
    "ProgbarLogger": "fit shows its progress with `verbose=1`",
    "SwapEMAWeights": "the best weights are those of an epoch",
    "TensorBoard": "pass `reporter=` forecast.training.progress.tensorboard_reporter(folder)",
}
"""Callbacks of Keras that need `keras.Model.fit` -> what to do instead."""

_OF_BATCHES = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

_SET_RATES = ("ReduceLROnPlateau", "LearningRateScheduler")


def check_callbacks(callbacks: Sequence[Any], config: TrainingConfig) -> None:
    """Raise where an object is no Keras callback, or one that cannot work here.

    Args:
        callbacks: of Keras.
        config: the training settings, resolved.

    Raises:
        ConfigError: always then.
    """
    import keras

    for callback in callbacks:
        name = type(callback).__name__
        if not isinstance(callback, keras.callbacks.Callback):
            raise ConfigError(
                f"callbacks has a {name}; expected objects of keras.callbacks.Callback"
            )
        for kind, advice in _ELSEWHERE.items():
            if isinstance(callback, getattr(keras.callbacks, kind, ())):
                raise ConfigError(f"callbacks has a {name}, which needs keras.Model.fit: {advice}")
        sets_rate = any(isinstance(callback, getattr(keras.callbacks, kind)) for kind in _SET_RATES)
        if sets_rate and config.schedule != "constant":
            raise ConfigError(
                f"callbacks has a {name}, which sets the learning rate, and so does "
                f'training.schedule {config.schedule!r}: pass `training.schedule="constant"`'
            )
        if config.strategy == "mirrored":
            raise ConfigError(
                'callbacks see one model on one device: pass `training.strategy="none"`'
            )


def with_callbacks(
    reporter: Reporter | None, callbacks: Sequence[keras.callbacks.Callback], config: TrainingConfig
) -> Reporter | None:
    """Return a reporter that calls Keras callbacks too, if there are any.

    Args:
        reporter: of the user; optional.
        callbacks: of Keras.
        config: the training settings, resolved.

    Raises:
        ConfigError: see `check_callbacks`.
    """
    if not callbacks:
        return reporter
    check_callbacks(callbacks, config)
    return Both((*filter(None, [reporter]), CallbackReporter(callbacks)))


class CallbackReporter:
    """Reporter that calls Keras callbacks.

    Attributes:
        one_at_a_time: networks are trained one after another, as a callback knows one model.
    """

    one_at_a_time = True

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Take the callbacks, in the order in which they are called."""
        self.callbacks = tuple(callbacks)
        self.live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Pass an event on as the calls that Keras makes."""
        if isinstance(event, Started):
            self._begin(event)
        live = self.live
        if live is None:
            return
        if isinstance(event, EpochBegun):
            self._call("on_epoch_begin", event.epoch - 1, {})
            if live.every_step:
                self._call("on_train_batch_begin", 0, {})
        elif isinstance(event, StepDone) and live.every_step:
            logs = {"loss": event.loss}
            self._call("on_train_batch_end", event.step - 1, logs)
            if event.step < event.num_steps:
                self._call("on_train_batch_begin", event.step, {})
        elif isinstance(event, EpochDone):
            self._call("on_epoch_end", event.epoch - 1, _logs_of(event))
        elif isinstance(event, Ended):
            self._call("on_train_end", {})
            live.model.optimizer = None
            self.live = None
        if live.model.stop_training:
            live.stop = True

    def _begin(self, event: Started) -> None:
        """Show the model of a training to the callbacks."""
        live = event.live
        if live is None:
            return
        self.live = live
        live.every_step = any(_reads_batches(callback) for callback in self.callbacks)
        live.model.stop_training = False
        live.model.optimizer = live.optimizer
        params = {
            "epochs": live.num_epochs,
            "steps": event.estimate.batches,
            "verbose": 0,
            "network": event.name,
        }
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(live.model)
        self._call("on_train_begin", {})

    def _call(self, name: str, *arguments: Any) -> None:
        """Call one method of every callback."""
        for callback in self.callbacks:
            getattr(callback, name)(*arguments)


def _reads_batches(callback: Any) -> bool:
    """Return whether a callback does something before or after a batch."""
    import keras

    kind = type(callback)
    for name in _OF_BATCHES:
        own = getattr(callback, name)
        of_class = getattr(kind, name)
        is_bound = getattr(own, "__func__", None) is of_class
        if not is_bound or of_class is not getattr(keras.callbacks.Callback, name):
            return True
    return False


def _logs_of(event: EpochDone) -> dict[str, float]:
    """Return the logs of an epoch under the names that Keras gives them."""
    logs = {"loss": event.loss}
    if event.val_loss is not None:
        logs["val_loss"] = event.val_loss
    return {**logs, "learning_rate": event.learning_rate}
