"""Stages of our own pipeline at a cutoff, in a form that can be compared.

`last` is (N,) in every function: of each series, the first row after the cutoff.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.long_rows import cells
from forecast.data.panel import Panel
from forecast.experiment.prepare import Prepared
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.predict import forecast_windows
from forecast.windows.index import WindowIndex
from forecast.windows.windowed import WindowedFeatures

Stages = dict[str, Any]


MAX_WINDOWS = 256
"""Windows whose inputs are compared, those that end nearest to the cutoff."""


def filled_before(prepared: Prepared, last: IntArray) -> Stages:
    """Return the filled rows before the cutoff, as a window that ends there reads them."""
    panel = prepared.panel
    filled = prepared.filled
    known = _rows_before(panel, last)

    values = filled.values
    if filled.interpolated is not None and filled.next_observed is not None:
        # A gap is interpolated only in windows that reach the observation behind it.
        is_interpolated = filled.next_observed < _by_row(panel, last)[:, None]
        values = np.where(is_interpolated, filled.interpolated, values)
    observed = filled.observed
    if observed is None:
        observed = np.ones(values.shape, bool)

    columns = {
        name: cells(panel, name, values[known, number])
        for number, name in enumerate(panel.columns.dynamic)
    }
    return {"rows": np.flatnonzero(known), "values": columns, "observed": observed[known]}


def scales_of(prepared: Prepared) -> Stages:
    """Return the fitted state of transforms and scalers, and the vocabularies."""
    fitted = prepared.feature_map
    maps = {"target": fitted.target, "covariates": fitted.covariates, "static": fitted.static}
    stages: Stages = {"vocabulary": dict(fitted.vocabulary)}
    for name, transform in maps.items():
        if transform is not None:
            stages[name] = transform.to_state()
    return stages


def features_before(prepared: Prepared, last: IntArray) -> Stages:
    """Return model inputs of the rows before the cutoff, as a window that ends there reads them."""
    features = prepared.features
    known = _rows_before(prepared.panel, last)
    past = features.past
    if features.late is not None:
        # Some values depend on a later observation, and are used once a window reaches it.
        values, usable_from = features.late
        is_usable = usable_from < _by_row(prepared.panel, last)[:, None]
        past = np.where(is_usable, values, past)
    return {
        "past": past[known],
        "known": features.known[known],
        "past_codes": features.past_codes[known],
        "known_codes": features.known_codes[known],
        "target": features.target[known],
        "static": features.static,
        "static_codes": features.static_codes,
        "sizes": features.sizes,
    }


def windows_before(prepared: Prepared, last: IntArray, *, is_chosen: bool) -> Stages:
    """Return the windows whose contexts lie before the cutoff, and the inputs of the nearest.

    With them all training rows, and the validation rows too where something is chosen on them.
    """
    rows_compared = ["training"]
    if is_chosen:
        rows_compared.append("validation")

    stages: Stages = {}
    for name in ("training", "validation", "test"):
        windows: WindowedFeatures = getattr(prepared, name)
        if name in rows_compared:
            stages[f"{name} rows"] = _rows_read(windows)
        numbers = nearest_windows(windows.index, last)
        stages[f"{name} starts"] = windows.index.locate(numbers)
        if len(numbers):
            inputs, _ = windows.batch(numbers[:MAX_WINDOWS])
            stages[f"{name} inputs"] = inputs
    return stages


def forecasts_of(prepared: Prepared, numbers: IntArray) -> tuple[FloatArray, FloatArray | None]:
    """Return forecasts from test windows `numbers` (B,), of a model fitted on the earlier sets.

    It is the evaluated model, without `training.refit`, which uses the test rows afterwards.
    """
    training = prepared.config.training.model_copy(update={"refit": False})
    config = prepared.config.model_copy(update={"training": training})
    fitted = Forecaster(config).fit_prepared(replace(prepared, config=config)).fitted
    return forecast_windows(fitted, prepared.panel, prepared.test, numbers)


def nearest_windows(index: WindowIndex, last: IntArray, most: int | None = None) -> IntArray:
    """Return the windows whose contexts end before the cutoff, nearest first.

    Args:
        index: all windows.
        last: (N,) first row of each series after the cutoff.
        most: largest number to return; None for all.
    """
    series, first = index.locate(np.arange(len(index)))
    distance = last[series] - first - index.context_length  # rows from the context to the cutoff
    order = np.argsort(distance, kind="stable")
    return order[distance[order] >= 0][:most]


def _rows_read(windows: WindowedFeatures) -> Stages:
    """Return the starts of windows, and every row that they read."""
    features = windows.features
    index = windows.index
    series, first = index.locate(np.arange(len(index)))
    context = _covered(first, index.context_length, len(features.past))
    ahead = _covered(first + index.context_length, index.horizon, len(features.past))
    return {
        "windows": [series, first],
        "past": features.past[context],
        "past_codes": features.past_codes[context],
        "known": features.known[context | ahead],
        "known_codes": features.known_codes[context | ahead],
        "target": features.target[ahead],
    }


def _covered(first: IntArray, length: int, num_rows: int) -> NDArray[np.bool_]:
    """Return (R,) whether a row lies within `length` rows from any of `first`."""
    starts = np.bincount(first, minlength=num_rows + 1)
    stops = np.bincount(first + length, minlength=num_rows + 1)
    num_open = np.cumsum(starts - stops)[:num_rows]
    return np.asarray(num_open > 0)


def _rows_before(panel: Panel, last: IntArray) -> NDArray[np.bool_]:
    """Return (R,) whether a row lies before the cutoff."""
    return np.asarray(np.arange(panel.num_rows) < _by_row(panel, last))


def _by_row(panel: Panel, last: IntArray) -> IntArray:
    """Return (R,) of `last` (N,) for the series of each row."""
    return np.repeat(last, panel.lengths)
