"""Settings with bad intentions: each is refused in one line, and soon."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest

from forecast import load_panel
from forecast.cli import main
from forecast.errors import ConfigError, DataError
from forecast.files.yaml import MAX_BYTES, MAX_ENTRIES, parse_yaml

SIZE = MAX_BYTES - 100

DOCUMENTS = {
    "a list of numbers": "a: [" + "1," * (SIZE // 2) + "1]",
    "a list of lists": "a: [" + "[]," * (SIZE // 3) + "]",
    "keys": "".join(f"k{number}: 1\n" for number in range(MAX_ENTRIES)),
    "lines": "a:\n" + "- 1\n" * (SIZE // 4),
    "brackets": "[" * SIZE,
    "braces": "{a: " * (SIZE // 4),
    "dashes": "- " * (SIZE // 2),
    "questions": "? " * (SIZE // 2),
    "aliases": "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(1000)),
    "merges": "a: &a {x: 1}\nb: {<<: *a}\n",
    "tags": "!!python/object/apply:os.system [ls]",
    "documents": "---\n" * (SIZE // 4),
    "directives": "%YAML 1.1\n" * (SIZE // 10),
    "digits": "a: " + "9" * SIZE,
    "an exponent": "a: 1e" + "9" * 1000,
    "too long": "#" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_refused_soon(name: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        parse_yaml(DOCUMENTS[name], "x.yaml")
    assert time.process_time() - start < 1.5  # about 0.8 s, on a machine that does nothing else
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.fixture
def table(tmp_path: Path) -> str:
    days = pd.date_range("2024-01-01", periods=60)
    pd.DataFrame({"ds": days, "y": range(60)}).to_csv(tmp_path / "a.csv", index=False)
    return str(tmp_path / "a.csv")


ENCODINGS = ("hex", "rot13", "base64", "zlib", "bz2", "uu", "quopri", "idna", "punycode")
ENCODINGS += ("unicode_escape", "raw_unicode_escape", "undefined", "utf-8\\0", "x" * 10_000)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_are_those_of_texts(
    encoding: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", table, "--set", f'data.encoding="{encoding}"']) == 2
    out, err = capsys.readouterr()
    assert "expected a text encoding" in out + err
    assert len(out + err) < 1_000


@pytest.mark.parametrize("zone", ["", " ", "Mars", "Europe", "../../etc/passwd", "x" * 10_000])
def test_zones_have_names(zone: str, table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", table, "--set", f'data.tz="{zone}"']) == 2
    out, err = capsys.readouterr()
    assert "expected the name of a time zone" in out + err
    assert len(out + err) < 1_000


LENGTHS = ("windows.horizon", "windows.context_length", "data.season_length", "backtest.step")


@pytest.mark.parametrize("setting", LENGTHS)
def test_lengths_are_bounded(setting: str, table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", table, "--set", f"{setting}=1000000000"]) == 2
    assert "from 1 to 100000" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 5, -1])
@pytest.mark.parametrize("cell", ["2020", "2020-01"])
@pytest.mark.parametrize("freq", ["h", "D"])
def test_a_cell_coarser_than_its_column_is_refused(cell: str, freq: str, place: int) -> None:
    stamps = [str(stamp) for stamp in pd.date_range("2020-01-01", periods=40, freq=freq)]
    stamps[place] = cell
    frame = pd.DataFrame({"ds": stamps, "y": range(40)})
    with pytest.raises(DataError, match="format of the other rows"):
        load_panel(frame)


def test_columns_of_months_are_read() -> None:
    frame = pd.DataFrame({"ds": MONTHS, "y": range(len(MONTHS))})
    assert load_panel(frame).num_rows == len(MONTHS)


MONTHS = [f"{year}-{month:02}" for year in range(2018, 2022) for month in range(1, 13)]


STEPS = ("²", "٣", "٣D", "1" * 5000, "1" * 5000 + "D", "1" * 22 + "D", "1" * 18 + "B", "0D", "-1h")


@pytest.mark.parametrize("freq", STEPS)
def test_steps_are_numbers_that_time_has(
    freq: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", table, f"--freq={freq}"]) == 2
    err = capsys.readouterr().err
    assert "--freq is" in err
    assert "expected a" in err


@pytest.mark.parametrize("words", [["--id=ds"], ["--id=%s"], ["--static=ds"], ["--static=y"]])
def test_roles_that_take_the_column_of_another(
    words: list[str], table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", table, *words]) == 2
    assert "problem" in capsys.readouterr().out
