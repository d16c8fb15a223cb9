"""From windows to `tf.data`: training rows in a new order each epoch, evaluation rows in order and none dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

Batch = tuple[dict[str, NDArray[Any]], NDArray[np.float32]]
IntArray = NDArray[np.int64]


class WindowSource(Protocol):
    """Numbered windows that can be gathered in any order."""

    def __len__(self) -> int:
        """Number of windows W."""
        ...

    def batch(self, numbers: IntArray) -> Batch:
        """Gather windows.

        Args:
            numbers: (B,) in 0..W-1.

        Returns:
            The inputs as in `WindowShape`, and the target (B, H, D) float32, NaN where missing.
        """
        ...


def training_batches(
    source: WindowSource, *, batch_size: int, seed: int, epoch: int, num_windows: int | None = None
) -> tf.data.Dataset:
    """Batches of one epoch, in an order that depends on `(seed, epoch)` alone; the last may be smaller.

    Args:
        source: the windows.
        batch_size: B.
        seed: start of the random order.
        epoch: number of the epoch; each has an order of its own.
        num_windows: windows drawn for this epoch without replacement; all of them if left out or larger.
    """
    return _batches(source, training_order(len(source), seed=seed, epoch=epoch, num_windows=num_windows), batch_size)


def evaluation_batches(source: WindowSource, batch_size: int) -> tf.data.Dataset:
    """All windows in order; the last batch may be smaller."""
    return _batches(source, np.arange(len(source)), batch_size)


def training_order(size: int, *, seed: int, epoch: int, num_windows: int | None = None) -> IntArray:
    """(num_windows,) numbers of windows in the order of one epoch.

    Keras' own seeded shuffle repeats one order in every epoch; here the epoch is part of the seed.
    """
    return np.random.default_rng([seed, epoch]).permutation(size)[:num_windows]


def batch_signature(source: WindowSource) -> tuple[dict[str, tf.TensorSpec], tf.TensorSpec]:
    """Types and shapes of a batch, for any number of windows."""
    import tensorflow as tf  # TensorFlow starts when batches are made, not before

    def spec(array: NDArray[Any]) -> tf.TensorSpec:
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    inputs, target = source.batch(np.zeros(1, np.int64))
    return {name: spec(array) for name, array in inputs.items()}, spec(target)


def _batches(source: WindowSource, order: IntArray, batch_size: int) -> tf.data.Dataset:
    import tensorflow as tf

    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}; expected a whole number of at least 1")

    def generate() -> Iterator[Batch]:
        for start in range(0, len(order), batch_size):
            yield source.batch(order[start : start + batch_size])

    # Gathered by a second thread while the model works on the batch before.
    return tf.data.Dataset.from_generator(generate, output_signature=batch_signature(source)).prefetch(2)
