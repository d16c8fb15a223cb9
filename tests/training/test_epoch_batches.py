"""One iterator for many epochs gives the batches of an iterator for each; a sample of the
validation windows stands for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from window_arrays import full_shape, learnable_source

from forecast.experiment.settings import TrainingConfig
from forecast.training import epoch_batches
from forecast.training.batches import training_batches
from forecast.training.epoch_batches import (
    learned_batches,
    sampled_windows,
    validated_batches,
    validated_windows,
)

SHAPE = full_shape(context_length=6)
CONFIG = TrainingConfig(batch_size=16, windows_per_epoch=53, epochs=5, seed=7)


def targets(iterator: Any, number: int) -> np.ndarray:
    return np.stack([next(iterator)[1].numpy() for _ in range(number)])


@pytest.mark.parametrize("most", [1, 110, 10_000], ids=["one epoch", "two epochs", "all epochs"])
def test_the_batches_of_an_epoch_do_not_depend_on_the_iterator(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(epoch_batches, "WINDOWS_PER_ITERATOR", most)
    source = learnable_source(SHAPE, 80)
    batches = learned_batches(source, CONFIG)
    for epoch in (2, 3, 4, 5, 1):  # resumed in the second
        expected = training_batches(source, batch_size=16, seed=7, epoch=epoch, num_windows=53)
        found = targets(batches.of_epoch(epoch), batches.num_batches)
        np.testing.assert_array_equal(found, [batch[1].numpy() for batch in expected])
    assert batches.num_batches == 4


def test_every_epoch_is_validated_on_the_same_windows() -> None:
    source = learnable_source(SHAPE, 40)
    batches = validated_batches(source, source, CONFIG)
    first = targets(batches.of_epoch(1), batches.num_batches).reshape(-1, *source.target.shape[1:])
    np.testing.assert_array_equal(first[:40], source.target)
    assert np.isnan(first[40:]).all()
    second = targets(batches.of_epoch(2), batches.num_batches)
    np.testing.assert_array_equal(second.reshape(first.shape), first)


def test_a_sample_has_every_cutoff_of_series_of_one_length() -> None:
    """Of 5,000 series with 60 windows each; at equal distances of 15 it would have four."""
    numbers = sampled_windows(300_000, 20_000)
    assert len(np.unique(numbers)) == 20_000
    assert (np.diff(numbers) > 0).all()
    assert (numbers // 15 == np.arange(20_000)).all(), "one of each stretch"
    counts = np.bincount(numbers % 60, minlength=60)
    assert counts.min() > 0.9 * counts.max()
    np.testing.assert_array_equal(sampled_windows(7, 9), np.arange(7))


@pytest.mark.parametrize(
    ("learned", "validated", "expected"),
    [(30, 500, 500), (40_000, 300_000, 20_000), (40_000, 3_000, 3_000), (2_000, 3_000, 1_000)],
)
def test_validation_has_half_the_windows_of_an_epoch_or_a_few(
    learned: int, validated: int, expected: int
) -> None:
    config = CONFIG.model_copy(update={"windows_per_epoch": None})
    training, validation = range(learned), range(validated)
    numbers = validated_windows(training, validation, config)  # type: ignore[arg-type]
    assert len(numbers) == expected
