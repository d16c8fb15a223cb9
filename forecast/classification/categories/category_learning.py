"""Training of the networks of a forecast of categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.category_windows import CategoryIndex
from forecast.classification.class_steps import (
    StepSettings,
    Stopping,
    make_steps,
    run_epochs,
)
from forecast.classification.encoding import EncodedRows, stretches
from forecast.classification.learn import PREDICTED_AT_ONCE
from forecast.models.bigru_categories import build_bigru_categories
from forecast.models.bigru_classifier import LOGITS, SequenceShape
from forecast.models.sequence_network import SequenceNetwork

if TYPE_CHECKING:
    import keras


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

    def batch(
        self, which: IntArray, shape: SequenceShape
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """Return the inputs of some windows, and their targets (B, H, K).

        Args:
            which: their numbers.
            shape: sizes of the network.
        """
        assert shape.length is not None
        starts = self.index.starts[which]
        inputs = stretches(self.rows, starts, self.index.lengths[which], shape.length)
        return inputs, np.eye(shape.num_classes, dtype=np.float32)[self.truth[which]]


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

    from forecast.layers.traced import mark_kind

    training = settings.training
    model = build(settings, shape, seed)
    learner = keras.Model(model.inputs, model.get_layer(LOGITS).output)
    horizon = settings.windows.horizon
    mark_kind(learner, ("categories", settings.model.model_dump_json(), shape, horizon))
    size = min(training.batch_size, len(train.truth))
    per_epoch = math.ceil(len(train.truth) / size)
    steps = make_steps(
        learner,
        StepSettings(training.learning_rate, per_epoch * training.epochs, training.clip_norm),
    )

    def batches(epoch: int) -> Iterator[tuple[dict[str, NDArray[Any]], NDArray[Any], Any]]:
        """Yield the training windows in the order of an epoch."""
        order = np.random.default_rng([seed, epoch]).permutation(len(train.truth))
        # the last batch of an epoch is filled up from the beginning of its order
        for which in np.resize(order, (per_epoch, size)):
            yield *train.batch(which, shape), np.ones(size, np.float32)

    numbers = np.arange(len(validation.truth))
    held_out = [
        validation.batch(numbers[start : start + PREDICTED_AT_ONCE], shape)
        for start in range(0, len(numbers), PREDICTED_AT_ONCE)
    ]
    stopping = Stopping(training.epochs, training.patience)
    return model, run_epochs(learner, steps, batches, held_out, stopping)


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
