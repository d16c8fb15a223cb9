"""The first network goes ahead: the others are trained where it earns a weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.forecasting import fit_stages
from forecast.forecasting.fitted import MODEL

NETWORKS = {"units": 6, "learning_rate": 0.01, "seeds": 2, "context_lengths": (7, 14)}


def weeks(num_rows: int = 400) -> pd.DataFrame:
    """A pattern of a week with noise, of which the last value tells little."""
    pattern = np.array([20.0, 22, 21, 25, 30, 12, 8])
    noise = np.random.default_rng(0).normal(size=num_rows)
    days = pd.date_range("2024-01-01", periods=num_rows)
    return pd.DataFrame({"ds": days, "y": pattern[np.arange(num_rows) % 7] + noise})


def test_the_others_are_not_trained_where_the_first_earns_nothing() -> None:
    forecaster = Forecaster(horizon=7, epochs=1, simple=["ets", "seasonal_median"], **NETWORKS)
    fitted = forecaster.fit(weeks(), verbose=0).fitted
    assert fitted.weights[MODEL] == 0
    assert list(fitted.training.histories) == ["context 7, seed 0"]
    untrained = [name for name in fitted.training.weights if "seed 1" in name or "14, seed" in name]
    assert len(untrained) == 3
    assert not any(fitted.training.weights[name] for name in untrained)


def test_all_are_trained_where_it_earns_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same bits as where nobody asks."""

    def fitted() -> Forecaster:
        forecaster = Forecaster(horizon=7, epochs=8, simple=["last_value"], **NETWORKS)
        return forecaster.fit(weeks(), verbose=0)

    asked = fitted()
    assert asked.fitted.weights[MODEL] > 0.5
    assert len(asked.fitted.training.histories) == 4

    train = fit_stages.fit_network

    def without_asking(*given: Any, **settings: Any) -> Any:
        return train(*given, **{**settings, "is_of_use": None})

    monkeypatch.setattr(fit_stages, "fit_network", without_asking)
    np.testing.assert_array_equal(fitted().predict().values, asked.predict().values)


def test_networks_that_forecast_alone_are_all_trained() -> None:
    forecaster = Forecaster(horizon=7, epochs=1, simple=[], **NETWORKS)
    assert len(forecaster.fit(weeks(), verbose=0).fitted.training.histories) == 4
