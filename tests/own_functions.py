"""Losses and metrics as users have them, named by import path in tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def absolute(actual: Any, predicted: Any) -> Any:
    return ops.abs(actual - predicted)


def percentage(actual: Any, predicted: Any) -> Any:
    """Of no finite slope where `actual` is 0."""
    return ops.abs(actual - predicted) / ops.abs(actual)


def pinball(actual: Any, quantiles: Any, levels: Any) -> Any:
    error = ops.expand_dims(actual, -1) - quantiles
    return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)


def either(actual: Any, predicted: Any, levels: Any = None) -> Any:
    """Of points, or of quantiles."""
    if levels is None:
        return absolute(actual, predicted)
    return pinball(actual, predicted, levels)


def mean_error(actual: Any, predicted: Any) -> Any:
    return ops.mean(ops.abs(actual - predicted))


def median_error(actual: Any, forecast: Any) -> float:
    return float(np.median(np.abs(actual - forecast)))


def scaled_max(actual: Any, forecast: Any, scale: Any, *, axis: Any = None) -> Any:
    return np.nanmax(np.abs(actual - forecast) / scale, axis=axis)


def pinball_score(actual: Any, quantiles: Any, levels: Any) -> float:
    error = actual[:, None] - quantiles
    levels = np.asarray(levels)
    return float(np.maximum(levels * error, (levels - 1) * error).mean())


def of_something_else(actual: Any, weather: Any) -> float:
    return float(np.mean(actual - weather))


def not_a_number(actual: Any, forecast: Any) -> Any:
    return actual - forecast


answer = 42
