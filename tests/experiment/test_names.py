"""Names that say what they name: of the forecast column, and of the folder."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from forecast.baselines.simple import BASELINE_NAMES
from forecast.errors import ConfigError
from forecast.experiment.file import dump_experiment, experiment_from, parse_experiment
from forecast.experiment.prepare import prepare

SINGLE = {"seeds": 1, "context_lengths": [], "linear": "none", "simple": []}


def days(num_rows: int = 120) -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", periods=num_rows)
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": [*range(7)] * 17 + [0]})


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "ensemble"),
        ({"ensemble": {"linear": "none"}}, "ensemble"),
        ({"ensemble": SINGLE}, "segment_bigru"),
        ({"model": {"name": "bigru"}}, "bigru"),
        ({"model": {"name": "bigru"}, "ensemble": {"linear": "member"}}, "ensemble"),
        ({"model": {"name": "bigru"}, "ensemble": {"seeds": 3}}, "ensemble"),
        ({"name": "mine"}, "mine"),
        ({"name": "mine", "ensemble": SINGLE}, "mine"),
    ],
)
def test_the_forecast_has_the_name_of_what_forecasts(settings: dict[str, Any], name: str) -> None:
    config = experiment_from({"windows": {"horizon": 7}, **settings})
    prepared = prepare(config, days())
    assert prepared.config.name == name
    assert ("name" in prepared.reasons) == ("name" not in settings)

    # the decided name survives a copy
    again = parse_experiment(dump_experiment(prepared.config, full=True))
    assert prepare(again, days()).config.name == name


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("sales.csv", "sales"),
        ("data/my sales 2024.v2.xlsx", "my sales 2024.v2"),
        ("/tmp/sales.csv.gz", "sales"),
        ("dataset:nyc_weather", "nyc_weather"),
        ("-", "forecast"),
        (None, "forecast"),
    ],
)
def test_a_folder_is_named_after_the_table_unless_a_name_is_given(
    source: str | None, folder: str
) -> None:
    assert experiment_from({"data": {"source": source}}).folder_name == folder
    assert experiment_from({"name": "mine", "data": {"source": source}}).folder_name == "mine"


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_the_name_of_a_baseline_is_refused_before_training(name: str) -> None:
    with pytest.raises(ConfigError, match=f"name is '{name}', which is the name of a baseline"):
        experiment_from({"name": name})
