"""A forecast of steps that training has seen says so; any other says nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from forecast import Experiment, Forecaster
from tests.forecasting.test_ahead import table

NUM_ROWS = 40


def fitted(rows: pd.DataFrame, *, refit: bool) -> Forecaster:
    config = {
        "windows": {"context_length": 7, "horizon": 3},
        "model": {"name": "bigru", "cell": "rnn", "bidirectional": False, "units": 2},
        "training": {"epochs": 1, "refit": refit},
        "evaluation": {"validation_size": 6, "test_size": 10},
    }
    return Forecaster(Experiment.model_validate(config)).fit(rows)


def in_days(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def in_berlin(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(ds=rows["ds"].dt.tz_localize("Europe/Berlin"))


def by_number(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(ds=(rows["ds"] - rows["ds"].min()).dt.days + 1)


def learned(forecaster: Forecaster, history: pd.DataFrame) -> list[str]:
    notes = forecaster.predict(history).notes
    return [note for note in notes if note.startswith("training has seen rows up to")]


@pytest.mark.parametrize(
    ("written", "last", "end"),
    [
        (in_days, "2024-02-09", "2024-01-20"),
        (in_berlin, "2024-02-09", "2024-01-20"),
        (by_number, "40", "20"),
    ],
)
def test_an_older_table_is_no_test(written, last: str, end: str) -> None:
    rows = written(table(NUM_ROWS))
    forecaster = fitted(rows, refit=True)
    assert learned(forecaster, rows[:20]) == [
        f"training has seen rows up to {last}, and the table ends at {end}: steps that the model "
        f"has learned from are forecast, which is no test of it"
    ]
    assert learned(forecaster, rows[: NUM_ROWS - 1])
    assert not learned(forecaster, rows)


@pytest.mark.parametrize(("refit", "seen"), [(True, 40), (False, 30)])
def test_only_rows_that_training_has_seen_count(refit: bool, seen: int) -> None:
    rows = table(NUM_ROWS + 5)
    forecaster = fitted(rows[:NUM_ROWS], refit=refit)
    for end in (seen - 1, seen, seen + 1, NUM_ROWS, NUM_ROWS + 5):
        assert bool(learned(forecaster, rows[:end])) == (end < seen), end


def test_series_that_end_before_training_are_counted_and_new_ones_are_not() -> None:
    rows = table(NUM_ROWS, 3)
    forecaster = fitted(rows[rows["unique_id"] != "s2"], refit=True)
    is_late = rows["ds"] > "2024-01-25"
    (note,) = learned(forecaster, rows[~(is_late & (rows["unique_id"] != "s1"))])
    assert "and 1 of 3 series end before that, as 's0' at 2024-01-25: steps" in note
    assert not learned(forecaster, rows[rows["unique_id"] == "s2"][:20])
