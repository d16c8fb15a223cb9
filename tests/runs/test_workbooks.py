"""From a workbook to a workbook of forecasts."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from forecast.cli import main
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.errors import DataError
from forecast.runs.table_files import check_ending, is_forecast, is_template, write_table
from forecast.runs.workbook_file import workbook_bytes

SMALL = (
    "model.name=bigru",
    "model.units=4",
    "windows.context_length=8",
    "windows.horizon=4",
    "training.epochs=1",
    "training.refit=false",
    "ensemble.seeds=1",
    "ensemble.linear=none",
    "ensemble.context_lengths=[]",
)


def rows(**columns):
    stamps = pd.date_range("2024-01-01", periods=3, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": stamps, **columns})


def test_a_written_forecast_is_recognised(tmp_path):
    path = tmp_path / "f.xlsx"
    frame = rows(cutoff=pd.Timestamp("2023-12-31"), bigru=[0.5, 1.5, 2.5])
    write_table(frame, path)
    assert is_forecast("bigru", USUAL_ROLES, path)
    assert not is_forecast("other", USUAL_ROLES, path)
    assert not is_template(Columns(known_covariates=("promo",)), path)
    read = pd.read_excel(path, engine="openpyxl")
    assert read["ds"].tolist() == frame["ds"].tolist()
    assert np.array_equal(read["bigru"], frame["bigru"])


def test_an_empty_template_is_recognised(tmp_path):
    path = tmp_path / "t.xlsx"
    columns = Columns(known_covariates=("promo",)).with_usual_names()
    write_table(rows(promo=np.nan), path)
    assert is_template(columns, path)
    write_table(rows(promo=[np.nan, 1, np.nan]), path)
    assert not is_template(columns, path)


def test_stamps_with_a_zone_are_written_as_text(tmp_path):
    frame = rows().assign(ds=pd.date_range("2024-03-31", periods=3, freq="h", tz="Europe/Berlin"))
    write_table(frame, tmp_path / "f.xlsx")
    frame.to_csv(tmp_path / "f.csv", index=False)
    texts = pd.read_excel(tmp_path / "f.xlsx", engine="openpyxl")["ds"].tolist()
    assert texts == pd.read_csv(tmp_path / "f.csv")["ds"].tolist()


NO_CELLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML has not."""

TEXTS = (
    "=1+1",
    "=HYPERLINK(A1)",
    "#N/A",
    "+1",
    "-x",
    "@a",
    "_x0041_",
    "_x000D_",
    "__x0041_",
    "a\rb",
)
TEXTS += ("a\r\nb", "a\nb", " a", "a ", "'q", "TRUE", "x" * 32_767, "😀", "<b>&amp;", "\u2028")


def read_back(frame: pd.DataFrame) -> list[list[object]]:
    """Return the cells of a frame as a reader in another language finds them in its workbook."""
    stream = io.BytesIO(workbook_bytes(frame))
    sheet = CalamineWorkbook.from_filelike(stream).get_sheet_by_index(0)
    return sheet.to_python()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text() | st.sampled_from(TEXTS), min_size=1, max_size=4), st.text(min_size=1))
def test_a_text_of_any_letters_is_the_same_text_in_a_workbook_or_refused(texts, name):
    frame = pd.DataFrame({name: pd.Series(texts, dtype=object), "number": 1.5})
    if any(map(NO_CELLS.search, (name, *texts))):
        with pytest.raises(DataError, match="control character"):
            workbook_bytes(frame)
    elif name != "number":
        assert read_back(frame) == [[name, "number"], *([text, 1.5] for text in texts)]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_that_mean_something_to_a_workbook_are_texts(text):
    assert read_back(pd.DataFrame({text: [text, "b"]})) == [[text], [text], ["b"]]
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(pd.DataFrame({text: [text]}))))
    assert {cell.data_type for row in book.active.rows for cell in row} == {"s"}


def test_what_a_sheet_has_no_room_for_is_refused():
    for frame in (
        pd.DataFrame({"unique_id": ["x" * 32_768]}),
        pd.DataFrame({"y": np.zeros(2**20)}),
        pd.DataFrame(np.zeros((1, 2**14 + 1))),
    ):
        with pytest.raises(DataError, match=r"name a file in \.csv or \.parquet"):
            workbook_bytes(frame)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no workbook", b"ds,y\n1,2\n"])
def test_another_file_is_not_taken_for_a_forecast(content, tmp_path):
    (tmp_path / "f.xlsx").write_bytes(content)
    assert not is_forecast("bigru", Columns(), tmp_path / "f.xlsx")
    assert not is_template(Columns(), tmp_path / "f.xlsx")


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"run pip install 'bigru-forecast\[excel\]'"):
        check_ending("f.xlsx")
    check_ending("f.csv")


def test_fit_and_predict_read_a_sheet_and_write_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stamps = pd.date_range("2024-01-01", periods=60)
    table = pd.DataFrame({"date": stamps, "sales": np.sin(np.arange(60.0))})
    with pd.ExcelWriter("sales.xlsx", engine="openpyxl") as workbook:
        table.to_excel(workbook, sheet_name="South", index=False)
        table.assign(sales=-1.0).to_excel(workbook, sheet_name="North", index=False)
    settings = [word for setting in SMALL for word in ("--set", setting)]
    named = ["--time", "date", "--target", "sales", "--sheet", "South"]
    assert main(["fit", "sales.xlsx", *named, *settings, "--out", "run"]) == 0
    table.to_excel("later.xlsx", sheet_name="Later", index=False)  # the only sheet is read
    for source in ([], ["later.xlsx"]):  # the second replaces the first
        assert main(["predict", "run", *source, "--output", "f.xlsx"]) == 0
        forecast = pd.read_excel("f.xlsx", engine="openpyxl")
        ahead = pd.date_range("2024-03-01", periods=4)
        assert forecast["date"].tolist() == ahead.tolist()
        assert np.isfinite(forecast["bigru"]).all()
    table.to_excel("mine.xlsx", index=False)
    assert main(["predict", "run", "--output", "mine.xlsx"]) == 2
