"""Frequencies after the last symbols against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from forecast.classification.symbols.ngrams import LONGEST, NGrams


def by_hand(training: list[int], context: list[int], symbol: int, num_codes: int) -> float:
    """Witten and Bell, by the definition."""
    given = 1.0 / num_codes
    for length in range(len(context) + 1):
        after = Counter(
            training[at]
            for at in range(length, len(training))
            if training[at - length : at] == context[len(context) - length :]
        )
        total = sum(after.values())
        if total:
            given = (after[symbol] + len(after) * given) / (total + len(after))
    return given


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_probabilities_are_those_of_the_definition(length: int) -> None:
    draw = np.random.default_rng(0)
    training = draw.integers(0, 4, 60).astype(np.int32)
    stream = draw.integers(0, 5, 25).astype(np.int32)  # a symbol that training does not have
    found = NGrams.fit(training, 5).of_truth(stream, length)
    for place, share in enumerate(found, start=LONGEST):
        context = stream[place - length : place].tolist()
        expected = by_hand(training.tolist(), context, int(stream[place]), 5)
        assert np.isclose(share, expected)


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_probabilities_of_all_symbols_have_the_sum_1(length: int) -> None:
    draw = np.random.default_rng(1)
    model = NGrams.fit(draw.integers(0, 4, 50).astype(np.int32), 4)
    context = [2, 0, 1]
    shares = [
        model.of_truth(np.array([*context, symbol], np.int32), length)[0] for symbol in range(4)
    ]
    assert np.isclose(sum(shares), 1.0)


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_guesses_are_the_most_frequent_symbols(length: int) -> None:
    draw = np.random.default_rng(2)
    training = draw.integers(0, 3, 200).astype(np.int32).tolist()
    stream = draw.integers(0, 3, 30).astype(np.int32)
    guesses = NGrams.fit(np.array(training, np.int32), 3).guesses(stream, length)
    for place, guess in enumerate(guesses, start=LONGEST):
        context = stream[place - length : place].tolist()
        after = Counter(
            training[at]
            for at in range(length, len(training))
            if training[at - length : at] == context
        )
        assert after[int(guess)] == max(after.values())


def test_counts_survive_being_stored() -> None:
    draw = np.random.default_rng(3)
    model = NGrams.fit(draw.integers(0, 4, 50).astype(np.int32), 4)
    again = NGrams.from_state(4, model.to_state())
    stream = draw.integers(0, 4, 20).astype(np.int32)
    assert (again.of_truth(stream, 3) == model.of_truth(stream, 3)).all()
