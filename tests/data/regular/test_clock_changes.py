"""Local time whose clocks change, and what is proposed: a second attempt succeeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import Diagnosis, diagnose
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.experiment.check_table import settings_for_all

ONE_SERIES = Columns(id_col="unique_id", time_col="ds", target_cols=("y",))


def local(start: str, end: str, tz: str, freq: str = "h") -> pd.DataFrame:
    """Values of every step, with the time of the wall clock and no offset."""
    stamps = pd.date_range(start, end, freq=freq, tz=tz).tz_localize(None)
    return pd.DataFrame({"ds": stamps, "y": np.random.default_rng(0).normal(size=len(stamps))})


def written_at_the_end(table: pd.DataFrame, step: str) -> pd.DataFrame:
    return table.assign(ds=table["ds"] + pd.Timedelta(step))


def without(table: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    return table.drop(index=table.index[rows]).reset_index(drop=True)


def energy() -> pd.DataFrame:
    """Years of hours as power companies in the east of the US publish them.

    Hours are written at their end, 4 repeated ones are kept of 10, and years are not in order.
    """
    table = written_at_the_end(local("2008-01-01", "2018-08-03", "America/New_York"), "1h")
    again = table["ds"].duplicated()
    table = without(table[~again | (table["ds"].dt.year > 2013)], [900, 5000, 44_000])
    years = [part for _, part in table.groupby(table["ds"].dt.year)]
    return pd.concat([years[index] for index in (4, 0, 1, 3, 2, 10, 9, 5, 6, 7, 8)])


def berlin(freq: str = "15min") -> pd.DataFrame:
    return local("2022-01-01", "2023-12-31", "Europe/Berlin", freq)


def with_copies(table: pd.DataFrame) -> pd.DataFrame:
    """The same with three rows twice, in time order."""
    table = pd.concat([table, table.iloc[[100, 2000, 9000]]])
    return table.sort_values("ds", kind="stable", ignore_index=True)


TABLES = {
    "hours written at their end": energy,
    "clean quarters": berlin,
    "clean hours": lambda: berlin("h"),
    "half hours of Sydney": lambda: local("2022-01-01", "2023-06-01", "Australia/Sydney", "30min"),
    "one autumn alone": lambda: local("2023-10-01", "2023-11-20", "Europe/London"),
    "quarters with gaps": lambda: without(berlin(), [5000, 5001, 9000, 30_000]),
    "quarters with gaps and copies": lambda: with_copies(without(berlin(), [5000, 9000])),
    "in no order": lambda: berlin("h").sample(frac=1, random_state=0),
    "quarters written at their end": lambda: written_at_the_end(berlin(), "15min"),
    "the second pass is missing": lambda: berlin("h").drop_duplicates("ds"),
    "only a part of the second passes": lambda: without(berlin("h"), [7250]),
}


def second_attempt(table: pd.DataFrame, first: Diagnosis, **given: Any) -> Diagnosis:
    """Apply all settings that the findings propose together."""
    settings = {path.split(".")[1]: v for path, v in settings_for_all(first.errors, {}).items()}
    assert settings
    missing = settings.pop("missing", "refuse") != "refuse"
    gaps = settings.pop("gaps", "refuse")
    table_format = TableFormat(**{**given, **settings})
    return diagnose(table, ONE_SERIES, table_format=table_format, gaps=gaps, allow_missing=missing)


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_the_second_attempt_succeeds(make: Any) -> None:
    table = make()
    first = diagnose(table, ONE_SERIES)
    assert first.errors
    second = second_attempt(table, first)
    assert second.errors == ()
    assert second.panel is not None
    assert len(table) - 20 <= second.panel.num_rows <= len(table) + 40


@pytest.mark.parametrize("name", ["clean quarters", "clean hours", "quarters with gaps"])
def test_a_zone_is_proposed_where_it_fits(name: str) -> None:
    first = diagnose(TABLES[name](), ONE_SERIES)
    assert settings_for_all(first.errors, {})["data.tz"] == "Europe/Berlin"


@pytest.mark.parametrize(
    "name", ["hours written at their end", "in no order", "quarters with gaps and copies"]
)
def test_no_zone_is_proposed_where_none_fits(name: str) -> None:
    for finding in diagnose(TABLES[name](), ONE_SERIES).errors:
        assert all("data.tz" not in settings for settings in finding.settings)


def test_hours_written_at_their_end_are_recognised() -> None:
    finding = diagnose(energy(), ONE_SERIES).errors[0]
    assert finding.code == "local_time"
    assert "as in America/New_York, with each step written at its end" in finding.message


@pytest.mark.parametrize("make", [energy, lambda: local("2023-01-01", "2023-12-01", "UTC")])
def test_a_zone_that_does_not_fit_is_taken_back(make: Any) -> None:
    table = make()
    zone = TableFormat(tz="America/New_York")
    first = diagnose(table, ONE_SERIES, table_format=zone)
    assert {"skipped_hour", "repeated_hour"} <= {finding.code for finding in first.errors}
    assert settings_for_all(first.errors, {})["data.tz"] is None
    assert second_attempt(table, first, tz="America/New_York").errors == ()


@pytest.mark.parametrize("freq", ["D", "MS", "W-MON"])
@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
def test_days_with_offsets_name_their_zone(tz: str, freq: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=120, freq=freq, tz=tz)
    text = [stamp.isoformat() for stamp in stamps]
    table = pd.DataFrame({"ds": text, "y": np.arange(120.0)})
    first = diagnose(table, ONE_SERIES)
    assert [finding.code for finding in first.errors] == ["local_days"]
    assert f"all are midnight in {tz}" in first.errors[0].message
    second = second_attempt(table, first)
    assert second.errors == ()
    assert second.freq == freq
