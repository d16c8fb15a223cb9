"""Naive2, the benchmark of the M competitions: the last value of the series without its season.

Source: Makridakis et al., The M4 Competition, 2020, with the seasonality test of its code: the
autocorrelation at the season against the 90 % band of Bartlett's formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

QUANTILE = 1.645
"""Of the standard normal distribution, at 95 %: a two-sided test at 90 %."""


def naive2(values: Array, season: int, horizon: int) -> Array:
    """Forecast (H,) with the last deseasonalised value, with the season put back.

    Args:
        values: (T,) above 0.
        season: m; 1 for none.
        horizon: H.
    """
    if season == 1 or not is_seasonal(values, season):
        return np.repeat(values[-1], horizon)
    index = seasonal_index(values, season)
    steps = np.arange(len(values), len(values) + horizon) % season
    return values[-1] / index[(len(values) - 1) % season] * index[steps]


def is_seasonal(values: Array, season: int) -> bool:
    """Return whether the autocorrelation at lag m is outside the band; never under three seasons.

    The band is 1.645 sqrt((1 + 2 (r_1^2 + ... + r_(m-1)^2)) / T).
    """
    if len(values) < 3 * season:
        return False
    deviation = values - values.mean()
    total = np.square(deviation).sum()
    if total == 0:
        return False
    lags = np.array([(deviation[lag:] * deviation[:-lag]).sum() for lag in range(1, season + 1)])
    correlations = lags / total
    band = QUANTILE * np.sqrt((1 + 2 * np.square(correlations[:-1]).sum()) / len(values))
    return bool(np.abs(correlations[-1]) > band)


def seasonal_index(values: Array, season: int) -> Array:
    """Return (m,) factors of the places of a season by classical multiplicative decomposition.

    The trend is the centred moving average of m steps, with half weights at its ends for an even m.
    Factors are not scaled to a mean of 1: a forecast divides by one and multiplies by another.
    """
    weights = np.ones(season)
    if season % 2 == 0:
        weights = np.r_[0.5, np.ones(season - 1), 0.5]
    trend = np.convolve(values, weights / season, mode="valid")
    first = (len(weights) - 1) // 2
    ratios = values[first : first + len(trend)] / trend
    places = np.arange(first, first + len(trend)) % season
    return np.array([ratios[places == place].mean() for place in range(season)])
