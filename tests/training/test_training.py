"""Training takes the steps that are written down, stops before a bad one, and keeps the best
weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from window_arrays import ArraySource, full_shape, learnable_source

from forecast.errors import TrainingError
from forecast.experiment.settings import TrainingConfig
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.training import Ended, EpochDone, Started, StepDone, train
from forecast.training.batches import estimate, evaluation_batches, training_batches, training_order
from forecast.training.events import EpochBegun
from forecast.training.step import make_run
from forecast.windows.index import WindowShape

SHAPE = WindowShape(context_length=4, horizon=3, num_past=2)


def linear_model(seed: int = 0, regularizer: Any = None) -> Any:
    """One dense layer: quick to compile, and its gradient is known."""
    past = keras.Input((4, 2), name="past")
    start = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
    flat = keras.layers.Dense(3, kernel_initializer=start, kernel_regularizer=regularizer)(
        keras.layers.Flatten()(past)
    )
    return keras.Model({"past": past}, keras.layers.Reshape((3, 1))(flat))


def config(**changes: Any) -> TrainingConfig:
    settings: dict[str, Any] = {
        "loss": "mse",
        "schedule": "constant",
        "epochs": 3,
        "batch_size": 10,
        "windows_per_epoch": None,
        "patience": None,
        "learning_rate": 0.01,
    }
    return TrainingConfig(**{**settings, **changes})


def one_batch_step(
    source: ArraySource, model: Any, **changes: Any
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Weights before and after a single step on all windows."""
    before = model.get_weights()
    train(model, source, None, config(epochs=1, batch_size=len(source), **changes))
    return before, model.get_weights()


def mse_gradient(source: ArraySource, weights: list[NDArray[Any]]) -> list[NDArray[np.float64]]:
    """Of the mean squared error over the measured cells, by hand."""
    x = source.inputs["past"].reshape(len(source), -1).astype(np.float64)
    error = np.nan_to_num(x @ weights[0] + weights[1] - source.target[..., 0])
    error = np.where(np.isnan(source.target[..., 0]), 0.0, error)
    slope = 2 * error / np.isfinite(source.target).sum()
    return [x.T @ slope, slope.sum(axis=0)]


@pytest.fixture
def source() -> ArraySource:
    made = learnable_source(SHAPE, 35)
    made.target[3, 1] = np.nan
    made.target[20] = np.nan
    return made


def test_sgd_takes_the_step_of_the_formula(source: ArraySource) -> None:
    before, after = one_batch_step(source, linear_model(), optimizer="sgd", gradient_clip=None)
    for old, new, slope in zip(before, after, mse_gradient(source, before), strict=True):
        np.testing.assert_allclose(new, old - 0.01 * slope, rtol=0, atol=1e-7)


def test_adam_takes_the_step_of_the_formula(source: ArraySource) -> None:
    before, after = one_batch_step(source, linear_model(), gradient_clip=None)
    for old, new, slope in zip(before, after, mse_gradient(source, before), strict=True):
        np.testing.assert_allclose(
            new, old - 0.01 * slope / (np.abs(slope) + 1e-7), rtol=0, atol=2e-6
        )


def test_adamw_also_shrinks_the_weights(source: ArraySource) -> None:
    before, plain = one_batch_step(source, linear_model())
    _, decayed = one_batch_step(source, linear_model(), optimizer="adamw", weight_decay=0.3)
    np.testing.assert_allclose(decayed[0], plain[0] - 0.01 * 0.3 * before[0], rtol=0, atol=1e-6)


def test_gradients_are_clipped_by_their_norm_together(source: ArraySource) -> None:
    before, after = one_batch_step(source, linear_model(), optimizer="sgd", gradient_clip=0.25)
    step = np.concatenate([(new - old).ravel() for old, new in zip(before, after, strict=True)])
    slope = np.concatenate([one.ravel() for one in mse_gradient(source, before)])
    assert np.linalg.norm(slope) > 0.5
    np.testing.assert_allclose(
        step, -0.01 * 0.25 * slope / np.linalg.norm(slope), rtol=0, atol=1e-7
    )


def test_the_l2_term_is_learned_and_not_reported(source: ArraySource) -> None:
    plain, heavy = linear_model(), linear_model(regularizer=keras.regularizers.L2(0.5))
    before, after = one_batch_step(source, heavy, optimizer="sgd", gradient_clip=None)
    slope = mse_gradient(source, before)[0] + 2 * 0.5 * before[0]
    np.testing.assert_allclose(after[0], before[0] - 0.01 * slope, rtol=0, atol=1e-6)
    losses = [
        train(one, source, None, config(epochs=1, batch_size=35)).history.loss[0]
        for one in (plain, linear_model())
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("schedule", "middle", "end"),
    [
        ("constant", 0.01, 0.01),
        ("cosine", (0.01 + 0.0001) / 2, 0.0001),
        ("exponential", 0.001, 0.0001),
    ],
)
def test_schedules_end_at_a_hundredth(
    source: ArraySource, schedule: str, middle: float, end: float
) -> None:
    history = train(linear_model(), source, None, config(epochs=4, schedule=schedule)).history
    assert history.learning_rate[1] == pytest.approx(middle, rel=1e-5)
    assert history.learning_rate[3] == pytest.approx(end, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 35, 100])
def test_validation_loss_is_the_mean_over_cells(source: ArraySource, batch_size: int) -> None:
    model = linear_model()
    result = train(
        model, learnable_source(SHAPE, 5, seed=2), source, config(batch_size=batch_size, epochs=1)
    )
    squares = (source.target - np.asarray(model(source.inputs))).astype(np.float64) ** 2
    assert result.history.val_loss[0] == pytest.approx(np.nanmean(squares), rel=1e-6)


def noise_source(seed: int, size: int = 12) -> ArraySource:
    made = learnable_source(SHAPE, size, seed=seed)
    made.target[:] = np.random.default_rng(seed).normal(size=made.target.shape)
    return made


def test_early_stopping_restores_the_weights_of_the_best_epoch() -> None:
    """Noise is learned by heart: validation on other noise gets worse after a while."""
    training, validation = noise_source(1), noise_source(2)
    model, settings = linear_model(), {"epochs": 30, "batch_size": 12, "learning_rate": 0.1}
    result = train(model, training, validation, config(patience=4, **settings))
    losses = result.history.val_loss
    assert 1 < result.best_epoch == int(np.argmin(losses)) + 1 == len(losses) - 4
    assert result.stopped_because == "no loss better by 0.1 % in 4 epochs"
    shorter = linear_model()
    again = train(
        shorter, training, validation, config(**{**settings, "epochs": result.best_epoch})
    )
    assert again.stopped_because == f"all {result.best_epoch} epochs were run"
    assert all(
        np.array_equal(a, b)
        for a, b in zip(model.get_weights(), shorter.get_weights(), strict=True)
    )


def test_gains_that_are_too_small_do_not_keep_training_alive(
    monkeypatch: pytest.MonkeyPatch, source: ArraySource
) -> None:
    """Losses as if from validation: 0.05 % better in every epoch is 0.1 % in two."""
    losses = iter([1.0, 0.98, *(0.98 * 0.9999**number for number in range(1, 40))])
    monkeypatch.setattr("forecast.training.epochs._mean_loss", lambda *_: next(losses))
    result = train(linear_model(), source, source, config(epochs=40, patience=3))
    assert len(result.history.loss) == result.best_epoch == 2 + 3
    losses = iter([0.9995**number for number in range(40)])
    result = train(linear_model(), source, source, config(epochs=12, patience=3))
    assert len(result.history.loss) == 12


@pytest.mark.parametrize("jit", ["on", "off"])
def test_batches_and_epochs_trace_nothing_anew(source: ArraySource, jit: str) -> None:
    traces: list[str] = []
    plain = linear_model()
    counted = keras.layers.Lambda(lambda x: traces.append("model") or x)(plain.output)
    run = make_run(keras.Model(plain.input, counted), source, config(jit=jit))
    traces.clear()
    for epoch, most in ((1, 1), (1, 3), (2, 2)):  # 35 windows: the last batch of ten holds five
        run.learn(iter(training_batches(source, batch_size=10, seed=0, epoch=epoch)), most)
        run.measure(iter(evaluation_batches(source, 10)), 4)
    assert len(traces) == 2


def test_training_leaves_no_gradient_behind(source: ArraySource) -> None:
    """TensorFlow never lets go of one, nor of the graph it belongs to."""
    from tensorflow.python.framework import ops

    before = set(ops.gradient_registry.list())
    train(build_model(BiGRUConfig(units=2), SHAPE), source, source, config(epochs=1))
    assert set(ops.gradient_registry.list()) == before


def test_training_stops_in_the_step_whose_loss_is_not_finite() -> None:
    """A window with an infinite target is drawn in the third epoch only."""
    source, model, sound, steps = learnable_source(SHAPE, 40), linear_model(), linear_model(), []
    settings = {"epochs": 2, "windows_per_epoch": 10, "batch_size": 2}
    drawn = [list(training_order(40, seed=0, epoch=epoch, num_windows=10)) for epoch in (1, 2, 3)]
    bad = next(number for number in drawn[2] if number not in drawn[0] + drawn[1])
    train(sound, source, None, config(**settings))
    source = learnable_source(SHAPE, 40)
    source.target[bad] = np.inf
    with pytest.raises(TrainingError) as raised:
        train(model, source, None, config(**{**settings, "epochs": 9}), reporter=steps.append)
    text = str(raised.value)
    assert text.startswith(
        f"training stopped in epoch 3, step {drawn[2].index(bad) // 2 + 1}: the loss is inf"
    )
    assert "the weights of epoch 2 were kept: try a learning_rate below 0.01" in text
    assert isinstance(steps[-2], StepDone | EpochDone | EpochBegun)
    assert steps[-1] == Ended()
    assert all(
        np.array_equal(a, b) for a, b in zip(model.get_weights(), sound.get_weights(), strict=True)
    )


def test_training_stops_where_a_gradient_or_a_weight_is_not_finite(source: ArraySource) -> None:
    source.inputs["past"][:] = 0.0
    source.inputs["past"][0] = (
        1e20  # the loss of 1e38 fits into float32, the square of its gradient does not
    )
    source.target[:] = np.nan
    source.target[0] = 0.0
    model = linear_model()
    model.set_weights([np.full((8, 3), 1e-2, np.float32), np.zeros(3, np.float32)])
    before = model.get_weights()
    with pytest.raises(
        TrainingError,
        match=r"epoch 1, step 1: .* norm of the gradients inf; the weights from before",
    ):
        train(model, source, None, config(batch_size=35, gradient_clip=None))
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))

    shape = full_shape(static_categories=(5, 5))
    embedded = learnable_source(shape, 8)
    embedded.inputs["static_categories"][:] = 0
    model = build_model(BiGRUConfig(units=2, cell="rnn", decoder="direct"), shape)
    table = model.get_layer("static_embedding_1").weights[0]
    table.assign(
        np.where(np.arange(5)[:, None] == 3, np.nan, np.asarray(table))
    )  # a row that no window reads
    with pytest.raises(TrainingError, match="a weight has become infinite or NaN"):
        train(model, embedded, None, config())


def test_a_source_without_anything_measured_is_refused(source: ArraySource) -> None:
    empty, nothing = source.inputs, np.full_like(source.target, np.nan)
    with pytest.raises(TrainingError, match="no training window has a measured target"):
        train(linear_model(), ArraySource(empty, nothing), None, config())
    with pytest.raises(TrainingError, match="no validation window has a measured target"):
        train(linear_model(), source, ArraySource(empty, nothing), config())
    none = ArraySource({"past": empty["past"][:0]}, nothing[:0])
    with pytest.raises(TrainingError, match="there is no validation window; expected at least one"):
        train(linear_model(), source, none, config())


def test_listeners_hear_of_steps_and_of_every_epoch(source: ArraySource) -> None:
    """The first step alone, then as many as fit into a call; the last of an epoch always."""
    heard: list[Any] = []
    history = train(
        linear_model(),
        source,
        source,
        config(epochs=2, windows_per_epoch=21),
        reporter=heard.append,
    ).history
    assert heard[-1] == Ended()
    assert heard[0] == Started(estimate(source, 10, num_windows=21), compiled=False, native=False)
    epochs = [one for one in heard if isinstance(one, EpochDone)]
    assert tuple(one.loss for one in epochs) == history.loss
    for epoch, before in ((1, None), (2, history.val_loss[0])):
        steps = [one for one in heard if isinstance(one, StepDone) and one.epoch == epoch]
        assert (steps[0].step, steps[-1].step) == (1, 3)
        assert {(one.num_steps, one.val_loss) for one in steps} == {(3, before)}
        assert steps[-1].loss == history.loss[epoch - 1]
        assert heard.index(steps[-1]) + 1 == heard.index(epochs[epoch - 1])


def test_how_many_steps_a_call_takes_changes_no_bit(
    source: ArraySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("forecast.training.epochs.SECONDS_PER_CALL", seconds)
        model = build_model(BiGRUConfig(units=2), SHAPE)
        train(model, source, source, config())
        weights.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize(
    ("jit", "steps", "native", "expected"),
    [
        ("auto", 299, False, False),
        ("auto", 300, False, True),
        ("auto", 10**6, True, False),
        ("on", 1, False, True),
        ("on", 1, True, True),
        ("off", 10**6, False, False),
    ],
)
def test_what_is_compiled(
    source: ArraySource,
    monkeypatch: pytest.MonkeyPatch,
    jit: str,
    steps: int,
    native: bool,
    expected: bool,
) -> None:
    monkeypatch.setattr("forecast.layers.native.operations", lambda: "there" if native else None)
    run = make_run(linear_model(), source, config(jit=jit, batch_size=35, epochs=steps))
    assert run.compiled == expected


def test_compiled_or_not_the_losses_are_the_same(source: ArraySource) -> None:
    histories = []
    for jit in ("on", "off"):
        model = build_model(BiGRUConfig(units=4, dropout=0.3), SHAPE)
        histories.append(train(model, source, source, config(jit=jit)).history)
    assert [one.compiled for one in histories] == [True, False]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-5)
    np.testing.assert_allclose(histories[0].val_loss, histories[1].val_loss, rtol=1e-5)


CHANGES: dict[str, Any] = {
    "loss": "mae",
    "loss_reads": "quantiles",
    "quantile_levels": (0.2, 0.5, 0.9),
    "optimizer": "sgd",
    "learning_rate": 0.02,
    "schedule": "cosine",
    "weight_decay": 0.1,
    "gradient_clip": 0.01,
    "epochs": 5,
    "batch_size": 11,
    "windows_per_epoch": 12,
    "patience": 1,
    "jit": "on",
    "seed": 1,
}
"""All but `refit` and `budget`, which are read by whoever trains more than once, `strategy`, which
needs several devices, `point`, which decides on the loss before, and `precision`, which takes a
recurrent network (`test_precision.py`)."""

BESIDES: dict[str, dict[str, Any]] = {
    "weight_decay": {"optimizer": "adamw"},
    "quantile_levels": {"loss": "quantile"},
    "loss_reads": {"loss": "own_functions:either"},
    "patience": {"epochs": 12, "learning_rate": 0.3},
}
"""Settings without which another one is not read."""


@cache
def outcome(**settings: Any) -> tuple[float, ...]:
    """All losses of a short training."""
    model = linear_model()
    if config(**settings).forecasts_quantiles:
        spread = keras.layers.Dense(3, kernel_initializer="ones")(
            keras.layers.Reshape((3, 1, 1))(model.output)
        )
        model = keras.Model(model.input, spread)
    chosen = config(**{"epochs": 3, "learning_rate": 0.05, **settings})
    history = train(model, noise_source(1, size=40), noise_source(2), chosen).history
    return (*history.loss, *history.val_loss, history.compiled)


@pytest.mark.parametrize(
    "field",
    sorted(
        TrainingConfig.model_fields.keys()
        - {"refit", "strategy", "budget", "point", "precision", "update"}  # not read by `train`
    ),
)
def test_every_setting_changes_something(field: str) -> None:
    besides = BESIDES.get(field, {})
    assert outcome(**besides) != outcome(**{**besides, field: CHANGES[field]})


def test_tensorflow_is_left_as_it_was(source: ArraySource) -> None:
    tf.random.set_seed(5)
    expected = tf.random.uniform(()).numpy()
    tf.random.set_seed(5)
    state = np.random.get_state()[1].copy()
    train(linear_model(), source, None, config())
    assert tf.random.uniform(()).numpy() == expected
    assert np.array_equal(np.random.get_state()[1], state)
