"""Titles, groups and units above a table, and sources and totals below it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from forecast import Columns, diagnose, load_panel
from forecast.data.text.footers import is_footer, is_total
from forecast.data.text.header_rows import find_header_rows

DAYS = pd.date_range("2024-01-01", periods=40)
NUMBERS = np.arange(80.0).reshape(40, 2)
BODY = [[f"{day:%Y-%m-%d}", str(a), str(b)] for day, (a, b) in zip(DAYS, NUMBERS, strict=True)]

ABOVE: dict[str, tuple[list[list[str]], str]] = {
    "a usual header": ([["date", "load", "temp"]], "load"),
    "units": ([["date", "load", "temp"], ["", "MW", "°C"]], "load"),
    "units in brackets": ([["date", "load", "temp"], ["[UTC]", "[MW]", "[°C]"]], "load"),
    "units and means": ([["date", "load", "temp"], ["TS", "MW", "C"], ["", "Avg", "Avg"]], "load"),
    "a padded title": (
        [["Loads of a grid", "", ""], ["", "", ""], ["date", "load", "temp"]],
        "load",
    ),
    "a title, and units": ([["Loads", "", ""], ["date", "load", "temp"], ["", "MW", "C"]], "load"),
    "merged cells": ([["date", "North", ""], ["", "load", "temp"]], "North_load"),
    "merged cells, units": (
        [["date", "North", ""], ["", "load", "temp"], ["", "MW", "C"]],
        "North_load",
    ),
    "groups, then names": ([["", "North", "South"], ["date", "load", "load"]], "North_load"),
    "a pivot table of pandas": (
        [["", "load", "load"], ["shop", "north", "south"], ["date", "", ""]],
        "north",
    ),
    "a pivot table of two values": (
        [["", "load", "temp"], ["shop", "north", "north"], ["date", "", ""]],
        "load_north",
    ),
}

BELOW: dict[str, list[list[str]]] = {
    "nothing": [],
    "a source": [["Source: Office of Grids, 2024"]],
    "a padded source": [["Source: Office of Grids, 2024", "", ""]],
    "notes": [["* provisional"], ["Notes: a; b"], ["p = preliminary"]],
    "blank lines and words": [["", "", ""], ["Last updated 1 May 2024"]],
    "totals": [["Total", "3120", "3160"]],
    "totals and a source": [["Total", "3120", "3160"], ["Source: us"]],
}


def write(rows: list[list[str]], form: str, folder: Path) -> Path:
    """A file of these rows."""
    if form == "csv":
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        (folder / "a.csv").write_text(text.getvalue())
        return folder / "a.csv"
    book = openpyxl.Workbook()
    for row in rows:
        cells = [pd.Timestamp(cell).to_pydatetime() if cell[:3] == "202" else cell for cell in row]
        book.active.append([_number(cell) if cell else None for cell in cells])
    book.save(folder / "a.xlsx")
    return folder / "a.xlsx"


def _number(cell: object) -> object:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return cell


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("above", ABOVE)
def test_the_rows_of_the_table_are_read(above: str, below: str, form: str, tmp_path: Path) -> None:
    header, target = ABOVE[above]
    source = write([*header, *BODY, *BELOW[below]], form, tmp_path)
    panel = load_panel(source, Columns(time_col="date", target_cols=(target,)))
    np.testing.assert_array_equal(panel.values[:, 0], NUMBERS[:, 0])
    assert panel.timestamps.tolist() == DAYS.to_numpy("datetime64[ns]").tolist()
    notes = " ".join(panel.notes)
    assert ("left out" in notes) >= bool(BELOW[below])
    if len(header) > 1:
        assert "header" in notes


@pytest.mark.parametrize("above", ["units", "merged cells", "a pivot table of pandas"])
def test_lines_are_named_as_the_file_has_them(above: str, tmp_path: Path) -> None:
    header, target = ABOVE[above]
    body = [row.copy() for row in BODY]
    body[4][1] = "abc"
    source = write([*header, *body], "csv", tmp_path)
    found = diagnose(source, Columns(time_col="date", target_cols=(target,)))
    assert f"line {len(header) + 5} " in found.errors[0].message


ROWS_OF_DATA = {
    "months in words": [["month", "sales"], ["Jan 2015", "n.a."], ["Feb 2015", "3"]],
    "short months": [["month", "sales"], ["Jan", "-"], ["Feb", "3"]],
    "weeks in words": [["week", "sales"], ["Week 12", ""], ["Week 13", "3"]],
    "quarters": [["quarter", "sales"], ["Q1 2015", "closed"], ["Q2 2015", "3"]],
    "categories": [["date", "kind", "y"], ["2024-01-01", "a", "1"]],
    "an id first": [["unique_id", "ds", "y"], ["a", "2024-01-01", "1"]],
    "no numbers at all": [["a", "b"], ["x", "y"]],
}


@pytest.mark.parametrize("case", ROWS_OF_DATA)
def test_a_row_of_data_is_no_header(case: str) -> None:
    rows = ROWS_OF_DATA[case]
    found = find_header_rows(rows)
    assert (found.before, found.names, found.below) == (0, tuple(rows[0]), 0)


CUT = {
    "a row cut in the middle": ["2024-02-10,4"],
    "a date alone": ["2024-02-10"],
    "words in the middle": ["Source: us", "2024-02-10,4,5"],
    "a row with too many cells": ["Source: us,1,2,3"],
    "words in the middle as below": ["Source: us", "2024-02-10,4,5", "Source: us"],
    "51 lines of words": ["x"] * 51,
}


@pytest.mark.parametrize("case", CUT)
def test_damage_below_is_no_footer(case: str, tmp_path: Path) -> None:
    text = "\n".join(["date,load,temp", *(",".join(row) for row in BODY), *CUT[case]])
    (tmp_path / "a.csv").write_text(text + "\n")
    found = diagnose(tmp_path / "a.csv", Columns(time_col="date", target_cols=("load",)))
    assert [finding.code for finding in found.errors] == ["ragged_row"]


def test_50_lines_of_words_below_are_left_out(tmp_path: Path) -> None:
    text = "\n".join(["date,load,temp", *(",".join(row) for row in BODY), *["x", "y"] * 25])
    (tmp_path / "a.csv").write_text(text + "\n")
    found = diagnose(tmp_path / "a.csv", Columns(time_col="date", target_cols=("load",)))
    assert not found.errors
    assert any("50 lines below the table" in finding.message for finding in found.findings)


def test_words_below_a_table() -> None:
    assert all(
        map(is_footer, ["Source: x", "* p", "Note 1", "Quelle: Amt", "https://a.b", "end of file"])
    )
    assert not any(map(is_footer, ["Jan 2024", "jan", "2024-01-01", "12", "May-24", ""]))
    assert all(map(is_total, ["Total", "Grand Total", "Sum", "Gesamt"]))


def test_a_frame_with_levels_of_columns() -> None:
    table = pd.DataFrame(
        {("ds", ""): DAYS, ("north", "load"): NUMBERS[:, 0], ("north", "temp"): NUMBERS[:, 1]}
    )
    panel = load_panel(table, Columns(target_cols=("north_load",)))
    np.testing.assert_array_equal(panel.values[:, 0], NUMBERS[:, 0])
