"""The default forecast of an everyday table is exported whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from export.elsewhere import difference_elsewhere

from forecast.cli import main
from forecast.data.datasets import load
from forecast.export.writing import export_run
from forecast.runs.use import load_run

STATISTICAL = {"theta", "holt", "ets", "seasonal_lags"}
"""Members that are fitted to every history."""


def months() -> pd.DataFrame:
    """Air passengers, real."""
    return load("air_passengers")


def weeks() -> pd.DataFrame:
    """Two series with a trend, too short for a network."""
    draw = np.random.default_rng(5)
    step = np.arange(90)
    frames = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2022-01-02", periods=90, freq="W"),
                "y": size * (30 + 0.4 * step + 0.05 * np.cumsum(draw.normal(size=90))),
            }
        )
        for name, size in (("a", 1.0), ("b", 40.0))
    ]
    return pd.concat(frames, ignore_index=True)


def airports(step: str, first: str, last: str) -> pd.DataFrame:
    """Temperature of three airports, real, by the hour or the day."""
    table = load("nyc_weather")[["unique_id", "ds", "temp"]]
    by_step = table.groupby(["unique_id", pd.Grouper(key="ds", freq=step)]).temp.mean()
    found = by_step.ffill().rename("y").reset_index()
    return found[(found.ds >= first) & (found.ds < last)]


def days() -> pd.DataFrame:
    """Half a year of days."""
    return airports("D", "2013-01-01", "2013-07-01")


def hours() -> pd.DataFrame:
    """Four weeks of hours."""
    return airports("h", "2013-05-01", "2013-05-29")


@pytest.mark.parametrize(
    "table",
    [months, hours, *(pytest.param(table, marks=pytest.mark.slow) for table in (weeks, days))],
)
@pytest.mark.proof  # each fits a model and starts TensorFlow
@pytest.mark.timeout(900)
def test_the_default_forecast_is_exported_whole(
    table: Callable[[], pd.DataFrame], tmp_path: Path
) -> None:
    """Both files hold all members, and agree in a process without the package."""
    frame = table()
    frame.to_csv(tmp_path / "table.csv", index=False)
    arguments = ["fit", str(tmp_path / "table.csv"), "--out", str(tmp_path / "run"), "--quiet"]
    assert main(arguments) == 0
    fitted = load_run(tmp_path / "run").fitted
    weights = {name: weight for name, weight in fitted.weights.items() if weight}
    assert set(weights) & STATISTICAL
    for kind, name in (("onnx", "f.onnx"), ("savedmodel", "saved")):
        written = export_run(tmp_path / "run", format=kind, output=tmp_path / name)
        assert written.members == weights
        assert written.difference <= 1e-5
        assert difference_elsewhere(tmp_path / name) <= 1e-6
