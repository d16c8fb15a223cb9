"""Every table has a test set or a reason why not, and the ways to one that it names lead there."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.experiment.file import experiment_from
from forecast.experiment.held_back import no_test_set
from forecast.experiment.prepare import Prepared, prepare
from forecast.experiment.settings import Experiment

FREQUENCIES = ("10min", "h", "D", "W", "MS", "QS", "YS")


def rows_of(num_rows: int, freq: str, num_series: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(num_rows)
    stamps = pd.date_range("1990-01-01", periods=num_rows, freq=freq)
    tables = []
    for number in range(num_series):
        y = 50 + draw.normal(size=num_rows)
        tables.append(pd.DataFrame({"unique_id": f"s{number}", "ds": stamps, "y": y}))
    return pd.concat(tables)


def experiment(horizon: int, **evaluation: int | float) -> Experiment:
    return experiment_from({"windows": {"horizon": horizon}, "evaluation": evaluation})


def prepared_or_none(config: Experiment, table: pd.DataFrame) -> Prepared | None:
    try:
        return prepare(config, table)
    except ForecastError:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_the_ways_to_a_test_set_lead_there(seed: int) -> None:
    draw = np.random.default_rng(seed)
    freq = FREQUENCIES[seed % len(FREQUENCIES)]
    horizon = int(draw.integers(1, 14))
    num_rows = int(draw.integers(3 * horizon + 2, 12 * horizon + 6))
    num_series = int(draw.integers(1, 3))
    prepared = prepared_or_none(experiment(horizon), rows_of(num_rows, freq, num_series))
    if prepared is None:  # too short for any window
        return
    line = no_test_set(prepared.config, prepared.reasons["evaluation.test_size"])
    assert bool(line) == (len(prepared.test) == 0)
    if not line:
        return

    more = re.search(r"; (\d+) more rows? of each series would give one", line)
    assert more is not None
    longer = int(more[1])
    after = prepare(experiment(horizon), rows_of(num_rows + longer, freq, num_series))
    assert len(after.test) > 0
    before = prepare(experiment(horizon), rows_of(num_rows + longer - 1, freq, num_series))
    assert len(before.test) == 0

    config = experiment(horizon, test_size=horizon)
    asked = prepared_or_none(config, rows_of(num_rows, freq, num_series))
    assert (f"as would test_size={horizon}" in line) == (asked is not None)
    if asked is not None:
        assert len(asked.test) > 0


@pytest.mark.parametrize("freq", FREQUENCIES)
@pytest.mark.parametrize("horizon", [1, 2, 5, 12])
def test_from_the_first_row_that_gives_a_window_on_every_table_has_one(
    freq: str, horizon: int
) -> None:
    """More rows never turn a table that can be forecast into one that cannot."""
    for num_rows in range(horizon + 2, 3 * horizon + 40):
        prepared = prepare(experiment(horizon), rows_of(num_rows, freq))
        assert len(prepared.training) > 0, num_rows


def test_many_horizons_are_a_test_set_though_they_are_no_two_seasons() -> None:
    """Two days of ten minutes, as of a sensor: 35 horizons of rows, and no season twice."""
    prepared = prepare(experiment(6), rows_of(221, "10min"))
    assert prepared.config.evaluation.test_size == 0.2
    assert len(prepared.test) == 39
    assert len(prepared.training) > 0
    assert no_test_set(prepared.config, prepared.reasons["evaluation.test_size"]) == ""
    few = prepare(experiment(6), rows_of(80, "10min"))
    assert len(few.test) == 0
    assert few.reasons["evaluation.test_size"] == (
        "less than two seasons of 144 steps and two horizons of 6 steps would be left; 5 more "
        "rows of each series would give one, as would test_size=6"
    )


def test_a_test_set_that_a_person_leaves_out_has_that_reason() -> None:
    prepared = prepare(experiment(6, test_size=0), rows_of(221, "10min"))
    line = no_test_set(prepared.config, prepared.reasons.get("evaluation.test_size"))
    assert line == "no test set: evaluation.test_size is 0"


@pytest.mark.parametrize(
    ("freq", "num_rows", "horizon", "size"),
    [
        ("MS", 144, 12, 0.2),
        ("MS", 105, 12, 0.2),
        ("MS", 72, 12, 12),
        ("MS", 71, 12, 0),
        ("D", 35, 7, 0),
        ("D", 1000, 14, 0.2),
        ("h", 700, 48, 0.2),
        ("YS", 20, 6, 0),
        ("W", 200, 13, 0.2),
    ],
)
def test_sizes_that_were_chosen_before_there_was_a_rule_for_many_horizons(
    freq: str, num_rows: int, horizon: int, size: float
) -> None:
    chosen = prepare(experiment(horizon), rows_of(num_rows, freq)).config.evaluation.test_size
    assert chosen == size
