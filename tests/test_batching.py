"""Every window comes exactly once, in an order of its own in each epoch, and in order for evaluation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from window_arrays import ArraySource, full_shape, random_inputs

from forecast.batching import evaluation_batches, training_batches, training_order
from forecast.errors import ConfigError


@pytest.fixture
def source() -> ArraySource:
    """53 windows whose target is their own number."""
    shape = full_shape()
    number = np.arange(53, dtype=np.float32)[:, None, None]
    return ArraySource(random_inputs(shape, 53), np.broadcast_to(number, (53, shape.horizon, 2)).copy())


def order(batches: object) -> NDArray[np.float32]:
    return np.concatenate([target[:, 0, 0].numpy() for _, target in batches])  # type: ignore[attr-defined]


def epoch_order(source: ArraySource, epoch: int, *, seed: int = 1) -> list[float]:
    return order(training_batches(source, batch_size=10, seed=seed, epoch=epoch)).tolist()


def test_an_epoch_holds_every_window_once(source: ArraySource) -> None:
    batches = training_batches(source, batch_size=10, seed=1, epoch=1)
    assert [len(target) for _, target in batches] == [10, 10, 10, 10, 10, 3]
    assert sorted(order(batches)) == list(range(53))


def test_epochs_and_seeds_have_orders_of_their_own(source: ArraySource) -> None:
    assert epoch_order(source, 1) != epoch_order(source, 2) != epoch_order(source, 2, seed=2)
    orders = [tuple(training_order(53, seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in range(1, 6)]
    assert len(set(orders)) == 10
    # A shuffle is no rotation or reversal of another: neighbours of one epoch are hardly ever neighbours in the next.
    pairs = [set(itertools.pairwise(one)) for one in orders]
    assert max(len(pairs[0] & other) for other in pairs[1:]) < 8


def test_order_is_a_function_of_seed_and_epoch(source: ArraySource) -> None:
    later_first = {epoch: epoch_order(source, epoch) for epoch in (2, 1)}
    assert later_first == {epoch: epoch_order(source, epoch) for epoch in (1, 2)}
    assert epoch_order(source, 1) == np.random.default_rng([1, 1]).permutation(53).tolist()


def test_windows_are_drawn_anew_without_replacement(source: ArraySource) -> None:
    drawn = training_batches(source, batch_size=10, seed=1, epoch=3, num_windows=25)
    assert [len(target) for _, target in drawn] == [10, 10, 5]
    draws = [training_order(53, seed=1, epoch=epoch, num_windows=20) for epoch in range(1, 30)]
    assert all(len(set(one)) == 20 for one in draws)
    counts = np.bincount(np.concatenate(draws), minlength=53)
    assert counts.min() > 0  # 29 draws of 20 out of 53: each window is met 11 times on average
    assert len(training_order(53, seed=1, epoch=1, num_windows=1000)) == 53


def test_inputs_belong_to_their_target(source: ArraySource) -> None:
    for inputs, target in training_batches(source, batch_size=7, seed=0, epoch=4):
        numbers = target[:, 0, 0].numpy().astype(int)
        for name, array in source.inputs.items():
            np.testing.assert_array_equal(inputs[name].numpy(), array[numbers], err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 7, 53, 100])
def test_evaluation_is_in_order_and_drops_nothing(source: ArraySource, batch_size: int) -> None:
    assert order(evaluation_batches(source, batch_size)).tolist() == list(range(53))


def test_batch_size_is_checked(source: ArraySource) -> None:
    with pytest.raises(ConfigError, match="batch_size is 0; expected a whole number of at least 1"):
        evaluation_batches(source, 0)
