"""Kept forecasts, and what `monitor` says of them once the values have come."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.cli import main
from forecast.runs import kept_forecasts
from forecast.runs.kept_forecasts import keep_forecast, kept_paths
from forecast.runs.monitor import monitor_run
from forecast.runs.use import evaluate_run

COLUMNS = ["--id", "store", "--time", "day", "--target", "sales", "--past", "rain"]
SETTINGS = ["--set", "ensemble.seeds=0", "--set", "ensemble.linear=member"]
SETTINGS += ["--set", "ensemble.simple=[]", "--horizon", "3"]
NIGHTS = pd.date_range("2025-06-01", "2025-07-20")


def sales() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    days = pd.date_range("2025-01-01", periods=260)
    tables = []
    for number, store in enumerate(("north", "south")):
        level = 40 + 10 * number + 6 * np.sin(2 * np.pi * np.arange(260) / 7)
        table = pd.DataFrame({"store": store, "day": days, "rain": draw.uniform(0, 9, 260)})
        tables.append(table.assign(sales=(level + draw.normal(0, 2, 260)).round(3)))
    return pd.concat(tables)


def write(table: pd.DataFrame, path: Path) -> str:
    table.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a forecast of every night; `made.csv` has all of them."""
    folder = tmp_path_factory.mktemp("nights")
    table = sales()
    old = write(table[table["day"] < NIGHTS[0]], folder / "old.csv")
    run = str(folder / "run")
    assert main(["fit", old, *COLUMNS, *SETTINGS, "--out", run, "--quiet"]) == 0
    made = []
    for night in NIGHTS:
        history = write(table[table["day"] <= night], folder / "tonight.csv")
        output = folder / "next.csv"
        assert main(["predict", run, history, "--output", str(output), "--quiet"]) == 0
        made.append(pd.read_csv(output))
        output.unlink()
    pd.concat(made).to_csv(folder / "made.csv", index=False)
    return folder


def test_errors_and_coverage_are_those_of_a_plain_join(
    nights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(nights / "run", tmp_path / "run")
    actuals = write(sales(), tmp_path / "came.csv")
    capsys.readouterr()
    assert main(["monitor", str(tmp_path / "run"), actuals]) == 0
    printed = capsys.readouterr().out
    made = pd.read_csv(nights / "made.csv", parse_dates=["day", "cutoff"])
    joined = made.merge(sales(), on=["store", "day"])
    assert len(joined) == 2 * 3 * len(NIGHTS)
    error = (joined["sales"] - joined["ensemble"]).abs()
    covered = joined["sales"].between(joined["ensemble-lo-80"], joined["ensemble-hi-80"]).mean()
    assert f"mean absolute error: {error.mean():.4g}, and" in printed
    assert f"80 % intervals: {100 * covered:.1f} % covered" in printed
    assert "2 series: 300 values came" in printed
    page = (tmp_path / "run" / "monitor.html").read_text()
    assert "No alarm" in page
    step = (joined["day"] - joined["cutoff"]).dt.days
    by_step = monitor_run(tmp_path / "run", actuals).watched.by_step
    np.testing.assert_allclose(by_step["error"], error.groupby(step).mean(), rtol=1e-9)
    promised = evaluate_run(nights / "run")
    errors = np.abs(promised.actual - promised.forecasts["ensemble"])
    np.testing.assert_allclose(by_step["promised"], np.nanmean(errors, axis=(0, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "alarms"),
    [
        ({"sales": 1.5}, ["mean absolute error of", "80 % intervals covered", "'sales' are out"]),
        ({"rain": 3.0}, ["values of 'rain' are outside what training has seen, "]),
    ],
)
def test_alarms_are_sentences_and_exit_code_1(
    nights: Path,
    tmp_path: Path,
    changes: dict[str, float],
    alarms: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = sales()
    for name, factor in changes.items():
        table.loc[table["day"] > NIGHTS[0], name] *= factor
    actuals = write(table, tmp_path / "came.csv")
    page = tmp_path / "page.html"
    capsys.readouterr()
    assert main(["monitor", str(nights / "run"), actuals, "--out", str(page), "--quiet"]) == 1
    printed = capsys.readouterr().out
    for alarm in alarms:
        assert any(alarm in line for line in printed.splitlines() if line.startswith("alarm: "))
    if "rain" in changes:
        assert printed.count("alarm: ") == 1
    lines = [line for line in printed.splitlines() if line.startswith("alarm: ")]
    assert all(escape(line.removeprefix("alarm: ")) in page.read_text() for line in lines)
    # written over by itself, and over nothing else
    assert main(["monitor", str(nights / "run"), actuals, "--out", str(page), "--quiet"]) == 1
    page.write_text("mine")
    assert main(["monitor", str(nights / "run"), actuals, "--out", str(page)]) == 2
    assert page.read_text() == "mine"


def test_nothing_kept_and_nothing_come_say_what_to_do(
    nights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = str(nights / "old.csv")
    capsys.readouterr()
    assert main(["monitor", str(nights / "run"), old, "--quiet"]) == 0  # the first night
    said = capsys.readouterr().out
    assert "nothing to compare" in said
    assert "begin at 2025-06-02, and the table ends at 2025-05-31" in said
    table = sales()
    late = write(
        table.assign(sales=table["sales"].where(table["day"] < NIGHTS[0])), tmp_path / "l.csv"
    )
    assert main(["monitor", str(nights / "run"), late]) == 0
    others = table.assign(store=table["store"] + "-2")
    capsys.readouterr()
    assert main(["monitor", str(nights / "run"), write(others, tmp_path / "o.csv")]) == 2
    assert "it has 'north-2', and 'north' was forecast" in capsys.readouterr().err
    shutil.copytree(nights / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "forecasts")
    assert main(["monitor", str(tmp_path / "run"), old]) == 2
    assert "has no kept forecasts" in capsys.readouterr().err


def test_a_forecast_is_kept_once_and_the_oldest_go(
    nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(nights / "run", run)
    shutil.rmtree(run / "forecasts")
    (run / "forecasts").mkdir()
    (run / "forecasts" / "mine.parquet").write_text("keep")
    table = sales()
    forecaster = Forecaster.load(run / "model")
    for night in (*NIGHTS[:3], NIGHTS[0]):
        keep_forecast(run, forecaster.predict(table[table["day"] <= night]))
    assert [path.name[:8] for path in kept_paths(run)] == ["000001-1", "000002-1", "000003-1"]
    monkeypatch.setattr(kept_forecasts, "KEPT_FILES", 2)
    keep_forecast(run, forecaster.predict(table[table["day"] <= NIGHTS[3]]))
    assert [path.name[:6] for path in kept_paths(run)] == ["000003", "000004"]
    assert (run / "forecasts" / "mine.parquet").read_text() == "keep"


def test_a_repeated_fit_keeps_the_forecasts_and_scenarios_are_not_kept(
    nights: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(nights / "run", run)
    names = [path.name for path in kept_paths(run)]
    assert len(names) == len(NIGHTS)
    old = str(nights / "old.csv")
    assert main(["predict", str(run), "--no-keep", "--quiet"]) == 0
    assert main(["fit", old, *COLUMNS, *SETTINGS, "--out", str(run), "--quiet"]) == 0
    assert [path.name for path in kept_paths(run)] == names


def test_a_damaged_forecast_is_named(
    nights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(nights / "run", run)
    kept_paths(run)[4].write_bytes(b"PAR1")
    assert main(["monitor", str(run), write(sales(), tmp_path / "came.csv")]) == 2
    assert f"{kept_paths(run)[4].name}: cannot be read" in capsys.readouterr().err
