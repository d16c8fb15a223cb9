"""Conformal intervals of a trained model, from its errors on windows outside the training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.errors import ConfigError
from forecast.experiment.prepare import Prepared
from forecast.forecasting.combine import Rolled
from forecast.forecasting.fitted import Fitted, on_logarithms
from forecast.forecasting.predict import forecast_windows
from forecast.intervals.conformal import Calibration
from forecast.intervals.levels import SHOWN_LEVELS, nested, tails
from forecast.scores.quantile_metrics import central_pairs
from forecast.windows.windowed import WindowedFeatures

CALIBRATED_WINDOWS = 5_000
"""Windows whose errors are stored, at most."""

CALIBRATED_NUMBERS = 1_000_000
"""Errors that are stored, at most: windows times steps times targets."""


def calibrate(fitted: Fitted, prepared: Prepared, rolled: Rolled | None = None) -> Fitted:
    """Return the state with its errors on windows outside the training set.

    Of many windows some are taken, evenly spaced: fewer exchangeable windows are exchangeable too.

    Args:
        fitted: the state.
        prepared: the data it was trained on. The calibration windows serve intervals in the test
            set; these and the test windows together serve intervals after the end of the table.
        rolled: forecasts of the members from earlier cutoffs, whose errors serve both; optional.
    """
    return replace(
        fitted,
        calibration=_calibration(fitted, prepared, [prepared.calibration], rolled),
        recent=_calibration(fitted, prepared, [prepared.calibration, prepared.test], rolled),
    )


def _calibration(
    fitted: Fitted,
    prepared: Prepared,
    sources: Sequence[WindowedFeatures],
    rolled: Rolled | None,
) -> Calibration | None:
    """Return the errors on the windows of some sources; None where there is no window."""
    shape = fitted.shape
    numbers_per_window = shape.horizon * shape.num_targets
    most = min(CALIBRATED_WINDOWS, max(1, CALIBRATED_NUMBERS // numbers_per_window))
    total = sum(map(len, sources))
    batches = []
    if rolled is not None:
        batches.append(_rolled_arrays(fitted, prepared, rolled))
    for windows in sources:
        if len(windows):
            count = max(1, len(windows) * most // max(total, most))
            batches.append(_calibration_arrays(fitted, prepared, windows, count))
    if not batches:
        return None

    actual, forecast, spread, unit, positions = map(np.concatenate, zip(*batches, strict=True))
    quantiles = spread if fitted.quantile_levels else None
    calibration = Calibration.fit(
        actual,
        forecast,
        unit,
        positions,
        logarithms=on_logarithms(fitted.config),
        own=_own_intervals(fitted.quantile_levels, quantiles),
    )
    is_negative = (actual < 0).any(axis=(0, 1))
    bound = np.where(is_negative, -np.inf, fitted.series.lowest)
    return replace(calibration, lowest=np.maximum(calibration.lowest, bound))


def _calibration_arrays(
    fitted: Fitted, prepared: Prepared, windows: WindowedFeatures, count: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray]:
    """Return the arrays that `Calibration.fit` compares, for evenly spaced windows.

    Returns:
        (B, H, D) actual values, (B, H, D) point forecasts, (B, H, D, Q) quantiles (the point
        forecasts where the network writes none), (B, D) units and (B,) positions of the cutoffs.
    """
    measured = prepared.filled.measured(fitted.shape.num_targets)
    numbers = evenly_spaced(len(windows), count)
    forecast, quantiles = forecast_windows(fitted, prepared.panel, windows, numbers)
    if quantiles is None:
        quantiles = forecast[..., None]
    series, first = windows.index.locate(numbers)
    rows = windows.index.horizon_rows(first)
    cutoffs = prepared.panel.positions[rows[:, 0]] - 1
    return measured[rows], forecast, quantiles, fitted.series.unit[series], cutoffs


def _rolled_arrays(
    fitted: Fitted, prepared: Prepared, rolled: Rolled
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray]:
    """Return the arrays of `_calibration_arrays` for forecasts from earlier cutoffs."""
    forecast = rolled.combined(rolled.weights)
    rows = rolled.last[:, None] + np.arange(1, fitted.shape.horizon + 1)
    actual = prepared.filled.measured(fitted.shape.num_targets)[rows]
    unit = fitted.series.unit[prepared.panel.series_at(rolled.last)]
    return actual, forecast, forecast[..., None], unit, prepared.panel.positions[rolled.last]


def _own_intervals(
    levels: tuple[float, ...], quantiles: FloatArray | None
) -> dict[float, tuple[FloatArray, FloatArray]]:
    """Return (B, H, D) lower and upper ends of the central intervals that a network writes.

    The keys are the coverage of each interval, such as 0.8.
    """
    if quantiles is None:
        return {}
    return {
        coverage: (quantiles[..., low], quantiles[..., high])
        for coverage, (low, high) in central_pairs(levels).items()
    }


def not_calibrated() -> ConfigError:
    """Return the error of a model that has no errors to make intervals of."""
    return ConfigError(
        "intervals were asked for and this model was not calibrated: train again with "
        "`evaluation.test_size` or `evaluation.calibration_size` above 0, or ask for none"
    )


def shown_levels(fitted: Fitted) -> tuple[float, ...]:
    """Return the levels, in %, of the intervals in an evaluation: those with enough windows."""
    calibration = fitted.calibration
    if calibration is None:
        return ()
    return tuple(level for level in SHOWN_LEVELS if calibration.supports(level))


def quantile_levels_of(fitted: Fitted, levels: Sequence[float]) -> tuple[float, ...]:
    """Return the ascending levels of the quantiles that `with_intervals` returns.

    Args:
        fitted: the state; the median of a network that writes quantiles is kept.
        levels: of the intervals, in %.
    """
    quantile_levels = {0.5} if fitted.quantile_levels else set()
    for level in levels:
        quantile_levels.update(tails(level))
    return tuple(sorted(quantile_levels))


def with_intervals(
    fitted: Fitted,
    calibration: Calibration | None,
    forecast: FloatArray,
    quantiles: FloatArray | None,
    unit: FloatArray,
    levels: Sequence[float],
    *,
    adapting: bool = False,
) -> tuple[tuple[float, ...], FloatArray]:
    """Return the ends of calibrated intervals, and the median of a network, as quantiles.

    The other quantiles of a network are dropped: they are not calibrated, and those that lie too
    far out would widen the intervals.

    Args:
        fitted: the state.
        calibration: its errors.
        forecast: (B, H, D) point forecasts.
        quantiles: (B, H, D, Q) quantiles that the network writes; None for a point forecast.
        unit: (B, D) of the series of each forecast, or (B, H, D).
        levels: of the intervals, in %.
        adapting: see `Calibration.ends`.

    Returns:
        Quantile levels, and (B, H, D, Q) quantiles.

    Raises:
        ConfigError: there are no calibration windows, or too few.
    """
    if calibration is None:
        raise not_calibrated()
    own = _own_intervals(fitted.quantile_levels, quantiles)
    columns: dict[float, FloatArray] = {}
    if quantiles is not None:
        columns[0.5] = quantiles[..., fitted.quantile_levels.index(0.5)]
    for level in levels:
        low, high = calibration.ends(forecast, unit, level, own=own, adapting=adapting)
        low_level, high_level = tails(level)
        columns[low_level] = low
        columns[high_level] = high
    ordered = quantile_levels_of(fitted, levels)
    stacked = np.stack([columns[level] for level in ordered], axis=-1)
    return ordered, nested(ordered, stacked, forecast)
