"""Median or mean: the choice of the data, and what the forecast is then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ConfigError
from forecast.experiment.file import dump_experiment, experiment_from, parse_experiment
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster


def demand(rows: int = 300, *, share: float = 0.25, seed: int = 0) -> pd.DataFrame:
    """Two items that sell 4 pieces on a share of all days, at random."""
    draw = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=rows)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": days, "y": 4.0 * (draw.random(rows) < share)})
        for name in ("a", "b")
    ]
    return pd.concat(parts, ignore_index=True)


def sunshine() -> pd.DataFrame:
    """Hours of which 14 of 24 are always 0."""
    draw = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=24 * 30, freq="h")
    is_day = (hours.hour >= 7) & (hours.hour < 17)
    return pd.DataFrame({"ds": hours, "y": is_day * draw.uniform(5.0, 9.0, size=len(hours))})


def experiment(**training: Any) -> Experiment:
    return experiment_from({"windows": {"horizon": 7}, "training": training})


def test_the_mean_is_forecast_where_the_median_is_0_for_no_season() -> None:
    sold = prepare(experiment(), demand())
    assert (sold.config.training.point, sold.config.training.loss) == ("mean", "mse")
    assert [one.name for one in sold.config.transforms.target] == ["standard"]
    told = [note for note in sold.notes if "% of the training values are 0" in note]
    assert len(told) == 1
    assert 'so is their median: the mean is forecast (point="median"' in told[0]

    often = prepare(experiment(), demand(share=0.6))
    assert (often.config.training.point, often.config.training.loss) == ("median", "mae")
    assert not [note for note in often.notes if "median" in note]

    night = prepare(experiment(), sunshine())
    assert (sunshine()["y"] == 0).mean() > 0.5
    assert night.config.training.point == "median"
    assert "by season" in night.reasons["training.point"]


def test_rows_that_are_held_back_do_not_decide() -> None:
    table = demand(share=0.6)
    late = table["ds"] >= table["ds"].max() - pd.Timedelta(days=80)
    table.loc[late, "y"] = 0.0
    config = experiment().with_settings({"evaluation.test_size": 81})
    assert prepare(config, table).config.training.point == "median"
    assert prepare(config, table[~late]).config.training.point == "median"


@pytest.mark.parametrize(
    ("given", "point", "loss"),
    [
        ({"loss": "mse"}, "mean", "mse"),
        ({"loss": "huber"}, "median", "huber"),
        ({"loss": "quantile"}, "median", "quantile"),
        ({"point": "mean"}, "mean", "mse"),
        ({"point": "median"}, "median", "mae"),
    ],
)
def test_point_and_loss_follow_each_other_and_survive_a_copy(
    given: dict[str, str], point: str, loss: str
) -> None:
    found = prepare(experiment(**given), demand()).config
    assert (found.training.point, found.training.loss) == (point, loss)
    copied = prepare(parse_experiment(dump_experiment(found)), demand(share=0.9)).config
    assert (copied.training.point, copied.training.loss) == (point, loss)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"training": {"point": "mean", "loss": "mae"}},
            'does not lead to it: pass loss="mse" or point="median"',
        ),
        (
            {"training": {"point": "median", "loss": "mse"}},
            'leads to the mean: pass loss="mae" or point="mean"',
        ),
        (
            {"training": {"point": "mean"}, "transforms": {"target": [{"name": "log1p"}]}},
            "a mean of logarithms is not the logarithm of the mean",
        ),
    ],
)
def test_a_point_that_the_loss_does_not_lead_to_is_refused(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        experiment_from(settings)


@pytest.mark.proof
def test_forecasts_of_the_mean_add_up_to_what_is_sold_and_those_of_the_median_to_nothing() -> None:
    table = demand(400, seed=3)
    settings = {
        "horizon": 7,
        "epochs": 3,
        "seeds": 1,
        "context_lengths": [28],
        "calibration_size": 40,
        "simple": (),  # the others forecast a mean of their own
    }
    mean = Forecaster(**settings).fit(table, verbose=0)
    median = Forecaster(**settings, point="median").fit(table, verbose=0)
    totals = {}
    for name, forecaster in {"mean": mean, "median": median}.items():
        result = forecaster.evaluate()
        forecast = result.forecasts[result.alias]
        totals[name] = float(forecast.sum() / result.actual.sum())
        assert forecast.min() >= 0
        assert result.scores().judged_by == {"mean": "MSE", "median": "MAE"}[name]
    assert totals["mean"] == pytest.approx(1.0, abs=0.15)  # 4 x 0.25 a day
    assert totals["median"] < 0.7

    ahead = mean.predict(level=[80, 95])
    assert ahead.quantiles is not None
    assert ahead.quantiles.min() == 0
    result = mean.evaluate()
    assert result.quantiles is not None
    low, high = result.quantile_levels.index(0.1), result.quantile_levels.index(0.9)
    inside = (result.actual >= result.quantiles[..., low]) & (
        result.actual <= result.quantiles[..., high]
    )
    assert 0.72 < inside.mean() < 0.95
