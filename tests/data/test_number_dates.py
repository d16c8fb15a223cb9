"""Whole numbers that are dates are recognised, and the advice that is given for them reads them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.cli import main
from forecast.data.dates.number_dates import NUMBER_FORMATS, write_stamps
from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError, DataError
from forecast.experiment.prepare import open_panel
from forecast.experiment.settings import DataConfig

ROWS = 90
EPOCH = pd.Timestamp("1970-01-01")
EXCEL_EPOCH = pd.Timestamp("1899-12-30")


def digits(text: str):
    return lambda index: index.strftime(text).astype(np.int64)


def since_1970(unit: str):
    return lambda index: ((index - EPOCH) // pd.Timedelta(1, unit)).astype(np.int64)


WRITTEN = {
    # name: stamps, how they are written, the setting that reads them, what is found, season
    "months": ("MS", digits("%Y%m"), "%Y%m", "MS", 12),
    "quarters": ("QS", lambda index: index.year * 100 + index.quarter, "year_quarter", "QS-JAN", 4),
    "short quarters": ("QS", lambda index: index.year * 10 + index.quarter, "year_quarter",
    "QS-JAN", 4),
    "weeks": (
        "W-MON",
        lambda index: np.asarray(
            index.isocalendar().year * 100 + index.isocalendar().week
        ).astype(np.int64),
        "year_week",
        "W-MON",
        52,
    ),
    "days": ("D", digits("%Y%m%d"), "%Y%m%d", "D", 7),
    "business days": ("B", digits("%Y%m%d"), "%Y%m%d", "B", 5),
    "short days": ("D", digits("%y%m%d"), "%y%m%d", "D", 7),
    "days of years": ("5D", digits("%Y%j"), "%Y%j", "5D", 1),
    "hours": ("h", digits("%Y%m%d%H"), "%Y%m%d%H", "h", 24),
    "minutes": ("15min", digits("%Y%m%d%H%M"), "%Y%m%d%H%M", "15min", 96),
    "seconds": ("30s", digits("%Y%m%d%H%M%S"), "%Y%m%d%H%M%S", "30s", 120),
    "unix s": ("h", since_1970("s"), "unix_s", "h", 24),
    "unix ms": ("h", since_1970("ms"), "unix_ms", "h", 24),
    "unix us": ("min", since_1970("us"), "unix_us", "min", 1440),
    "unix ns": ("D", since_1970("ns"), "unix_ns", "D", 7),
    "unix months": ("MS", since_1970("s"), "unix_s", "MS", 12),
    "excel": ("D", lambda index: (index - EXCEL_EPOCH).days.astype(np.int64), "excel", "D", 7),
    "excel weeks": ("W-MON", lambda index: (index - EXCEL_EPOCH).days.astype(np.int64), "excel",
    "W-MON", 52),
    "excel weekdays": ("B", lambda index: (index - EXCEL_EPOCH).days.astype(np.int64), "excel",
    "B", 5),
    "excel months": ("MS", lambda index: (index - EXCEL_EPOCH).days.astype(np.int64), "excel",
    "MS", 12),
    "excel hours": ("h", lambda index: (index - EXCEL_EPOCH) / pd.Timedelta(1, "D"), "excel", "h",
    24),
    "excel minutes": ("5min", lambda index: np.round((index - EXCEL_EPOCH) / pd.Timedelta(1, "D"),
    5),
                      "excel", "5min", 288),
    "years in twelfths": ("MS", lambda index: np.round(index.year + (index.month - 1) / 12, 4),
                          "decimal_year", "MS", 12),
    "rounded twelfths": ("MS", lambda index: np.round(index.year + (index.month - 1) / 12, 2),
                         "decimal_year", "MS", 12),
    "years in quarters": ("QS", lambda index: index.year + (index.quarter - 1) / 4, "decimal_year",
    "QS-JAN", 4),
}  # fmt: skip


def stamps_of(name: str) -> pd.DatetimeIndex:
    return pd.date_range("2023-10-01", periods=ROWS, freq=WRITTEN[name][0])


def table(name: str) -> pd.DataFrame:
    index = stamps_of(name)
    return pd.DataFrame({"ds": np.asarray(WRITTEN[name][1](index)), "y": np.sin(np.arange(ROWS))})


def roads(frame: pd.DataFrame, folder):
    """The same table as frames and as files."""
    frame.to_csv(folder / "table.csv", index=False)
    frame.to_csv(folder / "comma.csv", index=False, sep=";", decimal=",")
    frame.to_parquet(folder / "table.parquet")
    several = pd.concat([frame.assign(unique_id=one) for one in "ba"])
    yield "frame", frame, {}
    yield "text", frame.astype({"ds": str}), {}
    yield "objects", frame.astype({"ds": object}), {}
    yield "csv", folder / "table.csv", {}
    yield "decimal comma", folder / "comma.csv", {"decimal": ","}
    yield "parquet", folder / "table.parquet", {}
    yield "several series", several.sample(frac=1, random_state=0), {}
    yield "wide", frame.assign(z=1.0), {"layout": "wide"}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_that_are_dates_are_refused_and_the_advice_reads_them(name, tmp_path):
    _, _, setting, alias, season = WRITTEN[name]
    for road, source, options in roads(table(name), tmp_path):
        with pytest.raises(DataError, match=r"numbers such as .* that look like") as caught:
            load_panel(source, table_format=TableFormat(**options))
        message = str(caught.value)
        assert not re.search("gaps|skip|\n", message), road
        advised = re.search(r'time_format="([\w%]+)"', message)
        assert advised is not None, (road, message)
        assert advised[1] == setting, (road, message)
        panel = load_panel(source, table_format=TableFormat(time_format=advised[1], **options))
        assert (panel.freq.alias, panel.freq.season_length) == (alias, season), road
        assert panel.freq.tz == ("UTC" if setting.startswith("unix") else None)
        first = panel.timestamps[: panel.offsets[1]]
        assert np.array_equal(first, stamps_of(name).to_numpy(dtype="datetime64[ns]")), road


@pytest.mark.parametrize("name", WRITTEN)
def test_the_advice_works_on_the_command_line_and_in_settings(name, tmp_path, capsys):
    table(name).to_csv(tmp_path / "table.csv", index=False)
    assert main(["check", str(tmp_path / "table.csv")]) == 2
    out, err = capsys.readouterr()
    said = out + err
    assert "look like" in said
    assert "gaps" not in said
    setting = re.search(r"pass --set data\.time_format=([\w%]+)", said)
    assert main(["check", str(tmp_path / "table.csv"), f"--set=data.time_format={setting[1]}"]) == 0
    assert f"freq    {WRITTEN[name][3]}" in capsys.readouterr().out
    if index := re.search(r"or --freq (\d+) if", said):
        assert main(["check", str(tmp_path / "table.csv"), "--freq", index[1]]) == 0, said
        assert f"freq    {index[1]}\n" in capsys.readouterr().out
        panel = open_panel(DataConfig(freq=int(index[1])), table(name))
        assert (panel.freq.alias, panel.freq.is_integer) == (index[1], True)


@pytest.mark.parametrize("name", WRITTEN)
def test_an_index_is_offered_where_the_numbers_could_be_one(name):
    numbers = table(name)["ds"]
    steps = np.diff(numbers)
    offered = "if they only number the rows" in diagnose(table(name)).errors[0].instruction()
    if numbers.dtype.kind == "f":
        assert not offered
    elif (steps == steps[0]).all():
        assert offered


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_read_again(name, tmp_path):
    """Rows to be filled in are written as the table has its stamps."""
    setting = WRITTEN[name][2]
    index = pd.Series(stamps_of(name))
    for stamps in (index, index.dt.tz_localize("UTC"), index.dt.tz_localize("Asia/Kolkata")):
        tz = str(stamps.dt.tz) if stamps.dt.tz else None
        written = pd.DataFrame({"ds": write_stamps(stamps, setting), "y": 1.0})
        written.to_csv(tmp_path / "rows.csv", index=False)
        expected = stamps.to_numpy() if tz is None else stamps.dt.tz_convert(None).to_numpy()
        for source in (written, tmp_path / "rows.csv"):
            panel = load_panel(source, table_format=TableFormat(time_format=setting, tz=tz))
            assert np.array_equal(panel.timestamps, expected.astype("datetime64[ns]"))
            assert panel.freq.tz == (tz or ("UTC" if setting.startswith("unix") else None))
    if table(name)["ds"].dtype.kind == "i" and setting.startswith(("unix", "excel")):
        assert (write_stamps(index, setting) == table(name)["ds"]).all()


def test_four_months_or_four_quarters_are_asked_about():
    frame = pd.DataFrame({"ds": [202001, 202002, 202003, 202004], "y": range(4)})
    finding = diagnose(frame).errors[0]
    assert "months (2020-01-01) or quarters (2020-01-01)" in finding.message
    assert finding.instruction() == (
        'pass time_format="%Y%m" for months, or time_format="year_quarter" for quarters, or '
        'freq="1" if they only number the rows'
    )
    assert load_panel(frame, table_format=TableFormat(time_format="%Y%m")).freq.alias == "MS"
    assert (
        load_panel(frame, table_format=TableFormat(time_format="year_quarter")).freq.alias
        == "QS-JAN"
    )
    assert load_panel(frame, freq="1").freq.is_integer


@pytest.mark.parametrize("year", [2001, 2011, 2019, 2020, 2021])
def test_weeks_and_days_of_six_digits_are_told_apart(year):
    for freq, text, setting in (
        ("D", "%y%m%d", "%y%m%d"),
        ("W-MON", "%G%V", "year_week"),
        ("MS", "%Y%m", "%Y%m"),
    ):
        index = pd.date_range(f"{year}-09-01", periods=70, freq=freq)
        frame = pd.DataFrame({"ds": index.strftime(text).astype(int), "y": 1.0})
        if frame["ds"].min() < 100_000:  # days of 2001 to 2009 have lost their first digit
            continue
        with pytest.raises(DataError, match=f'time_format="{setting}"$'):
            load_panel(frame)
        panel = load_panel(frame, table_format=TableFormat(time_format=setting))
        assert np.array_equal(panel.timestamps, index.to_numpy(dtype="datetime64[ns]"))


def test_what_was_said_to_be_an_index_stays_one():
    """Models that learned such numbers as an index go on reading them so."""
    frame = pd.DataFrame({"ds": 45_292 + np.arange(80), "y": 1.0})
    for freq in ("1", " 1 "):
        assert load_panel(frame, freq=freq).freq.alias == "1"
    with pytest.raises(DataError, match="Excel days"):
        load_panel(frame, freq="D")


@pytest.mark.parametrize("slip", [0, 20_201_301, -1])
def test_a_slip_does_not_hide_the_dates(slip):
    frame = table("days")
    frame.loc[50, "ds"] = slip
    with pytest.raises(DataError, match="Pass time_format"):
        load_panel(frame)
    with pytest.raises(DataError, match="row 50"):
        load_panel(frame, table_format=TableFormat(time_format="%Y%m%d"))


def test_missing_numbers_are_named(tmp_path):
    for name in ("months", "excel", "unix ms", "excel hours"):
        frame = table(name).astype({"ds": float})
        frame.loc[50, "ds"] = np.nan
        frame.to_csv(tmp_path / "hole.csv", index=False)
        for source, place in ((frame, "row 50"), (tmp_path / "hole.csv", "line 52")):
            with pytest.raises(DataError, match="look like"):
                load_panel(source)
            with pytest.raises(DataError, match=f"ds is empty: .*{place}"):
                load_panel(source, table_format=TableFormat(time_format=WRITTEN[name][2]))


def test_cells_that_are_no_dates_are_named():
    cases = {
        "unix_s": "soon",
        "excel": "45292,5",
        "year_quarter": "202005",
        "year_week": "202153",
        "decimal_year": "1949.04",
    }
    for number_format, cell in cases.items():
        stamps = write_stamps(
            pd.Series(pd.date_range("2020-01-01", periods=20, freq="QS")), number_format
        )
        frame = pd.DataFrame({"ds": stamps.astype(str), "y": 1.0})
        frame.loc[5, "ds"] = cell
        with pytest.raises(
            DataError, match=f"{cell}.*does not fit the format of the other rows.*row 5"
        ):
            load_panel(frame, table_format=TableFormat(time_format=number_format))
    with pytest.raises(DataError, match=r"before 1678 or after 2261.*time_format"):
        load_panel(table("unix ms"), table_format=TableFormat(time_format="unix_s"))


def test_dates_as_forecasts_show_them_are_read_beside_any_format(tmp_path):
    """The rows of `make_future_frame` hold dates, whatever the table holds."""
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=30, freq="h"), "y": 1.0})
    frame.to_csv(tmp_path / "dates.csv", index=False)
    for time_format in ("%Y%m", "%d.%m.%Y", *NUMBER_FORMATS):
        for source in (frame, tmp_path / "dates.csv"):
            panel = load_panel(source, table_format=TableFormat(time_format=time_format))
            assert np.array_equal(panel.timestamps, frame["ds"].to_numpy(dtype="datetime64[ns]"))
    swapped = frame.assign(ds=frame["ds"].dt.strftime("%Y-%d-%m"))[:1]
    panel = load_panel(swapped, freq="D", table_format=TableFormat(time_format="%Y-%d-%m"))
    assert panel.timestamps[0] == np.datetime64("2024-01-01")


@pytest.mark.parametrize("wrong", ["unix-ms", "unix", "index", "Excel", "yyyy-mm", ""])
def test_formats_that_are_none_are_refused_with_the_names_there_are(wrong):
    with pytest.raises(
        ConfigError,
        match=r"time_format is .*expected a strptime format such as '%Y%m' or one of unix_s",
    ):
        TableFormat(time_format=wrong)


def test_years_with_a_decimal_point_are_whole_years():
    frame = pd.DataFrame({"ds": np.arange(1950.0, 2020.0), "y": np.arange(70.0)})
    panel = load_panel(frame)
    assert panel.timestamps.tolist() == list(range(1950, 2020))
    assert panel.freq.alias == "1"
    with pytest.raises(DataError, match="years with months as fractions"):
        load_panel(frame.assign(ds=frame["ds"] + 0.5))


COUNTED_MONTHS = {
    "three years": [f"{year}-{month:02d}" for year in (1, 2, 3) for month in range(1, 13)],
    "beyond twelve": [f"{1 + row // 12}-{1 + row % 12:02d}" for row in range(160)],
    "quarters": [f"{year}/{quarter}" for year in range(1, 9) for quarter in range(1, 5)],
    "from year 0": [f"{row // 12}-{1 + row % 12:02d}" for row in range(30)],
}


@pytest.mark.parametrize("name", COUNTED_MONTHS)
def test_counted_years_are_no_dates(name):
    cells = COUNTED_MONTHS[name]
    frame = pd.DataFrame({"ds": cells, "y": np.arange(float(len(cells)))})
    (finding,) = diagnose(frame).errors
    assert finding.code == "counted_years"
    assert "count the years from" in finding.message
    (settings,) = finding.settings
    assert settings == {"data.time_col": "none"}
    panel = load_panel(frame, Columns(time_col="none"))
    assert panel.values[:, 0].tolist() == frame["y"].tolist()
    assert panel.timestamps.tolist() == list(range(len(cells)))


def test_months_before_their_years_are_dates_all_the_same():
    months = pd.date_range("2001-01-01", periods=30, freq="MS")
    cells = [f"{month.month}-{month.year % 100:02d}" for month in months]
    panel = load_panel(pd.DataFrame({"ds": cells, "y": np.arange(30.0)}))
    assert panel.timestamps.tolist() == months.as_unit("ns").to_numpy().tolist()


@pytest.mark.parametrize(
    ("numbers", "advice"),
    [
        (np.arange(40) + 0.25, "or number the rows of each series with whole numbers"),
        (2000 + np.arange(104) / 52, "or number the rows of each series with whole numbers"),
        (np.arange(40.0), "Cast it to whole numbers"),
        (np.arange(2190.0, 2230.0), "Cast it to whole numbers"),
    ],
)
def test_advice_on_other_floats_makes_no_twelve_rows_of_one_stamp(numbers, advice):
    frame = pd.DataFrame({"ds": numbers, "y": 1.0})
    with pytest.raises(DataError, match=advice):
        load_panel(frame)
    with pytest.raises(DataError, match="Cast it to whole numbers"):
        load_panel(pd.DataFrame({"ds": np.arange(40).astype(str), "y": 1.0}))
    followed = (
        frame.astype({"ds": int}) if "Cast" in advice else frame.assign(ds=np.arange(len(frame)))
    )
    assert load_panel(followed).num_rows == len(frame)


def accepted(numbers: np.ndarray) -> None:
    frame = pd.DataFrame({"ds": numbers, "y": 1.0})
    panel = load_panel(frame, gaps="skip")
    assert panel.freq.is_integer
    assert np.array_equal(panel.timestamps, np.unique(numbers))


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(5), np.arange(1, 300), np.arange(0, 100_001), np.arange(1, 60_000), np.arange(0,
        500_000, 100),
        np.arange(1900, 2025), np.arange(1950, 2020, 10), np.arange(-50, 50), np.arange(10_000,
        32_000),
        np.arange(100_000, 190_000), np.arange(200_000, 210_000), np.arange(2_000_000, 2_010_000),
        np.arange(20_000_000, 20_300_000), np.arange(0, 80_000, 24), np.arange(40_000, 50_000, 100),
        np.arange(40_000, 50_000, 24), np.arange(20_000, 60_000), np.arange(0, 4_000_000_000,
        1_000_000),
        np.arange(10**8, 10**8 + 500), np.arange(5 * 10**9, 5 * 10**9 + 500),
        10**18 * 5 + np.arange(50),
        np.arange(2_024_001, 2_024_300), np.arange(202_301, 202_351), np.arange(231_001, 231_031),
        np.arange(20_231, 20_235),
    ],
)  # fmt: skip
def test_numbers_of_rows_are_not_asked_about(numbers):
    accepted(numbers)


@given(
    first=st.one_of(st.integers(0, 1), st.integers(-10_000, 19_000)),
    step=st.sampled_from([1, 1, 1, 2, 5, 7, 10, 12, 24, 60, 100, 1000, 3600]),
    rows=st.integers(20, 3000),
    dropped=st.sets(st.integers(1, 18), max_size=4),
)
def test_an_index_from_a_usual_start_is_never_asked_about(first, step, rows, dropped):
    accepted(np.delete(first + step * np.arange(rows, dtype=np.int64), sorted(dropped)))


@given(
    first=st.integers(0, 3 * 10**8),
    rows=st.integers(400, 1500),
    dropped=st.sets(st.integers(1, 300), max_size=20),
)
def test_rows_that_are_numbered_from_anywhere_are_asked_about_as_excel_days_alone(
    first, rows, dropped
):
    numbers = np.delete(first + np.arange(rows, dtype=np.int64), sorted(dropped))
    if first >= 32_874 and numbers[-1] <= 54_789:
        with pytest.raises(
            DataError, match=r'Excel days .* or freq="1" if they only number the rows'
        ):
            accepted(numbers)
        assert load_panel(
            pd.DataFrame({"ds": numbers, "y": 1.0}), freq="1", gaps="skip"
        ).freq.is_integer
    else:
        accepted(numbers)
