"""Training of a classifier: batches, mixtures, changes, and choices of settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from labelled import reviews, waves

from forecast import Classification
from forecast.classification.choices_of_classes import choose_settings
from forecast.classification.class_settings import ClassTraining, SequenceColumns
from forecast.classification.encoding import EncodedRows, Encoding, changes_of
from forecast.classification.learn import LearningSet, TrainingBatches, batches_by_length
from forecast.classification.mixtures import mixed
from forecast.classification.sharpness import best_power, sharpened
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.classification.texts.documents import TextSettings
from forecast.models.bigru_classifier import SequenceShape

LENGTHS = np.random.default_rng(0).integers(1, 60, 203)


def sequences_of(table: Any, **columns: Any) -> Sequences:
    return read_sequences(table, SequenceColumns(**columns), TextSettings())


def test_every_sequence_is_in_one_batch_of_an_epoch() -> None:
    batches = batches_by_length(LENGTHS, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(203))
    assert sorted(len(batch) for batch in batches) == [3, *[8] * 25]
    others = batches_by_length(LENGTHS, 8, np.random.default_rng(1))
    assert [list(batch) for batch in batches] != [list(batch) for batch in others]


def test_batches_by_length_have_little_padding() -> None:
    batches = batches_by_length(LENGTHS, 8, np.random.default_rng(0))
    steps = sum(len(batch) * LENGTHS[batch].max() for batch in batches)
    assert steps < 1.15 * LENGTHS.sum()


def learning_set(length: int) -> LearningSet:
    draw = np.random.default_rng(1)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    numbers = draw.normal(size=(offsets[-1], 2)).astype(np.float32)
    rows = EncodedRows(numbers, np.zeros((offsets[-1], 0), np.int32), offsets)
    return LearningSet(rows, np.arange(203) % 3, np.arange(length), np.arange(0))


def test_a_batch_is_as_long_as_its_longest_sequence() -> None:
    shape = SequenceShape(2, (), (), 3, None)
    batches = TrainingBatches(learning_set(203), ClassTraining(batch_size=8, mixup=0.0), shape, 0)
    total = 0.0
    for batch, targets, weights in batches.epoch(0):
        assert batch["numbers"].shape == (8, batch["lengths"].max(), 2)
        assert (targets.sum(axis=1) == 1).all()
        total += weights.sum()
    assert total == 203  # the last batch is filled up with sequences of weight 0


def test_mixtures_keep_the_sum_of_the_labels() -> None:
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(64, 5, 2)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[draw.integers(0, 4, 64)]
    batch = {"numbers": numbers, "lengths": draw.integers(1, 6, 64).astype(np.int32)}
    result, labels = mixed(batch, targets, 0.3, draw)
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, atol=1e-6)
    # the own label has the larger share, and so have the own numbers
    own = (labels * targets).sum(axis=1)
    assert (own >= 0.5 - 1e-6).all()
    assert (result["lengths"] >= batch["lengths"]).all()
    # a mixture lies between two sequences: each can be solved for the other one
    mixed_up = np.flatnonzero(own < 0.99)
    assert len(mixed_up) > 5
    for row in mixed_up:
        share = own[row]
        other = (result["numbers"][row] - share * numbers[row]) / (1 - share)
        nearest = np.abs(numbers - other).max(axis=(1, 2)).min()
        assert nearest < 1e-3 / (1 - share)


def test_changes_do_not_pass_from_one_sequence_to_the_next() -> None:
    values = np.array([[1.0], [4.0], [2.0], [10.0], [11.0]])
    assert changes_of(values, np.array([0, 3, 5]))[:, 0].tolist() == [0, 3, -2, 0, 1]


def test_changes_are_further_channels_of_deviation_one() -> None:
    sequences = sequences_of(waves(20))
    plain = Encoding.fit(sequences, TextSettings())
    encoding = Encoding.fit(sequences, TextSettings(), differences=True)
    rows = encoding.rows(sequences)
    assert rows.numbers.shape[1] == encoding.shape.num_numbers == 2 * plain.shape.num_numbers
    np.testing.assert_allclose(np.sqrt((rows.numbers[:, 2:] ** 2).mean(axis=0)), 1.0, rtol=1e-5)
    as_before = encoding.rows(sequences, plain=True).numbers
    np.testing.assert_array_equal(as_before, plain.rows(sequences).numbers)
    np.testing.assert_array_equal(rows.numbers[:, :2], as_before)


def test_nothing_is_left_to_choose() -> None:
    numbers = choose_settings(Classification(), sequences_of(waves(20)))
    assert numbers.inputs.differences is True
    assert (numbers.model.filters, numbers.model.stride, numbers.training.mixup) == (None, 1, 0.3)
    texts = choose_settings(Classification(), sequences_of(reviews(20), text_col="text"))
    assert texts.inputs.differences is False
    assert (texts.model.filters, texts.training.mixup) == (None, 0.0)
    for config in (numbers, texts):
        for section in (config.inputs, config.model, config.training):
            assert "auto" not in section.model_dump().values()
    long = choose_settings(Classification(), sequences_of(waves(6, shortest=160, longest=170)))
    assert (long.model.filters, long.model.stride, long.model.pooling) == (64, 3, "max")
    assert numbers.model.pooling == "mean"
    of_text = Classification(data={"text_col": "text"})
    many = choose_settings(of_text, sequences_of(reviews(5_000), text_col="text"))
    assert (texts.training.seeds, many.training.seeds) == (5, 3)


def test_a_choice_of_the_user_stays() -> None:
    given = Classification(
        inputs={"differences": False}, model={"filters": None}, training={"mixup": 0.0}
    )
    kept = choose_settings(given, sequences_of(waves(20)))
    assert kept.inputs.differences is False
    assert kept.model.filters is None
    assert kept.training.mixup == 0.0


def test_probabilities_are_as_sure_as_they_are_right() -> None:
    draw = np.random.default_rng(0)
    right = draw.dirichlet([0.5, 0.5, 0.5], 4000)
    truth = np.array([draw.choice(3, p=row) for row in right])
    assert best_power(right, truth) == 1.0
    assert 1.6 < best_power(sharpened(right, 0.5), truth) <= 2.0
    assert 0.5 <= best_power(sharpened(right, 2.0), truth) < 0.6
    # ten sequences, all right, say little
    few = np.full((10, 2), [0.9, 0.1])
    assert best_power(few, np.zeros(10, np.int64)) < 1.5
    few[3] = [0.1, 0.9]
    assert best_power(few, np.zeros(10, np.int64)) == 1.0
    np.testing.assert_allclose(sharpened(sharpened(right, 0.5), 2.0), right, atol=1e-12)
    np.testing.assert_array_equal(sharpened(right, 3.0).argmax(axis=1), right.argmax(axis=1))
    assert np.isfinite(sharpened(np.array([[1.0, 0.0], [1e-300, 1.0]]), 0.25)).all()
