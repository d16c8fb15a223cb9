"""A forecast of the steps after a table: how many steps, and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.data.per_series.ended import Reach
from forecast.errors import ConfigError, check_kind
from forecast.errors.interface import in_use
from forecast.forecasting.calibrate import not_calibrated, with_intervals
from forecast.forecasting.fitted import MODEL, Fitted, align
from forecast.forecasting.reference import baseline_ahead
from forecast.intervals.conformal import Calibration
from forecast.intervals.levels import (
    SHOWN_LEVELS,
    check_level,
    needed_windows,
    supported_levels,
)
from forecast.scores.forecast import Forecast
from forecast.scores.quantile_metrics import central_pairs
from forecast.windows.calendar import weekdays_of
from forecast.windows.splits import Part

NOT_CALIBRATED = (
    "there are no intervals, since no rows were held back to calibrate them on: train with "
    "`evaluation.test_size` or `evaluation.calibration_size` above 0"
)
"""Note on a forecast without intervals."""

OWN_INTERVALS = (
    "the quantiles are those of the network, since no rows were held back to calibrate them on: "
    "train with `evaluation.test_size` or `evaluation.calibration_size` above 0"
)
"""Note on a forecast whose intervals were not compared with what came."""


def with_company(
    fitted: Fitted,
    reach: Reach,
    forecast: Forecast,
    level: float | Sequence[float] | Literal["auto"],
    baseline: str | None,
) -> Forecast:
    """Return a forecast with the baseline and the intervals that stand beside it.

    Args:
        fitted: the trained state.
        reach: the history that the forecast was made from.
        forecast: of every series, for any number of steps.
        level: of the intervals, as in `Forecaster.predict`.
        baseline: name of the baseline; None for none.

    Raises:
        ConfigError: there is no such baseline, or there are no calibration windows.
    """
    if baseline is not None:
        steps = forecast.stamps.shape[1]
        values = baseline_ahead(fitted, reach.panel, baseline, steps + reach.furthest)
        forecast = replace(forecast, baselines={baseline: reach.shown(values, steps)})
    if level == "auto":
        return with_usual_intervals(fitted, reach, forecast)
    levels = levels_by_number(level)
    if levels:
        return with_intervals_of(fitted, reach, forecast, levels)
    return forecast


def with_usual_intervals(fitted: Fitted, reach: Reach, forecast: Forecast) -> Forecast:
    """Return a forecast with the intervals that are given where none are asked for, or a note.

    Their levels are `SHOWN_LEVELS` and those of a network that writes quantiles. After the horizon
    of training their ends are NaN.

    Args:
        fitted: the trained state.
        reach: the history that the forecast was made from.
        forecast: of every series, for any number of steps.
    """
    if not _count(fitted.recent):
        note = NOT_CALIBRATED
        if forecast.quantiles is not None:
            note = OWN_INTERVALS
        return replace(forecast, notes=(*forecast.notes, in_use().worded(note)))
    own = [round(100.0 * share, 8) for share in central_pairs(fitted.quantile_levels)]
    return with_intervals_of(fitted, reach, forecast, (*SHOWN_LEVELS, *own))


def with_intervals_of(
    fitted: Fitted, reach: Reach, forecast: Forecast, levels: Sequence[float]
) -> Forecast:
    """Return a forecast with intervals adapted to the last windows.

    A level that takes more calibration windows than there are is replaced by the widest that they
    suffice for, with a note.

    Args:
        fitted: the trained state.
        reach: the history that the forecast was made from.
        forecast: of every series, for any number of steps.
        levels: of the intervals, in %.

    Raises:
        ConfigError: there are no calibration windows.
    """
    num_windows = _count(fitted.recent)
    given = supported_levels(levels, num_windows)
    trained = fitted.shape.horizon
    own = None
    if forecast.quantiles is not None:
        own = reach.from_the_end(forecast.quantiles)[:, :trained]
    # the width of an interval depends on how far its step is from the last row
    values = reach.from_the_end(forecast.values)[:, :trained]
    facts = align(fitted, reach.panel, Part.whole(reach.panel)).series
    weekdays = weekdays_of(_stamps_ahead(reach.panel, values.shape[1]), reach.panel.freq)
    quantile_levels, ends = with_intervals(
        fitted,
        fitted.recent,
        values,
        own,
        facts.step_units(np.arange(len(values)), weekdays, values),
        given,
        adapting=True,
    )
    steps = forecast.values.shape[1]
    last = steps + reach.furthest
    # NaN after the horizon of training
    padding = ((0, 0), (0, last - ends.shape[1]), (0, 0), (0, 0))
    quantiles = reach.shown(np.pad(ends, padding, constant_values=np.nan), steps)
    if forecast.quantiles is not None:  # the median of a network has no end
        middle = forecast.quantile_levels.index(0.5)
        quantiles[..., quantile_levels.index(0.5)] = forecast.quantiles[..., middle]
    return replace(
        forecast,
        quantile_levels=quantile_levels,
        quantiles=quantiles,
        notes=(
            *forecast.notes,
            *_narrower_note(fitted, levels, num_windows),
            *_shorter_note(last, trained),
        ),
    )


def _stamps_ahead(panel: Panel, steps: int) -> NDArray[np.generic]:
    """Return (N, steps) stamps after the last row of each series."""
    ahead = panel.positions[panel.offsets[1:] - 1][:, None] + np.arange(1, steps + 1)
    return panel.freq.stamps(ahead.ravel()).reshape(ahead.shape)


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
    """Return how many rows more give a number of calibration windows.

    Without networks a forecast is calibrated at every earlier cutoff: a row more is a window more.

    The windows of a set overlap: of one series, H rows are one window, and each `stride` rows more
    are another.
    """
    num_series = len(fitted.series.ids)
    if not fitted.weights[MODEL] or not fitted.training.histories:
        more = math.ceil((needed - _count(fitted.recent)) / num_series)
        return f"{counted(max(more, 1), 'more row')} of each series"
    evaluation = fitted.config.evaluation
    name = "test"
    own = fitted.recent
    elsewhere = 0
    if evaluation.calibration_size != 0:
        name = "calibration"
        elsewhere = _count(fitted.recent) - _count(fitted.calibration)
        own = fitted.calibration
    of_each = needed - elsewhere
    stride = evaluation.stride or 1
    rows = _rows_of(of_each, num_series, stride)
    more = rows - _rows_of(_count(own), num_series, stride)
    size = fitted.shape.horizon + rows
    text = (
        f"{counted(max(more, 1), 'more row')} of each series, held back with "
        f"`evaluation.{name}_size={size}`"
    )
    return in_use().worded(text)


def _rows_of(num_windows: int, num_series: int, stride: int) -> int:
    """Return the rows after the first H that hold some windows of several series together."""
    return (math.ceil(num_windows / num_series) - 1) * stride


def _count(calibration: Calibration | None) -> int:
    if calibration is None:
        return 0
    return calibration.num_windows


def _shorter_note(last: int, trained: int) -> tuple[str, ...]:
    """Return a note on the steps after the horizon of training, of which `last` is the last."""
    if last <= trained:
        return ()
    text = (
        f"intervals end {counted(trained, 'step')} after the last row of a series, the horizon of "
        f"training: train with `windows.horizon={last}` for intervals of all steps"
    )
    return (in_use().worded(text),)


def steps_to_forecast(fitted: Fitted, horizon: int | None) -> int:
    """Return the steps to forecast, checked against the model; default: the horizon of training."""
    trained = fitted.shape.horizon
    past = fitted.feature_map.columns.past_covariates
    if horizon is None:
        return trained
    check_kind("horizon", horizon, (int, np.integer), "a whole number of steps")
    if horizon < 1:
        raise ConfigError(f"horizon is {horizon}; expected a whole number of at least 1")
    if horizon > trained and past:
        raise ConfigError(
            f"horizon is {horizon} and the model was trained for {trained}: further steps need "
            f"future values of the past covariates ({', '.join(past)}); ask for at most "
            f"{trained} steps, or train with a longer horizon or without them"
        )
    return horizon


def within_training(fitted: Fitted, horizon: int | None, what: str) -> None:
    """Raise where more steps are asked for than the errors are known of.

    Args:
        fitted: the trained state.
        horizon: steps to forecast; None: as trained.
        what: is asked for, such as `intervals`.

    Raises:
        ConfigError: as above, or the horizon is no whole number of at least 1.
    """
    trained = fitted.shape.horizon
    steps = steps_to_forecast(fitted, horizon)
    if steps <= trained:
        return
    instead = "ask for level 'auto', which gives those of the first"
    if what != "intervals":
        instead = "leave them out; they are for the first"
    raise ConfigError(
        f"{what} were asked for {steps} steps, and the model is calibrated for {trained}: ask for "
        f"at most {trained} steps, train with a longer horizon, or {instead} {trained} steps"
    )


def levels_by_number(level: float | Sequence[float] | Literal["auto"]) -> tuple[float, ...]:
    """Return the levels that were asked for by number, checked."""
    if isinstance(level, str) and level == "auto":
        return ()
    if isinstance(level, str):
        raise ConfigError(f"level is {level!r}; expected %, such as 80 or [80, 95], or 'auto'")
    levels: object = level
    if isinstance(level, int | float):
        levels = (level,)
    wanted = "%, such as 80 or [80, 95], or 'auto'"
    check_kind("level", levels, (list, tuple), wanted)
    for single_level in cast(Sequence[float], levels):
        check_kind("level", single_level, (int, float, np.number), wanted)
        check_level(single_level)
    return tuple(cast(Sequence[float], levels))


def check_levels(
    fitted: Fitted, horizon: int | None, level: float | Sequence[float] | Literal["auto"]
) -> None:
    """Raise where a model cannot give the intervals that are asked for, whatever the table.

    Args:
        fitted: the trained state.
        horizon: steps to forecast; None: as trained.
        level: as in `Forecaster.predict`.

    Raises:
        ConfigError: as above.
    """
    if not levels_by_number(level):
        return
    within_training(fitted, horizon, "intervals")
    if not _count(fitted.recent):
        raise not_calibrated()
