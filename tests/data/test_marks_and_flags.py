"""Number columns as offices and spreadsheets write them: missing marks, flags, signs, factors."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecast import Columns, diagnose, load_panel
from forecast.data.cells.marks import MARKS
from forecast.data.panel import Panel
from forecast.data.read import TableFormat
from forecast.data.table import MISSING_WORDS

NAN = math.nan


def read(cells: list[str], **written: str) -> Panel:
    """A panel of one series whose target is text."""
    days = pd.date_range("2024-01-01", periods=len(cells))
    table = pd.DataFrame({"ds": days, "y": pd.Series(cells, dtype=object)})
    return load_panel(table, table_format=TableFormat(**written), allow_missing=True)


READ = {
    "brackets": (["(123)", "4", "5.5"], {}, [-123, 4, 5.5], "negative numbers"),
    "brackets and money": (["($1,200)", "$4"], {"thousands": ","}, [-1200, 4], "is in $"),
    "money before brackets": (["$(12.5)", "$4"], {}, [-12.5, 4], "negative numbers"),
    "minus behind": (["123-", "4"], {}, [-123, 4], "'123-' and the like in 1 cell"),
    "long minus": (["\u22125", "4"], {}, [-5, 4], ""),
    "flags of Eurostat": (["12.3 p", "12", "5 e", "7 ep"], {}, [12.3, 12, 5, 7], "'p' in 1 cell"),
    "flags, decimal comma": (["12,3 p", "12,4"], {"decimal": ","}, [12.3, 12.4], "flags after"),
    "footnotes": (["12*", "2 (1)", "3 [a]", "4"], {}, [12, 2, 3, 4], "flags after"),
    "factors": (["12.5K", "1.2M", "950"], {}, [12500, 1.2e6, 950], "'K' as times 1,000"),
    "one factor": (["12.5K", "1K"], {}, [12500, 1000], "'K' as times 1,000"),
    "factors of Germany": (["1,5 Mio", "2 Mrd"], {"decimal": ","}, [1.5e6, 2e9], "'Mio' as times"),
    "a unit": (["12.5 kW", "-1 kW"], {}, [12.5, -1], "y is in kW, such as '12.5 kW'"),
    "a unit that is a factor": (["293 K", "294 K"], {}, [293, 294], "y is in K"),
    "exponents": (["1.2e3", "2E-2", "3"], {}, [1200, 0.02, 3], ""),
    "Eurostat's colon with a flag": (
        [": c", "2"],
        {},
        [NAN, 2],
        "': c' in 1 cell taken as missing",
    ),
}


@pytest.mark.parametrize("case", READ)
def test_read_with_a_note(case: str) -> None:
    cells, written, expected, note = READ[case]
    panel = read(cells, **written)
    np.testing.assert_allclose(panel.values[:, 0], expected, rtol=1e-15)
    assert note in " ".join(panel.notes)


@pytest.mark.parametrize("mark", [*MARKS, "N.A.", "No Data", "#N/A"])
def test_marks_of_missing_values(mark: str) -> None:
    panel = read(["1.5", mark, "2", mark])
    # the last is the future
    np.testing.assert_array_equal(panel.values[:, 0], [1.5, NAN, 2])
    notes = " ".join(panel.notes)
    assert "1 row" in notes
    assert f"{mark!r} in 1 cell taken as missing" in notes or mark in MISSING_WORDS


def test_marks_are_words_where_no_number_is_expected() -> None:
    table = pd.DataFrame(
        {
            "ds": pd.date_range("2024-01-01", periods=4),
            "y": [1.0, 2, 3, 4],
            "grade": ["-", "a", "-", "?"],
        }
    )
    columns = Columns(past_covariates=("grade",), categorical=("grade",))
    assert load_panel(table, columns).categories == {"grade": ("-", "?", "a")}


REFUSED = {
    "two units": (["900 m", "1.2 km", "3"], "no_number"),
    "a unit in some cells": (["5 m", "2", "3"], "no_number"),
    "degrees of two kinds": (["20 C", "70 F"], "no_number"),
    "a range": (["5-10", "2", "3"], "no_number"),
    "a time of day": (["10:30", "2"], "no_number"),
    "a percent sign in some cells": (["12%", "0.12"], "no_number"),
    "thousands of thousands": (["1,234K", "2K"], "thousands"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_asked_about(case: str) -> None:
    cells, code = REFUSED[case]
    days = pd.date_range("2024-01-01", periods=len(cells))
    found = diagnose(pd.DataFrame({"ds": days, "y": pd.Series(cells, dtype=object)}))
    assert [finding.code for finding in found.errors] == [code]
    assert repr(cells[0]) in found.errors[0].message


def test_a_file_and_a_frame_are_read_alike(tmp_path) -> None:
    cells = ["12.3 p", "..", "(4)", "1.5K"]
    days = pd.date_range("2024-01-01", periods=3)
    for chosen in (cells[:3], [cells[1], cells[2], "7"], ["2", cells[1], cells[3]]):
        table = pd.DataFrame({"ds": days, "y": chosen})
        table.to_csv(tmp_path / "a.csv", index=False)
        from_file = load_panel(tmp_path / "a.csv", allow_missing=True)
        np.testing.assert_array_equal(from_file.values, read(list(chosen)).values)
