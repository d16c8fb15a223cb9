"""Scores of long tables series by series, and the clock of the benchmarks: processor time."""

from __future__ import annotations

import resource
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def smape(actual: Array, forecast: Array) -> float:
    """Return the mean of 200 |y - f| / (|y| + |f|), in 0..200; 0 / 0 counts as 0.

    Source: Makridakis and Hibon, The M3-Competition, 2000, where all values are above 0.
    """
    size = np.abs(actual) + np.abs(forecast)
    error = np.abs(actual - forecast)
    shares = np.divide(error, size, out=np.zeros_like(size), where=size != 0)
    return float(200.0 * shares.mean())


def seasonal_error(history: Array, season: int) -> float:
    """Return the mean of |y_t - y_(t-m)|, the scale of MASE; NaN where there is none or it is 0.

    Source: Hyndman and Koehler, Another look at measures of forecast accuracy, 2006.
    """
    if len(history) <= season:
        return np.nan
    scale = float(np.abs(history[season:] - history[:-season]).mean())
    if scale == 0:
        return np.nan
    return scale


def scores_by_series(
    history: pd.DataFrame, made: pd.DataFrame, models: Sequence[str], season: int
) -> pd.DataFrame:
    """Score forecasts from one cutoff.

    Args:
        history: rows `unique_id, ds, y` up to the cutoff, in the order of time.
        made: rows `unique_id, ds, y` after it, with a column of forecasts per model.
        models: names of these columns.
        season: steps of a season, for MASE.

    Returns:
        Rows `unique_id, model, smape, mase`. A model that lacks a forecast of a series has NaN.
    """
    scales = {
        series_id: seasonal_error(values.to_numpy(np.float64), season)
        for series_id, values in history.groupby("unique_id")["y"]
    }
    rows = []
    for series_id, steps in made.groupby("unique_id"):
        actual = steps["y"].to_numpy(np.float64)
        for model in models:
            forecast = steps[model].to_numpy(np.float64)
            error = float(np.abs(actual - forecast).mean())
            scale = scales.get(series_id, np.nan)
            rows.append((series_id, model, smape(actual, forecast), error / scale))
    return pd.DataFrame(rows, columns=["unique_id", "model", "smape", "mase"])


def cpu_seconds() -> float:
    """Return the processor time of this process and its ended children, all threads, in seconds.

    Other programs on the machine hardly change it, unlike the time on the wall.
    """
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
