"""Who does the work in an ensemble, in words."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from forecast.scores.member_weights import member_notes, members_text, shares
from forecast.scores.verdict import Scores
from tests.reports import a_result

AIR = {
    "context 24, seed 0": 0.0,
    "context 24, seed 1": 0.0,
    "context 36, seed 0": 0.02,
    "linear, context 24": 0.3,
    "linear, context 36": 0.68,
}


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (AIR, "98 % ridge regression (contexts 24, 36), 2 % network (context 36)"),
        (
            {"context 7, seed 0": 0.6, "linear, context 7": 0.4},
            "60 % network (context 7), 40 % ridge regression (context 7)",
        ),
        (
            {"context 7, seed 0": 0.004, "linear, context 7": 0.996},
            "over 99 % ridge regression (context 7), under 1 % network (context 7)",
        ),
        (
            {"context 7, seed 0": 0.0, "linear, context 7": 1.0},
            "100 % ridge regression (context 7), 0 % network",
        ),
        (
            {"context 9, seed 0": 0.5, "context 1008, seed 1": 0.5},
            "100 % network (contexts 9, 1008)",
        ),
        ({"context 7, seed 0": 1.0}, ""),
        ({}, ""),
    ],
)
def test_the_line_names_each_kind_with_its_weight(weights: dict[str, float], text: str) -> None:
    assert members_text(weights) == text


@pytest.mark.parametrize("seed", range(30))
def test_weights_of_two_kinds_add_up(seed: int) -> None:
    drawn = np.random.default_rng(seed).dirichlet([0.3, 0.3, 0.3])
    names = ("context 7, seed 0", "context 7, seed 1", "linear, context 7")
    weights = dict(zip(names, drawn.tolist(), strict=True))
    assert sum(share.weight for share in shares(weights)) == pytest.approx(1.0)
    shown = [int(percent) for percent in re.findall(r"(\d+) %", members_text(weights))]
    assert sum(shown) == 100
    assert bool(member_notes(weights)) == (drawn[0] + drawn[1] < 0.1)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (0.0, "have no weight: the forecast is that of ridge regression"),
        (0.0999, "less than a tenth of the weight: the forecast is nearly that of ridge"),
        (0.1, ""),
        (1.0, ""),
    ],
)
def test_a_note_says_where_the_networks_hardly_count(network: float, said: str) -> None:
    weights = {"context 7, seed 0": network, "linear, context 7": 1 - network}
    assert said in " ".join(member_notes(weights))
    assert bool(said) == bool(member_notes(weights))
    assert not member_notes({"context 7, seed 0": network, "context 9, seed 0": 1 - network})


def test_scores_say_who_does_the_work() -> None:
    scores = replace(a_result(), members=AIR).scores()
    assert "bigru: 98 % ridge regression (contexts 24, 36), 2 % network" in scores.text()
    assert "Note: the networks have less than a tenth of the weight" in scores.text()
    assert "98 % ridge regression" in scores._repr_html_()
    assert Scores.from_dict(scores.to_dict()) == scores
    stored = {name: value for name, value in scores.to_dict().items() if name != "members"}
    assert Scores.from_dict(stored).members == {}
