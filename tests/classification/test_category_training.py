"""The train step of categories is that of Keras' own `fit`: loss, penalty, clipping and rate."""

from __future__ import annotations

import keras
import numpy as np

from forecast import CategorySettings
from forecast.classification.categories.category_learning import (
    CategoryExamples,
    build,
    learn_categories,
)
from forecast.classification.categories.category_windows import CategoryIndex
from forecast.classification.class_steps import SMALLEST_RATE
from forecast.classification.encoding import EncodedRows
from forecast.models.bigru_classifier import LOGITS, SequenceShape

LENGTH, HORIZON, NUM_CLASSES, NUM_WINDOWS, SIZE = 5, 2, 3, 20, 8
SHAPE = SequenceShape(2, (), (), NUM_CLASSES, LENGTH)


def examples(seed: int, num_windows: int) -> CategoryExamples:
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(num_windows + LENGTH, 2)).astype(np.float32)
    rows = EncodedRows(numbers, np.zeros((len(numbers), 0), np.int32), np.array([0, len(numbers)]))
    index = CategoryIndex(
        np.zeros(num_windows, np.int64),
        np.arange(num_windows),
        draw.integers(1, LENGTH + 1, num_windows),
    )
    truth = draw.integers(0, NUM_CLASSES, (num_windows, HORIZON))
    return CategoryExamples(rows, index, truth)


def test_the_steps_are_those_of_keras() -> None:
    settings = CategorySettings(
        windows={"context_length": LENGTH, "horizon": HORIZON},
        model={"units": 3, "dropout": 0.0, "head_dropout": 0.0, "l2": 0.05},
        training={"epochs": 3, "batch_size": SIZE, "clip_norm": 0.05, "patience": None},
    )
    train = examples(0, NUM_WINDOWS)
    held_out = examples(1, 300)
    model, history = learn_categories(settings, SHAPE, train, held_out, seed=4)

    peer = build(settings, SHAPE, 4)
    logits = keras.Model(peer.inputs, peer.get_layer(LOGITS).output)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 9, alpha=SMALLEST_RATE)
    logits.compile(
        keras.optimizers.Adam(rate, clipnorm=0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    cross_entropy = keras.losses.SparseCategoricalCrossentropy()
    inputs, _ = held_out.batch(np.arange(300), SHAPE)
    val_losses = []
    kept = []
    for epoch in range(3):
        order = np.random.default_rng([4, epoch]).permutation(NUM_WINDOWS)
        for start in range(0, NUM_WINDOWS, SIZE):
            which = np.concatenate([order, order])[start : start + SIZE]
            logits.train_on_batch(train.batch(which, SHAPE)[0], train.truth[which])
        val_losses.append(float(cross_entropy(held_out.truth, peer(inputs))))
        kept.append(peer.get_weights())

    np.testing.assert_allclose(history["val_loss"], val_losses, rtol=1e-5)
    best = kept[int(np.argmin(val_losses))]
    for own, other in zip(model.get_weights(), best, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-5)
