"""Wrong objects at the public door end in one line of a `ForecastError`, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast import Forecaster, ForecastError

TABLE = pd.DataFrame(
    {"ds": pd.date_range("2024-01-01", periods=90), "y": np.tile([5.0, 6, 7, 8, 9, 2], 15)}
)

WRONG: dict[str, Any] = {
    "a number": 2.5,
    "nothing": None,
    "a dict": {"a": [1]},
    "an object": object(),
    "bytes": b"x",
    "a set": set(),
    "a function": len,
    "an empty frame": pd.DataFrame(),
    "a matrix": np.zeros((3, 3)),
    "an empty text": "",
    "an unknown name": "no such thing",
    "a list of text": ["a"],
    "an empty list": [],
    "a bool": True,
    "an array without axes": np.array(3.5),
    "an empty Series": pd.Series(dtype=float),
    "a timestamp": pd.Timestamp("2024-01-01"),
}


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    """A small fitted forecaster."""
    settings = {"horizon": 7, "context_length": 14, "model": "bigru", "units": 4, "epochs": 1}
    return Forecaster(**settings).fit(TABLE, verbose=0)


DOORS: dict[str, Callable[[Forecaster, Any], object]] = {
    "Forecaster": lambda _, given: Forecaster(given),
    "fit": lambda _, given: Forecaster(horizon=7).fit(given, verbose=0),
    "predict": lambda fitted, given: fitted.predict(given),
    "known": lambda fitted, given: fitted.predict(known=given),
    "horizon": lambda fitted, given: fitted.predict(horizon=given),
    "level": lambda fitted, given: fitted.predict(level=given),
    "evaluate": lambda fitted, given: fitted.evaluate(given),
    "make_future_frame": lambda fitted, given: fitted.make_future_frame(given),
    "steps of make_future_frame": lambda fitted, given: fitted.make_future_frame(horizon=given),
    "load": lambda _, given: Forecaster.load(given),
    "load_panel": lambda _, given: forecast.load_panel(given),
    "columns": lambda _, given: forecast.load_panel(TABLE, given),
    "table_format": lambda _, given: forecast.load_panel(TABLE, table_format=given),
    "freq": lambda _, given: forecast.load_panel(TABLE, freq=given),
    "gaps": lambda _, given: forecast.load_panel(TABLE, gaps=given),
    "columns of diagnose": lambda _, given: forecast.diagnose(TABLE, given),
    "load_experiment": lambda _, given: forecast.load_experiment(given),
    "scores_by": lambda _, given: forecast.scores_by(given),
    "groups of scores_by": lambda fitted, given: forecast.scores_by(fitted.evaluate(), given),
    "make_windows": lambda _, given: forecast.make_windows(given, 5, 2),
    "lengths of make_windows": lambda _, given: forecast.make_windows(np.zeros(9), given, 2),
    "backtest_table": lambda _, given: forecast.backtest_table(given),
    "datasets.load": lambda _, given: forecast.datasets.load(given),
}

FINE = {
    ("Forecaster", "nothing"),  # each argument's default
    ("predict", "nothing"),
    ("known", "nothing"),
    ("horizon", "nothing"),
    ("evaluate", "nothing"),
    ("make_future_frame", "nothing"),
    ("steps of make_future_frame", "nothing"),
    ("freq", "nothing"),
    ("load_experiment", "nothing"),
    ("level", "an empty list"),  # no intervals
    ("level", "a number"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_object_ends_in_one_line(fitted: Forecaster, door: str, wrong: str) -> None:
    if (door, wrong) in FINE:
        DOORS[door](fitted, WRONG[wrong])
        return
    with pytest.raises(ForecastError) as error:
        DOORS[door](fitted, WRONG[wrong])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", ["a number", "nothing", "a dict", "a bool", "an empty frame"])
def test_a_folder_of_another_type(fitted: Forecaster, wrong: str) -> None:
    with pytest.raises(ForecastError, match="expected the name of a folder"):
        fitted.save(WRONG[wrong])
