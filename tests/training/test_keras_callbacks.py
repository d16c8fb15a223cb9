"""Keras callbacks are called around our epochs as around those of `keras.Model.fit`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training.test_row_weights import experiment, series
from training.test_training import config, linear_model
from window_arrays import learnable_source

from forecast.errors import ConfigError
from forecast.forecasting.forecaster import Forecaster
from forecast.training import train
from forecast.training.events import Both
from forecast.training.keras_callbacks import CallbackReporter, check_callbacks
from forecast.windows.index import WindowShape

SHAPE = WindowShape(context_length=4, horizon=3, num_past=2)


class Recorder(keras.callbacks.Callback):
    """Writes down every call."""

    def __init__(self, *, batches: bool = False) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.logs: list[dict[str, float]] = []
        if batches:
            self.on_train_batch_begin = self.batch_begin
            self.on_train_batch_end = self.batch_end

    def on_train_begin(self, *_: Any) -> None:
        self.calls.append("train begin")

    def on_train_end(self, *_: Any) -> None:
        self.calls.append("train end")

    def on_epoch_begin(self, epoch: int, *_: Any) -> None:
        self.calls.append(("epoch begin", epoch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("epoch end", epoch))
        self.logs.append(dict(logs))

    def batch_begin(self, batch: int, logs: Any = None) -> None:
        del logs
        self.calls.append(("batch begin", batch))

    def batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        self.calls.append(("batch end", batch))


def fitted(callbacks: list[Any], **changes: Any) -> Any:
    source = learnable_source(SHAPE, 35)
    validation = learnable_source(SHAPE, 20, seed=1)
    reporter = CallbackReporter(callbacks)
    model = linear_model()
    return train(model, source, validation, config(**changes), reporter=reporter), model


@pytest.mark.parametrize("batches", [False, True])
def test_the_calls_are_those_of_keras(batches: bool) -> None:
    own = Recorder(batches=batches)
    result, _ = fitted([own])
    model = linear_model()
    model.compile("adam", "mse")
    usual = Recorder(batches=batches)
    x = np.zeros((35, 4, 2), np.float32)
    y = np.zeros((35, 3, 1), np.float32)
    model.fit({"past": x}, y, 10, 3, verbose=0, validation_data=({"past": x}, y), callbacks=[usual])
    assert own.calls == usual.calls
    assert own.logs[0].keys() >= usual.logs[0].keys()
    assert [logs["loss"] for logs in own.logs] == list(result.history.loss)
    assert [logs["val_loss"] for logs in own.logs] == list(result.history.val_loss)
    assert own.params["epochs"] == 3
    assert own.params["steps"] == 4


@pytest.mark.parametrize("batches", [False, True])
def test_they_change_no_bit(batches: bool) -> None:
    _, model = fitted([Recorder(batches=batches)])
    plain = linear_model()
    source = learnable_source(SHAPE, 35)
    train(plain, source, learnable_source(SHAPE, 20, seed=1), config())
    for own, expected in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(own, expected)


def test_early_stopping_ends_the_training_at_its_epoch() -> None:
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=2)
    result, _ = fitted([stopping], epochs=30)
    assert len(result.history.loss) == 3
    assert result.stopped_because == "a callback stopped it"


def test_a_stop_within_an_epoch_ends_it() -> None:
    def stop(batch: int, logs: Any) -> None:
        del logs
        if batch == 1:
            callback.model.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    recorder = Recorder(batches=True)
    result, _ = fitted([callback, recorder], epochs=30)
    assert len(result.history.loss) == 1
    assert ("batch end", 1) in recorder.calls
    assert ("batch end", 2) not in recorder.calls


def test_the_best_epoch_is_kept_whatever_a_callback_restores() -> None:
    def spoil(logs: Any) -> None:
        del logs
        callback.model.set_weights([0 * array for array in callback.model.get_weights()])

    callback = keras.callbacks.LambdaCallback(on_train_end=spoil)
    _, model = fitted([callback])
    assert any(array.any() for array in model.get_weights())


def test_the_csv_has_the_losses(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    result, _ = fitted([keras.callbacks.CSVLogger(path)])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == list(result.history.val_loss)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]


def test_the_learning_rate_falls_on_a_plateau() -> None:
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", min_delta=10.0, factor=0.1, patience=1)
    result, model = fitted([plateau], epochs=4)
    rates = np.array(result.history.learning_rate)
    np.testing.assert_allclose(rates[:2], 0.01, rtol=1e-6)
    np.testing.assert_allclose(rates[2:], [1e-3, 1e-4], rtol=1e-5)
    # and the steps are smaller: the same without the callback ends elsewhere
    _, other = fitted([], epochs=4)
    assert not np.allclose(model.get_weights()[0], other.get_weights()[0], rtol=1e-3)
    assert model.optimizer is None


def test_a_model_is_saved_after_its_epochs(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    saving = keras.callbacks.ModelCheckpoint(
        path, "val_loss", save_best_only=True, save_weights_only=True
    )
    _, model = fitted([saving])
    other = linear_model(seed=5)
    other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (keras.callbacks.TensorBoard, "tensorboard_reporter"),
        (keras.callbacks.SwapEMAWeights, "needs keras.Model.fit"),
        (lambda: keras.callbacks.BackupAndRestore("folder"), "checkpoint"),
        (lambda: "early", "has a str; expected objects of keras.callbacks.Callback"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(callback: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_callbacks([callback()], config())
    assert "\n" not in str(caught.value)


def test_two_masters_of_the_learning_rate_are_refused() -> None:
    plateau = keras.callbacks.ReduceLROnPlateau()
    with pytest.raises(ConfigError, match="sets the learning rate, and so does"):
        check_callbacks([plateau], config(schedule="cosine"))
    check_callbacks([plateau], config())


def test_every_network_is_seen_one_after_another_and_no_refit() -> None:
    recorder = Recorder()
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_begin=lambda _: seen.append((callback.params["network"], callback.model.name))
    )
    settings = experiment(
        weighted=False, **{"ensemble.seeds": 2, "training.refit": True, "training.epochs": 2}
    )
    Forecaster(settings).fit(series("a", 3.0), callbacks=[recorder, callback], verbose=0)
    assert [name for name, _ in seen] == ["context 14, seed 0", "context 14, seed 1"]
    once = ["train begin"]
    for epoch in range(2):
        once += [("epoch begin", epoch), ("epoch end", epoch)]
    assert recorder.calls == [*once, "train end"] * 2


def test_reporters_beside_them_hear_all() -> None:
    heard: list[Any] = []
    recorder = Recorder()
    source = learnable_source(SHAPE, 35)
    both = Both((heard.append, CallbackReporter([recorder])))
    train(linear_model(), source, None, config(), reporter=both)
    assert both.one_at_a_time
    assert {type(event).__name__ for event in heard} == {
        "Started",
        "EpochBegun",
        "StepDone",
        "EpochDone",
        "Ended",
    }
    assert "val_loss" not in recorder.logs[0]
