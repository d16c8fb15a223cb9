"""From a workbook to a workbook of forecasts."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.errors import DataError
from forecast.runs.table_files import check_ending, is_forecast, is_template, write_table

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
