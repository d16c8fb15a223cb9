"""Forecasters whose networks have random weights, and the tables that they forecast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from window_arrays import shuffled

from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.fitted import collect, shape_of
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.simple_members import fit_linear, smoothing_of
from forecast.models.keras_network import network_of
from forecast.training.ensemble import build_ensemble
from forecast.training.fitted_network import FittedNetwork, TrainingRecord

ROLES: dict[str, dict[str, Any]] = {
    "none": {},
    "numbers": {
        "past_covariates": ["visitors"],
        "known_covariates": ["price"],
        "static_covariates": ["size"],
        "calendar": ["weekday", "weekend"],
    },
    "categories": {
        "past_covariates": ["visitors", "weather"],
        "known_covariates": ["price", "promo"],
        "static_covariates": ["size", "region"],
        "categorical": ["weather", "promo", "region"],
        "calendar": [],
    },
}
"""Roles of columns by name."""


def table(num_series: int = 3, rows: int = 140, *, closed: bool = False) -> pd.DataFrame:
    """Days of two targets with covariates of every kind; the last series never changes."""
    draw = np.random.default_rng(7)
    frames = []
    for place in range(num_series):
        days = pd.date_range("2024-01-01", periods=rows, freq="D")
        wave = 1.5 + np.sin(2 * np.pi * np.arange(rows) / 7)
        level = 10.0 ** (place + 1)
        sales = level * (wave + 0.2 * draw.random(rows))
        if closed:
            sales[days.day_of_week == 6] = 0.0
        returns = level * (0.5 + 0.1 * draw.random(rows))
        if place == num_series - 1:
            returns[:] = 7.25
        frames.append(
            pd.DataFrame(
                {
                    "unique_id": f"s{place}",
                    "ds": days,
                    "sales": sales,
                    "returns": returns,
                    "visitors": draw.normal(300, 40, rows),
                    "price": draw.uniform(1, 9, rows),
                    "size": 100.0 + place,
                    "weather": draw.choice(["sun", "rain", "snow"], rows),
                    "promo": draw.choice(["no", "yes"], rows),
                    "region": ["north", "south"][place % 2],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def forecaster(
    frame: pd.DataFrame, config: Experiment, weights: dict[str, float] | None = None
) -> Forecaster:
    """A forecaster with networks of random weights.

    Args:
        frame: the table.
        config: the experiment.
        weights: of the model and of simple members.
    """
    prepared = prepare(config, frame)
    model = shuffled(build_ensemble(prepared.config, shape_of(prepared)).model)
    trained = FittedNetwork(network_of(model), lambda: model, {}, TrainingRecord({}, {}))
    fitted = collect(prepared, trained, fit_linear(prepared), smoothing_of(prepared))
    if weights is not None:
        fitted = replace(fitted, weights=weights)
    made = Forecaster(prepared.config)
    made._fitted = fitted
    return made


def experiment(
    model: Any, roles: str = "none", targets: tuple[str, ...] = ("sales",), **settings: Any
) -> Experiment:
    """A small experiment.

    Args:
        model: settings of the architecture.
        roles: key of `ROLES`.
        targets: columns.
        settings: by path, such as `training.loss`.
    """
    config = Experiment(model=model)
    found = {
        "data.target_cols": list(targets),
        **{f"data.{name}": value for name, value in ROLES[roles].items()},
        "windows.context_length": 14,
        "windows.horizon": 5,
        "ensemble.seeds": 1,
        "ensemble.linear": "none",
        "ensemble.simple": [],
        "ensemble.context_lengths": [],
        "training.loss": "mae",
        **settings,
    }
    return config.with_settings(found)
