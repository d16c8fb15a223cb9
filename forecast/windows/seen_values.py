"""Ranges and categories that the training rows have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.panel import Panel


def ranges_of(
    names: tuple[str, ...], values: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest value of each column that has any."""
    low = np.fmin.reduce(values, axis=0, initial=np.inf)
    high = np.fmax.reduce(values, axis=0, initial=-np.inf)
    return {
        name: (float(low[i]), float(high[i])) for i, name in enumerate(names) if np.isfinite(low[i])
    }


def seen_categories(
    panel: Panel, name: str, measured: NDArray[np.float64], series: IntArray
) -> tuple[str, ...]:
    """Return the categories in training rows; of a static column, in series that have such rows."""
    if name in panel.columns.static_covariates:
        codes = panel.static_values[series, panel.columns.static_covariates.index(name)]
    else:
        codes = measured[:, panel.columns.dynamic.index(name)]
    return tuple(panel.categories[name][int(code)] for code in np.unique(codes[np.isfinite(codes)]))
