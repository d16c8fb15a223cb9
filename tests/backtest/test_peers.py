"""Models in another environment: requests and results, with a stand-in that sums its input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backtest.test_rolling import m4
from backtests import experiment, hourly
from panels import panel_of

from forecast.backtest.folder import backtest_table
from forecast.backtest.peers import PYTHON, STATISTICAL, StatisticalModel, find_python, version_of
from forecast.cli import main
from forecast.errors import ConfigError, DataError

STAND_IN = '''
import numpy as np

class Theta:
    """Forecasts that depend on season length, on the rows to fit on, and on a later history."""

    def __init__(self, season_length):
        self.season_length = season_length

    def fit(self, y):
        if np.isnan(y).any() or (y == -1).any():
            raise ValueError("a value it\\n cannot do")
        self.learned = y.sum()
        return self

    def predict(self, h):
        return {"mean": self.learned + 1000 * self.season_length + np.arange(h)}

    def forward(self, y, h):
        return {"mean": self.learned + 1e6 * y.sum() + np.arange(h)}

class Naive(Theta):
    def __init__(self):
        super().__init__(7)
'''


@pytest.fixture(name="python")
def _python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """This Python with a package named statsforecast, and without `forecast`."""
    (tmp_path / "other" / "statsforecast").mkdir(parents=True)
    (tmp_path / "other" / "statsforecast" / "__init__.py").write_text("")
    (tmp_path / "other" / "statsforecast" / "models.py").write_text(STAND_IN)
    (tmp_path / "other" / "statsforecast-9.8.dist-info").mkdir()
    (tmp_path / "other" / "forecast.py").write_text("raise ImportError('not installed here')\n")
    (tmp_path / "other" / "statsforecast-9.8.dist-info" / "METADATA").write_text(
        "Name: statsforecast\nVersion: 9.8\n"
    )
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path / "other"}" exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(path))
    return str(path)


def test_models_are_fitted_on_the_rows_after_the_last_gap_and_go_on_from_later_ones(
    python: str,
) -> None:
    positions = [[0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12], [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]
    first = 2.0 ** np.arange(11)
    second = 3.0 ** np.arange(10)
    first[4] = np.nan
    second[0] = np.nan
    panel = panel_of(positions, np.concatenate([first, second]))
    learned = panel_of([series[:stop] for series, stop in zip(positions, (7, 6), strict=True)])
    last = np.array([6, 8, 16, 19])  # two cutoffs of each series
    made, quantiles = (
        StatisticalModel("Theta", 2, 4, "forward_fill", python).fit(learned).predict(panel, last)
    )
    seen = [
        [8.0, 8.0, 32.0, 64.0, 128.0, 256.0],
        3.0 ** np.arange(1, 9),
    ]  # filled, and from the first value on
    sums = [np.sum(seen[0][:4]), np.sum(seen[0]), np.sum(seen[1][:5]), np.sum(seen[1])]
    expected = [sums[0] + 4000, sums[0] + 1e6 * sums[1], sums[2] + 4000, sums[2] + 1e6 * sums[3]]
    np.testing.assert_array_equal(made[:, 0, 0], expected)
    np.testing.assert_array_equal(made[:, 1, 0], np.array(expected) + 1)
    assert quantiles is None


def test_a_series_without_rows_to_fit_on_is_not_forecast(python: str) -> None:
    panel = panel_of([[0, 1, 2, 3], [0, 1, 2, 3]])
    learned = panel_of([[0, 1, 2, 3]])
    made, _ = (
        StatisticalModel("Theta", 1, 1, "refuse", python)
        .fit(learned)
        .predict(panel, np.array([2, 6]))
    )
    assert np.isfinite(made[:, 0, 0]).tolist() == [True, False]


@pytest.mark.usefixtures("python")
def test_they_stand_in_a_backtest_beside_the_others() -> None:
    data = {"target_cols": ["y", "wind"], "season_length": 6}
    backtest = {
        "num_windows": 2,
        "step": 3,
        "history": 20,
        "models": ["Theta", "Naive", "last_value"],
    }
    result = backtest_table(experiment(data=data, backtest=backtest), hourly()).result
    assert result.alias == "Theta"
    assert result.baselines == ("last_value",)
    table = hourly().set_index(["unique_id", "ds"])[["y", "wind"]]
    for window, cutoff in enumerate(result.cutoffs):
        history = table.loc[result.series_ids[result.series[window]]]
        fitted_at = min(result.cutoffs)
        learned = history[history.index <= fitted_at].tail(20)
        expected = learned.sum() + 6000
        if cutoff > fitted_at:
            goes_on = history[(history.index >= learned.index[0]) & (history.index <= cutoff)]
            expected = learned.sum() + 1e6 * goes_on.sum()
        np.testing.assert_allclose(result.forecasts["Theta"][window, 0], expected, rtol=1e-12)


def test_a_model_that_fails_names_the_series_in_one_line(python: str) -> None:
    panel = panel_of([[0, 1, 2], [0, 1, 2]], [1, 2, 3, 1, -1, 3])
    with pytest.raises(DataError) as found:
        StatisticalModel("Theta", 1, 1, "refuse", python).fit(panel).predict(
            panel, np.array([1, 4])
        )
    assert str(found.value).startswith(
        "Theta of statsforecast fails on series 's1' (ValueError: a value it cannot do)"
    )
    with pytest.raises(ConfigError, match=r"which cannot run AutoETS: .*AutoETS"):
        StatisticalModel("AutoETS", 1, 1, "refuse", python).fit(panel).predict(panel, np.array([1]))


def test_the_version_is_that_of_the_other_environment(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version_of(find_python()) == "9.8"
    assert find_python() == python
    for path, words in (
        (f"{python}-", "expected a Python that can be run"),
        ("", "is not set"),
        ("/", "expected a"),
    ):
        monkeypatch.setenv(PYTHON, path)
        with pytest.raises(ConfigError, match=words):
            find_python()
    with pytest.raises(ConfigError, match="which has no statsforecast: set FORECAST_STATSFORECAST"):
        version_of(sys.executable)


def test_an_environment_without_it_is_said_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)
    hourly().to_parquet(tmp_path / "table.parquet")
    words = [
        str(tmp_path / "table.parquet"),
        "--horizon=3",
        "--models=Naive",
        f"--out={tmp_path / 'out'}",
    ]
    assert main(["backtest", *words]) == 2
    assert "has no statsforecast" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(name="statsforecast")
def _statsforecast() -> None:
    if not os.environ.get(PYTHON):
        pytest.skip(f"statsforecast is not at hand: `make bench-peers`, and set {PYTHON}")


@pytest.mark.slow
@pytest.mark.usefixtures("statsforecast")
@pytest.mark.timeout(900)
def test_published_figures_of_the_m4_competition(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weekly: AutoETS within 0.01 OWA of the published figure; naive ones equal Naive2 and ours."""
    found = m4(shared_data, "weekly", ["AutoETS", "Naive", "SeasonalNaive", "last_value"])
    with capsys.disabled():
        for name, (smape, mase, owa) in found.items():
            print(f"\nM4 weekly, {name}: sMAPE {smape:.3f}, MASE {mase:.3f}, OWA {owa:.4f}", end="")
    assert found["AutoETS"] == pytest.approx([8.706, 2.548, 0.9339], abs=0.01)
    assert found["Naive"] == pytest.approx(found["last_value"], rel=1e-12)
    assert found["SeasonalNaive"] == pytest.approx(found["last_value"], rel=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("statsforecast")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("refit", ["each", "never"])
def test_every_model_forecasts_at_every_cutoff(refit: str) -> None:
    """And a season carried on is that of our own baseline."""
    table = hourly()[["unique_id", "ds", "y"]]
    backtest = {
        "num_windows": 3,
        "step": 2,
        "refit": refit,
        "models": [*STATISTICAL, "seasonal_naive", "last_value"],
    }
    result = backtest_table(experiment(backtest=backtest), table)
    assert result.left_out == {}
    forecasts = result.result.forecasts
    np.testing.assert_allclose(forecasts["SeasonalNaive"], forecasts["seasonal_naive"], rtol=1e-12)
    np.testing.assert_allclose(forecasts["Naive"], forecasts["last_value"], rtol=1e-12)
    errors = pd.DataFrame(
        {name: scores["MAE"] for name, scores in result.scores().values.items()}, index=[0]
    ).iloc[0]
    assert (errors[["AutoETS", "AutoARIMA", "Theta"]] < errors["last_value"]).all()
