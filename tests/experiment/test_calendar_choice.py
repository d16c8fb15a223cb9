"""Calendar features are chosen where the rows to learn from hold their cycle often enough."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.experiment.explain import explained
from forecast.experiment.file import dump_experiment, parse_experiment
from forecast.experiment.keywords import with_keywords
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment


def table(rows: int, freq: str) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2018-01-01", periods=rows, freq=freq)
    return pd.DataFrame({"ds": stamps, "y": 50.0 + draw.normal(size=rows)})


def experiment(**settings: int) -> Experiment:
    small = {"horizon": 4, "context_length": 6, "validation_size": 10, "test_size": 20}
    return with_keywords(Experiment(), small | settings)


# freq, rows with which the last feature is not taken, with which it is, its name, cycle.
# Rows are counted by hand: three cycles of 60 minutes, 24 hours, 7 days, 364 days; two of 12 months
BOUNDS = [
    ("min", 3 * 60 - 1, 3 * 60, "minute", "3 hours"),
    ("15min", 3 * 96 - 1, 3 * 96, "hour", "3 days"),
    ("h", 3 * 24 - 1, 3 * 24, "hour", "3 days"),
    ("h", 3 * 168 - 1, 3 * 168, "weekday", "3 weeks"),
    ("D", 3 * 7 - 1, 3 * 7, "weekday", "3 weeks"),
    ("D", 3 * 364 - 1, 3 * 364, "day_of_year", "3 years"),
    ("B", 3 * 52 * 5 - 5, 3 * 52 * 5 + 5, "day_of_year", "3 years"),
    ("W-SUN", 3 * 52 - 1, 3 * 52, "week_of_year", "3 years"),
    ("MS", 2 * 12 - 1, 2 * 12, "month", "2 years"),
    ("QS", 2 * 4 - 1, 2 * 4, "quarter", "2 years"),
]


@pytest.mark.parametrize(("freq", "few", "enough", "name", "cycle"), BOUNDS)
def test_a_feature_takes_three_cycles_of_rows_to_learn_from_and_months_two(
    freq: str, few: int, enough: int, name: str, cycle: str
) -> None:
    config = experiment()
    if few < 30:  # short tables have room for little else
        config = experiment(context_length=2, horizon=1, validation_size=2, test_size=1)
    short = prepare(config, table(few, freq))
    long = prepare(config, table(enough, freq))
    assert name not in short.config.data.calendar
    assert f"{name} takes {cycle} to learn from, there are" in short.reasons["data.calendar"]
    assert name in long.config.data.calendar
    assert name not in long.reasons["data.calendar"]


def test_without_a_refit_rows_that_are_held_back_are_not_learned_from() -> None:
    frame = table(3 * 364 + 50, "D")
    for refit, test_size, expected in [(True, 60, True), (False, 60, False), (False, 30, True)]:
        config = experiment(**{"training.refit": refit}, test_size=test_size)
        assert ("day_of_year" in prepare(config, frame).config.data.calendar) == expected


def test_the_series_of_median_length_decides() -> None:
    long = table(1300, "D")
    short = table(60, "D")
    config = experiment(validation_size=4, test_size=4)
    for parts, expected in [
        ([long, long, short], ("weekday", "day_of_year")),
        ([long, short, short], ("weekday",)),
    ]:
        named = [part.assign(unique_id=f"s{number}") for number, part in enumerate(parts)]
        assert prepare(config, pd.concat(named)).config.data.calendar == expected


def test_the_choice_is_seen_and_survives_a_copy() -> None:
    config = experiment()
    frame = table(700, "D")
    found = prepare(config, frame).config
    assert found.data.calendar == ("weekday",)
    assert "day_of_year takes 3 years to learn from, there are 1.9" in explained(config, frame)
    copied = parse_experiment(dump_experiment(found))
    assert prepare(copied, table(2000, "D")).config.data.calendar == ("weekday",)
    given = config.with_settings({"data.calendar": ["day_of_year"]})
    assert prepare(given, frame).config.data.calendar == ("day_of_year",)
