"""Sheets of Excel workbooks, compared with the frames and CSV files of the same table."""

from __future__ import annotations

import sys
from datetime import date, datetime

import numpy as np
import openpyxl
import pandas as pd
import pytest
from data.bad_tables import clean

from forecast.cli import main
from forecast.data.doctor import diagnose
from forecast.data.findings import BadTableError
from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError, DataError
from forecast.experiment.settings import DataConfig

SALES = Columns(time_col="date", target_cols=("sales",))


def write(path, **sheets):
    """Write sheets, each a list of rows; returns the path."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def sales(days=30, first=1.5):
    stamps = pd.date_range("2024-01-01", periods=days)
    return [
        ["date", "sales"],
        *([stamp.to_pydatetime(), first + day] for day, stamp in enumerate(stamps)),
    ]


def same(panel, other):
    assert list(panel.series_ids) == list(other.series_ids)
    assert panel.freq == other.freq
    assert np.array_equal(panel.timestamps, other.timestamps)
    # a workbook has numbers of at most 16 digits
    np.testing.assert_allclose(panel.values, other.values, rtol=1e-14)


@pytest.mark.parametrize("freq", ["D", "h", "15min", "s", "MS"])
def test_a_workbook_equals_its_frame(freq, tmp_path):
    frame = pd.concat(
        [clean(rows=500, freq=freq).assign(unique_id=name) for name in ("b", "a")],
        ignore_index=True,
    )
    frame.to_excel(tmp_path / "table.xlsx", index=False)
    same(load_panel(tmp_path / "table.xlsx"), load_panel(frame))
    frame.to_csv(tmp_path / "table.csv", index=False)
    same(load_panel(tmp_path / "table.xlsx"), load_panel(tmp_path / "table.csv"))


def test_a_wide_workbook_equals_its_frame(tmp_path):
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), 2023: 1.5, "south": 4})
    frame.loc[3, "south"] = 7
    frame.loc[:4, 2023] = np.nan
    frame.to_excel(tmp_path / "wide.xlsx", index=False)
    wide = TableFormat(layout="wide")
    columns = Columns(time_col="date")
    same(
        load_panel(tmp_path / "wide.xlsx", columns, table_format=wide),
        load_panel(frame, columns, table_format=wide),
    )
    frame = frame.astype({"south": object})
    frame.loc[5, "south"] = "abc"
    frame.to_excel(tmp_path / "wide.xlsx", index=False)
    with pytest.raises(DataError, match=r"'abc', which is not a number, in 1 row.*row 7 "):
        load_panel(tmp_path / "wide.xlsx", columns, table_format=wide)


def test_the_only_sheet_that_is_not_empty_is_read(tmp_path):
    path = write(tmp_path / "a.xlsx", Notes=[], Sales=sales(), Empty=[[None, ""]])
    assert load_panel(path, SALES).num_rows == 30
    assert load_panel(path, SALES).notes == ()
    other = load_panel(path, SALES, table_format=TableFormat(sheet="January"))
    assert other.notes == ("a.xlsx has no sheet 'January': its only sheet, 'Sales', is read",)


def test_several_sheets_are_asked_about(tmp_path):
    path = write(tmp_path / "a.xlsx", North=sales(30), South=sales(20))
    expected = (
        r"a.xlsx has 2 sheets: 'North' \(begins with 'date', 'sales'\), 'South' \(begins with "
        r"'date', 'sales'\). Pass sheet=\"North\", or sheet="
    )
    with pytest.raises(DataError, match=expected):
        load_panel(path, SALES)
    assert load_panel(path, SALES, table_format=TableFormat(sheet="North")).num_rows == 30
    assert load_panel(path, SALES, table_format=TableFormat(sheet="South")).num_rows == 20
    with pytest.raises(DataError, match=r"no sheet 'Nort'; its sheets are .*Pass sheet=\"North\""):
        load_panel(path, SALES, table_format=TableFormat(sheet="Nort"))


def test_the_sheet_with_most_data_is_proposed_first(tmp_path):
    words = [["A workbook", "of sales"], *([f"line {row}", "of text"] for row in range(40))]
    path = write(tmp_path / "a.xlsx", README=words, Short=sales(10), Long=sales(30))
    with pytest.raises(BadTableError) as caught:
        load_panel(path, SALES)
    assert [change["data.sheet"] for change in caught.value.finding.settings] == ["Long", "Short"]
    texts = write(tmp_path / "b.xlsx", One=words, Two=words)
    with pytest.raises(BadTableError) as caught:
        load_panel(texts, SALES)
    assert [change["data.sheet"] for change in caught.value.finding.settings] == ["One", "Two"]


def test_hidden_sheets_are_read_by_name_only(tmp_path):
    path = write(tmp_path / "a.xlsx", Shown=sales(30), Hidden=sales(20))
    workbook = openpyxl.load_workbook(path)
    workbook["Hidden"].sheet_state = "hidden"
    workbook.save(path)
    panel = load_panel(path, SALES)
    assert panel.num_rows == 30
    assert panel.notes == ("a.xlsx: hidden sheets are read by name only: 'Hidden'",)
    assert load_panel(path, SALES, table_format=TableFormat(sheet="Hidden")).num_rows == 20


def test_numbers_stored_as_text_are_read_like_cells_of_a_csv_file(tmp_path):
    header = ["id", "date", "sales"]
    rows = [["007", "2024-01-01", "1.5"], ["007", "2024-01-02", 2], ["007", "2024-01-03", "NA"]]
    path = write(tmp_path / "a.xlsx", Sales=[header, *rows])
    pd.DataFrame(rows, columns=header).to_csv(tmp_path / "a.csv", index=False)
    columns = Columns(id_col="id", time_col="date", target_cols=("sales",))
    options = {"allow_missing": True, "cut_future": False}
    same(load_panel(path, columns, **options), load_panel(tmp_path / "a.csv", columns, **options))
    assert load_panel(path, columns, **options).series_ids.tolist() == ["007"]


@pytest.mark.parametrize("ids", [("1", "2"), (1, 2), (1, "2"), ("01", 1), ("x", 3)])
def test_ids_equal_those_of_a_csv_file(ids, tmp_path):
    header = ["unique_id", "ds", "y"]
    rows = [[name, datetime(2024, 1, day), day] for name in ids for day in range(1, 9)]
    path = write(tmp_path / "a.xlsx", Sales=[header, *rows])
    pd.DataFrame(rows, columns=header).to_csv(tmp_path / "a.csv", index=False)
    panel = load_panel(path)
    same(panel, load_panel(tmp_path / "a.csv"))
    assert list(map(type, panel.series_ids)) == list(
        map(type, load_panel(tmp_path / "a.csv").series_ids)
    )


def test_dates_of_excel_and_text_dates_in_one_column(tmp_path):
    stamps = [date(2024, 1, 1), datetime(2024, 1, 2), "2024-01-03", date(2024, 1, 4)]
    rows = [[stamp, number] for number, stamp in enumerate(stamps)]
    path = write(tmp_path / "a.xlsx", Sales=[["date", "sales"], *rows])
    panel = load_panel(path, SALES)
    assert panel.timestamps.astype("datetime64[D]").tolist() == [
        date(2024, 1, d) for d in (1, 2, 3, 4)
    ]


def test_days_that_are_only_numbers_are_asked_about(tmp_path):
    rows = [[45292 + day, 1.5 * day] for day in range(9)]
    path = write(tmp_path / "a.xlsx", Sales=[["date", "sales"], *rows])
    with pytest.raises(DataError, match="Excel days"):
        load_panel(path, SALES)
    panel = load_panel(path, SALES, table_format=TableFormat(time_format="excel"))
    assert panel.timestamps[0] == np.datetime64("2024-01-01")


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%Y%m%d"])
def test_text_dates_in_a_format(written, tmp_path):
    rows = [[stamp.strftime(written), value] for stamp, value in sales()[1:]]
    path = write(tmp_path / "a.xlsx", Sales=[["date", "sales"], *rows])
    panel = load_panel(path, SALES, table_format=TableFormat(time_format=written))
    same(panel, load_panel(write(tmp_path / "b.xlsx", Sales=sales()), SALES))


def test_ids_of_more_digits_than_excel_keeps_get_a_note(tmp_path):
    rows = [[123456789012345678, *row] for row in sales()[1:]]
    path = write(tmp_path / "a.xlsx", Sales=[["unique_id", "date", "sales"], *rows])
    panel = load_panel(path, SALES)
    # as written here; Excel itself writes 123456789012345000
    assert panel.series_ids.tolist() == [123456789012345700]
    assert "unique_id contains 123456789012345700: " in panel.notes[0]
    assert "Excel keeps 15 digits" in panel.notes[0]
    short = [["123456789012345678", *row[1:]] for row in rows]
    panel = load_panel(
        write(tmp_path / "b.xlsx", Sales=[["unique_id", "date", "sales"], *short]), SALES
    )
    assert panel.notes == ()
    assert panel.series_ids.tolist() == [123456789012345678]


def test_empty_rows_and_columns_are_left_out_and_rows_are_those_of_excel(tmp_path):
    table = [[], ["", *sales()[0], "", " "], *([None, *row] for row in sales()[1:])]
    table.insert(5, [])
    path = write(tmp_path / "a.xlsx", Sales=table)
    panel = load_panel(path, SALES)
    assert panel.num_rows == 30
    assert panel.notes == ("a.xlsx: 1 empty row of sheet 'Sales' left out",)
    table[10][2] = "none at all"
    with pytest.raises(DataError, match=r"'none at all', .*in 1 row: series 'series', row 11 \("):
        load_panel(write(path, Sales=table), SALES)


@pytest.mark.parametrize(
    "before", [[["Sales of a shop"]], [["Shop", 7], [], ["made", "by", "hand"]]]
)
def test_rows_before_the_header_are_left_out_with_a_note(before, tmp_path):
    table = [*before, *sales()]
    path = write(tmp_path / "a.xlsx", Sales=table)
    panel = load_panel(path, SALES)
    assert panel.num_rows == 30
    count = sum(map(bool, before))
    shown = ", ".join(repr(str(cell)) for cell in before[0])
    rows = "row" if count == 1 else "rows"
    assert panel.notes == (f"a.xlsx: {count} {rows} before the header left out: {shown}",)
    table[len(before) + 3][1] = "warm"
    with pytest.raises(DataError, match=rf"'warm', .* row {len(before) + 4} \("):
        load_panel(write(path, Sales=table), SALES)
    if count == 1:  # without the name of the time column
        with pytest.raises(DataError, match="no column 'ds'; the columns are 'date', 'sales'"):
            load_panel(path, USUAL_ROLES)


def test_without_the_package_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "a.xlsx", Sales=sales())
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(
        DataError, match=r"Run pip install 'bigru-forecast\[excel\]', or save"
    ) as caught:
        load_panel(path, SALES)
    assert "\n" not in str(caught.value)


def test_a_sheet_is_a_setting_of_workbooks():
    assert DataConfig(source="a.xlsx", sheet="x", decimal=",").table_format.sheet == "x"
    for source in ("a.csv", "a.parquet", "dataset:air_passengers"):
        with pytest.raises(ConfigError, match=r"sheet is .*which is no Excel workbook"):
            DataConfig(source=source, sheet="x")
    with pytest.raises(ConfigError, match=r"separator is .*which is no CSV file"):
        DataConfig(source="a.xlsx", separator=";")


def test_a_workbook_under_another_name_hears_of_its_ending(tmp_path):
    path = write(tmp_path / "a.xlsx", Sales=sales())
    renamed = path.rename(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"Let the name of a workbook end in \.xlsx"):
        load_panel(renamed, SALES)
    assert load_panel(renamed.rename(path), SALES).num_rows == 30


def test_check_reads_a_sheet_by_name(tmp_path, capsys):
    path = write(tmp_path / "a.xlsx", North=sales(30), South=sales(20))
    given = ["check", str(path), "--time", "date", "--target", "sales"]
    assert main(given) == 2
    assert "pass --sheet North, or --sheet South" in capsys.readouterr().out
    assert main([*given, "--sheet", "South"]) == 0
    assert "rows    20" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [[], [["date", "sales"]]])
def test_a_workbook_without_rows_is_refused(rows, tmp_path):
    diagnosis = diagnose(write(tmp_path / "a.xlsx", Sales=rows), SALES)
    assert diagnosis.errors[0].code in ("no_rows", "empty_file")
