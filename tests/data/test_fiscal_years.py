"""Financial years, with a quarter or without, and times of day with points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from forecast import load_panel
from forecast.data.dates.fiscal_years import are_pairs
from forecast.data.read import TableFormat

YEARS = range(1996, 2026)

PAIRS: dict[str, Callable[[int], str]] = {
    "2019/20": lambda year: f"{year}/{(year + 1) % 100:02d}",
    "2019-20": lambda year: f"{year}-{(year + 1) % 100:02d}",
    "2019-2020": lambda year: f"{year}-{year + 1}",
    "2019 / 2020": lambda year: f"{year} / {year + 1}",
    "FY2019": lambda year: f"FY{year}",
    "fy 2019": lambda year: f"fy {year}",
    "FY19": lambda year: f"FY{year % 100:02d}",
    "FY'19": lambda year: f"FY'{year % 100:02d}",
}


@pytest.mark.parametrize("written", PAIRS)
def test_financial_years_are_years(written: str) -> None:
    cells = [PAIRS[written](year) for year in YEARS]
    frame = pd.DataFrame({"ds": cells, "y": np.arange(len(cells)) % 5 + 0.5})
    panel = load_panel(frame)
    assert panel.freq.alias == "YS-JAN"
    assert panel.timestamps.astype("datetime64[Y]").astype(int).tolist() == [
        year - 1970 for year in YEARS
    ]
    given = load_panel(frame, table_format=TableFormat(time_format="fiscal_year"))
    assert np.array_equal(given.timestamps, panel.timestamps)


@pytest.mark.parametrize(
    "prefix",
    [
        "FY{year} Q{quarter}",
        "FY{short:02d} Q{quarter}",
        "FY{short:02d}-Q{quarter}",
        "Q{quarter} FY{short:02d}",
    ],
)
def test_quarters_of_financial_years(prefix: str) -> None:
    cells = [
        prefix.format(year=year, short=year % 100, quarter=quarter)
        for year in YEARS
        for quarter in (1, 2, 3, 4)
    ]
    panel = load_panel(pd.DataFrame({"ds": cells, "y": np.arange(len(cells)) % 5 + 0.5}))
    expected = pd.date_range("1996-01-01", periods=len(cells), freq="QS")
    assert np.array_equal(panel.timestamps, expected.to_numpy("datetime64[ns]"))


def test_months_are_no_pairs_of_years() -> None:
    """From 2000 to 2012 the second number could be a month; only next years are a pair."""
    assert are_pairs([f"{year}/{year - 1999:02d}" for year in range(2000, 2012)])
    assert not are_pairs([f"2001/{month:02d}" for month in range(1, 13)])
    assert not are_pairs(["2001/02"])
    assert not are_pairs(["2001/02", "2002/04"])
    months = [f"{year}/{month:02d}" for year in (2001, 2002, 2003) for month in range(1, 13)]
    panel = load_panel(pd.DataFrame({"ds": months, "y": np.arange(36) % 5 + 0.5}))
    assert panel.freq.alias == "MS"


@pytest.mark.parametrize("clock", ["%H.%M.%S", "%H.%M"])
@pytest.mark.parametrize("date", ["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%Y.%m.%d"])
def test_times_of_day_with_points(date: str, clock: str) -> None:
    hours = pd.date_range("2024-01-10", periods=72, freq="h")
    frame = pd.DataFrame({"ds": hours.strftime(f"{date} {clock}"), "y": np.arange(72) % 5 + 0.5})
    expected = hours.to_numpy("datetime64[ns]")
    assert np.array_equal(load_panel(frame).timestamps, expected)
    given = load_panel(frame, table_format=TableFormat(time_format=f"{date} {clock}"))
    assert np.array_equal(given.timestamps, expected)
    # the format that was decided reads the rows of the next day too
    found = load_panel(frame).decisions.get("data.time_format")
    if found is not None:
        later = load_panel(frame, table_format=TableFormat(time_format=found.value))
        assert np.array_equal(later.timestamps, expected)
