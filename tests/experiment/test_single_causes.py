"""One fault is one finding: what only follows from it is not shown beside it."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.bad_tables import BAD_TABLES
from experiment.finding_tables import ERRORS, days, hours, two_series

from forecast.cli.entry import main
from forecast.data.doctor import Diagnosis, diagnose
from forecast.experiment.check_table import check_table
from forecast.experiment.settings import Experiment

BY_THEMSELVES = {
    # a timestamp that stands in the place of another: joining the two rows leaves the gap
    frozenset({"duplicate_stamps", "gaps"}),
    # 2 rows would show the step, and still be too few
    frozenset({"no_frequency", "short_series"}),
    # a cell with a code, once that is known, is a missing cell
    frozenset({"missing_codes", "missing_values"}),
}
"""Findings of one table each of which is still there when the settings for the other are given."""


def faults(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings if finding.severity != "note"]


@pytest.mark.parametrize("name", ERRORS)
def test_a_table_with_one_fault_has_one_finding(name, tmp_path):
    case = ERRORS[name]
    config = Experiment().with_settings({"windows.horizon": 2, **case.settings})
    found = faults(check_table(config, case.source(tmp_path, case.table())))
    assert found == [case.code] or frozenset(found) in BY_THEMSELVES


@pytest.mark.parametrize("number", [number for number in BAD_TABLES if number != 29])
def test_a_bad_table_has_one_finding(number, tmp_path):
    for case in BAD_TABLES[number]:
        diagnosis = diagnose(
            case.source(tmp_path), case.columns, table_format=case.table_format, freq=case.freq
        )
        found = faults(diagnosis)
        assert len(found) <= 1 or frozenset(found) in BY_THEMSELVES, case.name


def replaced(column: str, row: int, value: object, frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


def by_day() -> pd.DataFrame:
    """Two series, the rows of one day side by side."""
    return two_series(60, 60).sort_values(["ds", "unique_id"]).reset_index(drop=True)


def of_another_calendar() -> pd.DataFrame:
    return days(ds=[date.strftime(f"{date.year + 543}-%m-%d") for date in days()["ds"]])


ONE_FAULT: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
    "a word": ("unreadable_stamp", lambda: replaced("ds", 30, "soon", days())),
    "the newest row first": (
        "unreadable_stamp",
        lambda: replaced("ds", 30, "soon", days()).iloc[::-1],
    ),
    "series side by side": ("unreadable_stamp", lambda: replaced("ds", 61, "soon", by_day())),
    "no date": ("missing_stamps", lambda: replaced("ds", 30, None, days())),
    "no id": ("missing_id", lambda: replaced("unique_id", 61, None, by_day())),
    "an id in the first row alone": (
        "missing_id",
        lambda: two_series(60, 60).assign(unique_id=["a", *[None] * 59, "b", *[None] * 59]),
    ),
    "a word in a short table": ("unreadable_stamp", lambda: replaced("ds", 1, "soon", days(3))),
    "another calendar": ("date_range", of_another_calendar),
    "a series without a value": (
        "all_missing",
        lambda: two_series(60, 60).assign(y=[*[None] * 60, *np.arange(60.0)]),
    ),
}


@pytest.mark.parametrize("name", ONE_FAULT)
def test_what_follows_from_a_fault_is_not_shown(name, tmp_path):
    code, table = ONE_FAULT[name]
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    assert faults(check_table(Experiment().with_settings({"windows.horizon": 2}), path)) == [code]
    assert printed_errors(path) == 1


def test_stamps_in_the_wrong_format_are_all_that_is_said(tmp_path):
    path = tmp_path / "t.csv"
    days().assign(ds=days()["ds"].dt.strftime("%m/%d/%Y")).to_csv(path, index=False)
    config = Experiment().with_settings({"windows.horizon": 2, "data.time_format": "%d/%m/%Y"})
    assert faults(check_table(config, path)) == ["unreadable_stamp"]
    assert printed_errors(path, "--set", "data.time_format=%d/%m/%Y") == 1


def test_a_repeated_hour_that_occurs_once_is_no_gap_too():
    frame = hours("2024-10-24", 200, "Europe/Berlin").drop_duplicates("ds")
    config = Experiment().with_settings({"windows.horizon": 2, "data.tz": "Europe/Berlin"})
    assert faults(check_table(config, frame)) == ["repeated_hour"]


def test_columns_with_one_decimal_comma_are_named_together(tmp_path):
    path = tmp_path / "t.csv"
    numbers = [f"{number},5" for number in range(60)]
    days(y=numbers, price=numbers, cost=numbers).to_csv(path, index=False)
    config = Experiment().with_settings(
        {"windows.horizon": 2, "data.past_covariates": ("price", "cost")}
    )
    (finding,) = check_table(config, path).errors
    assert finding.message.endswith("; price too; cost too")
    assert not check_table(config.with_settings(finding.settings[0]), path).errors


INDEPENDENT: dict[str, tuple[list[str], Callable[[], pd.DataFrame]]] = {
    "a gap elsewhere": (
        ["unreadable_stamp", "gaps"],
        lambda: replaced("ds", 30, "soon", days()).drop(index=40),
    ),
    "a missing value elsewhere": (
        ["missing_values", "all_missing"],
        lambda: two_series(60, 60).assign(y=[*[None] * 60, 1.0, None, *np.arange(58.0)]),
    ),
    "a word among the numbers": (
        ["unreadable_stamp", "no_number"],
        lambda: replaced("y", 40, "closed", replaced("ds", 30, "soon", days())),
    ),
    "a date far away, and a word": (
        ["unreadable_stamp", "date_range"],
        lambda: replaced("ds", 10, "3024-01-11", replaced("ds", 30, "soon", days())),
    ),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_faults_of_their_own_are_shown_together(name, tmp_path):
    codes, table = INDEPENDENT[name]
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    assert faults(check_table(Experiment().with_settings({"windows.horizon": 2}), path)) == codes
    assert printed_errors(path) == len(codes)


def printed_errors(path: Path, *settings: str) -> int:
    """Number of lines with an error that `forecast check` prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["check", str(path), "--horizon", "2", *settings]) == 2
    return sum(line.startswith("error ") for line in printed.getvalue().splitlines())
