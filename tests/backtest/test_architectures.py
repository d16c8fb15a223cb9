"""A backtest names its models by what they are, and takes an architecture for a single network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.backtest.entrants import alone, descriptions, named, names_of
from forecast.backtest.folder import backtest_run, backtest_table
from forecast.errors import ConfigError
from forecast.experiment.file import experiment_from
from forecast.experiment.prepare import open_panel, resolve
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.training.voice import Voice


def days(num_rows: int = 90) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    y = np.arange(num_rows) % 7 + draw.normal(size=num_rows)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=num_rows), "y": y})


def experiment(models: list[str], **settings: Any) -> Experiment:
    return experiment_from(
        {
            "windows": {"horizon": 3, "context_length": 7},
            "model": {"units": 2},
            "training": {"epochs": 1, "refit": False},
            "backtest": {"num_windows": 2, "models": models},
            **settings,
        }
    )


def test_the_ensemble_and_a_network_of_it_stand_side_by_side() -> None:
    config = experiment(["ensemble", "segment_bigru", "last_value"])
    result = backtest_table(config, days())
    forecasts = result.result.forecasts
    assert list(forecasts) == ["ensemble", "segment_bigru", "last_value"]
    assert not np.array_equal(forecasts["ensemble"], forecasts["segment_bigru"])

    # the network alone forecasts as the experiment with its settings does
    panel = open_panel(config.data, days()[:-6])
    single = alone(resolve(experiment([], evaluation={"test_size": 0}), panel), "segment_bigru")
    expected = Forecaster(single).fit(days()[:-6]).predict().values
    np.testing.assert_array_equal(forecasts["segment_bigru"][:1], expected)


def test_every_model_is_described(tmp_path: Path) -> None:
    days().to_csv(tmp_path / "sales.csv", index=False)
    said: list[str] = []
    config = experiment(["bigru", "ensemble", "linear", "seasonal_naive"])
    backtest_run(
        config, str(tmp_path / "sales.csv"), out=tmp_path / "out", voice=Voice(said.append)
    )
    said = said[2:]  # after the table and the cutoffs
    assert said[:3] == [
        "bigru: one network of the architecture bigru",
        "ensemble: 2 networks of the architecture segment_bigru and 1 ridge regression, weighted "
        "on validation windows",
        "linear: ridge regression from the context to the horizon",
    ]
    assert said[3].startswith("seasonal_naive: repeat the last season")
    table = pd.read_parquet(tmp_path / "out" / "forecasts.parquet")
    models = [name for name in list(table)[4:] if "-lo-" not in name and "-hi-" not in name]
    assert models == ["bigru", "ensemble", "linear", "seasonal_naive"]


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({}, ("ensemble", "segment_bigru", "bigru")),
        ({"name": "mine"}, ("mine", "bigru", "segment_bigru")),
        # a person may name an ensemble so: the name is that of the experiment then
        ({"name": "bigru"}, ("bigru", "segment_bigru")),
    ],
)
def test_the_names_that_a_backtest_knows(settings: dict[str, Any], known: tuple[str, ...]) -> None:
    config = experiment(list(known), **settings)
    panel = open_panel(config.data, days())
    assert names_of(named(config, panel)) == known
    assert descriptions(named(config, panel), panel)[known[0]].startswith("2 networks")
    with pytest.raises(ConfigError, match=f"'bigrux'.*expected some of {known[0]}, "):
        names_of(named(experiment(["bigrux"], **settings), panel))


def test_a_backtest_of_both_architectures_resumes(tmp_path: Path) -> None:
    days().to_csv(tmp_path / "sales.csv", index=False)
    config = experiment(["bigru", "segment_bigru"]).with_source(str(tmp_path / "sales.csv"))
    first = backtest_run(config, out=tmp_path / "out", voice=Voice(lambda _: None))
    before = pd.read_parquet(first / "forecasts.parquet")
    for path in (first / "blocks").iterdir():
        path.unlink()
    backtest_run(config, out=tmp_path / "out", resume=True, voice=Voice(lambda _: None))
    pd.testing.assert_frame_equal(pd.read_parquet(first / "forecasts.parquet"), before)
