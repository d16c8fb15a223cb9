"""Weights of a mixture: the most likely ones; cautious where little is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from forecast.classification.counts.mixture_weights import (
    likely_weights,
    weights_of_tables,
    weights_with_network,
)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_parts_make_what_came_more_likely(seed: int) -> None:
    draw = np.random.default_rng(seed)
    of_truth = draw.beta(2.0, 2.0, (3, 400)) * np.array([[1.0], [0.9], [0.7]])
    found = likely_weights(of_truth, np.zeros(3))
    likely = np.log(found @ of_truth).sum()
    for first, second in itertools.product(np.linspace(0, 1, 51), repeat=2):
        if first + second <= 1:
            other = np.array([first, second, 1 - first - second])
            assert np.log(np.maximum(other @ of_truth, 1e-15)).sum() < likely + 0.05


def test_without_evidence_the_parts_are_the_cautious_ones() -> None:
    nothing = np.empty((2, 0))
    assert likely_weights(nothing, np.array([3.0, 1.0])).tolist() == [0.75, 0.25]
    parts = weights_with_network(np.empty(0), np.empty((3, 0)), np.array([0.5, 0.5, 0.0]))
    assert parts.tolist() == [0.0, 0.5, 0.5, 0.0]


def test_a_network_earns_its_part_on_many_steps_only() -> None:
    better = np.full(1000, 0.5)
    tables = np.full((2, 1000), 0.4)
    even = np.array([0.5, 0.5])
    few = weights_with_network(better[:5], tables[:, :5], even)[0]
    many = weights_with_network(better, tables, even)[0]
    assert few < 0.4
    assert many > 0.9


def test_predictions_that_overlap_count_once() -> None:
    of_truth = np.random.default_rng(0).uniform(0.1, 0.9, (2, 30))
    cautious = np.array([4.0, 0.0])
    repeated = likely_weights(np.repeat(of_truth, 6, axis=1), cautious, overlap=6)
    assert np.allclose(repeated, likely_weights(of_truth, cautious), atol=1e-3)


def test_tables_that_say_the_same_share_alike() -> None:
    assert np.allclose(weights_of_tables(np.full((4, 50), 0.3)), 0.25)
