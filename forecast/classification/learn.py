"""Training of the networks of a classifier."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import targets_of
from forecast.classification.class_settings import Classification, ClassTraining
from forecast.classification.class_steps import StepSettings, Stopping, make_steps, run_epochs
from forecast.classification.encoding import EncodedRows, Encoding, padded
from forecast.classification.mixtures import mixed
from forecast.classification.texts.documents import TextSettings
from forecast.classification.texts.word_vectors import read_vectors
from forecast.models.bigru_classifier import (
    EMBEDDING,
    LOGITS,
    SequenceShape,
    build_bigru_classifier,
)
from forecast.section import decided

if TYPE_CHECKING:
    import keras

POOLED_BATCHES = 16
"""Batches that are drawn together and sorted by length."""

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
        model: the network, with the weights that `ClassTraining.keep` says.
        history: loss of each epoch: `loss`, and `val_loss` where there are validation sequences.
    """

    model: keras.Model
    history: dict[str, list[float]]


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
    from forecast.layers.traced import mark_kind

    training = config.training
    fixed = shape
    shape = shape_of_batches(fixed)
    model = build_apart(partial(build_bigru_classifier, config.model, shape), seed=seed)
    if config.text.vectors is not None:
        _take_vectors(model, encoding, config.text)
    learner = keras.Model(model.inputs, model.get_layer(LOGITS).output)
    mark_kind(learner, ("classes", config.model.model_dump_json(), shape))
    batches = TrainingBatches(given, training, shape, seed)
    num_epochs = decided(training.epochs, "training.epochs")
    step_settings = StepSettings(
        learning_rate=decided(training.learning_rate, "training.learning_rate"),
        num_steps=batches.per_epoch * num_epochs,
        clip_norm=training.clip_norm,
        label_smoothing=training.label_smoothing,
        label_weights=label_weights(given.truth[given.train], training),
    )
    steps = make_steps(learner, step_settings, has_label_sets=shape.has_label_sets)
    held_out = [_all_of(given, shape)] if len(given.validation) else []
    stopping = Stopping(num_epochs, training.patience, keeps_best=training.keep != "last")
    history = run_epochs(learner, steps, batches.epoch, held_out, stopping)
    assert fixed.length is not None
    sized = network_maker(config, fixed)(fixed.length)
    sized.set_weights(model.get_weights())
    return Learned(sized, history)


def shape_of_batches(shape: SequenceShape) -> SequenceShape:
    """Return the sizes of the network that learns.

    Where the loops are those in C++, each batch is as long as its longest sequence.
    """
    from forecast.layers.native import operations

    if operations() is None:
        return shape
    return replace(shape, length=None)


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


class TrainingBatches:
    """The batches of each epoch, in another order in each epoch.

    Sequences of about the same length stand in one batch, so that little of it is padding: a pool
    of a few batches, drawn at random, is sorted by length and cut into batches. Every batch has the
    same size: the last is filled up with sequences of weight 0.

    Args:
        given: the sequences.
        training: the settings.
        shape: sizes of the network.
        seed: start of the random numbers.
    """

    def __init__(
        self, given: LearningSet, training: ClassTraining, shape: SequenceShape, seed: int
    ) -> None:
        self._given = given
        self._mixup = decided(training.mixup, "training.mixup")
        self._length = shape.length
        self._seed = seed
        batch_size = decided(training.batch_size, "training.batch_size")
        self._size = min(batch_size, len(given.train))
        self._weights = sequence_weights(given.truth[given.train], training, shape.num_classes)
        self._targets = targets_of(given.truth, shape.num_classes).astype(np.float32)
        self.per_epoch = math.ceil(len(given.train) / self._size)

    def epoch(self, epoch: int) -> Iterator[tuple[dict[str, NDArray[Any]], Any, Any]]:
        """Yield inputs, targets (B, K) and weights (B,) of each batch.

        Args:
            epoch: its number.
        """
        draw = np.random.default_rng([self._seed, epoch])
        lengths = self._given.rows.lengths[self._given.train]
        for order in batches_by_length(lengths, self._size, draw):
            places = np.resize(order, self._size)
            which = self._given.train[places]
            weights = self._weights[places].copy()
            weights[len(order) :] = 0.0
            batch = padded(self._given.rows, which, self._length)
            targets = self._targets[which]
            if self._mixup:
                batch, targets = mixed(batch, targets, self._mixup, draw)
            yield batch, targets, weights


def batches_by_length(lengths: IntArray, size: int, draw: np.random.Generator) -> list[IntArray]:
    """Return the sequences of each batch of an epoch, as places in `lengths`.

    Args:
        lengths: (N,) steps of each sequence.
        size: of a batch; the last one drawn may be smaller.
        draw: where random numbers come from.
    """
    order = draw.permutation(len(lengths))
    pool = POOLED_BATCHES * size
    for start in range(0, len(order), pool):
        drawn = order[start : start + pool]
        order[start : start + pool] = drawn[np.argsort(lengths[drawn], kind="stable")]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[place] for place in draw.permutation(len(batches))]


def sequence_weights(
    truth: IntArray, training: ClassTraining, num_classes: int
) -> NDArray[np.float32]:
    """Return the (N,) weight of each sequence in the loss; their mean is 1.

    All count alike where a sequence has any number of labels: see `label_weights`.
    """
    if training.class_weights == "none" or truth.ndim == 2:
        return np.ones(len(truth), np.float32)
    counts = np.bincount(truth, minlength=num_classes)
    num_present = np.count_nonzero(counts)
    return (len(truth) / (num_present * counts[truth])).astype(np.float32)


def label_weights(
    truth: IntArray, training: ClassTraining
) -> tuple[tuple[float, float], ...] | None:
    """Return the weight of sequences without and with each label, in the loss of this label.

    Those with a label count as much together as those without it, and their mean is 1: of N
    sequences n with the label, N / 2n and N / 2(N - n). A label that all or none have counts 1.

    Args:
        truth: (N, K) 1 for each label that a sequence has; other targets have no such weights.
        training: the settings.
    """
    if training.class_weights == "none" or truth.ndim == 1:
        return None
    total = len(truth)
    weights = []
    for count in truth.sum(axis=0).tolist():
        if 0 < count < total:
            weights.append((total / (2 * (total - count)), total / (2 * count)))
        else:
            weights.append((1.0, 1.0))
    return tuple(weights)


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
