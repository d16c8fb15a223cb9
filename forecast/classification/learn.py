"""Training of the networks of a classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import targets_of
from forecast.classification.class_settings import Classification, ClassTraining
from forecast.classification.documents import TextSettings
from forecast.classification.encoding import EncodedRows, Encoding, padded
from forecast.classification.word_vectors import read_vectors
from forecast.models.bigru_classifier import (
    EMBEDDING,
    LOGITS,
    SequenceShape,
    build_bigru_classifier,
)

if TYPE_CHECKING:
    import keras

SMALLEST_RATE = 0.01
"""Last learning rate, as a fraction of the first."""

PREDICTED_AT_ONCE = 256
"""Sequences of a batch of predictions."""


@dataclass(frozen=True, eq=False)
class LearningSet:
    """Labelled sequences that a network learns from.

    Attributes:
        rows: of the sequences.
        truth: (N,) places of their classes, or (N, K) 1 for each that a sequence has.
        train: numbers of those to learn from.
        validation: numbers of those that decide when to stop; empty: none do.
    """

    rows: EncodedRows
    truth: IntArray
    train: IntArray
    validation: IntArray


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained network.

    Attributes:
        model: the network, with the weights of its best epoch.
        history: loss of each epoch: `loss`, and `val_loss` where there are validation sequences.
    """

    model: keras.Model
    history: dict[str, list[float]]

    @property
    def best_epoch(self) -> int:
        """Number of the best epoch, from 1; the last one without validation."""
        losses = self.history.get("val_loss")
        if not losses:
            return len(self.history["loss"])
        return int(np.argmin(losses)) + 1


def learn(
    config: Classification,
    encoding: Encoding,
    shape: SequenceShape,
    given: LearningSet,
    *,
    seed: int,
) -> Learned:
    """Train one network.

    Args:
        config: the settings.
        encoding: the words of its embeddings.
        shape: its sizes.
        given: the sequences.
        seed: start of its random numbers.
    """
    import keras

    from forecast.layers.runtime import build_apart

    training = config.training
    model = build_apart(partial(build_bigru_classifier, config.model, shape), seed=seed)
    if config.text.vectors is not None:
        _take_vectors(model, encoding, config.text)
    learner = keras.Model(model.inputs, model.get_layer(LOGITS).output)
    batches = training_batches(given, training, shape, seed)
    steps = steps_of_an_epoch(given, training)
    rate = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, steps * training.epochs, alpha=SMALLEST_RATE
    )
    loss = keras.losses.CategoricalCrossentropy
    if shape.has_label_sets:
        loss = keras.losses.BinaryCrossentropy
    learner.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=training.clip_norm),
        loss=loss(from_logits=True, label_smoothing=training.label_smoothing),
    )
    callbacks: list[Any] = []
    validation = None
    if len(given.validation):
        validation = _all_of(given, shape)
        callbacks.append(
            keras.callbacks.EarlyStopping(
                patience=training.patience or training.epochs, restore_best_weights=True
            )
        )
    history = learner.fit(
        batches,
        epochs=training.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        validation_data=validation,
        callbacks=callbacks,
        verbose=0,
    )
    return Learned(model, {name: list(map(float, of)) for name, of in history.history.items()})


def network_maker(config: Classification, shape: SequenceShape) -> Callable[[int], keras.Model]:
    """Return a function that builds the network for a number of steps: no weight depends on it."""

    def make(length: int) -> keras.Model:
        from forecast.layers.runtime import build_apart

        sized = replace(shape, length=length)
        return build_apart(partial(build_bigru_classifier, config.model, sized), seed=0)

    return make


def _take_vectors(model: keras.Model, encoding: Encoding, text: TextSettings) -> None:
    """Begin with pretrained vectors where the file has a word."""
    assert text.vectors is not None
    (words,) = encoding.vocabulary.values()
    pretrained = read_vectors(text.vectors, words)
    layer = model.get_layer(f"{EMBEDDING}_0")
    (begun,) = layer.get_weights()  # (words + 1, width)
    # as spread out as the random vectors beside them
    scale = begun.std() / max(1e-12, float(pretrained.vectors[pretrained.is_found].std()))
    begun[1:][pretrained.is_found] = pretrained.vectors[pretrained.is_found] * scale
    layer.set_weights([begun])
    layer.trainable = text.train_vectors


def steps_of_an_epoch(given: LearningSet, training: ClassTraining) -> int:
    """Return the number of batches of an epoch."""
    return math.ceil(len(given.train) / min(training.batch_size, len(given.train)))


def training_batches(
    given: LearningSet, training: ClassTraining, shape: SequenceShape, seed: int
) -> keras.utils.PyDataset:
    """Return the batches of all epochs one after another, in another order in each epoch.

    A batch depends on its number alone: Keras asks for the first ones of an epoch while the one
    before still runs. All have the same size: the last of an epoch is filled up with sequences of
    weight 0.
    """
    import keras

    size = min(training.batch_size, len(given.train))
    weights = sequence_weights(given.truth[given.train], training, shape.num_classes)
    targets = targets_of(given.truth, shape.num_classes).astype(np.float32)

    steps = steps_of_an_epoch(given, training)

    class Batches(keras.utils.PyDataset):
        """The training sequences in random order."""

        @property
        def num_batches(self) -> None:
            """No end: `fit` is told the steps of an epoch."""

        def __getitem__(self, number: int) -> tuple[dict[str, NDArray[Any]], Any, Any]:
            epoch, step = divmod(number, steps)
            order = np.random.default_rng([seed, epoch]).permutation(len(given.train))
            places = np.resize(order[step * size : (step + 1) * size], size)
            which = given.train[places]
            weight = weights[places].copy()
            weight[max(0, len(order) - step * size) :] = 0.0
            return padded(given.rows, which, shape.length), targets[which], weight

    return Batches()


def sequence_weights(
    truth: IntArray, training: ClassTraining, num_classes: int
) -> NDArray[np.float32]:
    """Return the (N,) weight of each sequence in the loss; their mean is 1."""
    if training.class_weights == "none":
        return np.ones(len(truth), np.float32)
    counts = np.bincount(truth, minlength=num_classes)
    num_present = np.count_nonzero(counts)
    return (len(truth) / (num_present * counts[truth])).astype(np.float32)


def _all_of(given: LearningSet, shape: SequenceShape) -> Any:
    """Return the validation sequences as one batch."""
    targets = targets_of(given.truth[given.validation], shape.num_classes)
    return padded(given.rows, given.validation, shape.length), targets.astype(np.float32)


def probabilities_of(
    model: Callable[..., Any], rows: EncodedRows, length: int | None = None
) -> FloatArray:
    """Return the (N, K) probabilities of all sequences.

    Args:
        model: a network, as a function of a batch.
        rows: of the sequences.
        length: L of the batches; default: that of the longest in each.
    """
    parts = []
    for start in range(0, len(rows.lengths), PREDICTED_AT_ONCE):
        which = np.arange(start, min(start + PREDICTED_AT_ONCE, len(rows.lengths)))
        batch = padded(rows, which, length)
        parts.append(np.asarray(model(batch), np.float64))
    return np.concatenate(parts)
