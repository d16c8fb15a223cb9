"""Every window comes exactly once, in an order of its own in each epoch, and in order for
evaluation."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from window_arrays import ArraySource, full_shape, random_inputs
from windows.test_features import POLICIES, experiment, table

from forecast.errors import ConfigError
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import DataConfig, WindowsConfig
from forecast.training import batches as batching
from forecast.training.batches import estimate, evaluation_batches, training_batches, training_order


@pytest.fixture
def source() -> ArraySource:
    """53 windows whose target is their own number."""
    shape = full_shape()
    number = np.arange(53, dtype=np.float32)[:, None, None]
    return ArraySource(
        random_inputs(shape, 53), np.broadcast_to(number, (53, shape.horizon, 2)).copy()
    )


def order(batches: Any) -> NDArray[np.float32]:
    """Numbers of the windows, without those that only fill up the last batch."""
    numbers = np.concatenate([target[:, 0, 0].numpy() for _, target in batches])
    return numbers[np.isfinite(numbers)]


def epoch_order(source: ArraySource, epoch: int, *, seed: int = 1) -> list[float]:
    return order(training_batches(source, batch_size=10, seed=seed, epoch=epoch)).tolist()


def test_an_epoch_holds_every_window_once(source: ArraySource) -> None:
    batches = training_batches(source, batch_size=10, seed=1, epoch=1)
    assert sorted(order(batches)) == list(range(53))


def test_epochs_and_seeds_have_orders_of_their_own(source: ArraySource) -> None:
    assert epoch_order(source, 1) != epoch_order(source, 2) != epoch_order(source, 2, seed=2)
    orders = [
        tuple(training_order(53, seed=seed, epoch=epoch))
        for seed in (1, 2)
        for epoch in range(1, 6)
    ]
    assert len(set(orders)) == 10
    # A shuffle is no rotation or reversal of another: neighbours of one epoch are hardly ever
    # neighbours in the next.
    pairs = [set(itertools.pairwise(one)) for one in orders]
    assert max(len(pairs[0] & other) for other in pairs[1:]) < 8


def test_order_is_a_function_of_seed_and_epoch(source: ArraySource) -> None:
    later_first = {epoch: epoch_order(source, epoch) for epoch in (2, 1)}
    assert later_first == {epoch: epoch_order(source, epoch) for epoch in (1, 2)}
    assert epoch_order(source, 1) == np.random.default_rng([1, 1]).permutation(53).tolist()


def test_windows_are_drawn_anew_without_replacement(source: ArraySource) -> None:
    drawn = training_batches(source, batch_size=10, seed=1, epoch=3, num_windows=25)
    assert order(drawn).tolist() == training_order(53, seed=1, epoch=3)[:25].tolist()
    draws = [training_order(53, seed=1, epoch=epoch, num_windows=20) for epoch in range(1, 30)]
    assert all(len(set(one)) == 20 for one in draws)
    counts = np.bincount(np.concatenate(draws), minlength=53)
    assert counts.min() > 0  # 29 draws of 20 out of 53: each window is met 11 times on average
    assert len(training_order(53, seed=1, epoch=1, num_windows=1000)) == 53


@pytest.mark.parametrize("batch_size", [1, 7, 53, 100])
def test_evaluation_is_in_order_and_drops_nothing(source: ArraySource, batch_size: int) -> None:
    assert order(evaluation_batches(source, batch_size)).tolist() == list(range(53))


@pytest.mark.parametrize(("batch_size", "fixed"), [(1, 1), (10, 10), (53, 53), (100, 53)])
def test_every_batch_has_one_size(source: ArraySource, batch_size: int, fixed: int) -> None:
    batches = evaluation_batches(source, batch_size)
    assert len(list(batches)) == -(-53 // fixed)
    inputs, target = batches.element_spec
    assert {int(one.shape[0]) for one in (*inputs.values(), target)} == {fixed}
    assert target.shape.is_fully_defined()


def test_the_last_batch_is_filled_up_with_windows_of_the_epoch(source: ArraySource) -> None:
    *_, (inputs, target) = training_batches(source, batch_size=10, seed=1, epoch=1, num_windows=14)
    drawn = training_order(53, seed=1, epoch=1)[:14]
    assert np.isnan(target[4:]).all()
    assert np.isfinite(target[:4]).all()
    for name, array in inputs.items():
        expected = source.inputs[name][np.append(drawn[10:], drawn[:6])]
        np.testing.assert_array_equal(array, expected, err_msg=name)


@given(
    st.sampled_from(["refuse", *POLICIES]),
    st.integers(0, 3),
    st.sampled_from([1, 5, 64]),
    st.sampled_from([1, 3]),
    st.sampled_from([("wind",), ()]),
    st.sampled_from([(), ("load", "state")]),
    st.sampled_from([(), ("size",), ("kind",), ("size", "kind")]),
)
@settings(max_examples=12, deadline=None)
def test_batches_are_those_of_numpy(
    missing: str,
    seed: int,
    batch_size: int,
    stride: int,
    past: tuple[str, ...],
    known: tuple[str, ...],
    static: tuple[str, ...],
) -> None:
    """Bit for bit and in the same order, for every input there can be, runs of many lengths, and
    late cells."""
    columns = (*known, *static)
    data = DataConfig(
        past_covariates=past,
        known_covariates=known,
        static_covariates=static,
        categorical=tuple(name for name in ("state", "kind") if name in columns),
        missing=missing,
        gaps="skip",
        calendar=("weekday",) if seed % 2 else (),
    )
    windows = WindowsConfig(context_length=6, horizon=3, stride=stride)
    whole = experiment(missing).model_copy(update={"data": data, "windows": windows})
    frame = table(seed, series=3, holes=0.0 if missing == "refuse" else 0.2)
    if seed > 1:
        frame = frame.drop(index=[15, 90])
    source = prepare(whole, frame).training
    shuffled = training_order(len(source), seed=seed, epoch=2)
    for order_of, batches in (
        (shuffled, training_batches(source, batch_size=batch_size, seed=seed, epoch=2)),
        (np.arange(len(source)), evaluation_batches(source, batch_size)),
    ):
        gathered = list(batches)
        size = len(gathered[0][1])
        assert len(gathered) == -(-len(source) // size)
        for place, (inputs, target) in enumerate(gathered):
            numbers = order_of[place * size : (place + 1) * size]
            expected, wanted = source.batch(numbers)
            assert set(inputs) == set(expected)
            for name, array in expected.items():
                assert inputs[name].dtype.as_numpy_dtype == array.dtype
                assert inputs[name].numpy()[: len(numbers)].tobytes() == array.tobytes(), name
            np.testing.assert_array_equal(target[: len(numbers)], wanted)
            assert np.isnan(target[len(numbers) :]).all()


def test_epochs_share_what_was_traced(source: ArraySource) -> None:
    """One traced function takes the iterators of all epochs, and rows are made into tensors
    once."""

    @tf.function
    def first_two(iterator: Any) -> Any:
        return next(iterator)[1][0, 0, 0], next(iterator)[1][0, 0, 0]

    for epoch in range(1, 5):
        batches = training_batches(source, batch_size=10, seed=1, epoch=epoch)
        expected = training_order(53, seed=1, epoch=epoch)[[0, 10]]
        assert [int(one) for one in first_two(iter(batches))] == expected.tolist()
    assert first_two.experimental_get_tracing_count() == 1


def test_rows_are_shared_and_go_with_their_features() -> None:
    gc.collect()
    before = len(batching._ROW_TENSORS)
    prepared = prepare(experiment(), table())
    for source in (prepared.training, prepared.validation, prepared.test):
        next(iter(evaluation_batches(source, 4)))
    assert len(batching._ROW_TENSORS) == before + 1
    features = weakref.ref(prepared.features)
    tensors = [weakref.ref(one) for one in batching._row_tensors(prepared.features).values()]
    del prepared, source
    gc.collect()
    assert features() is None
    assert [one() for one in tensors] == [None] * len(tensors)


@pytest.mark.parametrize(("size", "num_windows"), [(10, None), (100, None), (10, 25)])
def test_the_estimate_is_what_is_held(
    source: ArraySource, size: int, num_windows: int | None
) -> None:
    expected = estimate(source, size, num_windows=num_windows)
    batches = list(
        training_batches(source, batch_size=size, seed=0, epoch=1, num_windows=num_windows)
    )
    inputs, target = batches[0]
    assert expected.batch_bytes == sum(one.numpy().nbytes for one in (*inputs.values(), target))
    assert expected.batches == len(batches)
    assert expected.windows == sum(np.isfinite(one[:, 0, 0]).sum() for _, one in batches)
    assert (
        expected.order_bytes == training_order(53, seed=0, epoch=1, num_windows=num_windows).nbytes
    )
    tables = sum(one.numpy().nbytes for one in batching._row_tensors(source.features).values())
    assert expected.row_bytes == tables + 4 * 8 * 53  # each window is a run with four numbers


def test_the_estimate_in_words(source: ArraySource) -> None:
    text = (
        "53 windows of 7 + 3 rows, 6 batches an epoch; rows 0.0 MB, order 0.0 MB, one batch 0.0 MB"
    )
    assert str(estimate(source, 10)) == text


def test_large_windows_are_gathered_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch, source: ArraySource
) -> None:
    """However many batches are gathered at a time, what comes out is the same."""
    expected = [
        target.numpy() for _, target in training_batches(source, batch_size=4, seed=1, epoch=1)
    ]
    for bytes_at_a_time in (1, 4 * batching.window_bytes(source) * 3):
        monkeypatch.setattr(batching, "CHUNK_BYTES", bytes_at_a_time)
        again = [
            target.numpy() for _, target in training_batches(source, batch_size=4, seed=1, epoch=1)
        ]
        assert len(again) == len(expected)
        for one, other in zip(again[:-1], expected[:-1], strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(again[-1], expected[-1])


def test_batch_size_is_checked(source: ArraySource) -> None:
    with pytest.raises(ConfigError, match="batch_size is 0; expected a whole number of at least 1"):
        evaluation_batches(source, 0)
