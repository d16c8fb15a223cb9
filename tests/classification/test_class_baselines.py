"""Ridge regression and bag of words against brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from labelled import reviews, waves
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from forecast.classification.class_settings import SequenceColumns
from forecast.classification.encoding import Encoding
from forecast.classification.regressions import bag_of_words, ridge_classifier
from forecast.classification.regressions.bag_of_words import BETWEEN, EDGE, PIECE, BagOfWords
from forecast.classification.regressions.ridge_classifier import RidgeClassifier, softmax
from forecast.classification.regressions.summary_features import summaries
from forecast.classification.tables.sequence_table import read_sequences
from forecast.classification.texts.documents import TextSettings, tokens_of


@pytest.mark.parametrize(("rows", "columns"), [(30, 6), (20, 50)])
def test_left_out_rows_are_those_of_fits_without_them(
    monkeypatch: pytest.MonkeyPatch, rows: int, columns: int
) -> None:
    monkeypatch.setattr(ridge_classifier, "PENALTIES", (0.3,))
    monkeypatch.setattr(ridge_classifier, "SHARPNESS", (2.0,))
    draw = np.random.default_rng(1)
    features = draw.normal(size=(rows, columns))
    truth = draw.integers(0, 3, rows)
    targets = np.eye(3)[truth]
    fitted, held_out = RidgeClassifier.fit(features, truth, 3)

    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = np.empty((rows, 3))
    for row in range(rows):
        others = np.arange(rows) != row
        # the penalty of the whole fit, and its scale
        ridge = Ridge(alpha=0.3 * rows).fit(scaled[others], targets[others])
        expected[row] = ridge.predict(scaled[[row]])[0]
    np.testing.assert_allclose(held_out, softmax(2.0 * expected), atol=1e-6)

    whole = Ridge(alpha=0.3 * rows).fit(scaled, targets)
    np.testing.assert_allclose(
        fitted.probabilities(features), softmax(2.0 * whole.predict(scaled)), atol=1e-6
    )


def test_values_of_words_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bag_of_words, "LEAST_DOCUMENTS", 1)
    table = reviews(25)
    documents = read_sequences(table, SequenceColumns(text_col="text"))
    own = BagOfWords.fit(documents)
    found = own.values(documents)
    values = np.zeros((found.num_rows, found.num_features))
    values[found.rows, found.places] = found.values
    peer = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        tokenizer=lambda text: tokens_of(text, TextSettings()),
        token_pattern=None,
    )
    pieces = TfidfVectorizer(sublinear_tf=True, analyzer=pieces_by_hand)
    expected = [each.fit_transform(table["text"]).toarray() for each in (peer, pieces)]
    names = [name.replace(" ", BETWEEN) for name in peer.get_feature_names_out()]
    names += pieces.get_feature_names_out().tolist()
    order = [names.index(term) for term in own.terms]
    assert len(order) == sum(each.shape[1] for each in expected)
    both = np.concatenate(expected, axis=1)[:, order] / np.sqrt(2)
    np.testing.assert_allclose(values, both, atol=1e-12)


def pieces_by_hand(text: str) -> list[str]:
    """Return three to five neighbouring characters of each word between marks."""
    pieces = []
    for word in tokens_of(text, TextSettings()):
        marked = f"{EDGE}{word}{EDGE}"
        if len(word) == 1:
            continue
        for start in range(len(marked)):
            ends = range(start + 3, min(start + 5, len(marked)) + 1)
            pieces += [PIECE + marked[start:end] for end in ends]
    return pieces


def test_summaries_are_those_of_each_sequence_alone() -> None:
    sequences = read_sequences(waves(8), SequenceColumns())
    encoding = Encoding.fit(sequences, TextSettings())
    rows = encoding.rows(sequences)
    found = summaries(rows, ())
    for number in range(sequences.num_sequences):
        values = rows.numbers[rows.offsets[number] : rows.offsets[number + 1]].astype(float)
        steps = np.arange(len(values)) / (len(values) - 1)
        centred = values - values.mean(axis=0)
        expected = np.concatenate(
            [
                values.mean(axis=0),
                values.std(axis=0),
                values.min(axis=0),
                values.max(axis=0),
                values[0],
                values[-1],
                np.polyfit(steps, values, 1)[0],
                np.abs(np.diff(values, axis=0)).sum(axis=0) / len(values),
                (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0),
                [len(values)],
            ]
        )
        np.testing.assert_allclose(found[number], expected, atol=1e-6)
