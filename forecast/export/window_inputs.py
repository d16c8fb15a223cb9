"""The inputs of an exported forecast for windows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.compare import history_reader
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.data.panel import Panel
from forecast.export.signature import (
    Signature,
    facts_of,
    numeric_past_names,
    reads_observed,
    reads_weekdays,
)
from forecast.forecasting.before_cutoff import targets_before
from forecast.forecasting.fitted import Fitted
from forecast.windows.calendar import calendar_features
from forecast.windows.windowed import WindowedFeatures

Inputs = dict[str, NDArray[Any]]


def window_inputs(
    signature: Signature, fitted: Fitted, aligned: Fitted, panel: Panel, windows: WindowedFeatures
) -> Inputs:
    """Return the inputs of a file for windows.

    Args:
        signature: of the file.
        fitted: the state as it was trained, whose series have numbers.
        aligned: the same, aligned with the panel.
        panel: the series of the windows.
        windows: all of them are read.
    """
    series, first = windows.index.locate(np.arange(len(windows)))
    cutoff = first + windows.index.context_length
    context = windows.index.context_rows(first)
    both = np.concatenate([context, windows.index.horizon_rows(first)], axis=1)
    features = windows.features
    places = fitted.series.index_of(panel.series_ids)[series]
    facts = facts_of(aligned, has_closed=reads_weekdays(fitted))[series]
    facts[places >= 0] = 0.0
    found: Inputs = {
        "history": _history(signature, aligned, panel, windows, cutoff),
        "series": places,
        "new_series": facts,
    }
    found["past"] = _past(aligned, windows, context, cutoff)
    found["known"] = _known(aligned, panel, windows, both)
    found["past_codes"] = features.past_codes[context]
    found["known_codes"] = features.known_codes[both]
    columns = panel.columns
    numeric = [name for name in columns.static_covariates if name not in columns.categorical]
    static = [columns.static_covariates.index(name) for name in numeric]
    found["static"] = panel.static_values[:, static][series]
    found["static_codes"] = features.static_codes[series]
    if reads_observed(fitted):
        observed = features.filled.observed
        if observed is None:
            observed = np.isfinite(features.filled.values)
        found["observed"] = observed[context]
    if features.weekdays is not None:
        found["weekday"] = features.weekdays[both].astype(np.int32)
    if SEASONAL in fitted.weights:
        found["season_step"] = panel.positions[cutoff] % fitted.season_length
    return {name: found[name] for name in signature.input_names}


def _history(
    signature: Signature, fitted: Fitted, panel: Panel, windows: WindowedFeatures, cutoff: IntArray
) -> FloatArray:
    """Return (B, M, D) targets before each cutoff, NaN before the start of a series."""
    num_targets = fitted.shape.num_targets
    targets = windows.features.filled.values[:, :num_targets]
    history = history_reader(panel, targets, signature.num_rows)(cutoff - 1)
    known = targets_before(windows.features, cutoff, signature.context_rows)
    history[:, -signature.context_rows :] = known
    return history


def _past(
    fitted: Fitted, windows: WindowedFeatures, context: IntArray, cutoff: IntArray
) -> FloatArray:
    """Return (B, L, P) numeric past covariates, as they are known at the cutoff."""
    columns = fitted.feature_map.columns
    places = [columns.dynamic.index(name) for name in numeric_past_names(fitted.feature_map)]
    filled = windows.features.filled
    values = filled.values[context][:, :, places]
    if filled.interpolated is None or filled.next_observed is None:
        return values
    is_known = filled.next_observed[context][:, :, places] < cutoff[:, None, None]
    return np.where(is_known, filled.interpolated[context][:, :, places], values)


def _known(fitted: Fitted, panel: Panel, windows: WindowedFeatures, rows: IntArray) -> FloatArray:
    """Return (B, L + H, K) known covariates in the unit of the table, then the calendar."""
    columns = fitted.feature_map.columns
    numeric = [name for name in columns.known_covariates if name not in columns.categorical]
    places = [columns.dynamic.index(name) for name in numeric]
    values = windows.features.filled.values[rows][:, :, places]
    unique, inverse = np.unique(rows, return_inverse=True)
    calendar = calendar_features(
        panel.timestamps[unique], panel.freq, fitted.feature_map.settings.calendar
    )
    calendar = calendar[inverse.reshape(rows.shape)]
    return np.concatenate([values, calendar], axis=2)
