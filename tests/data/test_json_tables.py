"""Every shape in which a service or pandas writes a table as JSON gives the table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Columns, load_panel
from forecast.cli import main
from forecast.errors import DataError

NUM_ROWS = 40
DAYS = pd.date_range("2024-01-01", periods=NUM_ROWS)
WORDS = list(DAYS.strftime("%Y-%m-%d"))
VALUES = [number % 7 + 0.5 for number in range(NUM_ROWS)]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"ds": WORDS, "y": VALUES})


def by_day() -> pd.Series:
    return pd.Series(VALUES, index=DAYS, name="y")


def records() -> list[dict[str, object]]:
    return [{"ds": day, "y": value} for day, value in zip(WORDS, VALUES, strict=True)]


SHAPES: dict[str, Callable[[], str]] = {
    "records": lambda: json.dumps(records()),
    "in an answer": lambda: json.dumps({"status": "ok", "count": 2, "data": records()}),
    "deep in an answer": lambda: json.dumps({"result": {"series": {"rows": records()}}}),
    "columns": lambda: json.dumps({"ds": WORDS, "y": VALUES}),
    "columns in an answer": lambda: json.dumps(
        {
            "latitude": 52.5,
            "units": {"ds": "iso8601", "y": "C"},
            "daily": {"ds": WORDS, "y": VALUES},
        }
    ),
    "pandas": lambda: frame().to_json(),
    "pandas, split": lambda: frame().to_json(orient="split"),
    "pandas, records": lambda: frame().to_json(orient="records"),
    "pandas, lines": lambda: frame().to_json(orient="records", lines=True),
    "pandas, table": lambda: frame().to_json(orient="table"),
    "pandas, index": lambda: by_day().to_frame().to_json(date_format="iso"),
    "pandas, by row": lambda: by_day().to_frame().to_json(date_format="iso", orient="index"),
    "pandas, a series": lambda: by_day().to_json(date_format="iso"),
    "pairs": lambda: json.dumps({"prices": [list(row) for row in zip(WORDS, VALUES, strict=True)]}),
    "a record without a cell": lambda: json.dumps(
        [*records()[:-1], {"note": "provisional", **records()[-1]}]
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_document_equals_its_frame(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(SHAPES[shape]())
    panel = load_panel(path)
    assert np.array_equal(panel.values[:, 0], VALUES)
    assert np.array_equal(panel.timestamps, DAYS.to_numpy())


def test_time_as_keys_and_numbers_as_text(tmp_path: Path, monkeypatch, capsys) -> None:
    """As Alpha Vantage answers, the newest day first."""
    rows = {
        day: {"1. open": "3.5", "4. close": str(value)}
        for day, value in zip(WORDS, VALUES, strict=True)
    }
    newest_first = dict(reversed(rows.items()))
    document = {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": newest_first}
    monkeypatch.chdir(tmp_path)
    Path("ibm.json").write_text(json.dumps(document))
    assert main(["check", "ibm.json", "--target", "4. close"]) == 0
    printed = capsys.readouterr().out
    assert "the table is read from 'Time Series (Daily)'" in printed
    assert "span    2024-01-01 to 2024-02-09" in printed


def test_objects_in_records_become_columns_and_mixed_cells_text(tmp_path: Path) -> None:
    rows = [{"ds": day, "load": {"y": value}} for day, value in zip(WORDS, VALUES, strict=True)]
    rows[4]["load"]["y"] = "4.5"
    path = tmp_path / "nested.json"
    path.write_text(json.dumps(rows).replace('"load": {"y"', '"load": {"mean"'))
    panel = load_panel(path, Columns(target_cols=("load.mean",)))
    assert np.array_equal(panel.values[:, 0], VALUES)


def test_a_compressed_document(tmp_path: Path) -> None:
    path = tmp_path / "answer.json.gz"
    path.write_bytes(gzip.compress(SHAPES["records"]().encode()))
    assert np.array_equal(load_panel(path).values[:, 0], VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '"ds"',
        '{"error": "no key"}',
        "[1, 2]",
        "ds,y\n1,2",
        "[" * 100_000,
        '[{"ds": "2024-01-01", "y": ' + "9" * 5000 + "}]",
        json.dumps([{"ds": day, "y": 1, "unique_id": "\ud800"} for day in WORDS]),
        json.dumps([{"ds": day, "y\udfff": 1} for day in WORDS]),
        json.dumps([{f"name {row}": 1} for row in range(4000)]),
        "\x00",
    ],
)
def test_what_has_no_table_is_refused_with_an_example(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad\.json .*\. Expected a list of objects") as error:
        load_panel(path)
    assert "\n" not in str(error.value)
