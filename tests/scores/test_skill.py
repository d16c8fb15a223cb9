"""The promise of the demo: on real data the default model is ahead of every baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecast.experiment.file import load_experiment
from forecast.experiment.settings import DataConfig, Experiment, WindowsConfig
from forecast.forecasting.forecaster import Forecaster

ROOT = Path(__file__).parents[2]
WEATHER = DataConfig(
    source="dataset:nyc_weather",
    target_cols=("temp",),
    past_covariates=("dewp", "humid", "wind_speed", "pressure"),
    gaps="fill",
    missing="forward_fill",
)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("which", ["demo", "defaults"])
def test_the_model_beats_every_baseline_on_the_embedded_panel(which):
    experiment = (
        load_experiment(ROOT / "configs" / "demo.yaml")
        if which == "demo"
        else Experiment(data=WEATHER, windows=WindowsConfig(horizon=24))
    )
    scores = Forecaster(experiment).fit().evaluate().scores()
    for metric in ("MSE", "MAE"):
        best = min(scores.values[name][metric] for name in scores.baselines)
        assert scores.values["bigru"][metric] < best, (metric, scores.text())
    print(scores.text())
