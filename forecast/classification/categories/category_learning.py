"""Training of the networks of a forecast of categories."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.category_windows import CategoryIndex
from forecast.classification.encoding import EncodedRows, stretches
from forecast.classification.learn import PREDICTED_AT_ONCE
from forecast.models.bigru_categories import build_bigru_categories
from forecast.models.bigru_classifier import LOGITS, SequenceShape
from forecast.models.sequence_network import SequenceNetwork

if TYPE_CHECKING:
    import keras


SMALLEST_RATE = 0.01
"""Last learning rate, as a fraction of the first."""


@dataclass(frozen=True, eq=False)
class CategoryExamples:
    """Windows with the categories that follow.

    Attributes:
        rows: encoded rows of all series.
        index: the windows.
        truth: (W, H) classes ahead, all known.
    """

    rows: EncodedRows
    index: CategoryIndex
    truth: IntArray

    def batch(self, which: IntArray, length: int) -> dict[str, NDArray[Any]]:
        """Return the inputs of some windows."""
        return stretches(self.rows, self.index.starts[which], self.index.lengths[which], length)


def build(settings: CategorySettings, shape: SequenceShape, seed: int) -> keras.Model:
    """Return an untrained network."""
    from forecast.layers.runtime import build_apart

    make = partial(build_bigru_categories, settings.model, shape, settings.windows.horizon)
    return build_apart(make, seed=seed)


def learn_categories(
    settings: CategorySettings,
    shape: SequenceShape,
    train: CategoryExamples,
    validation: CategoryExamples,
    *,
    seed: int,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train one network: cross-entropy over all steps ahead.

    Args:
        settings: the settings.
        shape: sizes of the network.
        train: windows to learn from.
        validation: windows that decide when to stop; without any, all epochs are trained.
        seed: start of its random numbers.

    Returns:
        The network with the weights of its best epoch, and its losses by epoch.
    """
    import keras

    training = settings.training
    length = settings.windows.context_length
    model = build(settings, shape, seed)
    learner = keras.Model(model.inputs, model.get_layer(LOGITS).output)
    num_windows = len(train.truth)
    size = min(training.batch_size, num_windows)
    steps = math.ceil(num_windows / size)
    rate = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, steps * training.epochs, alpha=SMALLEST_RATE
    )
    learner.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=training.clip_norm),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    class Batches(keras.utils.PyDataset):
        """The training windows of all epochs, in another order in each."""

        @property
        def num_batches(self) -> None:
            """No end: `fit` is told the steps of an epoch."""

        def __getitem__(self, number: int) -> tuple[dict[str, NDArray[Any]], IntArray]:
            epoch, step = divmod(number, steps)
            order = np.random.default_rng([seed, epoch]).permutation(num_windows)
            # the last batch of an epoch is filled up from the beginning of its order
            which = np.take(order, range(step * size, (step + 1) * size), mode="wrap")
            return train.batch(which, length), train.truth[which]

    callbacks: list[Any] = []
    held_out = None
    if len(validation.truth):
        held_out = (validation.batch(np.arange(len(validation.truth)), length), validation.truth)
        patience = training.patience or training.epochs
        callbacks.append(
            keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        )
    history = learner.fit(
        Batches(),
        epochs=training.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        validation_data=held_out,
        callbacks=callbacks,
        verbose=0,
    )
    return model, {name: list(map(float, of)) for name, of in history.history.items()}


def category_maker(
    settings: CategorySettings, shape: SequenceShape
) -> Callable[[int], keras.Model]:
    """Return a function that builds the network for a number of steps."""
    return lambda length: build(settings, replace(shape, length=length), 0)


def category_shares(
    networks: tuple[SequenceNetwork, ...], rows: EncodedRows, index: CategoryIndex, length: int
) -> FloatArray:
    """Return the (W, H, K) mean probabilities of some networks."""
    parts = []
    for start in range(0, len(index.starts), PREDICTED_AT_ONCE):
        which = slice(start, start + PREDICTED_AT_ONCE)
        batch = stretches(rows, index.starts[which], index.lengths[which], length)
        given = [np.asarray(network(batch), np.float64) for network in networks]
        parts.append(np.mean(given, axis=0))
    return np.concatenate(parts)
