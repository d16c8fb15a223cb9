"""A trial forecast: from made-up rows in the unit of the data to forecast and intervals.

The golden windows of a saved model cover its network alone. Scales, weights of members, calibration
and facts about series come in between the rows and the network, and after it. So a saved model also
has rows and what is forecast from them, and its reader does the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.frequency import Frequency
from forecast.data.panel import Panel
from forecast.data.per_series.future import known_columns
from forecast.errors import ForecastError
from forecast.forecasting.ahead import with_usual_intervals
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.forecast_steps import forecast_ahead

Arrays = dict[str, NDArray[Any]]

NUM_SERIES = 2
"""Series of a trial, at most."""

MORE_ROWS = 500
"""Rows before the context, at most, that simple members read."""

LAST_DAY = np.array(["2024-06-30"], "datetime64[ns]")
"""Cutoff of a trial."""

TOLERANCE = 1e-3
"""Difference from the stored forecast, as a share of its range, that processors may make."""

ROWS = "rows/values"
STATIC = "rows/static"
FORECAST = "rows/forecast"
INTERVALS = "rows/intervals"


def trial_of(fitted: Fitted) -> Arrays:
    """Return rows, and what a state forecasts from them; nothing where it cannot.

    Args:
        fitted: a state that can forecast.

    Returns:
        (N, T + H, C) rows, (N, S) static values, the (N, H, D) forecast and its (N, H, D, Q)
        intervals, where there are some.
    """
    rows = _made_up(fitted)
    try:
        return rows | _forecast(fitted, rows)
    except ForecastError:  # such as stamps out of the range of dates
        return {}


def check_trial(fitted: Fitted, golden: Mapping[str, NDArray[Any]]) -> None:
    """Do the trial of a saved model.

    A model of an earlier version, which has none, forecasts rows that are made up here.

    Args:
        fitted: the state that was read.
        golden: the stored arrays.

    Raises:
        ValueError: the forecast differs from the stored one, or has other axes.
        Exception: of any kind, where the state cannot forecast.
    """
    if ROWS not in golden:
        trial_of(fitted)
        return
    stored = {name: golden[name] for name in (FORECAST, INTERVALS) if name in golden}
    found = _forecast(fitted, golden)
    if found.keys() != stored.keys():
        raise ValueError(f"the trial gives {sorted(found)}, stored are {sorted(stored)}")
    scale = float(np.ptp(stored[FORECAST]) + 1e-3 * np.abs(stored[FORECAST]).max())
    for name, array in stored.items():
        if found[name].shape != array.shape:
            raise ValueError(f"{name} has the shape {found[name].shape}, stored is {array.shape}")
        difference = float(np.max(np.abs(found[name] - array), initial=0.0))
        if not difference <= TOLERANCE * scale + 1e-9:
            raise ValueError(
                f"the forecast of the trial differs by {difference:.2g} from the stored one"
            )


def _made_up(fitted: Fitted) -> Arrays:
    """Return seeded rows within the ranges of training."""
    draw = np.random.default_rng(20140603)
    feature_map = fitted.feature_map
    columns = feature_map.columns
    count = min(len(fitted.series.ids), NUM_SERIES)
    steps = _history(fitted) + fitted.shape.horizon
    values = np.empty((count, steps, len(columns.dynamic)))
    for place, name in enumerate(columns.dynamic):
        share = draw.uniform(size=(count, steps))
        if name in feature_map.vocabulary:
            size = len(feature_map.vocabulary[name])
            values[:, :, place] = np.floor(share * size)
            continue
        low, high = feature_map.ranges.get(name, (0.0, 1.0))
        values[:, :, place] = low + share * (high - low)
    targets = len(columns.target_cols)
    lowest = np.nan_to_num(fitted.series.low[:count, None])
    highest = np.nan_to_num(fitted.series.high[:count, None], nan=1.0)
    values[:, :, :targets] = lowest + (highest - lowest) * draw.uniform(
        size=(count, steps, targets)
    )
    static = np.zeros((count, len(columns.static_covariates)))
    return {ROWS: values, STATIC: static}


def _history(fitted: Fitted) -> int:
    """Return T, the rows before the cutoff."""
    context = fitted.shape.context_length + fitted.feature_map.target.lag + 1
    return context + min(2 * fitted.season_length + fitted.shape.horizon, MORE_ROWS)


def _forecast(fitted: Fitted, rows: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return forecast and intervals from rows."""
    panel = _panel(fitted, rows[ROWS], rows[STATIC])
    reach, forecast = forecast_ahead(fitted, panel, None, None)
    forecast = with_usual_intervals(fitted, reach, forecast)
    found: Arrays = {FORECAST: forecast.values}
    if forecast.quantiles is not None:
        found[INTERVALS] = forecast.quantiles
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} of the trial has values that are not finite")
    return found


def _panel(fitted: Fitted, values: FloatArray, static: FloatArray) -> Panel:
    """Return (N, T + H, C) rows as series with known covariates of H steps."""
    columns = fitted.feature_map.columns
    horizon = fitted.shape.horizon
    is_integer = fitted.freq.isdecimal()
    freq = Frequency.parse(fitted.freq, is_integer=is_integer)
    last = 10**6
    if not is_integer:
        last = int(freq.positions(LAST_DAY)[0])
    num_series, steps, _ = values.shape
    positions = last + 1 + np.arange(-(steps - horizon), horizon)
    whole = Panel(
        columns=columns,
        freq=freq,
        series_ids=fitted.series.ids[:num_series].copy(),
        offsets=np.arange(num_series + 1) * (steps - horizon),
        timestamps=np.tile(freq.stamps(positions[:-horizon]), num_series),
        positions=np.tile(positions[:-horizon], num_series),
        values=values[:, :-horizon].reshape(-1, values.shape[2]),
        static_values=static.copy(),
        categories=dict(fitted.feature_map.vocabulary),
    )
    if not columns.known_covariates:
        return whole
    return _with_known(whole, freq.stamps(positions[-horizon:]), positions[-horizon:], values)


def _with_known(
    panel: Panel, stamps: NDArray[np.generic], positions: IntArray, values: FloatArray
) -> Panel:
    """Return a panel with the known covariates of the H steps after it.

    Args:
        panel: N series.
        stamps: (H,) of the steps.
        positions: (H,) of the steps.
        values: (N, T + H, C) rows of the panel and of the steps.
    """
    columns = known_columns(panel.columns)
    horizon = len(positions)
    known = values[:, -horizon:, -len(panel.columns.known_covariates) :]
    future = replace(
        panel,
        columns=columns,
        offsets=np.arange(panel.num_series + 1) * horizon,
        timestamps=np.tile(stamps, panel.num_series),
        positions=np.tile(positions, panel.num_series),
        values=known.reshape(-1, known.shape[2]),
        static_values=np.zeros((panel.num_series, 0)),
    )
    return replace(panel, future=future)
