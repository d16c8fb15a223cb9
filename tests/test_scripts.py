"""The recipes in `scripts/`: they run as they stand, on a small table, and agree with one
another."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Forecast, Forecaster
from forecast.data.frequency import Frequency
from forecast.data.panel import USUAL_ROLES
from forecast.report.plots import plot_forecasts, save_figure
from forecast.search.space import check_space
from forecast.search.trial import make_bench

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
RECIPES = ("plot.py", "predict.py", "train.py", "tune.py")


def run(name: str, *arguments: object) -> None:
    runpy.run_path(str(SCRIPTS / name))["main"](*map(str, arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, newer rows and the model that `train.py` made."""
    path = tmp_path_factory.mktemp("scripts")
    hour = np.arange(324)
    values = 50 + 10 * np.sin(2 * np.pi * hour / 24) + np.random.default_rng(0).normal(0, 1, 324)
    table = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2025-03-01", periods=324, freq="h"),
            "y": values.round(2),
        }
    )
    table[:300].to_csv(path / "table.csv", index=False)
    table.to_csv(path / "newest.csv", index=False)
    run("train.py", path / "table.csv", path / "model")
    return path


@pytest.fixture(scope="module")
def written(folder: Path) -> pd.DataFrame:
    """The output of `predict.py` for the newest rows."""
    run("predict.py", folder / "model", folder / "newest.csv", folder / "forecast.csv")
    return pd.read_csv(folder / "forecast.csv", parse_dates=["ds", "cutoff"])


def test_predict_continues_after_the_newest_row(folder: Path, written: pd.DataFrame) -> None:
    last = pd.read_csv(folder / "newest.csv", parse_dates=["ds"])["ds"].iloc[-1]
    assert (written["cutoff"] == last).all()
    assert list(written["ds"]) == list(pd.date_range(last, periods=25, freq="h")[1:])
    again = Forecaster.load(folder / "model").predict(folder / "newest.csv").frame()
    np.testing.assert_array_equal(written["bigru"], again["bigru"])


def test_the_trained_model_follows_the_season(written: pd.DataFrame) -> None:
    hour = 324 + np.arange(24)
    season = 10 * np.sin(2 * np.pi * hour / 24)
    assert np.corrcoef(written["bigru"], season)[0, 1] > 0.8
    assert abs(written["bigru"].mean() - 50) < 5


def test_plot_draws_what_predict_writes(
    folder: Path, written: pd.DataFrame, tmp_path: Path
) -> None:
    run("plot.py", folder / "model", folder / "newest.csv", tmp_path / "drawn.png")
    plain = written[["unique_id", "ds", "cutoff", "bigru"]]  # the picture is without intervals
    forecast = Forecast.from_frame(plain, "bigru", columns=USUAL_ROLES, freq=Frequency.parse("h"))
    save_figure(
        plot_forecasts(forecast, pd.read_csv(folder / "newest.csv")), tmp_path / "expected.png"
    )
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_tune_gives_a_search_that_can_be_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        "forecast.search.search.tune_run", lambda *given, **named: seen.update(given=given, **named)
    )
    run("tune.py", folder / "table.csv", folder / "search", 3)
    config, table = seen["given"]
    check_space(config)
    make_bench(config, table, folder / "search").check_folds()
    assert config.search.max_trials == 3
    assert seen["out"] == str(folder / "search")


@pytest.mark.parametrize("name", RECIPES)
def test_wrong_arguments_print_the_usage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit, match=f"usage: scripts/{name} "):
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_stay_short(name: str) -> None:
    assert len((SCRIPTS / name).read_text(encoding="utf-8").splitlines()) <= 80
