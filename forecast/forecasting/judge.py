"""A trained model beside the baselines, on windows it has not seen."""

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
from forecast.forecasting.fitted import NEVER, Fitted, align
from forecast.forecasting.predict import forecast_windows, new_series_notes
from forecast.forecasting.unseen import RowsRead, covariate_notes
from forecast.intervals.adaptive import adapt_intervals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.seasonal import seasonal_errors
from forecast.transforms.missing import fill_missing
from forecast.windows.features import Features, series_deviations
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures


def fit_linear(prepared: Prepared) -> RidgeWindow:
    """Fit the ridge baseline on the windows the model learns from, its penalty chosen on the validation windows.

    Every series counts by its own deviation over the training rows. By its changes from step to
    step instead, a smooth one would outweigh the others: on ETTh2, 336 steps ahead, the error of
    this baseline would be 0.45 in place of 0.35.
    """
    num_targets = len(prepared.panel.columns.target_cols)
    targets = prepared.filled.measured(num_targets)
    scale = series_deviations(prepared.panel, targets, prepared.split.train)
    learned = RidgeRows(targets, scale, inputs=prepared.filled.values[:, :num_targets])
    return RidgeWindow.fit(learned, prepared.training.index, prepared.validation.index)


def judge(
    fitted: Fitted, panel: Panel, part: Part, *, features: Features | None = None
) -> BacktestResult:
    """Let the model and every baseline forecast the windows of a part.

    Where the model was calibrated on a part of its own there are intervals too, which adapt from
    cutoff to cutoff.

    Args:
        fitted: the trained state.
        panel: the series.
        part: the rows to judge on; contexts may reach back before them.
        features: what the trained map makes of the panel, where it is that of training.

    Raises:
        DataError: the part holds no window.
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
        spread.extend([] if quantiles is None else [quantiles])
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
        quantile_levels=fitted.quantile_levels,
        quantiles=np.concatenate(spread) if spread else None,
        notes=_unseen_notes(fitted, panel, windows, before),
    )
    calibration, shown = fitted.calibration, shown_levels(fitted)
    if calibration is None or not shown:
        return result
    forecasts, unit = result.forecasts[config.name], aligned.unit[result.series]
    levels, quantiles = with_intervals(
        aligned, calibration, forecasts, result.quantiles, unit, shown
    )
    return adapt_intervals(
        replace(result, quantile_levels=levels, quantiles=quantiles), lowest=calibration.lowest
    )


def _unseen_notes(
    fitted: Fitted, panel: Panel, windows: WindowedFeatures, before: Part
) -> tuple[str, ...]:
    """Name what the windows read that training has not seen; new series have their scales from the rows `before`."""
    own = np.maximum(before.last - before.first, 0)
    rows = RowsRead.of(windows.index, panel.num_rows)
    values = windows.features.filled.values
    return new_series_notes(fitted, panel, own) + covariate_notes(
        fitted.feature_map, panel, values, rows
    )


def unseen_part(fitted: Fitted, panel: Panel) -> Part:
    """Rows of a table that training has not looked at: of the training table, its test part.

    Raises:
        DataError: there is none.
    """
    place = fitted.places(panel.series_ids)
    until = fitted.seen_until[place]
    looked_at = (place >= 0) & (until > NEVER)
    stamps = np.where(looked_at, until, 0).astype(panel.timestamps.dtype)
    last_seen = panel.freq.positions(stamps) + fitted.config.evaluation.purge
    series = panel.series_of_rows()
    seen = looked_at[series] & (panel.positions <= last_seen[series])
    first = panel.offsets[:-1] + np.bincount(series[seen], minlength=panel.num_series)
    if (first >= panel.offsets[1:]).all():
        raise DataError(
            "every row of the table was seen in training: there is nothing to judge on; give newer "
            "rows, or train "
            "with evaluation.test_size above 0"
        )
    return Part(first, panel.offsets[1:])
