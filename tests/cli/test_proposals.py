"""Settings written as options that can be pasted, and the command that removes all findings."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from forecast.cli.entry import main
from forecast.cli.proposals import as_options, command_line, command_with, settings_for_all
from forecast.data.findings import Change, Finding, in_python

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
    assert settings_for_all(findings) == {"data.missing": "mask", "data.gaps": "skip"}


def test_the_proposed_command_finds_no_problem(tmp_path: Path, capsys):
    path = tmp_path / "my table.csv"
    path.write_text("when,my sales\n2024-01-01,1\n2024-01-02,\n2024-01-03,2\n2024-01-05,4\n")
    assert main(["check", str(path), "--time", "when", "--target", "my sales"]) == 2
    proposed = capsys.readouterr().out.splitlines()[-1]
    assert proposed.startswith("try: forecast check ")
    assert main(shlex.split(proposed)[2:]) == 0
    assert "no problem found\n" in capsys.readouterr().out
