"""A run can be repeated: in another process, with more threads, from shuffled rows, in batches of
any size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.forecasting import predict as prediction
from forecast.forecasting.forecaster import Forecaster

ROOT = Path(__file__).resolve().parents[2]
FIT = """
import os, sys
import tensorflow as tf
threads = int(os.environ["OPENBLAS_NUM_THREADS"])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
from forecast.cli import main
sys.exit(main(["fit", *sys.argv[1:]]))
"""
SETTINGS = {
    "model.name": "bigru",
    "windows.context_length": 12,
    "windows.horizon": 4,
    "model.units": 8,
    "model.dropout": 0.2,
    "training.epochs": 2,
    "training.loss": "quantile",
    "data.static_covariates": "[unique_id]",
    "data.categorical": "[unique_id]",
    "data.known_covariates": "[load]",
}


def hourly() -> pd.DataFrame:
    """Three series of unequal length with a covariate."""
    draw = np.random.default_rng(5)
    lengths = {"b": 90, "a": 80, "c": 100}
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(list(lengths), list(lengths.values())),
            "ds": pd.Timestamp("2024-05-01")
            + pd.to_timedelta(
                np.concatenate([np.arange(length) for length in lengths.values()]), unit="h"
            ),
        }
    )
    return table.assign(y=draw.normal(size=len(table)).cumsum(), load=draw.normal(size=len(table)))


def fit(folder: Path, table: pd.DataFrame, *, threads: int) -> Path:
    """Fit from the command line, in another process with other hashes."""
    folder.mkdir()
    table.to_csv(folder / "table.csv", index=False)
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": str(threads),
    }
    environment["PYTHONPATH"] = str(ROOT)
    options = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-c", FIT, "table.csv", *options, "--out=run"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("repeated") / "first", hourly(), threads=1)


@pytest.mark.proof
def test_other_processes_threads_and_row_orders_give_the_same_bits(
    run: Path, tmp_path: Path
) -> None:
    """Weights, losses, scales, scores and every forecast."""
    shuffled = hourly().sample(frac=1, random_state=2)[["load", "y", "ds", "unique_id"]]
    other = fit(tmp_path / "other", shuffled, threads=2)
    for name in ("weights.safetensors", "state.safetensors"):
        assert (run / "model" / name).read_bytes() == (other / "model" / name).read_bytes(), name
    first, second = (
        json.loads(
            (one / "history.json").read_text(), object_hook=lambda found: found | {"seconds": None}
        )
        for one in (run, other)
    )
    assert first == second
    first, second = (pd.read_parquet(one / "test_forecasts.parquet") for one in (run, other))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert (run / "scores.json").read_bytes() == (other / "scores.json").read_bytes()
    first, second = (
        json.loads((one / "data.json").read_text())["fingerprint"] for one in (run, other)
    )
    assert first == second


@pytest.mark.proof
def test_scores_do_not_depend_on_the_batch_size(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster = Forecaster.load(run / "model")
    expected = forecaster.evaluate(hourly())
    monkeypatch.setattr(prediction, "WINDOWS_AT_ONCE", 7)
    found = forecaster.evaluate(hourly())
    for alias, values in expected.forecasts.items():
        np.testing.assert_array_equal(found.forecasts[alias], values)
    assert found.scores().values == expected.scores().values
