"""The pictures and the page of a backtest say what its folder holds, and can be made again from it
alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import experiment, hourly
from reports import Page, a_result, write_run

from forecast.backtest.folder import backtest_run, backtest_table
from forecast.cli import main
from forecast.errors import DataError
from forecast.experiment.settings import Experiment
from forecast.intervals.coverage import coverage_text
from forecast.runs.pictures import plot_run, report_run
from forecast.runs.stored import read_result
from forecast.scores.evaluation import BacktestResult
from forecast.training.voice import Voice


def calibrated(**data: Any) -> Experiment:
    """Eight cutoffs of a small network with intervals."""
    return experiment(
        data={"source": "hours.parquet", **data},
        evaluation={"validation_size": 12, "calibration_size": 12},
        backtest={
            "num_windows": 8,
            "step": 2,
            "refit": 4,
            "models": ["net", "drift", "last_value"],
        },
    )


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("backtest")
    hourly().to_parquet(place / "hours.parquet")
    said: list[str] = []
    folder = backtest_run(
        calibrated(), str(place / "hours.parquet"), out=place / "out", voice=Voice(said.append)
    )
    (folder / "said.txt").write_text("\n".join(said))
    return folder


@pytest.fixture(name="result", scope="module")
def _result() -> BacktestResult:
    return backtest_table(calibrated(), hourly()).result


def test_coverage_is_written_and_said_as_evaluate_does(
    folder: Path, result: BacktestResult
) -> None:
    assert coverage_text(result) in (folder / "said.txt").read_text()
    frame, table = (
        pd.read_parquet(folder / "forecasts.parquet"),
        pd.read_csv(folder / "coverage.csv"),
    )
    for level in (80, 95):
        held = frame["y"].between(frame[f"net-lo-{level}"], frame[f"net-hi-{level}"])
        row = table.query("by == 'overall' and level == @level").iloc[0]
        assert (row["values"], row["covered"]) == (len(frame), pytest.approx(held.mean()))
        for step in range(3):
            row = table.query(f"by == 'step' and level == @level and group == '{step + 1}'").iloc[0]
            assert row["covered"] == pytest.approx(held[step::3].mean())


def test_the_evaluation_comes_back_from_the_folder(folder: Path, result: BacktestResult) -> None:
    stored = read_result(folder)
    assert stored is not None
    assert (stored.alias, stored.baselines) == ("net", ("drift", "last_value"))
    assert stored.quantile_levels == result.quantile_levels == (0.025, 0.1, 0.9, 0.975)
    np.testing.assert_array_equal(stored.quantiles, result.quantiles)
    np.testing.assert_array_equal(
        stored.series_ids[stored.series], result.series_ids[result.series]
    )
    np.testing.assert_array_equal(stored.cutoffs, result.cutoffs)
    assert stored.scores().to_dict() == result.scores().to_dict()


def test_the_page_says_what_the_folder_holds(folder: Path) -> None:
    page = Page((folder / "report.html").read_text())
    headings = page.words("h2")
    assert "Training" not in headings
    assert {
        "Scores",
        "Forecasts and actual values",
        "Errors by step and cutoff",
        "Coverage of the intervals",
    } <= set(headings)
    scores = json.loads((folder / "scores.json").read_text())
    assert any(f"{scores['num_windows']} test windows, horizon" in text for text in page.words("p"))
    cutoffs = "8, 2 steps apart; models are fitted at the first of every 4, on all rows up to it"
    assert cutoffs in page.words("dd")
    assert "forecast backtest --config config.yaml --out again" in page.words("pre")
    frame = pd.read_parquet(folder / "forecasts.parquet")
    errors = (frame["net"] - frame["y"]).abs().groupby(frame["cutoff"]).mean()
    shown = page.readings("Mean absolute error of the model and the baselines by cutoff")
    place = 2 + shown["names"].index("net")
    assert [float(row[place]) for row in shown["rows"]] == pytest.approx(errors.tolist(), rel=1e-3)
    assert [row[1] for row in shown["rows"]] == [
        str(one).removesuffix(" 00:00:00") for one in errors.index
    ]


def test_pictures_and_page_are_made_again_by_the_commands(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {path.name for path in folder.glob("*.png")}
    assert {"forecasts.png", "error_by_step.png", "residuals.png", "coverage.png"} <= names
    assert "loss.png" not in names
    assert main(["report", str(folder), f"--out={tmp_path / 'page.html'}"]) == 0
    pictures = tmp_path / "pictures"
    assert main(["plot", str(folder), f"--out={pictures}"]) == 0
    made = {str(tmp_path / "page.html"), *(str(pictures / name) for name in names)}
    assert set(capsys.readouterr().out.split()) == made
    assert (tmp_path / "page.html").read_bytes() == (folder / "report.html").read_bytes()
    assert all((pictures / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_a_baseline_alone_has_pictures_and_a_page(tmp_path: Path) -> None:
    """Nothing is judged against anything: no skill, no intervals."""
    hourly().to_parquet(tmp_path / "hours.parquet")
    config = experiment(backtest={"num_windows": 3, "models": ["drift"]})
    folder = backtest_run(
        config, str(tmp_path / "hours.parquet"), out=tmp_path / "out", voice=Voice(lambda _: None)
    )
    names = {path.name for path in folder.glob("*.png")}
    assert {"forecasts.png", "error_by_step.png", "residuals.png"} <= names
    assert not names & {"loss.png", "coverage.png"}
    page = Page((folder / "report.html").read_text())
    assert "Coverage of the intervals" not in page.words("h2")
    assert page.words("th")[-1] == "drift"


def test_a_backtest_that_has_not_ended_has_no_page(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backtest.json").write_bytes((folder / "backtest.json").read_bytes())
    for work in (report_run, plot_run):
        with pytest.raises(DataError, match="a finished backtest"):
            work(tmp_path)


def test_damage_is_said_with_what_mends_it(folder: Path, tmp_path: Path) -> None:
    for name in ("forecasts.json", "config.yaml", "data.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "forecasts.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="write them again with forecast backtest --resume"):
        report_run(tmp_path)


def test_the_page_of_a_run_says_fit(tmp_path: Path) -> None:
    page = Page(report_run(write_run(tmp_path / "run", a_result())).read_text())
    assert "Training" in page.words("h2")
    assert any(text.startswith("forecast fit ") for text in page.words("pre"))
