"""Every fix that a finding proposes is applied, and the finding is gone."""

from __future__ import annotations

import ast
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from experiment.finding_tables import ERRORS, Provoked

from forecast.cli.entry import main
from forecast.cli.proposals import as_options, command_with
from forecast.data.findings import Finding
from forecast.data.load import load_panel
from forecast.errors import ForecastError
from forecast.errors.interface import Settings
from forecast.experiment.check_table import check_table
from forecast.experiment.prepare import prepare, refuse_no_forecast
from forecast.experiment.settings import Experiment

PACKAGE = Path(__file__).parents[2] / "forecast"
WITHOUT_TABLE = {
    "missing_package": "a package that is not installed",
    "password": "needs a protected workbook",
    "standard_input": "nothing is piped in",
    "unreadable_file": "what pyarrow refuses for reasons of its own",
    "not_prepared": "for errors of stages that no table is known to reach",
}
MADE_ELSEWHERE = {"data/findings.py", "data/cells/numeric_text.py", "data/values.py"}
"""Modules that pass on a code which is not written in the call."""
CONSTANTS = {"SHORT_SERIES": "short_series"}
BASE = {"windows.horizon": 2}


def experiment(case: Provoked) -> Experiment:
    return Experiment().with_settings({**BASE, **case.settings})


def errors_of(config: Experiment, source: Any) -> tuple[Finding, ...]:
    return check_table(config, source).errors


def provoked(name: str, folder: Path) -> tuple[Provoked, Experiment, Any, Finding]:
    case = ERRORS[name]
    source = case.source(folder, case.table())
    config = experiment(case)
    errors = errors_of(config, source)
    assert case.code in [error.code for error in errors], errors
    return case, config, source, next(error for error in errors if error.code == case.code)


def assert_gone(finding: Finding, errors: tuple[Finding, ...], changed: Settings) -> None:
    """The finding is gone, and no other one asks to undo what was changed."""
    assert finding.code not in [error.code for error in errors], errors
    for error in errors:
        for settings in error.settings:
            undone = [path for path in settings if path in changed]
            assert not undone or len(settings) > len(undone), error


@pytest.mark.parametrize("name", ERRORS)
def test_every_change_of_settings_removes_its_finding(name, tmp_path):
    case, config, source, finding = provoked(name, tmp_path)
    assert finding.settings or case.edit or case.untried, "no advice was tried"
    for settings in finding.settings:
        assert_gone(finding, errors_of(config.with_settings(settings), source), settings)


@pytest.mark.parametrize("name", [name for name, case in ERRORS.items() if not case.is_object])
def test_every_change_removes_its_finding_as_it_is_pasted(name, tmp_path):
    case, _, source, finding = provoked(name, tmp_path)
    typed = ["check", str(source), *shlex.split(as_options({**BASE, **case.settings}))]
    printed = run(typed)
    assert finding.message.split("`")[0] in printed
    for settings in finding.settings:
        pasted = as_options(settings)
        assert pasted in printed
        assert f"error   {finding.message}" not in run(
            shlex.split(command_with(typed, settings))[1:]
        )


def run(arguments: list[str]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(arguments)
    return printed.getvalue()


@pytest.mark.parametrize("name", [name for name, case in ERRORS.items() if case.edit])
def test_every_edit_removes_its_finding(name, tmp_path):
    case, config, _, finding = provoked(name, tmp_path)
    assert case.edit is not None
    edited = case.source(tmp_path, case.edit(case.table()))
    if case.code in ("doubled_name",):  # the setting must follow
        config = Experiment().with_settings({**BASE, "data.target_cols": ("load",)})
    errors = errors_of(config, edited)
    assert finding.code not in [error.code for error in errors], errors


def calls() -> Iterator[tuple[str, ast.expr]]:
    """Yield module and code of every call in the package that makes an error or a warning."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "classification" in path.parts:  # other tables: tests/classification
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func)
            if name == "BadTableError" or name.endswith(("log.error", "log.warn")):
                yield path.relative_to(PACKAGE).as_posix(), node.args[0]


def test_every_kind_of_error_has_a_table():
    codes = {CONSTANTS.get(name, name) for name in CONSTANTS}
    dynamic = set()
    for module, code in calls():
        if isinstance(code, ast.Constant):
            codes.add(code.value)
        elif ast.unparse(code) not in CONSTANTS and ast.unparse(code) != "finding.code":
            dynamic.add(module)
    assert dynamic <= MADE_ELSEWHERE
    tried = {case.code for case in ERRORS.values()}
    warnings = {"constant"}
    assert codes - tried - set(WITHOUT_TABLE) - warnings == set()
    assert set(WITHOUT_TABLE) & tried == set()


PYTHON_WORDS = re.compile(
    r"[a-z]_cols?\b|[a-z]_covariates\b|\b[a-z_]+=[\"\[]|\b(True|False|None)\b"
)
"""What can be typed in Python alone; options of `--set` are taken out before the search."""


def without_options(text: str) -> str:
    return re.sub(r"--[a-z]+( (?!--)('[^']*'|\S+))?", "", text)


@pytest.mark.parametrize("name", [name for name, case in ERRORS.items() if not case.is_object])
def test_a_finding_speaks_the_language_of_the_command_line(name, tmp_path, capsys):
    case, _, source, finding = provoked(name, tmp_path)
    typed = [str(source), *shlex.split(as_options({**BASE, **case.settings}))]
    data = [word for text in finding.message.split("'")[1::2] for word in text.split()]
    for command in ("check", "fit"):
        main([command, *typed, "--quiet"] + ["--out", str(tmp_path / "out")] * (command != "check"))
        printed = capsys.readouterr()
        text = without_options(printed.out + printed.err)
        found = [match[0] for match in PYTHON_WORDS.finditer(text)]
        assert [word for word in found if word not in data] == [], text
    assert not (tmp_path / "out").exists(), "a refused command leaves nothing"


@pytest.mark.parametrize("name", ERRORS)
def test_a_finding_speaks_python(name, tmp_path):
    _, config, source, finding = provoked(name, tmp_path)
    assert "--" not in finding.text()
    for other in check_table(config, source).findings:
        assert "--" not in other.sentence
    with pytest.raises(ForecastError) as caught:
        refuse_no_forecast(config, prepare(config, source))
    assert "--" not in str(caught.value)
    assert not re.search(r": (true|false|null)\b", str(caught.value)), "YAML"


def test_notes_name_the_option_or_the_keyword(tmp_path, capsys):
    days = pd.bdate_range("2024-01-01", periods=200).drop([pd.Timestamp("2024-03-29")])
    path = tmp_path / "table.csv"
    table = pd.DataFrame({"ds": days, "y": range(199)})
    table.to_csv(path, index=False)
    assert "(trading_days=False makes gaps of the holidays)" in str(load_panel(table).notes)
    main(["check", str(path)])
    assert "(--set data.trading_days=false makes gaps of the holidays)" in capsys.readouterr().out
    assert "trading_days=False" in str(load_panel(table).notes), "the command is over"
