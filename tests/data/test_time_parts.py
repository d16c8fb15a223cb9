"""Time in several columns: the same panel as with one column of timestamps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.errors import DataError
from forecast.errors.interface import in_python
from forecast.experiment.settings import DataConfig

HOURS = pd.date_range("2015-01-01", periods=400, freq="h")
DAYS = pd.date_range("2015-01-01", periods=60, freq="D")
MONTHS = pd.date_range("2015-01-01", periods=40, freq="MS")
QUARTERS = pd.date_range("2015-01-01", periods=20, freq="QS")
WEEKS = pd.date_range("2015-01-05", periods=80, freq="W-MON")

Parts = dict[str, list[object]]


def parts_of_day(stamps: pd.DatetimeIndex) -> Parts:
    return {"year": [*stamps.year], "month": [*stamps.month], "day": [*stamps.day]}


def hour_ending(stamps: pd.DatetimeIndex) -> Parts:
    """Hours 1 to 24; the last hour of a day, 24, is midnight."""
    before = stamps - pd.Timedelta(hours=1)
    return {"date": [*before.strftime("%Y-%m-%d")], "hour": [*(before.hour + 1)]}


CASES: dict[str, tuple[pd.DatetimeIndex, Callable[[pd.DatetimeIndex], Parts]]] = {
    "date and time": (
        HOURS,
        lambda t: {"Date": [*t.strftime("%Y-%m-%d")], "Time": [*t.strftime("%H:%M:%S")]},
    ),
    "day first and time": (
        HOURS,
        lambda t: {"Date": [*t.strftime("%d/%m/%Y")], "Time": [*t.strftime("%H:%M")]},
    ),
    "date and AM or PM": (
        HOURS,
        lambda t: {"Date": [*t.strftime("%m/%d/%Y")], "Time": [*t.strftime("%I:%M %p")]},
    ),
    "typed date and time": (HOURS, lambda t: {"date": [*t.normalize()], "time": [*t.time]}),
    "date and whole hour": (HOURS, lambda t: {"date": [*t.normalize()], "hour": [*t.hour]}),
    "date and hour of 1 to 24": (HOURS, hour_ending),
    "date and digits": (
        HOURS,
        lambda t: {"date": [*t.strftime("%Y-%m-%d")], "time": [*(t.hour * 100 + 0)]},
    ),
    "year, month, day, hour": (HOURS, lambda t: {**parts_of_day(t), "hour": [*t.hour]}),
    "with minutes": (
        HOURS,
        lambda t: {**parts_of_day(t), "hour": [*t.hour], "minute": [*t.minute]},
    ),
    "year, month, day": (DAYS, parts_of_day),
    "floats": (DAYS, lambda t: {k: [*map(float, v)] for k, v in parts_of_day(t).items()}),
    "year and month": (MONTHS, lambda t: {"year": [*t.year], "month": [*t.month]}),
    "year and name of month": (
        MONTHS,
        lambda t: {"Year": [*t.year], "Month": [*t.strftime("%b")]},
    ),
    "year and quarter": (QUARTERS, lambda t: {"Year": [*t.year], "Quarter": [*t.quarter]}),
    "year and Q1": (
        QUARTERS,
        lambda t: {"Year": [*t.year], "Quarter": [f"Q{n}" for n in t.quarter]},
    ),
    "year and week": (
        WEEKS,
        lambda t: {"year": [*t.isocalendar().year], "week": [*t.isocalendar().week]},
    ),
}


def table_of(name: str) -> tuple[pd.DataFrame, pd.DatetimeIndex, list[str]]:
    stamps, parts = CASES[name]
    frame = pd.DataFrame(parts(stamps))
    names = list(frame.columns)
    frame["y"] = np.arange(len(stamps)) % 7 + 0.5
    return frame, stamps, names


@pytest.mark.parametrize("kind", ["frame", "csv", "parquet"])
@pytest.mark.parametrize("name", CASES)
def test_parts_are_joined(name, kind, tmp_path):
    frame, stamps, names = table_of(name)
    source = frame
    if kind == "csv":
        source = tmp_path / "table.csv"
        frame.to_csv(source, index=False)
    if kind == "parquet":
        source = tmp_path / "table.parquet"
        frame.to_parquet(source)
    panel = load_panel(source, Columns(time_col=names))
    assert pd.DatetimeIndex(panel.timestamps).equals(stamps)
    assert np.array_equal(panel.targets[:, 0], frame["y"])
    assert "time is joined from the columns" in " ".join(panel.notes)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("with minutes",)])
def test_the_parts_are_proposed_and_the_proposal_reads_the_table(name):
    frame, stamps, names = table_of(name)
    proposed = diagnose(frame, USUAL_ROLES).errors[0].settings[0]["data.time_col"]
    columns = Columns(time_col=proposed)
    assert columns == Columns(time_col=names)
    for roles in (columns, Columns()):
        panel = load_panel(frame, roles)
        assert panel.columns.time_col == columns.time_col
        assert pd.DatetimeIndex(panel.timestamps).equals(stamps)
    if frame[names[0]].dtype == object and names[0].lower() == "date":
        told = diagnose(frame, Columns(time_col=names[0])).text()
        assert f"pass {in_python({'data.time_col': proposed})} if they are the parts" in told


def test_a_part_may_be_a_covariate_too():
    frame, stamps, names = table_of("year and month")
    columns = Columns(time_col=names, known_covariates=("month",))
    panel = load_panel(frame, columns)
    assert np.array_equal(panel.column("month"), stamps.month)
    assert pd.DatetimeIndex(panel.timestamps).equals(stamps)


def test_wide_tables():
    frame, stamps, names = table_of("year, month, day, hour")
    frame["z"] = 2 * frame["y"]
    panel = load_panel(frame, Columns(time_col=names), table_format=TableFormat(layout="wide"))
    assert list(panel.series_ids) == ["y", "z"]
    assert pd.DatetimeIndex(panel.timestamps[: len(stamps)]).equals(stamps)


@pytest.mark.parametrize("part", ["month", "day"])
def test_a_missing_part_is_a_missing_timestamp(part):
    frame, _, names = table_of("year, month, day")
    frame[part] = frame[part].astype(float)
    frame.loc[5, part] = np.nan
    with pytest.raises(DataError, match=r"row 5"):
        load_panel(frame, Columns(time_col=names))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["year", "day", "month"], "day contains '13'; expected a month"),
        (["day", "month", "year"], "in the order year, month, day"),
        (["year", "mont", "day"], "no column 'mont' .did you mean 'month'"),
    ],
)
def test_parts_in_a_wrong_order_are_refused(names, words):
    frame = table_of("year, month, day")[0]
    with pytest.raises(DataError, match=words):
        load_panel(frame, Columns(time_col=names))


def test_a_name_with_a_comma_is_one_column():
    frame = pd.DataFrame({"a,b": DAYS, "a": 1, "b": 2, "y": np.arange(60) % 7})
    assert load_panel(frame, Columns(time_col="a,b")).num_rows == 60
    parts = pd.DataFrame({"a, date": DAYS, "hour": 5, "y": np.arange(60) % 7})
    panel = load_panel(parts, Columns(time_col=["a, date", "hour"]))
    assert pd.DatetimeIndex(panel.timestamps).equals(DAYS + pd.Timedelta(hours=5))


def test_a_list_and_its_text_are_the_same_setting():
    assert DataConfig(time_col=["a", "b"]) == DataConfig(time_col="a,b")
    assert DataConfig(time_col=["ds"]) == DataConfig(time_col="ds")
