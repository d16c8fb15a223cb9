"""Tables with dates, or parts of dates, across their columns: read as pandas would melt them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Columns, Experiment, Forecaster, diagnose, load_panel
from forecast.data.layouts.labels import find_dates
from forecast.data.panel import Panel
from forecast.data.read import TableFormat
from forecast.errors import DataError
from forecast.experiment.prepare import open_panel, prepare

MONTHS = pd.date_range("2019-11-01", periods=30, freq="MS")
DAYS = pd.date_range("2020-01-22", periods=40)
YEARS = pd.date_range("1990-01-01", periods=30, freq="YS")
QUARTERS = pd.date_range("2010-01-01", periods=24, freq="QS")


def us_dates(days: pd.DatetimeIndex) -> list[str]:
    """Dates without leading zeros, as 1/22/20."""
    return [f"{day.month}/{day.day}/{day:%y}" for day in days]


HEADERS: dict[str, tuple[list[str], pd.DatetimeIndex]] = {
    "2024-01": (list(MONTHS.strftime("%Y-%m")), MONTHS),
    "Jan-24": (list(MONTHS.strftime("%b-%y")), MONTHS),
    "Jan 2024": (list(MONTHS.strftime("%b %Y")), MONTHS),
    "January 2024": (list(MONTHS.strftime("%B %Y")), MONTHS),
    "202401": (list(MONTHS.strftime("%Y%m")), MONTHS),
    "2024M01": (list(MONTHS.strftime("%YM%m")), MONTHS),
    "01/2024": (list(MONTHS.strftime("%m/%Y")), MONTHS),
    "X2024.01.01": (list(MONTHS.strftime("X%Y.%m.%d")), MONTHS),
    "sales_2024_01": (list(MONTHS.strftime("sales_%Y_%m")), MONTHS),
    "2024-01-01 00:00:00": (list(MONTHS.strftime("%Y-%m-%d %H:%M:%S")), MONTHS),
    "1990": (list(YEARS.strftime("%Y")), YEARS),
    "1990 [YR1990]": (list(YEARS.strftime("%Y [YR%Y]")), YEARS),
    "Y1990": (list(YEARS.strftime("Y%Y")), YEARS),
    "1990 with a space": (list(YEARS.strftime("%Y ")), YEARS),
    "1990 (GWh)": (list(YEARS.strftime("%Y (GWh)")), YEARS),
    "2024-Q1": ([f"{day.year}-Q{day.quarter}" for day in QUARTERS], QUARTERS),
    "Q1 2024": ([f"Q{day.quarter} {day.year}" for day in QUARTERS], QUARTERS),
    "1/22/20": (us_dates(DAYS), DAYS),
    "22.01.2020": (list(DAYS.strftime("%d.%m.%Y")), DAYS),
    "20200122": (list(DAYS.strftime("%Y%m%d")), DAYS),
    "2020-01-22": (list(DAYS.strftime("%Y-%m-%d")), DAYS),
    "22-Jan-2020": (list(DAYS.strftime("%d-%b-%Y")), DAYS),
}


def numbers(rows: int, columns: int) -> np.ndarray:
    """Distinct numbers, one row per series."""
    return np.round(np.random.default_rng(rows).normal(50, 9, size=(rows, columns)), 3)


def wide(labels: list[str]) -> pd.DataFrame:
    """Three series, one a row."""
    table = pd.DataFrame(numbers(3, len(labels)), columns=labels)
    table.insert(0, "shop", ["south", "north", "east"])
    return table


def as_frame(panel: Panel) -> pd.DataFrame:
    """A panel with one target as a long table."""
    return pd.DataFrame(
        {
            "id": panel.series_ids[panel.series_of_rows()],
            "ds": panel.timestamps,
            "y": panel.values[:, 0],
        }
    )


def melted(table: pd.DataFrame, labels: list[str], stamps: pd.DatetimeIndex) -> pd.DataFrame:
    """The same table as pandas melts it."""
    long = table.melt("shop", labels, "label", "y")
    long["ds"] = long["label"].map(dict(zip(labels, stamps, strict=True)))
    long = long.rename(columns={"shop": "id"})[["id", "ds", "y"]]
    return long.sort_values(["id", "ds"], ignore_index=True)


def same(panel: Panel, expected: pd.DataFrame) -> None:
    """Compare a panel with a long table, bit for bit."""
    frame = as_frame(panel)
    frame["id"] = frame["id"].astype(str)
    expected = expected.assign(ds=expected["ds"].astype("datetime64[ns]"))
    expected["id"] = expected["id"].astype(str)
    pd.testing.assert_frame_equal(frame.astype({"id": object}), expected.astype({"id": object}))


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("form", ["csv", "frame", "reversed"])
def test_one_row_per_series(case: str, form: str, tmp_path: Path) -> None:
    labels, stamps = HEADERS[case]
    table = wide(labels)
    expected = melted(table, labels, stamps)
    source: object = table
    if form == "csv":
        table.to_csv(tmp_path / "a.csv", index=False)
        source = tmp_path / "a.csv"
    if form == "reversed":
        source = table[["shop", *labels[::-1]]]
    panel = load_panel(source)
    same(panel, expected)
    assert panel.columns.id_col == "shop"
    assert any("each row is a series, named by 'shop'" in note for note in panel.notes)


def test_dates_as_column_names_of_a_frame_and_of_a_workbook(tmp_path: Path) -> None:
    table = pd.DataFrame(numbers(3, 30), index=["south", "north", "east"], columns=MONTHS)
    table = table.rename_axis("shop").reset_index()
    labels = [str(month) for month in MONTHS]
    expected = melted(table.rename(columns=dict(zip(MONTHS, labels, strict=True))), labels, MONTHS)
    same(load_panel(table), expected)
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [table.columns.tolist(), *table.to_numpy().tolist()]:
        book.active.append([cell.to_pydatetime() if hasattr(cell, "day") else cell for cell in row])
    book.save(tmp_path / "a.xlsx")
    same(load_panel(tmp_path / "a.xlsx"), expected)


def test_counted_steps() -> None:
    labels = [f"d_{step}" for step in range(1, 41)]
    table = pd.DataFrame(numbers(2, 40), columns=labels)
    table.insert(0, "id", ["HOBBIES_1_001", "HOBBIES_1_002"])
    table.insert(1, "dept_id", "HOBBIES_1")
    panel = load_panel(table)
    assert panel.freq.is_integer
    assert panel.timestamps.tolist() == [*range(1, 41)] * 2
    np.testing.assert_array_equal(panel.values[:, 0], table[labels].to_numpy().ravel())


LONG = {
    "a usual table": ["unique_id", "ds", "y"],
    "two years": ["id", "ds", "2019", "2020"],
    "features that are counted": ["date", *(f"d{number}" for number in range(20))],
    "lags": ["ds", "y", *(f"x{number}" for number in range(30))],
    "sensors": ["ds", "s_1", "s_2", "s_3", "s_4", "s_5", "s_6", "s_7", "s_8", "s_9"],
}


@pytest.mark.parametrize("case", LONG)
def test_a_usual_header_has_no_dates(case: str) -> None:
    assert find_dates(LONG[case], None, is_asked=False).names == ()


def test_roles_that_name_columns_keep_a_table_long() -> None:
    columns_of_years = {str(year): np.arange(40.0) ** 2 % year for year in range(1990, 2020)}
    table = pd.DataFrame({"date": DAYS, **columns_of_years})
    columns = Columns(time_col="date", target_cols=("1990", "1991"))
    assert load_panel(table, columns).columns.target_cols == ("1990", "1991")
    with pytest.raises(DataError, match="30 columns could be the target"):
        load_panel(table, table_format=TableFormat(layout="long"))


def test_an_order_of_day_and_month_is_asked_about_and_settled() -> None:
    labels = list(pd.date_range("2020-01-01", periods=12, freq="MS").strftime("%d/%m/%y"))
    table = wide(labels)
    found = diagnose(table)
    assert [finding.code for finding in found.errors] == ["ambiguous_dates"]
    panel = load_panel(table, table_format=TableFormat(time_format="%d/%m/%y"))
    assert panel.freq.alias == "MS"
    assert panel.num_rows == 36


def test_missing_cells_around_a_series_and_inside(tmp_path: Path) -> None:
    labels, stamps = HEADERS["1990 [YR1990]"]
    table = wide(labels).astype(object)
    table.loc[3] = ["Source: Office", *[None] * 30]
    table.loc[4] = ["Total", *table.loc[:2, labels].sum()]
    table.iloc[0, 1:5] = ".."  # has not begun yet
    table.iloc[1, -2:] = ".."
    table.to_csv(tmp_path / "a.csv", index=False)
    panel = load_panel(tmp_path / "a.csv")
    expected = melted(table[:3], labels, stamps)
    same(panel, expected[expected["y"] != ".."].astype({"y": float}).reset_index(drop=True))
    notes = " ".join(panel.notes)
    assert "'..' in 6 cells taken as missing" in notes
    assert "left out: 1 row (line 5 'Source: Office')" in notes
    assert "left out: 1 row (line 6 'Total')" in notes

    table.iloc[2, 10] = ".."
    table.to_csv(tmp_path / "a.csv", index=False)
    found = diagnose(tmp_path / "a.csv")
    assert [finding.code for finding in found.errors] == ["missing_values"]
    assert "series 'east', line 4 (1999-01-01)" in found.errors[0].message


def test_the_first_column_of_words_that_tells_the_rows_apart_is_the_id() -> None:
    labels, _ = HEADERS["1990"]
    table = wide(labels)
    table.insert(0, "kind", "sales")
    table.insert(0, "rank", [3, 1, 2])
    assert load_panel(table).columns.id_col == "shop"
    assert load_panel(table.drop(columns="shop")).columns.id_col == "rank"
    assert load_panel(table, Columns(id_col="rank")).series_ids.tolist() == [1, 2, 3]
    table["shop"] = "same"
    table["rank"] = 1
    assert [finding.code for finding in diagnose(table).errors] == ["same_rows"]


def test_ids_keep_their_zeros(tmp_path: Path) -> None:
    labels, _ = HEADERS["1990"]
    table = wide(labels).assign(shop=["01", "1", "001"])
    table.to_csv(tmp_path / "a.csv", index=False)
    assert load_panel(tmp_path / "a.csv").series_ids.tolist() == ["001", "01", "1"]


def months_by_years(values: np.ndarray) -> pd.DataFrame:
    """Years down, months across, as weather services write."""
    names = [f"{month:%b}" for month in pd.date_range("2000-01-01", periods=12, freq="MS")]
    table = pd.DataFrame(values.reshape(-1, 12), columns=names)
    table.insert(0, "Year", range(2000, 2000 + len(table)))
    return table.assign(Annual=values.reshape(-1, 12).sum(axis=1))


def years_by_months(values: np.ndarray) -> pd.DataFrame:
    """Months down, years across."""
    square = months_by_years(values)
    return square.drop(columns="Annual").set_index("Year").T.rename_axis("Month").reset_index()


def quarters_by_years(values: np.ndarray) -> pd.DataFrame:
    """Years down, quarters across."""
    table = pd.DataFrame(values.reshape(-1, 4), columns=["Q1", "Q2", "Q3", "Q4"])
    table.insert(0, "year", range(2000, 2000 + len(table)))
    return table


def hours_by_days(values: np.ndarray) -> pd.DataFrame:
    """Days down, hours across."""
    table = pd.DataFrame(values.reshape(-1, 24), columns=[f"H{hour:02}" for hour in range(24)])
    table.insert(0, "Date", pd.date_range("2000-01-01", periods=len(table)).strftime("%Y-%m-%d"))
    return table


SQUARES: dict[str, tuple[Callable[[np.ndarray], pd.DataFrame], str]] = {
    "months by years": (months_by_years, "MS"),
    "years by months": (years_by_months, "MS"),
    "quarters by years": (quarters_by_years, "QS"),
    "hours by days": (hours_by_days, "h"),
}


@pytest.mark.parametrize("case", SQUARES)
def test_parts_of_the_time_in_both_directions(case: str, tmp_path: Path) -> None:
    make, freq = SQUARES[case]
    values = numbers(1, 144)[0]
    table = make(values)
    stamps = pd.date_range("2000-01-01", periods=144, freq=freq)
    table.to_csv(tmp_path / "a.csv", index=False)
    for source in (table, tmp_path / "a.csv", table.iloc[::-1]):
        panel = load_panel(source)
        assert panel.timestamps.tolist() == stamps.to_numpy("datetime64[ns]").tolist()
        np.testing.assert_array_equal(panel.values[:, 0], values)


def test_a_square_for_each_station_that_ends_within_a_year() -> None:
    values = numbers(1, 144)[0]
    values[-5:] = np.nan
    tables = [months_by_years(values + shift).assign(station=name)
              for name, shift in (("b", 1), ("a", 0))]  # fmt: skip
    panel = load_panel(pd.concat(tables, ignore_index=True))
    assert panel.series_ids.tolist() == ["a", "b"]
    np.testing.assert_array_equal(
        panel.values[:, 0], np.concatenate([values[:-5], values[:-5] + 1])
    )


def test_a_run_reads_further_tables_in_the_same_way() -> None:
    labels = us_dates(DAYS)
    table = wide(labels)
    config = Forecaster(horizon=4, context_length=8, model="bigru").config
    decided = prepare(config, table).config
    assert decided.data.layout == "dates_across"
    assert decided.data.id_col == "shop"
    assert decided.data.time_format == "%m/%d/%y"
    few = table[["shop", *labels[10:20]]]  # 2/1/20 to 2/10/20 alone could be days of February
    assert [finding.code for finding in diagnose(few).errors] == ["ambiguous_dates"]
    assert open_panel(decided.data, few).freq.alias == "D"
    long = melted(table, labels, DAYS).rename(columns={"id": "shop"})
    assert open_panel(decided.data, long).num_rows == 120


def test_a_usual_table_is_decided_to_be_long() -> None:
    table = pd.DataFrame({"ds": DAYS, "y": np.arange(40.0)})
    config = Forecaster(horizon=4, context_length=8, model="bigru").config
    assert Experiment().data.layout == "auto"
    assert prepare(config, table).config.data.layout == "long"


def test_a_layout_without_dates_is_refused_and_its_fix_helps() -> None:
    table = pd.DataFrame({"unique_id": "a", "ds": DAYS, "value": np.arange(40.0)})
    found = diagnose(table, table_format=TableFormat(layout="dates_across")).errors
    assert [finding.code for finding in found] == ["no_dates_across"]
    assert found[0].settings == ({"data.layout": "long"},)


def test_a_guessed_format_is_kept_for_further_tables() -> None:
    days = pd.date_range("2024-01-01", periods=60)
    table = pd.DataFrame({"ds": days.strftime("%d/%m/%Y"), "y": np.arange(60.0)})
    config = Forecaster(horizon=4, context_length=8, model="bigru").config
    prepared = prepare(config, table)
    assert prepared.config.data.time_format == "%d/%m/%Y"
    assert "13/01/2024" in prepared.reasons["data.time_format"]

    few = pd.DataFrame({"ds": ["01/02/2024", "02/02/2024"], "y": [1.0, 2.0]})
    assert [finding.code for finding in diagnose(few).errors] == ["ambiguous_dates"]
    stamps = open_panel(prepared.config.data, few).timestamps
    assert pd.DatetimeIndex(stamps).strftime("%Y-%m-%d").tolist() == ["2024-02-01", "2024-02-02"]

    other = few.assign(ds=["02/13/2024", "02/14/2024"])
    with pytest.raises(DataError, match="'02/13/2024', which does not fit time_format '%d/%m/%Y'"):
        open_panel(prepared.config.data, other)
    iso = few.assign(ds=["2024-02-01", "2024-02-02"])
    assert open_panel(prepared.config.data, iso).timestamps.tolist() == stamps.tolist()


def test_a_format_that_leaves_no_doubt_is_not_kept() -> None:
    days = pd.date_range("2024-01-01", periods=60)
    table = pd.DataFrame({"ds": days.strftime("%Y-%m-%d"), "y": np.arange(60.0)})
    config = Forecaster(horizon=4, context_length=8, model="bigru").config
    assert prepare(config, table).config.data.time_format is None
