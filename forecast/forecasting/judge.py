"""Evaluation of a trained model and the baselines on windows that training has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.baselines.compare import all_baselines, compare
from forecast.baselines.ridge import RidgeRows, RidgeWindow
from forecast.baselines.simple import Steps
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.experiment.prepare import Prepared, windows_of
from forecast.forecasting.calibrate import shown_levels, with_intervals
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.predict import forecast_windows, new_series_notes
from forecast.forecasting.series_facts import NEVER
from forecast.forecasting.unseen import RowsRead, covariate_notes
from forecast.intervals.adaptive import adapt_intervals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.seasonal import seasonal_errors
from forecast.transforms.missing import fill_missing
from forecast.windows.features import Features, series_deviations
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures


def fit_linear(prepared: Prepared) -> RidgeWindow:
    """Fit the ridge baseline on the training windows; the validation windows choose its penalty.

    Every series is divided by its standard deviation over the training rows. Divided by its changes
    from step to step instead, a smooth series outweighs the others: on ETTh2, 336 steps ahead, the
    error of this baseline is then 0.45 in place of 0.35.
    """
    num_targets = len(prepared.panel.columns.target_cols)
    targets = prepared.filled.measured(num_targets)
    scale = series_deviations(prepared.panel, targets, prepared.split.train)
    rows = RidgeRows(targets, scale, inputs=prepared.filled.values[:, :num_targets])
    return RidgeWindow.fit(rows, prepared.training.index, prepared.validation.index)


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
    shape = fitted.shape
    steps = Steps(
        shape.horizon, context_length=shape.context_length, season_length=fitted.season_length
    )
    spread: list[NDArray[np.float64]] = []

    def forecast(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        point, quantiles = forecast_windows(aligned, windows, numbers)
        if quantiles is not None:
            spread.append(quantiles)
        return point

    result = compare(
        panel,
        windows.index,
        filled=features.filled,
        models={config.name: forecast},
        baselines=all_baselines(steps, fitted.linear),
        season_length=fitted.season_length,
        scale=seasonal_errors(panel, fitted.season_length, part=before),
    )
    result = replace(
        result,
        notes=_unseen_notes(fitted, panel, windows, before),
        members=fitted.training.weights,
    )
    if spread:
        result = replace(
            result, quantile_levels=fitted.quantile_levels, quantiles=np.concatenate(spread)
        )
    return _with_adaptive_intervals(aligned, result)


def _with_adaptive_intervals(fitted: Fitted, result: BacktestResult) -> BacktestResult:
    """Return a result with the intervals of the calibration set, where there is one."""
    levels = shown_levels(fitted)
    if fitted.calibration is None or not levels:
        return result
    quantile_levels, quantiles = with_intervals(
        fitted,
        fitted.calibration,
        result.forecasts[fitted.config.name],
        result.quantiles,
        fitted.series.unit[result.series],
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
