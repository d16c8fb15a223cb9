"""The batches of every epoch: those that are learned, and those that it is validated on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from forecast.axes import IntArray
from forecast.experiment.settings import TrainingConfig
from forecast.section import decided
from forecast.training.batches import (
    WindowSource,
    batches_in_order,
    count_batches,
    training_order,
)

FEW_VALIDATED = 512
"""Validation windows that are always affordable."""

VALIDATED_PER_LEARNED = 0.5
"""Validation windows for each window that an epoch learns, at most.

To learn a window costs about three times as much as to forecast it, so that validation takes a
seventh of an epoch.
"""

WINDOWS_PER_ITERATOR = 20_000
"""Windows of the epochs that one iterator serves, at most, where it serves several."""

GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0


class EpochBatches:
    """Iterators over the batches of one epoch after the other.

    To make an iterator takes 20 ms, which is more than a small epoch does. So one serves many small
    epochs.
    """

    def __init__(
        self,
        source: WindowSource,
        batch_size: int,
        order_of: Callable[[int], IntArray],
        *,
        num_epochs: int,
    ) -> None:
        """Take what batches are made of.

        Args:
            source: the windows.
            batch_size: B.
            order_of: returns the numbers of the windows of an epoch; all epochs have equally many.
            num_epochs: the last epoch.
        """
        self.source = source
        self._batch_size = batch_size
        self._order_of = order_of
        self._num_epochs = num_epochs
        self.num_batches = count_batches(source, batch_size, num_windows=len(order_of(1)))
        self._iterator: Any = None
        self._next = self._end = 0  # epochs that the iterator still has

    def of_epoch(self, epoch: int) -> Any:
        """Return an iterator whose next batches are those of an epoch, counted from 1.

        All batches of the epoch are to be taken before the next one is asked for.
        """
        if epoch != self._next or epoch == self._end:
            order = self._order_of(epoch)
            most = max(1, WINDOWS_PER_ITERATOR // max(1, len(order)))
            self._end = min(epoch + most, max(epoch, self._num_epochs) + 1)
            further = [self._order_of(number) for number in range(epoch + 1, self._end)]
            batches = batches_in_order(self.source, order, self._batch_size, *further)
            self._iterator = iter(batches)
        self._next = epoch + 1
        return self._iterator


def learned_batches(training: WindowSource, config: TrainingConfig) -> EpochBatches:
    """Return the batches of every epoch, in an order that depends on seed and epoch alone."""

    def order_of(epoch: int) -> IntArray:
        num_windows = decided(config.windows_per_epoch, "training.windows_per_epoch")
        size = len(training)
        return training_order(size, seed=config.seed, epoch=epoch, num_windows=num_windows)

    return _epoch_batches(training, config, order_of)


def validated_batches(
    training: WindowSource, validation: WindowSource, config: TrainingConfig
) -> EpochBatches:
    """Return the batches that every epoch is validated on."""
    numbers = validated_windows(training, validation, config)
    return _epoch_batches(validation, config, lambda _: numbers)


def _epoch_batches(
    source: WindowSource, config: TrainingConfig, order_of: Callable[[int], IntArray]
) -> EpochBatches:
    return EpochBatches(
        source,
        decided(config.batch_size, "training.batch_size"),
        order_of,
        num_epochs=decided(config.epochs, "training.epochs"),
    )


def validated_windows(
    training: WindowSource, validation: WindowSource, config: TrainingConfig
) -> IntArray:
    """Return the numbers of the windows that each epoch is validated on: all, or a sample."""
    num_drawn = decided(config.windows_per_epoch, "training.windows_per_epoch")
    num_learned = min(len(training), num_drawn or len(training))
    most = max(FEW_VALIDATED, int(VALIDATED_PER_LEARNED * num_learned))
    return sampled_windows(len(validation), most)


def sampled_windows(total: int, count: int) -> IntArray:
    """Return `count` of the numbers 0 .. `total` - 1, ascending; all where `count` is larger.

    Each is taken from one of `count` equal stretches, at a place that differs from stretch to
    stretch by the golden ratio. At equal distances the windows of all series of one length would
    have the same few cutoffs.
    """
    if count >= total:
        return np.arange(total)
    stretch = np.arange(count)
    place = stretch * GOLDEN_RATIO % 1.0
    numbers = ((stretch + place) * (total / count)).astype(np.int64)
    return np.minimum(numbers, total - 1)
