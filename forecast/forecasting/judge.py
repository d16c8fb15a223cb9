"""Evaluation of a trained model and the baselines on windows that training has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.baselines.compare import all_baselines, compare
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.experiment.point_choice import MANY_ZEROS
from forecast.experiment.prepare import Prepared, windows_of
from forecast.forecasting.calibrate import shown_levels, with_intervals
from forecast.forecasting.combine import Rolled, weights_of_others
from forecast.forecasting.fitted import MODEL, Fitted, align, smoothing_for
from forecast.forecasting.predict import forecast_windows, new_series_notes
from forecast.forecasting.series_facts import NEVER
from forecast.forecasting.simple_members import steps_of
from forecast.forecasting.unseen import RowsRead, covariate_notes
from forecast.intervals.adaptive import adapt_intervals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.seasonal import seasonal_errors
from forecast.transforms.missing import fill_missing
from forecast.windows.calendar import weekdays_of
from forecast.windows.features import Features
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

ROLLED_NOTE = (
    "there is no test set: the scores are those of forecasts from earlier cutoffs, each with "
    "weights from the other stretches of time"
)
"""Note on scores without a test set."""


def judge(
    fitted: Fitted, panel: Panel, part: Part, *, features: Features | None = None
) -> BacktestResult:
    """Forecast the windows of a part with the model and every baseline.

    With a calibration set there are intervals too, which adapt from cutoff to cutoff.

    Args:
        fitted: the trained state.
        panel: the series.
        part: the rows to evaluate on; contexts may reach back before them.
        features: features of the panel, where they are known; optional.

    Raises:
        DataError: no window fits into the part.
    """
    config = fitted.config
    before = Part(panel.offsets[:-1], part.first)
    aligned = align(fitted, panel, before)
    if features is None:
        features = aligned.feature_map.apply(panel, fill_missing(panel, config.data.missing)[0])
    windows = windows_of(config, panel, features, part, stride=config.evaluation.stride or 1)
    steps = steps_of(fitted, panel)
    spread: list[NDArray[np.float64]] = []

    def forecast(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        point, quantiles = forecast_windows(aligned, panel, windows, numbers)
        if quantiles is not None:
            spread.append(quantiles)
        return point

    result = compare(
        panel,
        windows.index,
        filled=features.filled,
        models={config.name: forecast},
        baselines=all_baselines(
            steps, ridge=fitted.linear, smoothing=smoothing_for(fitted, panel, before)
        ),
        steps=steps,
        scale=seasonal_errors(panel, fitted.season_length, part=before),
    )
    result = replace(
        result,
        notes=_unseen_notes(fitted, panel, windows, before),
        members=fitted.members,
        judged_by=_judged_by(fitted, result),
    )
    if spread:
        result = replace(
            result, quantile_levels=fitted.quantile_levels, quantiles=np.concatenate(spread)
        )
    return _with_adaptive_intervals(aligned, result)


def judge_rolled(fitted: Fitted, prepared: Prepared, rolled: Rolled) -> BacktestResult:
    """Return the forecasts of simple members from earlier cutoffs, beside those of their ensemble.

    The weights at each cutoff come from the other stretches of time.

    Args:
        fitted: the state, which forecasts by simple members alone.
        prepared: the data it was trained on.
        rolled: the forecasts.
    """
    panel = prepared.panel
    shape = fitted.shape
    rows = rolled.last[:, None] + np.arange(1, shape.horizon + 1)
    series = panel.series_at(rolled.last)
    known = Part(panel.offsets[:-1], panel.offsets[1:])
    together = rolled.combined(weights_of_others(prepared, rolled))
    return BacktestResult(
        alias=fitted.config.name,
        baselines=tuple(name for name in rolled.names if name != MODEL),
        series_ids=panel.series_ids,
        series=series,
        cutoffs=panel.timestamps[rolled.last],
        stamps=panel.timestamps[rows],
        actual=prepared.filled.measured(shape.num_targets)[rows],
        forecasts={
            fitted.config.name: together,
            **{
                name: made
                for name, made in zip(rolled.names, rolled.made, strict=True)
                if name != MODEL
            },
        },
        scale=seasonal_errors(panel, fitted.season_length, part=known)[series],
        season_length=fitted.season_length,
        columns=panel.columns,
        freq=panel.freq,
        notes=(ROLLED_NOTE,),
        members=fitted.members,
    )


def _judged_by(fitted: Fitted, result: BacktestResult) -> Literal["MAE", "MSE"]:
    """Return MSE where the mean of values that are mostly 0 is forecast: 0 has the least MAE."""
    zeros = (result.actual == 0).sum()
    is_mostly_zero = zeros > MANY_ZEROS * np.isfinite(result.actual).sum()
    if fitted.config.training.point == "mean" and is_mostly_zero:
        return "MSE"
    return "MAE"


def _with_adaptive_intervals(fitted: Fitted, result: BacktestResult) -> BacktestResult:
    """Return a result with the intervals of the calibration set, where there is one."""
    levels = shown_levels(fitted)
    if fitted.calibration is None or not levels:
        return result
    forecast = result.forecasts[fitted.config.name]
    weekdays = weekdays_of(result.stamps, result.freq)
    quantile_levels, quantiles = with_intervals(
        fitted,
        fitted.calibration,
        forecast,
        result.quantiles,
        fitted.series.step_units(result.series, weekdays, forecast),
        levels,
    )
    result = replace(result, quantile_levels=quantile_levels, quantiles=quantiles)
    return adapt_intervals(result, lowest=fitted.calibration.lowest)


def _unseen_notes(
    fitted: Fitted, panel: Panel, windows: WindowedFeatures, before: Part
) -> tuple[str, ...]:
    """Return notes about series and values in the windows that training has not seen.

    The scale of a new series comes from its rows `before` the windows.
    """
    lengths = np.maximum(before.last - before.first, 0)
    rows = RowsRead.of(windows.index, panel.num_rows)
    values = windows.features.filled.values
    notes = new_series_notes(fitted, panel, lengths)
    return notes + covariate_notes(fitted.feature_map, panel, values, rows)


def unseen_part(fitted: Fitted, panel: Panel) -> Part:
    """Return the rows of a table that training has not seen: of the training table, its test set.

    Raises:
        DataError: there is none.
    """
    index = fitted.series.index_of(panel.series_ids)
    until = fitted.series.seen_until[index]
    is_known = (index >= 0) & (until > NEVER)
    stamps = np.where(is_known, until, 0).astype(panel.timestamps.dtype)
    last_seen = panel.freq.positions(stamps) + fitted.config.evaluation.purge
    series = panel.series_of_rows()
    seen = is_known[series] & (panel.positions <= last_seen[series])
    first = panel.offsets[:-1] + np.bincount(series[seen], minlength=panel.num_series)
    if (first >= panel.offsets[1:]).all():
        raise DataError(
            "training has seen every row of the table, so that there is none to evaluate on: give "
            "newer rows, or train with `evaluation.test_size` above 0"
        )
    return Part(first, panel.offsets[1:])
