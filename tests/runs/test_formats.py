"""Forecasts as CSV, Excel and Parquet: the same rows in each, and names that fit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forecast.errors import DataError
from forecast.runs.table_files import export_forecast, with_format

DAYS = ["2024-03-01", "2024-03-02"]
RUNS = {
    "numbers": ({"shop": [7, 12], "day": DAYS, "cutoff": ["2024-02-29"] * 2}, ["int64"]),
    "leading zeros": ({"shop": ["007", "012"], "day": DAYS, "cutoff": ["2024-02-29"] * 2}, ["str"]),
    "two columns": (
        {"shop": ["a/b", "NA"], "item": [1, 2], "day": DAYS, "cutoff": ["2024-02-29"] * 2},
        ["str", "int64"],
    ),
    "an index": ({"shop": ["a", "a"], "step": [41, 42], "cutoff": [40, 40]}, ["str"]),
    "offsets": (
        {
            "shop": ["a", "a"],
            "hour": ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"],
            "cutoff": ["2024-03-31 00:00:00+01:00"] * 2,
        },
        ["str"],
    ),
}


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
@pytest.mark.parametrize(("columns", "types"), RUNS.values(), ids=RUNS.keys())
def test_a_forecast_is_written_once_more(
    columns: dict[str, list], types: list[str], ending: str, tmp_path: Path
) -> None:
    rows = pd.DataFrame({**columns, "ensemble": [1.5, 0.1 + 0.2], "ensemble-lo-80": [1.0, None]})
    rows.to_csv(tmp_path / "forecast.csv", index=False)
    path = export_forecast(tmp_path, ending)
    assert path == tmp_path / f"forecast.{ending}"
    if ending == "parquet":
        read = pd.read_parquet(path)
    else:
        ids = dict.fromkeys(list(rows)[: len(types)], object)  # else pandas reads 007 as 7
        read = pd.read_excel(
            path, dtype=ids, keep_default_na=False, na_values=[""], engine="openpyxl"
        )
    assert list(read) == list(rows)
    pd.testing.assert_frame_equal(read.iloc[:, -2:], rows.iloc[:, -2:], rtol=1e-15)
    for name, kind in zip(rows, types, strict=False):
        expected = pd.read_csv(tmp_path / "forecast.csv", dtype=str, keep_default_na=False)[name]
        assert read[name].astype(str).tolist() == expected.tolist()
        assert isinstance(read[name].iloc[0], str) == (kind == "str")
    cutoff = read["cutoff"]
    if "day" in columns:
        assert cutoff.dtype.kind == "M"
        assert cutoff.dt.strftime("%Y-%m-%d").tolist() == columns["cutoff"]
    else:
        assert cutoff.tolist() == columns["cutoff"]


def test_a_run_whose_covariates_are_not_known_has_no_forecast_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pass them to forecast predict with --known"):
        export_forecast(tmp_path, "xlsx")


@pytest.mark.parametrize(
    ("path", "ending", "written"),
    [
        ("f.csv", None, "f.csv"),
        (None, None, None),
        (None, "csv", None),
        ("f.xlsx", "xlsx", "f.xlsx"),
        ("f", "parquet", "f.parquet"),
        ("sales.2024", "csv", "sales.2024.csv"),
    ],
)
def test_the_name_gets_the_ending_of_the_format(
    path: str | None, ending: str | None, written: str | None
) -> None:
    assert with_format(path, ending) == written


@pytest.mark.parametrize(
    ("path", "ending", "said"),
    [
        ("f.csv", "xlsx", r"f\.csv: the format is xlsx; expected a name in \.xlsx"),
        (None, "parquet", r"not printed: name a file with --output forecast\.parquet"),
    ],
)
def test_a_format_that_does_not_fit_the_name_is_refused(
    path: str | None, ending: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        with_format(path, ending)
