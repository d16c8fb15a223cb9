"""Frequencies after the last symbols against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from forecast.classification.counts.ngrams import LONGEST, NAMES, NGrams, contexts_in


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
    model = NGrams.fit(training, 5)
    found = model.of_truth(contexts_in(stream), stream[LONGEST:])[LONGEST - length]
    for place, share in enumerate(found, start=LONGEST):
        context = stream[place - length : place].tolist()
        expected = by_hand(training.tolist(), context, int(stream[place]), 5)
        assert np.isclose(share, expected)


def test_a_symbol_that_is_left_out_is_not_counted() -> None:
    """Counts of windows, each alone left out, against counts of the others."""
    draw = np.random.default_rng(4)
    contexts = draw.integers(0, 4, (40, LONGEST))  # 3 is none
    following = draw.integers(0, 3, 40)
    model = NGrams.fit_windows(contexts, following, 3)
    found = model.of_truth(contexts, following, left_out=True)[:-1]  # without the last once more
    for place in range(40):
        rest = np.delete(np.arange(40), place)
        other = NGrams.fit_windows(contexts[rest], following[rest], 3)
        expected = other.of_truth(contexts[[place]], following[[place]])[:-1, 0]
        assert np.allclose(found[:, place], expected)


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_all_probabilities_are_those_of_what_came(place: int) -> None:
    """`mixed` has the whole row of what `of_truth` gives one cell of, and its sum is 1."""
    draw = np.random.default_rng(1)
    model = NGrams.fit(draw.integers(0, 4, 50).astype(np.int32), 6)
    contexts = draw.integers(0, 7, (30, LONGEST))  # 6 is none
    rows = model.mixed(contexts, np.eye(len(NAMES))[place])
    assert np.allclose(rows.sum(axis=1), 1.0)
    for symbol in range(6):
        cells = model.of_truth(contexts, np.full(30, symbol))[place]
        assert np.allclose(rows[:, symbol], cells)


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_guesses_are_the_most_frequent_symbols(length: int) -> None:
    draw = np.random.default_rng(2)
    training = draw.integers(0, 3, 200).astype(np.int32).tolist()
    stream = draw.integers(0, 3, 30).astype(np.int32)
    model = NGrams.fit(np.array(training, np.int32), 3)
    guesses = model.guesses(contexts_in(stream))[LONGEST - length]
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
    contexts = draw.integers(0, 5, (20, LONGEST))
    weights = np.full(len(NAMES), 1 / len(NAMES))
    assert (again.mixed(contexts, weights) == model.mixed(contexts, weights)).all()
