"""A run folder of version 0.1, stored beside this test: later versions load it, forecast the same
and draw it.

`stored/` was written by the last commit before the modules moved into folders: two networks and a
linear member on three daily series with a known price, a static category and three missing values.
`forecast.csv` is what that commit wrote for `forecast predict run --known known.csv --level 80`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.runs import load_run
from forecast.runs.pictures import plot_run, report_run
from forecast.runs.use import evaluate_run, predict_run

STORED = Path(__file__).parent / "stored"


@pytest.fixture(name="run")
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stored folder, beside the table that its configuration names."""
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_a_stored_run_forecasts_as_when_it_was_written(run: Path) -> None:
    predict_run(run, known="known.csv", level=(80,), output="now.csv")
    now = pd.read_csv("now.csv", dtype={"unique_id": str})
    then = pd.read_csv("forecast.csv", dtype={"unique_id": str})

    names = ["unique_id", "ds", "cutoff"]
    pd.testing.assert_frame_equal(now[names], then[names])

    # Bitwise on one machine; another processor adds the float32 sums of the networks in another
    # order.
    columns = [name for name in then if name not in names]
    assert set(then) <= set(now)
    np.testing.assert_allclose(now[columns], then[columns], rtol=2e-6)


def test_a_stored_run_has_the_scores_that_it_had(run: Path) -> None:
    now = evaluate_run(run).scores().values
    then = json.loads((run / "scores.json").read_text())["values"]

    assert set(then) <= set(now)
    for model, scores in then.items():
        assert {name: now[model][name] for name in scores} == pytest.approx(scores, rel=2e-6)


def test_a_stored_run_is_drawn(run: Path) -> None:
    assert len(plot_run(run)) == 7
    page = report_run(run).read_text()
    assert "<h1>y, forecast of table.csv</h1>" in page
    assert "forecast predict RUN --known" in page, "its known covariates were not given"


def test_a_stored_run_is_saved_again_as_it_was(run: Path, tmp_path: Path) -> None:
    load_run(run).save(tmp_path / "again")
    again = load_run(tmp_path / "again")
    assert again.fitted.config == load_run(run).fitted.config
    for name in ("state.safetensors", "weights.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (run / "model" / name).read_bytes()
