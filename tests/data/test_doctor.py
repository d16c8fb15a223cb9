"""The doctor sees everything at once and never raises on bad data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from data.bad_tables import BAD_TABLES, clean
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.doctor import diagnose
from forecast.data.panel import Columns

PIECES = (
    b",",
    b'"',
    b"\n",
    b"\r\n",
    b";",
    b"\0",
    b"-",
    b"e999",
    b"nan",
    b"inf",
    b"\xff",
    b"Z",
    b"+01:00",
    b"1_000",
    b"9" * 30,
)
FILES = [
    (table.build(), table)
    for number in (12, 17, 22, 58, 59, 60, 61, 63)
    for table in BAD_TABLES[number]
    if table.suffix == ".csv"
]
FILES = [
    (made if isinstance(made, bytes) else made.to_csv(index=False).encode(), table)
    for made, table in FILES
]


def test_all_problems_are_reported_together():
    frame = clean().drop(index=[100, 101]).reset_index(drop=True)
    frame.loc[30, "y"] = np.nan
    frame.loc[40, "y"] = np.inf
    frame.loc[50, "ds"] = frame.loc[49, "ds"]
    frame["x"] = ["1"] * 150 + ["one"] * 48
    frame["constant"] = 1.0
    diagnosis = diagnose(frame, Columns(target_cols=("y", "x")), needed_rows=500)
    assert {finding.code for finding in diagnosis.errors} == {
        "missing_values", "infinite", "no_number", "duplicate_stamps", "gaps",
    }  # fmt: skip
    assert {finding.code for finding in diagnosis.findings if finding.severity != "error"} == {
        "ignored_columns", "short_series",
    }  # fmt: skip
    assert diagnosis.panel is None
    assert "5 problems to fix" in diagnosis.text()
    assert (diagnosis.num_series, diagnosis.num_rows, diagnosis.freq) == (1, 198, "")


def test_rows_without_a_stamp_or_series_are_left_out_of_the_summary():
    frame = clean()
    frame.loc[[3, 199], "ds"] = pd.NaT
    frame.loc[0, "unique_id"] = None
    frame = frame.drop(index=100).reset_index(drop=True)
    diagnosis = diagnose(frame, gaps="skip")
    assert {finding.code for finding in diagnosis.errors} == {"missing_id", "missing_stamps"}
    assert (diagnosis.num_series, diagnosis.num_rows, diagnosis.freq) == (1, 196, "h")
    assert (diagnosis.first, diagnosis.last) == ("2020-01-01 01:00", "2020-01-09 06:00")
    gap = next(finding for finding in diagnosis.findings if finding.code == "gaps")
    # what is missing beside row 3 may be the timestamp of that row
    assert "1 gap: series 'a', row 100 (1 missing between 2020-01-05 03:00 and" in gap.message


def test_healthy_table():
    diagnosis = diagnose(pd.concat([clean(), clean().assign(unique_id="b")]))
    assert diagnosis.findings == ()
    assert diagnosis.text().splitlines() == [
        "series  2",
        "rows    400",
        "span    2020-01-01 00:00 to 2020-01-09 07:00",
        "freq    h",
        "no problem found",
    ]


def test_short_and_constant_series_are_warnings():
    frame = pd.concat([clean(), clean(rows=5).assign(unique_id="b", y=3.0)])
    diagnosis = diagnose(frame, needed_rows=30)
    assert diagnosis.panel is not None
    assert [(finding.severity, finding.code) for finding in diagnosis.findings] == [
        ("warning", "constant"),
        ("warning", "short_series"),
        ("note", "ended_series"),
    ]
    assert all("'b'" in finding.message for finding in diagnosis.findings)


@settings(max_examples=150)
@given(data=st.data())
def test_no_damage_to_a_file_raises_or_passes_a_wrong_panel(data, tmp_path_factory):
    content, table = data.draw(st.sampled_from(FILES))
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged)))
        length = data.draw(st.sampled_from([0, 1, 2, 20]))
        damaged[place : place + length] = data.draw(st.sampled_from(PIECES))
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(bytes(damaged))
    gaps = data.draw(st.sampled_from(["refuse", "skip", "fill"]))
    diagnosis = diagnose(
        path, table.columns, table_format=table.table_format, gaps=gaps, allow_missing=True
    )
    assert (diagnosis.panel is None) == bool(diagnosis.errors)
    assert all("\n" not in finding.sentence for finding in diagnosis.findings)
    if diagnosis.panel is not None:
        panel = diagnosis.panel
        assert not np.isinf(panel.values).any()
        assert np.array_equal(panel.freq.stamps(panel.positions), panel.timestamps)
        later = np.diff(panel.positions) > 0
        assert later[np.diff(panel.series_of_rows()) == 0].all()


@pytest.mark.parametrize("name", ["nowhere.csv", "table.docx", "."])
def test_files_that_are_none(name, tmp_path):
    (tmp_path / "nowhere2.csv").write_text("x")
    (tmp_path / "table.docx").write_text("x")
    finding = diagnose(tmp_path / name).errors[0]
    expected = {
        "nowhere.csv": "did you mean 'nowhere2.csv'",
        "table.docx": "ends in '.docx'",
        ".": "is a folder",
    }
    assert expected[name] in finding.sentence
