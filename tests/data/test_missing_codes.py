"""Numbers such as -999 and 9999.9 among values: asked about, and read as a setting says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Columns, diagnose, load_panel
from forecast.cli import main
from forecast.data.cells.missing_codes import suspected_codes
from forecast.data.read import TableFormat

TEMPERATURES = [21.5, 19.0, 22.5, 24.0, 18.5, -3.0]

# numbers, and those that nobody could have measured
CASES = {
    "NOAA daily summaries": ([*TEMPERATURES, 9999.9], [9999.9]),
    "NOAA rain": ([0.0, 0.1, 0.3, 0.0, 99.99], [99.99]),
    "UCI Air Quality": ([2.6, 2.0, -200.0, 1.2], [-200.0]),
    "loggers": ([*TEMPERATURES, -9999.0, -999.0], [-9999.0, -999.0]),
    "netCDF": ([*TEMPERATURES, 9.969209968386869e36], [9.969209968386869e36]),
    "grids": ([*TEMPERATURES, 1e20], [1e20]),
    "no negative number": ([300.0, 1000.0, 20.0, -99.0], [-99.0]),
    "percent": ([40.0, 99.9, 80.0, 20.0], []),
    "degrees below zero": ([-99.0, -60.0, -80.0, -120.0], []),
    "a price": ([999.0, 899.0, 949.0, 1199.0], []),
    "nearly as large": ([9999.0, 100.0, 8000.0, 4000.0], []),
    "far, and not written like a code": ([*TEMPERATURES, 5000.0], []),
    "one number": ([9999.0, 9999.0], []),
    "none at all": ([np.nan, np.nan], []),
}


@pytest.mark.parametrize("case", CASES)
def test_a_code_is_told_by_its_digits_and_its_distance(case: str) -> None:
    numbers, expected = CASES[case]
    assert suspected_codes(np.array([*numbers, np.nan])) == expected


def stations() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=60)
    temperature = 10 + 5 * np.sin(np.arange(60) / 7)
    rain = np.arange(60) % 4 / 10
    temperature[[3, 30]] = 9999.9
    rain[5] = 99.99
    return pd.DataFrame({"ds": days, "y": temperature, "rain": rain})


WITH_RAIN = Columns(past_covariates=("rain",))


def test_all_columns_are_one_finding_and_its_settings_read_them() -> None:
    found = diagnose(stations(), WITH_RAIN)
    (error,) = [each for each in found.errors if each.code == "missing_codes"]
    assert error.message.startswith("y is 9999.9 in 2 rows: series 'series', row 3 (2024-01-04)")
    assert "; rain is 99.99 in 1 row: series 'series', row 5 (2024-01-06)" in error.message
    missing, values = (settings["data.missing_codes"] for settings in error.settings)
    assert missing == (99.99, 9999.9)
    assert values == ()

    read = load_panel(
        stations(),
        WITH_RAIN,
        table_format=TableFormat(missing_codes=missing),
        allow_missing=True,
    )
    expected = stations().replace({9999.9: np.nan, 99.99: np.nan})
    np.testing.assert_array_equal(read.values, expected[["y", "rain"]].to_numpy())
    assert "y: 9999.9 in 2 cells taken as missing" in read.notes
    assert "rain: 99.99 in 1 cell taken as missing" in read.notes

    kept = load_panel(stations(), WITH_RAIN, table_format=TableFormat(missing_codes=values))
    np.testing.assert_array_equal(kept.values, stations()[["y", "rain"]].to_numpy())


def test_numbers_that_are_text_have_codes_too(tmp_path: Path, monkeypatch, capsys) -> None:
    """The command that is proposed ends in a table without a problem."""
    monkeypatch.chdir(tmp_path)
    cells = [f"{number:.1f}".replace(".", ",") for number in stations()["y"]]
    cells[3] = cells[30] = "-200"
    days = stations()["ds"].dt.strftime("%d/%m/%Y;%H.00.00")
    rows = [f"{day};{cell}" for day, cell in zip(days, cells, strict=True)]
    Path("air.csv").write_text("\n".join(["Date;Time;CO", *rows]))
    assert main(["check", "air.csv"]) == 2
    printed = capsys.readouterr().out
    assert (
        "try: forecast check air.csv --set data.decimal=, --set 'data.missing_codes=[-200]' "
        "--set data.missing=forward_fill" in printed
    )
    proposed = ["--set", "data.missing_codes=[-200]", "--set", "data.missing=forward_fill"]
    assert main(["check", "air.csv", "--set", "data.decimal=,", *proposed]) == 0
