"""Dates that are text: read as pandas wrote them, or asked about with formats that read them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data.dates import stamp_text
from forecast.data.dates.stamp_text import read_text
from forecast.data.findings import FindingLog
from forecast.data.load import load_panel
from forecast.data.panel import Columns, Panel
from forecast.data.read import TableFormat
from forecast.data.table import Table
from forecast.errors import DataError

DAYS = pd.date_range("2015-01-01", periods=60, freq="D")
HOURS = pd.date_range("2015-01-01", periods=60, freq="h")
MONTHS = pd.date_range("2015-01-01", periods=40, freq="MS")
WEEKS = pd.date_range("2015-01-05", periods=60, freq="W-MON")


def table(stamps: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"ds": stamps, "y": np.arange(len(stamps)) % 7 + 0.5})


def written(stamps: pd.DatetimeIndex, time_format: str) -> list[str]:
    return list(stamps.strftime(time_format))


def assert_reads(panel: Panel, stamps: pd.DatetimeIndex) -> None:
    assert panel.freq.tz is None
    assert pd.DatetimeIndex(panel.timestamps).equals(stamps)
    assert np.array_equal(panel.targets[:, 0], np.arange(len(stamps)) % 7 + 0.5)


@pytest.mark.parametrize(
    ("stamps", "time_format"),
    [
        (HOURS, "%m/%d/%Y %I:%M:%S %p"),
        (HOURS, "%m/%d/%Y %I %p"),
        (HOURS, "%Y-%m-%d %I:%M%p"),
        (HOURS, "%d.%m.%Y %H:%M"),
        (HOURS, "%d %b %Y %H:%M:%S"),
        (HOURS, "%d%b%Y:%H:%M:%S"),
        (HOURS, "%B %d, %Y, %H:%M"),
        (MONTHS, "%b %Y"),
        (MONTHS, "%B %Y"),
        (MONTHS, "%b-%y"),
        (MONTHS, "%y-%b"),
        (MONTHS, "%b-%Y"),
        (MONTHS, "%Y-%b"),
        (MONTHS, "%YM%m"),
        (MONTHS, "%Ym%m"),
        (MONTHS, "%Y-M%m"),
        (MONTHS, "%m/%Y"),
        (MONTHS, "%d/%m/%Y"),
        (MONTHS, "%m/%d/%Y"),
        (DAYS, "%d/%m/%Y"),
        (DAYS, "%m/%d/%Y"),
        (DAYS, "%d-%m-%Y"),
        (DAYS, "%d/%m/%y"),
        (DAYS, "%y/%m/%d"),
        (DAYS, "%a, %d %b %Y"),
        (DAYS, "%A, %d. %B %Y"),
        (DAYS, "%d%b%Y"),
        (DAYS, "%d-%b-%y"),
        (DAYS, "%G-W%V-%u"),
    ],
)
def test_dates_are_read_in_the_format_they_were_written_in(stamps, time_format):
    cells = written(stamps, time_format)
    panel = load_panel(table(cells))
    assert_reads(panel, stamps)
    found = re.search(r"ds is read with time_format '(.*?)'", " ".join(panel.notes))
    assert found is not None
    told = load_panel(table(cells), table_format=TableFormat(time_format=found[1]))
    assert_reads(told, stamps)


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(
    ("stamps", "pattern"),
    [
        (MONTHS[::3], "{0.year}-Q{0.quarter}"),
        (MONTHS[::3], "{0.year} q{0.quarter}"),
        (MONTHS[::3], "{0.year}Q{0.quarter}"),
        (MONTHS[::3], "Q{0.quarter} {0.year}"),
        (MONTHS[::3], "q{0.quarter}/{0.year}"),
        (WEEKS, "{0.year}-W{0.week:02d}"),
        (WEEKS, "{0.year}W{0.week:02d}"),
        (WEEKS, "{0.year}-w{0.week:02d}-1"),
    ],
)
def test_quarters_and_weeks(stamps, pattern, upper):
    cells = [pattern.format(stamp) for stamp in stamps]
    if upper:
        cells = [cell.upper() for cell in cells]
    assert_reads(load_panel(table(cells)), stamps)


@pytest.mark.parametrize(
    ("stamps", "time_format", "words"),
    [
        (MONTHS[:12], "%d/%m/%Y", "day or month first"),
        (DAYS[:12], "%d/%m/%Y", "day or month first"),
        (DAYS[:12], "%d.%m.%Y", "day or month first"),
        (DAYS[:12], "%m-%d-%y", "month or year first"),
        (MONTHS[:10], "%b-%y", "the year or the day"),
        (DAYS[:12], "%b-%d", "the year or the day"),
        (DAYS[:12], "%d-%b-%y", "day or year first"),
    ],
)
def test_doubtful_dates_are_asked_about_and_every_proposed_format_reads_them(
    stamps, time_format, words
):
    cells = written(stamps, time_format)
    with pytest.raises(DataError, match=words) as caught:
        load_panel(table(cells))
    message = str(caught.value)
    proposed = [settings["data.time_format"] for settings in caught.value.finding.settings]
    assert proposed
    for each in proposed:
        stamps = read_text(
            pa.chunked_array([cells]),
            Table(Columns(), {}, len(cells)),
            each,
            FindingLog(strict=True),
        )
        expected = pd.to_datetime(pd.Series(cells), format=each)
        assert list(stamps.to_pandas()) == list(expected)
        assert str(expected[1].date()) in message  # the evidence


def test_one_row_decides_and_is_named():
    cells = written(DAYS[:13], "%d/%m/%Y")
    notes = " ".join(load_panel(table(cells)).notes)
    assert "'13/01/2015' is 2015-01-13, which '%m/%d/%Y' would not read" in notes


def test_a_cell_in_another_format_is_named():
    cells = written(DAYS, "%d/%m/%Y")
    cells[40] = "31/02/2015"
    with pytest.raises(DataError, match=r"'31/02/2015', which does not fit .* row 40"):
        load_panel(table(cells))


YEARS = pd.date_range("2003-01-01", "2014-12-01", freq="MS")


@pytest.mark.parametrize(
    "written_format", ["{0.year}-{0:%b}", "{0:%b}-{0.year}", "{0:%B} {0.year}"]
)
@pytest.mark.parametrize("number", [len(YEARS), 40])
def test_years_of_one_digit_are_read(written_format, number):
    # a spreadsheet that takes Jan-03 for a day writes 3-Jan
    months = YEARS[:number]
    cells = [written_format.format(month).replace("20", "", 1) for month in months]
    cells = [re.sub(r"\b0(\d)", r"\1", cell) for cell in cells]
    assert any(re.search(r"\b3\b", cell) for cell in cells)
    panel = load_panel(table(cells))
    assert_reads(panel, months)
    assert "is 2003-" in " ".join(panel.notes)


def test_a_number_beside_a_month_is_a_day_where_the_days_follow_each_other():
    cells = [f"{day.day}-{day:%b}" for day in DAYS]
    with pytest.raises(DataError, match=r"'1-Jan', a day without its year.*time_col=.none."):
        load_panel(table(cells))


def test_days_without_a_year_are_refused():
    with pytest.raises(DataError, match="'Jan-01', a day without its year"):
        load_panel(table(written(DAYS, "%b-%d")))


@pytest.mark.parametrize("cells", [["abc", "def"], ["a1", "b2"], ["x-1", "x-2"], ["1 2", "3 4"]])
def test_text_that_is_no_date_is_refused(cells):
    with pytest.raises(DataError, match="expected dates such as 2020-01-31 13:00"):
        load_panel(table(cells * 5))


@pytest.mark.parametrize("ending", ["", ":00", ":00.000", "Z"])
@pytest.mark.parametrize("time_format", ["%Y-%m-%d", "%d.%m.%Y"])
def test_24_00_is_the_end_of_the_day(time_format, ending):
    cells = [
        (stamp - pd.Timedelta(days=int(stamp.hour == 0))).strftime(f"{time_format} ")
        + f"{stamp.hour or 24:02d}:00{ending}"
        for stamp in HOURS
    ]
    panel = load_panel(table(cells))
    assert pd.DatetimeIndex(panel.timestamps).equals(HOURS)
    assert "ds is 24:00 in 3 rows: read as 00:00 of the next day" in " ".join(panel.notes)


@pytest.mark.parametrize(
    "pattern",
    [
        "{0:%Y-%m-%d %H:%M} - {1:%Y-%m-%d %H:%M}",
        "{0:%d.%m.%Y %H:%M} \u2013 {1:%d.%m.%Y %H:%M}",
        "{0:%Y-%m-%d %H:%M} - {1:%H:%M}",
        "{0:%Y-%m-%d %H:%M}-{1:%H:%M}",
    ],
)
def test_the_start_of_an_interval_is_the_timestamp(pattern):
    cells = [pattern.format(stamp, stamp + pd.Timedelta(hours=1)) for stamp in HOURS]
    panel = load_panel(table(cells))
    assert_reads(panel, HOURS)
    assert f"intervals such as {cells[0]!r}: their start" in " ".join(panel.notes)


@pytest.mark.parametrize("stamps", [HOURS, DAYS])
def test_an_offset_is_no_interval(stamps):
    panel = load_panel(table(written(stamps, "%Y-%m-%d %H:%M-01:00")))
    assert pd.DatetimeIndex(panel.timestamps).equals(stamps + pd.Timedelta(hours=1))


PLAIN_PIECES = (
    "2015-01-31", "2015-02-30", "0001-01-01", "9999-12-31", "2015-1-31", "2015-01", "2015",
)  # fmt: skip
PLAIN_CLOCKS = ("", " 13:00", "T13:00:59", " 24:00", " 23:60", " 1:00", "T13:00:00Z", " 13.00", " ")


@pytest.mark.parametrize("seed", range(60))
def test_plain_dates_are_read_at_once_as_after_all_looks_at_them(seed, monkeypatch):
    """Columns of a few kinds of cells, some of which only look plain, once with and once without
    the short way."""
    draw = np.random.default_rng(seed)
    num_kinds = draw.integers(1, 4)
    kinds = [draw.choice(PLAIN_PIECES[:1] + PLAIN_PIECES) for _ in range(num_kinds)]
    kinds = [str(kind) + str(draw.choice(PLAIN_CLOCKS)) for kind in kinds]
    cells = pa.chunked_array([draw.choice(kinds, 12).tolist()])

    def outcome():
        log = FindingLog(strict=True)
        try:
            stamps = read_text(cells, Table(Columns(), {}, 12), None, log)
        except DataError as error:
            return str(error)
        return stamps.type, stamps.cast(pa.int64()).to_pylist(), log.findings, log.decisions

    short = outcome()
    monkeypatch.setattr(stamp_text, "_are_plain", lambda _: False)
    assert short == outcome()
