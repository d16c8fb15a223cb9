"""Cells such as `<1` among numbers: asked about, and read as a setting says, with a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Columns, diagnose, load_panel
from forecast.cli import main
from forecast.data.panel import Panel
from forecast.data.read import TableFormat

GERMAN = {"decimal": ",", "thousands": "."}

# cells, further settings, the numbers by half and by limit
CASES = {
    "Google Trends": (["<1", "2", "3"], {}, [0.5, 2, 3], [1, 2, 3]),
    "with a space": (["< 0.5", "2", "3"], {}, [0.25, 2, 3], [0.5, 2, 3]),
    "or equal": (["≤5", "<=3", "7"], {}, [2.5, 1.5, 7], [5, 3, 7]),
    "above": ([">1000", "2", "≥ 30"], {}, [1000, 2, 30], [1000, 2, 30]),
    "at least": (["5+", "2", "more than 7"], {}, [5, 2, 7], [5, 2, 7]),
    "words": (["less than 5", "Up to 3", "7"], {}, [2.5, 1.5, 7], [5, 3, 7]),
    "about": (["~5", "ca. 7", "3"], {}, [5, 7, 3], [5, 7, 3]),
    "decimal comma": (["<0,5", "1,25"], {"decimal": ","}, [0.25, 1.25], [0.5, 1.25]),
    "thousands": (
        ["<1.000", "2.500"],
        {"decimal": ",", "thousands": "."},
        [500, 2500],
        [1e3, 2500],
    ),
    "a unit": (["<0.5 mg/l", "1.2 mg/l"], {}, [0.25, 1.2], [0.5, 1.2]),
    "comma and unit": (["< 0,5 mg/l", "1,2 mg/l"], {"decimal": ","}, [0.25, 1.2], [0.5, 1.2]),
    "percent": (["<1%", "12%"], {}, [0.5, 12], [1, 12]),
    "money": (["< $5", "$12"], {}, [2.5, 12], [5, 12]),
    "a factor": (["<1K", "2.5K", "900"], {}, [500, 2500, 900], [1000, 2500, 900]),
    "a flag": (["<1 p", "3"], {}, [0.5, 3], [1, 3]),
    # half of a limit that is not above 0 would be beyond it
    "below zero": (["<-5", "<0", "3"], {}, [-5, 0, 3], [-5, 0, 3]),
    "beside a missing mark": (["<1", "..", "3"], {}, [0.5, np.nan, 3], [1, np.nan, 3]),
}


def frame_of(cells: list[str]) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=len(cells))
    return pd.DataFrame({"ds": days, "y": pd.Series(cells, dtype=object)})


def read(cells: list[str], **written: str) -> Panel:
    return load_panel(
        frame_of(cells), table_format=TableFormat.model_validate(written), allow_missing=True
    )


@pytest.mark.parametrize("case", CASES)
def test_a_bound_is_asked_about(case: str) -> None:
    cells, written, _, _ = CASES[case]
    found = diagnose(frame_of(cells), table_format=TableFormat.model_validate(written))
    (error,) = [each for each in found.errors if each.code == "bounds"]
    assert "which is a bound and not a value" in error.message
    settings = [change.settings for change in error.changes]
    assert settings[-1] == {"data.bounds": "limit"}


@pytest.mark.parametrize("reading", ["half", "limit"])
@pytest.mark.parametrize("case", CASES)
def test_a_bound_is_read_with_a_note(case: str, reading: str) -> None:
    cells, written, by_half, by_limit = CASES[case]
    panel = read(cells, bounds=reading, **written)
    expected = by_half if reading == "half" else by_limit
    np.testing.assert_allclose(panel.values[:, 0], expected, rtol=1e-15)
    (note,) = [each for each in panel.notes if "the limit" in each]
    first = next(cell for cell in cells if cell[0] not in "123.")
    assert repr(first) in note


def test_what_is_said_counts_both_kinds() -> None:
    notes = read(["<1", "<1", "5", ">100"], bounds="half").notes
    expected = (
        "y: '<1' in 2 cells read as half of the limit, and '>100' in 1 cell read as the limit "
        "itself"
    )
    assert expected in notes


def test_all_findings_of_the_cells_come_at_once() -> None:
    found = diagnose(frame_of(["<0,5", "1,25", "2,5", "closed"]))
    assert {error.code for error in found.errors} == {"bounds", "no_number"}
    found = diagnose(frame_of(["<0,5", "1,25", "2,5"]))
    assert [error.code for error in found.errors] == ["bounds", "decimal_comma"]


def test_words_and_ranges_are_no_bounds() -> None:
    for cells in (["<none>", "1", "2"], ["under review", "1", "2"], ["5-10", "1", "2"]):
        found = diagnose(frame_of(cells))
        assert [error.code for error in found.errors] == ["no_number"]


def test_a_category_keeps_its_sign() -> None:
    table = frame_of(["1", "2", "3"]).assign(y=[1.0, 2, 3], size=["<1", "5+", "1-4"])
    columns = Columns(past_covariates=("size",), categorical=("size",))
    assert load_panel(table, columns).categories == {"size": ("1-4", "5+", "<1")}


def test_a_file_of_google_trends_is_accepted_at_the_second_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weeks = pd.date_range("2019-01-06", periods=200, freq="W-SUN")
    rows = [f"{week:%Y-%m-%d},{'<1' if n % 9 == 0 else n % 7}" for n, week in enumerate(weeks)]
    text = "\n".join(["Category: All categories", "", "Week,tea: (Worldwide)", *rows])
    monkeypatch.chdir(tmp_path)
    Path("trends.csv").write_text(text + "\n")
    assert main(["check", "trends.csv", "--horizon", "8"]) == 2
    printed = capsys.readouterr().out
    assert "'<1'" in printed
    assert printed.splitlines()[-1] == (
        "try: forecast check trends.csv --horizon 8 --set data.bounds=half"
    )
    assert main(["check", "trends.csv", "--horizon", "8", "--set", "data.bounds=half"]) == 0
    assert "'<1' in 23 cells read as half of the limit" in capsys.readouterr().out
