"""Lists of names on the command line: the names that a CSV writer would write."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.cli.backtesting import BACKTEST_SHORTCUTS
from forecast.cli.parser import SHORTCUTS, to_list

NAMES = [
    ["a"],
    ["a", "b"],
    ["Sales, net"],
    ["Sales, net", "b", "c,d"],
    ["two words", " space before"],
    ['say "hi"', "b"],
    ["a\nb", 'x"'],
    ["", "b"],
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_a_csv_writer_writes_is_read(names, quoting):
    line = io.StringIO()
    csv.writer(line, quoting=quoting, lineterminator="\n").writerow(names)
    written = line.getvalue()[:-1]
    if quoting == csv.QUOTE_MINIMAL and '"' in written:
        names = [name.lstrip() for name in names]  # where there are quotes, spaces need them
    assert json.loads(to_list(written)) == names


def test_spaces_after_the_comma_of_a_quoted_list():
    assert json.loads(to_list('"a, b", c, "d"')) == ["a, b", "c", "d"]


@pytest.mark.parametrize("name", ["Sales, net", "net,Sales", "a,b,c", "c, 'd'"])
def test_a_name_with_a_comma_needs_no_quotes(name, tmp_path: Path, capsys, monkeypatch):
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    table = pd.DataFrame({"ds": days, name: np.arange(30) % 7 + 0.5})
    table.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "a.csv", "--target", name]) == 0
    assert f"target  {name}" in capsys.readouterr().out


@pytest.mark.parametrize("shortcut", [*SHORTCUTS, *BACKTEST_SHORTCUTS], ids=lambda s: s.option)
def test_an_option_given_twice_is_refused(shortcut, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["backtest", "a.csv", shortcut.option, "1", shortcut.option, "2"])
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert f"{shortcut.option} is given twice, as '1' and '2': give it once" in printed
    if "..." in shortcut.metavar:
        assert f"{shortcut.option} 1,2" in printed


def test_two_columns_that_name_a_series(tmp_path, capsys):
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    frames = [
        pd.DataFrame({"store": store, "item": item, "ds": days, "y": np.arange(40) % 7 + store})
        for store in (1, 2)
        for item in ("A", "B")
    ]
    table = pd.concat(frames)
    path = tmp_path / "sales.csv"
    table.to_csv(path, index=False)
    assert main(["check", str(path), "--id", "item"]) == 2
    printed = capsys.readouterr().out
    assert "'store' tells them apart" in printed
    assert "-> pass --id item,store, or --set data." in printed
    assert main(["check", str(path), "--id", "store,item", "--horizon", "7"]) == 0
    assert "series  4" in capsys.readouterr().out
