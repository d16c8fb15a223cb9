"""A timestamp in a message: as the file writes it, no finer than the frequency."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest

from forecast.cli.entry import main
from forecast.data.frequency import Frequency
from forecast.data.load import load_panel
from forecast.data.shown import span_of, stamp_at

SHOWN = {
    ("D", "2024-03-13"): "2024-03-13",
    ("D", "2024-03-13 07:00"): "2024-03-13 07:00",
    ("B", "2024-03-13"): "2024-03-13",
    ("W-WED", "2024-03-13"): "2024-03-13",
    ("MS", "2024-03-01"): "2024-03",
    ("ME", "2024-03-31"): "2024-03",
    ("QE-DEC", "2024-03-31"): "2024-03",
    ("YS-JAN", "2024-01-01"): "2024",
    ("YE-JUN", "2024-06-30"): "2024-06",
    ("h", "2024-03-13 05:00"): "2024-03-13 05:00",
    ("h", "2024-03-13 00:00"): "2024-03-13 00:00",
    ("15min", "2024-03-13 05:15"): "2024-03-13 05:15",
    ("s", "2024-03-13 05:15:07"): "2024-03-13 05:15:07",
}


@pytest.mark.parametrize(("freq", "stamp"), SHOWN)
def test_a_stamp_is_no_finer_than_its_frequency(freq, stamp):
    assert stamp_at(Frequency.parse(freq), np.datetime64(stamp, "ns")) == SHOWN[freq, stamp]


def test_an_index_is_a_number():
    assert stamp_at(Frequency.parse("5", is_integer=True), np.int64(15)) == "15"


def test_days_of_a_zone_are_its_days():
    days = pd.date_range("2024-03-01", periods=40, tz="Europe/Berlin")
    panel = load_panel(pd.DataFrame({"ds": days, "y": np.arange(40.0)}))
    assert span_of(panel) == "2024-03-01 to 2024-04-09"


def test_findings_name_stamps_in_the_zone_of_the_table(tmp_path):
    hours = pd.date_range("2024-07-01", periods=200, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": hours, "y": np.arange(200.0)}).drop(index=50)
    frame.loc[100, "y"] = np.nan
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["check", str(path), "--horizon", "2"])
    text = printed.getvalue()
    assert "1 missing between 2024-07-03 01:00 and 2024-07-03 03:00" in text
    assert "(2024-07-05 04:00)" in text


@pytest.mark.parametrize(
    ("freq", "ends"),
    [
        ("D", "2024-01-01 to 2024-03-30"),
        ("MS", "2024-01 to 2031-06"),
        ("h", "2024-01-01 00:00 to 2024-01-04 17:00"),
    ],
)
def test_check_shows_the_span_at_the_frequency(freq, ends, tmp_path):
    path = tmp_path / "t.csv"
    stamps = pd.date_range("2024-01-01", periods=90, freq=freq)
    pd.DataFrame({"ds": stamps, "y": np.arange(90) % 7 + 0.5}).to_csv(path, index=False)
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["check", str(path), "--horizon", "2"]) == 0
    assert f"span    {ends}\n" in printed.getvalue()
