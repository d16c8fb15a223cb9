"""Lists of names on the command line: the names that a CSV writer would write."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.cli.parser import to_list

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
def test_the_hint_for_a_name_with_a_comma_works_when_pasted(
    name, tmp_path: Path, capsys, monkeypatch
):
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    table = pd.DataFrame({"ds": days, name: np.arange(30) % 7 + 0.5})
    table.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "a.csv", "--target", name]) == 2
    printed = capsys.readouterr().out
    hint = re.search(r"put a name with a comma in double quotes: --target (.*)", printed)
    assert hint is not None
    assert main(["check", "a.csv", "--target", *shlex.split(hint[1])]) == 0
