"""Rows whose timestamp could not be read: no other finding gives them one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat


def hours(start: str, rows: int = 72) -> pd.DataFrame:
    stamps = pd.date_range(start, periods=rows, freq="h").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame({"ds": stamps, "y": np.arange(rows) % 5 + 0.5})


@pytest.mark.parametrize("cell", ["UTC", "2024-02-31", "", None, "24.12.2024"])
@pytest.mark.parametrize("row", [0, 7, 71])
@pytest.mark.parametrize("with_bad_ids", [False, True])
def test_a_row_without_a_timestamp_is_named_by_its_place_alone(cell, row, with_bad_ids):
    table = hours("2024-01-01").astype({"y": object})
    table.loc[row, "ds"] = cell
    table.loc[row, "y"] = "MW"
    if with_bad_ids:
        table["unique_id"] = pd.date_range("2024-01-01", periods=len(table), tz="UTC")
    errors = diagnose(table).errors
    about_y = [error.message for error in errors if error.code == "no_number"]
    assert len(about_y) == 1
    assert about_y[0].endswith(f"row {row}")
    assert not any("1970" in error.message for error in errors)


@pytest.mark.parametrize(
    ("tz", "start", "skipped"),
    [
        ("America/New_York", "2005-04-02", "2005-04-03 02:00"),
        ("Europe/Berlin", "2024-03-30", "2024-03-31 02:00"),
        ("Australia/Sydney", "2024-10-05", "2024-10-06 02:00"),
    ],
)
def test_an_hour_that_clocks_skip_is_the_only_error(tz, start, skipped):
    diagnosis = diagnose(hours(start), table_format=TableFormat(tz=tz))
    assert [error.code for error in diagnosis.errors] == ["skipped_hour"]
    assert skipped in diagnosis.text()
    assert "Na" not in diagnosis.text().replace("NaN", "")
    kept = hours(start).query("ds != @skipped + ':00'")
    panel = load_panel(kept, table_format=TableFormat(tz=tz))
    assert panel.num_rows == 71
    assert np.array_equal(np.diff(panel.positions), np.ones(70))


def test_the_fix_for_a_gap_names_every_setting_it_needs():
    from forecast.experiment.settings import DataConfig  # the room above

    table = hours("2024-01-01").drop(index=[9, 10])
    settings = diagnose(table).errors[0].settings[0]
    assert settings == {"data.gaps": "fill", "data.missing": "forward_fill"}
    config = DataConfig(**{path.removeprefix("data."): settings[path] for path in settings})
    panel = load_panel(table, Columns(), gaps=config.gaps, allow_missing=True)
    assert panel.num_rows == 72


@pytest.mark.parametrize("zone", ["America/New_York", "America/Los_Angeles"])
def test_hours_written_at_their_end_are_recognised_and_the_fix_reads_them(zone):
    utc = pd.date_range("2014-10-20", "2015-04-05", freq="h", tz="UTC")
    starts = utc.tz_convert(zone).tz_localize(None)
    ends = starts + pd.Timedelta(hours=1)
    table = pd.DataFrame({"ds": ends, "y": np.arange(len(ends)) % 5 + 0.5})
    finding = diagnose(table).errors[0]
    assert "with each step written at its end" in finding.message
    assert finding.settings[0] == {"data.tz": "America/New_York", "data.stamps": "end"}
    assert finding.settings[1] == {"data.aggregate": "mean", "data.stamps": "end"}
    panel = load_panel(table, table_format=TableFormat(tz=zone, stamps="end"))
    assert pd.DatetimeIndex(panel.freq.begins(panel.timestamps)).equals(utc.tz_localize(None))
    assert pd.DatetimeIndex(panel.timestamps - pd.Timedelta(hours=1)).equals(utc.tz_localize(None))


def test_a_row_that_occurs_twice_on_another_day_is_no_change_of_clocks():
    table = hours("2014-11-03")
    table = pd.concat([table, table.iloc[[2]]])
    assert [error.code for error in diagnose(table).errors] == ["duplicate_stamps"]
