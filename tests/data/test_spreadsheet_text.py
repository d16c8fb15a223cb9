"""Text as spreadsheets and web services write it: lines before the header, empty columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.errors import DataError

TEMP = Columns(time_col="date", target_cols=("temp",))
ROWS = [f"2024-01-{day:02d},{day * 1.5}" for day in range(1, 31)]


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def assert_whole(panel):
    assert panel.values[:, 0].tolist() == [day * 1.5 for day in range(1, 31)]
    assert panel.timestamps[0] == np.datetime64("2024-01-01")


BEFORE = {
    "comments": ["# station 12, export of 2024-04-01", "# unit: degC"],
    "title": ["Temperatures of station 12"],
    "title and blank": ["Temperatures", ""],
    "blank, title": ["", "Category: All categories", "", ""],
    "metadata": ["station,12,Berlin", "made,2024-04-01,by,hand"],
    "comment of one word": ["#temperatures"],
    "quoted": ['"Temperatures, all of them"'],
    "comments with commas": ["# a,b", "# c,d", "# e,f"],
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lines_before_the_header_are_left_out_with_a_note(before, separator, tmp_path):
    lines = [line.replace(",", separator) for line in ["date,temp", *ROWS]]
    path = write(tmp_path / "a.csv", *before, *lines)
    panel = load_panel(path, TEMP)
    assert_whole(panel)
    written = [line for line in before if line]
    assert f"{len(written)} line{'s' * (len(written) > 1)} before the header" in panel.notes[-1]
    assert repr(written[0]) in panel.notes[-1]
    lines[9] = lines[9].rpartition(separator)[0] + separator + "warm"
    with pytest.raises(DataError, match=f"'warm', .* line {len(before) + 10} "):
        load_panel(write(path, *before, *lines), TEMP)


def test_the_header_is_found_without_the_names_of_its_columns(tmp_path):
    path = write(tmp_path / "a.csv", "Temperatures of station 12", "", "date,temp", *ROWS)
    with pytest.raises(DataError, match="there is no column 'ds'; the columns are 'date', 'temp'"):
        load_panel(path, USUAL_ROLES)


def test_years_as_names_of_columns(tmp_path):
    wide = ["Sales of a shop", "date,2023,2024", *(f"{row},7" for row in ROWS)]
    path = write(tmp_path / "a.csv", *wide)
    columns = Columns(time_col="date")
    panel = load_panel(path, columns, table_format=TableFormat(layout="wide"))
    assert panel.num_series == 2


@pytest.mark.parametrize("dates", ["{0}", "{0}-01", "{0}Q1", "{0}M01"])
def test_dates_across_below_lines_of_words(dates, tmp_path):
    """As the World Bank writes its files."""
    years = [dates.format(year) for year in range(1990, 2020)]
    above = ['"Data Source","World Development Indicators",', "", '"Updated","2020-01-01",', ""]
    rows = [f'"{name}","GDP",{",".join(map(str, range(30)))},' for name in ("Aruba", "Chile")]
    path = write(tmp_path / "a.csv", *above, f'"Country","Indicator",{",".join(years)},', *rows)
    panel = load_panel(path)
    assert panel.series_ids.tolist() == ["Aruba", "Chile"]
    assert panel.targets[:, 0].tolist() == [*range(30), *range(30)]


def test_a_row_of_falling_years_is_no_header(tmp_path):
    rows = [f"a,2{number}00,1900" for number in range(9, 0, -1)]
    path = write(tmp_path / "a.csv", "Stocks", *rows)
    with pytest.raises(DataError):
        load_panel(path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["date,temp", "2024-01-01,1", "2024-01-02,2,3", "2024-01-03,4"], "line 3 of a.csv has 3"),
        (["date,temp", "2024-01-01,1", "2024-01-02", "2024-01-03,4"], "line 3 of a.csv has 1"),
        (["date,temp", *(f"{row}," for row in ROWS)], "line 2 of a.csv has 3 fields"),
        (["when,heat", "mon,warm", "tue,warm,x", "wed,cold", "thu,cold"], "'when', 'heat'"),
        (["day,temp", "a,2024-01-01,1", "b,2024-01-02,1"], "no column 'date'"),
    ],
)
def test_wrong_rows_are_not_taken_for_lines_before_the_header(lines, words, tmp_path):
    with pytest.raises(DataError, match=words):
        load_panel(write(tmp_path / "a.csv", *lines), TEMP)


def test_a_header_may_begin_with_the_mark_of_comments(tmp_path):
    path = write(tmp_path / "a.csv", "# from 2024 on", "#date,temp", *ROWS)
    assert_whole(load_panel(path, Columns(time_col="#date", target_cols=("temp",))))
    path = write(tmp_path / "b.csv", "#date,temp", *ROWS)
    assert load_panel(path, Columns(time_col="#date", target_cols=("temp",))).notes == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quoted", [False, True])
def test_empty_columns_and_rows_of_a_spreadsheet(separator, quoted, tmp_path):
    rows = ROWS
    if quoted:
        rows = [f'"{row.split(",")[0]}",{row.split(",")[1]}' for row in ROWS]
    lines = ["date,temp,, ", *(f"{row},," for row in rows), ",,,", ",,, "]
    path = write(tmp_path / "a.csv", *(line.replace(",", separator) for line in lines))
    panel = load_panel(path, TEMP)
    assert_whole(panel)
    assert "2 columns without a name or a cell left out" in panel.notes
    assert "2 rows without a cell left out: line 32, line 33" in panel.notes
    lines.insert(20, ",,,")
    lines[25] = "2024-01-24,warm,,"
    path = write(tmp_path / "a.csv", *(line.replace(",", separator) for line in lines))
    with pytest.raises(DataError, match=r"'warm', .* line 26 \(2024-01-24"):
        load_panel(path, TEMP)


def test_a_nameless_column_with_one_cell_is_kept(tmp_path):
    lines = ["date,temp,,", *(f"{row},," for row in ROWS)]
    lines[30] = "2024-01-30,45.0,,7"
    panel = load_panel(write(tmp_path / "a.csv", *lines), TEMP)
    assert_whole(panel)
    assert "1 column without a name or a cell left out" in panel.notes
    assert "columns without a role are ignored: ''" in panel.notes
    lines[30] = "2024-01-30,45.0,6,7"
    panel = load_panel(write(tmp_path / "a.csv", *lines), TEMP)
    assert_whole(panel)
    assert "columns without a role are ignored: '', ''" in panel.notes


def test_empty_columns_of_a_wide_table(tmp_path):
    lines = ["date,north,,south", *(f"{row},,{8}.5" for row in ROWS), ",,,"]
    path = write(tmp_path / "a.csv", *lines)
    panel = load_panel(path, Columns(time_col="date"), table_format=TableFormat(layout="wide"))
    assert list(panel.series_ids) == ["north", "south"]
    assert panel.num_rows == 60


def test_a_row_with_any_cell_is_not_empty(tmp_path):
    lines = ["unique_id,date,temp", *(f"a,{row}" for row in ROWS), "a,,"]
    with pytest.raises(DataError, match="line 32"):
        load_panel(write(tmp_path / "a.csv", *lines), TEMP)


@pytest.mark.parametrize("header", ["y", "Heart rate", "Heart rate (bpm)"])
def test_a_file_of_one_column_hears_that_stamps_are_missing(header, tmp_path):
    values = [str(1.5 * row) for row in range(30)]
    path = write(tmp_path / "a.csv", header, *values)
    expected = rf"a.csv has one column, '{header.split(' ')[0]}.*, and no timestamps. Pass time_col"
    with pytest.raises(DataError, match=expected):
        load_panel(path, Columns(target_cols=(header,)))
    counted = load_panel(path, Columns(time_col="none", target_cols=(header,)))
    assert counted.timestamps.tolist() == list(range(30))
    path = write(tmp_path / "a.csv", f"step,{header}", *(f"{n},{v}" for n, v in enumerate(values)))
    panel = load_panel(path, Columns(time_col="step", target_cols=(header,)))
    assert panel.num_rows == 30


@pytest.mark.parametrize("label", ["Total", "TOTAL:", "Grand total", "Sum", "Summe", " Average "])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_totals_at_the_end_are_left_out_with_a_note(label, suffix, tmp_path):
    stamps = [pd.Timestamp(row.partition(",")[0]) for row in ROWS]
    rows = [[stamp, day * 1.5] for day, stamp in enumerate(stamps, start=1)]
    path = tmp_path / f"a{suffix}"

    def save(table):
        frame = pd.DataFrame(table, columns=["date", "temp"])
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_excel(path, index=False, engine="openpyxl")

    save([*rows, [label, 697.5]])
    panel = load_panel(path, TEMP)
    assert_whole(panel)
    place = "line 32" if suffix == ".csv" else "row 32"
    assert f"1 row of totals left out: {place} ({label.strip()!r})" in panel.notes[0].replace(
        repr(label), repr(label.strip())
    )
    save([*rows[:9], [label, 7.5], *rows[9:]])  # not at the end
    with pytest.raises(DataError, match=f"date contains '{label.strip()}'|date contains '{label}'"):
        load_panel(path, TEMP)


def test_a_word_that_is_no_total_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"date contains 'Tomorrow'.* line 32"):
        load_panel(write(tmp_path / "a.csv", "date,temp", *ROWS, "Tomorrow,5"), TEMP)


def test_files_of_other_programs(tmp_path):
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), "temp": range(30)})
    frame.to_csv(tmp_path / "a.csv")  # with the index, a column without a name
    panel = load_panel(tmp_path / "a.csv", TEMP)
    assert panel.notes == ("columns without a role are ignored: ''",)


def test_lines_are_counted_below_empty_rows_and_above_totals(tmp_path):
    lines = ["date,temp", *ROWS[:10], ",", *ROWS[10:], ",", "Total,99"]
    assert_whole(load_panel(write(tmp_path / "a.csv", *lines), TEMP))
    lines[20] = lines[20].partition(",")[0] + ",warm"
    with pytest.raises(DataError, match=r"'warm', .* line 21 "):
        load_panel(write(tmp_path / "a.csv", *lines), TEMP)


def test_row_numbers_are_no_series_in_whatever_order() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    table = pd.DataFrame({"date": days, "No": range(1, 21), "a": 1.5 * np.arange(20)})
    wide = TableFormat(layout="wide")
    for rows in (table, table.iloc[::-1], table.sample(frac=1, random_state=3)):
        panel = load_panel(rows, Columns(time_col="date"), table_format=wide)
        assert panel.series_ids.tolist() == ["a"]
    counts = table.assign(calls=[*range(1, 20), 25])
    panel = load_panel(counts, Columns(time_col="date"), table_format=wide)
    assert panel.series_ids.tolist() == ["a", "calls"]


def test_a_target_with_the_name_of_the_ids_of_results_is_refused() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    table = pd.DataFrame({"date": days, "unique_id": 1.5 * np.arange(20)})
    columns = Columns(time_col="date", target_cols=("unique_id",))
    assert [finding.code for finding in diagnose(table, columns).errors] == ["doubled_name"]


def test_no_policy_for_missing_values_is_proposed_for_a_static_one() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    table = pd.DataFrame({"unique_id": ["a"] * 10 + ["b"] * 10, "ds": [*days[:10]] * 2, "y": 1.5})
    table["size"] = [2.0] * 10 + [None] * 10
    columns = Columns(static_covariates=("size",))
    for allow_missing in (False, True):
        found = diagnose(table, columns, allow_missing=allow_missing).errors[0]
        assert found.code == "missing_static"
        assert not found.settings
