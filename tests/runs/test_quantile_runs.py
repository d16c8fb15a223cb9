"""A model with the quantile loss is scored as one, in every file of its run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as peer

from forecast import BacktestResult, Experiment, scores_by
from forecast.runs.run import fit_run
from forecast.runs.use import evaluate_run
from forecast.training.voice import Voice

LEVELS = np.array([0.1, 0.5, 0.9])
NAMES = ["bigru-lo-80", "bigru-median", "bigru-hi-80"]


def hourly() -> pd.DataFrame:
    """Two series of one day's cycle with noise."""
    draw = np.random.default_rng(2)
    hours = np.arange(240)
    stamps = pd.date_range("2024-01-01", periods=len(hours), freq="h")
    tables = []
    for name, level in (("a", 20.0), ("b", 50.0)):
        y = level + 5 * np.sin(2 * np.pi * hours / 24) + draw.normal(size=len(hours))
        tables.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": y}))
    return pd.concat(tables)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantiles")
    hourly().to_csv(folder / "table.csv", index=False)
    config = Experiment.model_validate(
        {
            "data": {"source": str(folder / "table.csv")},
            "model": {"name": "bigru", "units": 4},
            "windows": {"context_length": 24, "horizon": 4},
            "training": {"loss": "quantile", "epochs": 2, "refit": False},
            "evaluation": {"calibration_size": 0},
        }
    )
    return fit_run(config, out=folder / "run", voice=Voice(lambda _: None))


@pytest.fixture(scope="module")
def result(run: Path) -> BacktestResult:
    return evaluate_run(run)


def test_scores_of_quantiles_are_those_of_another_package(
    run: Path, result: BacktestResult
) -> None:
    stored = json.loads((run / "scores.json").read_text())
    assert stored["quantile_levels"] == LEVELS.tolist()
    scores = stored["values"]["bigru"]
    table = result.frame().assign(unique_id="all", cutoff=0)  # one group, as all windows are scored

    expected = peer.mqloss(table, {"bigru": NAMES}, quantiles=LEVELS)["bigru"].item()
    assert scores["pinball"] == pytest.approx(expected, rel=1e-9)
    expected = peer.scaled_crps(table, {"bigru": NAMES}, quantiles=LEVELS)["bigru"].item()
    assert scores["WQL"] == pytest.approx(expected, rel=1e-6)
    expected = peer.coverage(table, ["bigru"], 80)["bigru"].item()
    assert scores["coverage-80"] == pytest.approx(expected, rel=1e-9)
    expected = peer.winkler_score(table, ["bigru"], 80)["bigru"].item()
    assert scores["Winkler-80"] == pytest.approx(expected, rel=1e-9)
    width = (table["bigru-hi-80"] - table["bigru-lo-80"]).mean()
    assert scores["width-80"] == pytest.approx(width, rel=1e-9)
    # each level stands for those nearer to it than to another: 0.3, 0.4 and 0.3 of all levels
    losses = [
        peer.quantile_loss(table, {"bigru": name}, q=level)["bigru"].item()
        for name, level in zip(NAMES, LEVELS, strict=True)
    ]
    assert scores["CRPS"] == pytest.approx(2 * np.dot([0.3, 0.4, 0.3], losses), rel=1e-9)
    assert "pinball" not in stored["values"]["last_value"]


def test_the_printed_scores_the_breakdown_and_the_page_show_them(
    run: Path, result: BacktestResult
) -> None:
    text = (run / "scores.txt").read_text()
    scores = json.loads((run / "scores.json").read_text())["values"]["bigru"]
    line = text[text.index("quantiles of levels 0.1, 0.5, 0.9") :].splitlines()[4]
    assert f"{100 * scores['coverage-80']:.1f} %" in line
    assert max(map(len, text.splitlines()[: text.count("\n") - 1])) <= 100

    table = scores_by(result).set_index("model")
    assert table.loc["bigru", "CRPS"] == pytest.approx(scores["CRPS"])
    assert np.isnan(table.loc["linear", "CRPS"])

    page = (run / "report.html").read_text()
    section = page[page.index('aria-label="Scores of quantiles and intervals"') :]
    assert f"<td>{100 * scores['coverage-80']:.1f} %</td>" in section.split("</table>")[0]
