"""Numbers written as people write them: thousands, decimal commas, money and percent."""

from __future__ import annotations

import re

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.load import load_panel
from forecast.data.read import TableFormat
from forecast.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=6)
VALUES = [1000.63, 985.5, -12.0, 1234567.25, 0.5, 20000.0]


def written(value, thousands, decimal, digits=2):
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans({",": thousands, ".": decimal}))


def source(texts, kind, folder):
    """The same texts as a frame, a CSV file or a sheet."""
    frame = pd.DataFrame({"ds": DAYS[: len(texts)], "y": texts})
    if kind == "frame":
        return frame
    if kind == "csv":
        frame.to_csv(folder / "a.csv", index=False, sep="\t")
        return folder / "a.csv"
    workbook = openpyxl.Workbook()
    for row in [["ds", "y"], *frame.values.tolist()]:
        workbook.active.append(row)
    workbook.save(folder / "a.xlsx")
    return folder / "a.xlsx"


KINDS = ["frame", "csv", "xlsx"]
MARKS = [(".", ","), (",", "."), (" ", ","), (" ", "."), ("'", "."), ("'", ",")]


def options(finding):
    """The settings that a finding proposes first."""
    first = finding.settings[0]
    return TableFormat(**{path.removeprefix("data."): mark for path, mark in first.items()})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("thousands", "decimal"), MARKS)
@pytest.mark.parametrize("unit", ["", "$"])
def test_the_proposed_settings_read_the_numbers(thousands, decimal, kind, unit, tmp_path):
    texts = [unit + written(value, thousands, decimal) for value in VALUES]
    texts[2] = texts[2].replace(f"{unit}-", f"-{unit}")
    table = source(texts, kind, tmp_path)
    with pytest.raises(DataError, match="thousands=") as caught:
        load_panel(table)
    assert repr(texts[0]) in str(caught.value)
    found = options(caught.value.finding)
    assert found == TableFormat(thousands=thousands, decimal=decimal)
    panel = load_panel(table, table_format=found)
    assert panel.values[:, 0].tolist() == VALUES
    assert any("is in $" in note for note in panel.notes) == bool(unit)


@pytest.mark.parametrize("kind", KINDS)
def test_no_break_spaces_are_spaces(kind, tmp_path):
    for space in ("\u00a0", "\u202f", "\u2009"):
        table = source([written(value, space, ",") for value in VALUES], kind, tmp_path)
        panel = load_panel(table, table_format=TableFormat(thousands=" ", decimal=","))
        assert panel.values[:, 0].tolist() == VALUES


@pytest.mark.parametrize("kind", KINDS)
def test_a_comma_that_could_be_either_is_asked_about(kind, tmp_path):
    table = source(["1,000", "2,500", "12,125"], kind, tmp_path)
    with pytest.raises(
        DataError, match=r'Pass thousands="," if .* or decimal="," if it is'
    ) as error:
        load_panel(table)
    assert "\n" not in str(error.value)
    read = load_panel(table, table_format=TableFormat(thousands=","))
    assert read.values[:, 0].tolist() == [1000, 2500, 12125]
    read = load_panel(table, table_format=TableFormat(decimal=","))
    assert read.values[:, 0].tolist() == [1, 2.5, 12.125]


def test_points_beside_a_decimal_comma_are_asked_about():
    comma = TableFormat(decimal=",")
    both = TableFormat(decimal=",", thousands=".")
    table = source(["1.000,63", "985,5", "2.000"], "frame", None)
    with pytest.raises(DataError, match=r"in 2 rows, and decimal is ','\. Pass thousands=\"\.\"$"):
        load_panel(table, table_format=comma)
    assert load_panel(table, table_format=both).values[:, 0].tolist() == [1000.63, 985.5, 2000]
    table = source(["1.000", "3.500", "2.000"], "frame", None)
    with pytest.raises(DataError, match=r'Pass thousands="\." if .*, or decimal="\." if'):
        load_panel(table, table_format=comma)
    assert load_panel(table, table_format=both).values[:, 0].tolist() == [1000, 3500, 2000]
    assert load_panel(table).values[:, 0].tolist() == [1, 3.5, 2]
    wrong = source(["1.000,63", "98.5", "2.000"], "frame", None)  # no group of three
    with pytest.raises(DataError, match=r"'98.5' in 1 row, and decimal is ','. Correct these"):
        load_panel(wrong, table_format=both)


def test_two_commas_in_a_number_separate_thousands():
    table = source(["1,000,000", "2,500", "1,250"], "frame", None)
    with pytest.raises(DataError, match=r'Pass thousands=","$'):
        load_panel(table)
    read = load_panel(table, table_format=TableFormat(thousands=","))
    assert read.values[:, 0].tolist() == [1e6, 2500, 1250]


@pytest.mark.parametrize("cell", ["1,00", "1,0000", "1000,000", ",100", "1,,000", "12,34,567"])
def test_marks_in_other_places_are_refused(cell):
    table = source(["1,000", cell, "2,000"], "frame", None)
    with pytest.raises(DataError, match=re.escape(repr(cell))):
        load_panel(table, table_format=TableFormat(thousands=","))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["$", "€", "£", "¥", "%"])
@pytest.mark.parametrize(
    "form", ["{unit}{value}", "{value}{unit}", "{value} {unit}", "{unit} {value}"]
)
def test_a_unit_of_every_cell_is_left_out_with_a_note(unit, form, kind, tmp_path):
    texts = [form.format(unit=unit, value=value) for value in (12.5, 3, 7.25)]
    panel = load_panel(source(texts, kind, tmp_path))
    assert panel.values[:, 0].tolist() == [12.5, 3, 7.25]
    assert f"y is in {unit}, such as {texts[0]!r}: read as a number" in panel.notes


@pytest.mark.parametrize("cells", [["$1", "€2", "$3"], ["5", "5%", "6%"], ["$1%", "$2%", "$3%"]])
def test_units_that_differ_are_refused(cells):
    with pytest.raises(DataError, match=r"y contains .*, which is not a number"):
        load_panel(source(cells, "frame", None))


@pytest.mark.parametrize("mark", [",", "."])
def test_one_mark_cannot_be_both(mark):
    with pytest.raises(ConfigError, match=r"thousands is .* and so is decimal"):
        TableFormat(thousands=mark, decimal=mark)


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=3, max_size=6),
    st.sampled_from(MARKS),
)
def test_any_numbers_come_back(values, marks):
    thousands, decimal = marks
    texts = [written(value, thousands, decimal) for value in values]
    table_format = TableFormat(thousands=thousands, decimal=decimal)
    panel = load_panel(source(texts, "frame", None), table_format=table_format)
    assert np.array_equal(panel.values[:, 0], [float(value) for value in values])


@pytest.mark.parametrize("digits", [17, 19, 25, 45, 5000])
def test_whole_numbers_beyond_float64_are_refused_however_long(digits: int) -> None:
    table = pd.DataFrame({"ds": pd.date_range("2026-01-01", periods=3), "y": ["1", "2", "3"]})
    table.loc[1, "y"] = "9" * digits
    with pytest.raises(DataError, match=r"above 2\*\*53"):
        load_panel(table)


def test_digits_of_another_alphabet_are_no_timestamps() -> None:
    table = pd.DataFrame({"ds": ["٣"] * 3, "y": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError):
        load_panel(table)
