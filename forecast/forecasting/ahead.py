"""Intervals of a forecast of the steps after a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.forecasting.calibrate import with_intervals
from forecast.forecasting.fitted import Fitted, align
from forecast.intervals.levels import (
    SHOWN_LEVELS,
    needed_windows,
    supported_levels,
)
from forecast.scores.forecast import Forecast
from forecast.scores.quantile_metrics import central_pairs
from forecast.windows.splits import Part

NOT_CALIBRATED = (
    "there are no intervals, since no rows were held back to calibrate them on: train with "
    "evaluation.test_size or evaluation.calibration_size above 0"
)
"""Note on a forecast without intervals."""

OWN_INTERVALS = (
    "the quantiles are those of the network, since no rows were held back to calibrate them on: "
    "train with evaluation.test_size or evaluation.calibration_size above 0"
)
"""Note on a forecast whose intervals were not compared with what came."""


def with_usual_intervals(fitted: Fitted, panel: Panel, forecast: Forecast) -> Forecast:
    """Return a forecast with the intervals that are given where none are asked for, or a note.

    Their levels are `SHOWN_LEVELS` and those of a network that writes quantiles. After the horizon
    of training their ends are NaN.

    Args:
        fitted: the trained state.
        panel: the history that the forecast was made from.
        forecast: of every series of the panel, for any number of steps.
    """
    if fitted.recent is None or not fitted.recent.num_windows:
        note = NOT_CALIBRATED
        if forecast.quantiles is not None:
            note = OWN_INTERVALS
        return replace(forecast, notes=(*forecast.notes, note))
    own = [round(100.0 * share, 8) for share in central_pairs(fitted.quantile_levels)]
    return with_intervals_of(fitted, panel, forecast, (*SHOWN_LEVELS, *own))


def with_intervals_of(
    fitted: Fitted, panel: Panel, forecast: Forecast, levels: Sequence[float]
) -> Forecast:
    """Return a forecast with intervals adapted to the last windows.

    A level that takes more calibration windows than there are is replaced by the widest that they
    suffice for, with a note.

    Args:
        fitted: the trained state.
        panel: the history that the forecast was made from.
        forecast: of every series of the panel, for any number of steps.
        levels: of the intervals, in %.

    Raises:
        ConfigError: there are no calibration windows.
    """
    num_windows = 0
    if fitted.recent is not None:
        num_windows = fitted.recent.num_windows
    given = supported_levels(levels, num_windows)
    trained = fitted.shape.horizon
    near = None
    if forecast.quantiles is not None:
        near = forecast.quantiles[:, :trained]
    quantile_levels, quantiles = with_intervals(
        fitted,
        fitted.recent,
        forecast.values[:, :trained],
        near,
        align(fitted, panel, Part.whole(panel)).series.unit,
        given,
        adapting=True,
    )
    is_late = _begins_late(forecast)
    quantiles[is_late] = np.nan  # the widths are those of the first steps after an end
    return replace(
        forecast,
        quantile_levels=quantile_levels,
        quantiles=_of_all_steps(forecast, quantile_levels, quantiles),
        notes=(
            *forecast.notes,
            *_narrower_note(fitted, levels, num_windows),
            *_shorter_note(forecast, trained),
            *_late_note(int(is_late.sum()), trained),
        ),
    )


def _begins_late(forecast: Forecast) -> NDArray[np.bool_]:
    """Return (B,) whether the first step of a forecast does not follow its cutoff."""
    first = forecast.freq.positions(forecast.stamps[:, 0])
    return first - forecast.freq.positions(forecast.cutoffs) > 1


def _of_all_steps(
    forecast: Forecast, levels: tuple[float, ...], quantiles: FloatArray
) -> FloatArray:
    """Return (B, H, D, Q) quantiles, NaN after those given but for the median of a network."""
    steps = quantiles.shape[1]
    whole = np.full((*forecast.values.shape, len(levels)), np.nan)
    whole[:, :steps] = quantiles
    if forecast.quantiles is not None and 0.5 in levels:
        median = forecast.quantiles[..., forecast.quantile_levels.index(0.5)]
        whole[..., levels.index(0.5)] = median
    return whole


def _late_note(number: int, trained: int) -> tuple[str, ...]:
    """Return a note on the series without intervals since their forecast begins late."""
    if not number:
        return ()
    return (
        f"{number} series {'has' if number == 1 else 'have'} no intervals, since the steps shown "
        f"do not follow the end of the series: intervals are calibrated for the first "
        f"{counted(trained, 'step')} after it",
    )


def _narrower_note(fitted: Fitted, levels: Sequence[float], num_windows: int) -> tuple[str, ...]:
    """Return a note on the levels that the calibration windows do not suffice for."""
    beyond = sorted(level for level in levels if needed_windows(level) > num_windows)
    if not beyond:
        return ()
    named = " and ".join(f"{level:g} %" for level in beyond)
    widest = supported_levels(beyond, num_windows)[0]
    needed = needed_windows(beyond[-1])
    return (
        f"intervals of {named} are replaced by the widest that "
        f"{counted(num_windows, 'calibration window')} can give, {widest:g} %: {beyond[-1]:g} % "
        f"takes {needed:,}, so {_more_rows(fitted, needed)}",
    )


def _more_rows(fitted: Fitted, needed: int) -> str:
    """Return how many rows more to hold back for a number of calibration windows.

    The windows of a set overlap: of one series, H rows are one window, and each `stride` rows more
    are another.
    """
    evaluation = fitted.config.evaluation
    name = "test"
    own = fitted.recent
    elsewhere = 0
    if evaluation.calibration_size != 0:
        name = "calibration"
        elsewhere = _count(fitted.recent) - _count(fitted.calibration)
        own = fitted.calibration
    of_each = needed - elsewhere
    num_series = len(fitted.series.ids)
    stride = evaluation.stride or 1
    rows = _rows_of(of_each, num_series, stride)
    more = rows - _rows_of(_count(own), num_series, stride)
    size = fitted.shape.horizon + rows
    return (
        f"{counted(max(more, 1), 'more row')} of each series, held back with "
        f"evaluation.{name}_size={size}"
    )


def _rows_of(num_windows: int, num_series: int, stride: int) -> int:
    """Return the rows after the first H that hold some windows of several series together."""
    return (math.ceil(num_windows / num_series) - 1) * stride


def _count(calibration: object) -> int:
    return getattr(calibration, "num_windows", 0)


def _shorter_note(forecast: Forecast, trained: int) -> tuple[str, ...]:
    """Return a note on the steps after the horizon of training."""
    steps = forecast.values.shape[1]
    if steps <= trained:
        return ()
    return (
        f"intervals end after step {trained} of {steps}, the horizon of training: train with "
        f"windows.horizon={steps} for intervals of all steps",
    )
