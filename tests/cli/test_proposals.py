"""Settings written as options that can be pasted, and the command that removes all findings."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.baselines.simple import BASELINE_NAMES
from forecast.cli.entry import main
from forecast.cli.proposals import as_options, command_line, command_with
from forecast.data.findings import Change, Finding
from forecast.errors.interface import in_python
from forecast.experiment.check_table import settings_for_all

VALUES = {
    "data.separator": ";",
    "data.thousands": " ",
    "data.decimal": ",",
    "data.encoding": "cp1252",
    "data.time_format": "%d/%m/%Y",
    "data.time_col": "date, local",
    "data.id_col": "1",
    "data.target_cols": ("a, b", 'c"d', "it's"),
    "data.freq": "15min",
    "data.sheet": "null",
    "data.gaps": "fill",
    "data.missing": "mask",
    "windows.horizon": 7,
    "data.known_covariates": ("price $", "true"),
}


def options_of(words: list[str]):
    from forecast.cli.entry import build_parser
    from forecast.cli.parser import read_experiment

    return read_experiment(build_parser().parse_args(["check", "t.csv", *words]))


@pytest.mark.parametrize("path", VALUES)
def test_options_read_back_as_the_value(path):
    experiment = options_of(shlex.split(as_options({path: VALUES[path], "data.missing": "mask"})))
    assert experiment.setting(path) == VALUES[path]


def test_values_that_stand_for_nothing():
    assert as_options({"data.freq": None, "data.gaps": "skip"}) == (
        "no --freq and --set data.gaps=skip"
    )
    command = command_with(["check", "t.csv", "--freq", "h"], {"data.freq": None})
    assert command == "forecast check t.csv --set data.freq=null"


def test_settings_are_named_as_in_the_interface():
    finding = Finding("a", "error", "`data.time_col` is none of `x`", "pass `data.tz`")
    assert finding.sentence == "time_col is none of `x`. Pass tz"
    assert finding.text(command_line()) == "--time is none of `x`. Pass --set data.tz"


def test_keyword_arguments_of_python():
    settings = {"data.gaps": "fill", "data.target_cols": ("a",), "data.freq": None}
    assert in_python(settings) == 'gaps="fill", target_cols=["a"], freq=None'


@pytest.mark.parametrize(
    "typed",
    [
        ["--freq", "h", "--set", "data.gaps=skip"],
        ["--freq=h", "--set=data.gaps=skip"],
        ["--fre", "h", "--se", "data.gaps=skip"],
        [],
    ],
)
def test_a_command_is_written_again_without_what_is_replaced(typed):
    words = ["check", "my table.csv", *typed, "--set", "model.units=4"]
    command = command_with(words, {"data.freq": "D", "data.gaps": "fill", "data.missing": "mask"})
    assert shlex.split(command) == shlex.split(
        "forecast check 'my table.csv' --set model.units=4 "
        "--freq D --set data.gaps=fill --set data.missing=mask"
    )


def test_settings_that_contradict_are_not_put_together():
    findings = [
        Finding("a", "error", "a", changes=(Change({"data.missing": "mask"}),)),
        Finding(
            "b",
            "error",
            "b",
            changes=(
                Change({"data.gaps": "fill", "data.missing": "forward_fill"}),
                Change({"data.gaps": "skip"}),
            ),
        ),
        Finding("c", "error", "c", "correct the cell"),
    ]
    assert settings_for_all(findings, {}) == {"data.missing": "mask", "data.gaps": "skip"}


def series_file(path: Path, rows: int, *, missing_cell: int = -1, gap: int = -1) -> Path:
    days = pd.date_range("2024-01-01", periods=rows, freq="D")
    table = pd.DataFrame({"when": days, "my sales": np.arange(rows) % 7 + 0.5})
    table.loc[table.index == missing_cell, "my sales"] = np.nan
    table[table.index != gap].to_csv(path, index=False)
    return path


TABLES = {
    "missing cell and gap": ({"rows": 200, "missing_cell": 50, "gap": 90}, []),
    "a gap near the end": ({"rows": 200, "gap": 197}, ["--horizon", "4"]),
    "too short": ({"rows": 20}, ["--horizon", "24"]),
    "too short and a gap": ({"rows": 60, "gap": 20}, ["--horizon", "50"]),
    "a context too long": ({"rows": 40}, ["--horizon=2", "--set=windows.context_length=90"]),
    "too short for sets": ({"rows": 20}, ["--horizon=3", "--set=model.name=bigru"]),
    "a set too large": ({"rows": 60}, ["--horizon=3", "--set=evaluation.test_size=55"]),
}
COLUMNS = ["--time", "when", "--target", "my sales"]


@pytest.mark.parametrize("command", ["check", "show-config"])
@pytest.mark.parametrize("name", TABLES)
def test_the_proposed_command_finds_no_problem(name, command, tmp_path: Path, capsys):
    faults, options = TABLES[name]
    path = series_file(tmp_path / "my table.csv", **faults)
    assert main([command, str(path), *COLUMNS, *options]) == 2
    out, err = capsys.readouterr()
    proposed = (out + err).splitlines()[-1]
    assert proposed.startswith(f"try: forecast {command} ")
    assert main(shlex.split(proposed)[2:]) == 0, proposed


@pytest.mark.parametrize("day_format", ["%d/%m/%Y", "%Y-%m-%d"])
def test_a_time_of_day_that_was_forgotten_is_proposed(day_format, tmp_path: Path, capsys):
    hours = pd.date_range("2024-01-01", periods=100, freq="h")
    parts = {"Date": hours.strftime(day_format), "Time": hours.strftime("%H:%M:%S")}
    pd.DataFrame({**parts, "load": np.arange(100) % 24.0}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["check", str(tmp_path / "t.csv"), "--time", "Date", "--target", "load"]) == 2
    # added up by day, it would be accepted too, and another table
    proposed = capsys.readouterr().out.splitlines()[-1]
    assert proposed.startswith("try, if they are the parts of the time: forecast check ")
    assert proposed.endswith(" --target load --time Date,Time")
    assert main(shlex.split(proposed.partition(": forecast ")[2])) == 0
    assert "freq    h" in capsys.readouterr().out


def test_fit_refuses_with_every_finding_and_the_command_to_try(tmp_path: Path, capsys):
    path = series_file(tmp_path / "t.csv", 200, missing_cell=50, gap=90)
    assert main(["check", str(path), *COLUMNS]) == 2
    checked = capsys.readouterr().out.splitlines()
    assert main(["fit", str(path), *COLUMNS, "--out", str(tmp_path / "run")]) == 2
    *errors, proposed = capsys.readouterr().err.splitlines()
    assert not (tmp_path / "run").exists()
    assert len(errors) == 2
    for error, message in zip(errors, [line for line in checked if "error " in line], strict=True):
        assert error.startswith(f"forecast: error: {message.removeprefix('error').strip()}")
    expected = checked[-1].replace("forecast check", "forecast fit")
    assert proposed == expected.replace("'my sales'", f"'my sales' --out {tmp_path / 'run'}")


def test_problems_that_no_setting_removes_are_left_to_the_user(tmp_path: Path, capsys):
    path = series_file(tmp_path / "t.csv", 60, gap=30)
    path.write_text(path.read_text().replace("2024-01-11", "soon"))
    assert main(["check", str(path), *COLUMNS, "--horizon=2"]) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("try, with the other problems corrected in the table: forecast check")


@pytest.mark.parametrize(
    "column", [*BASELINE_NAMES, "ensemble", "ensemble-lo-80", "ets-hi-95", "cutoff"]
)
@pytest.mark.parametrize("role", ["--target", "--id", "--time"])
def test_columns_with_names_of_results_are_refused_before_training(
    column, role, tmp_path: Path, capsys
):
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    table = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(60) % 7})
    name = {"--target": "y", "--id": "unique_id", "--time": "ds"}[role]
    table.rename(columns={name: column}).to_csv(tmp_path / "t.csv", index=False)
    given = [str(tmp_path / "t.csv"), role, column, "--horizon=2"]
    for command in ("check", "show-config"):
        assert main([command, *given]) == 2
        out, err = capsys.readouterr()
        assert f"column {column!r} has the name of a column of the results" in out + err


@pytest.mark.parametrize("rows", [4, 12, 20, 30])
def test_without_a_horizon_a_short_table_is_fine_with_that_of_the_next_command(
    rows, tmp_path: Path, capsys
):
    path = series_file(tmp_path / "t.csv", rows)
    assert main(["check", str(path), *COLUMNS]) == 0
    proposed = capsys.readouterr().out.splitlines()[-1]
    assert proposed.startswith("next: forecast fit ")
    words = shlex.split(proposed)[3:]
    assert main(["check", *words]) == 0
    assert main(["check", str(path), *COLUMNS, "--horizon", "40"]) == 2
