"""Intervals of a trained model: its errors on windows it has not learned from, put around its forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, evenly_spaced
from forecast.data.panel import Panel
from forecast.errors import ConfigError
from forecast.experiment.prepare import Prepared
from forecast.forecasting.fitted import Fitted, align, on_logarithms
from forecast.forecasting.predict import forecast_windows
from forecast.intervals.conformal import Calibration
from forecast.intervals.levels import SHOWN_LEVELS, central_pairs, nested, tails
from forecast.scores.forecast import Forecast
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

CALIBRATED_WINDOWS, CALIBRATED_NUMBERS = 5_000, 1_000_000
"""Windows whose errors are kept, and errors in all, at most."""


def calibrate(fitted: Fitted, prepared: Prepared) -> Fitted:
    """Give a trained state the errors on windows it has not learned from.

    Of many windows some are taken, evenly spaced: fewer exchangeable windows are exchangeable too.

    Args:
        fitted: the state.
        prepared: what it was trained on. The calibration windows are for intervals in the test
            part; these and the test windows together for intervals of what comes after the table.
    """
    return replace(
        fitted,
        calibration=_calibration(fitted, prepared, [prepared.calibration]),
        recent=_calibration(fitted, prepared, [prepared.calibration, prepared.test]),
    )


def _calibration(
    fitted: Fitted, prepared: Prepared, parts: Sequence[WindowedFeatures]
) -> Calibration | None:
    """The errors on the windows of some parts; None where there is no window."""
    shape, measured = fitted.shape, prepared.filled.measured(fitted.shape.num_targets)
    most = min(
        CALIBRATED_WINDOWS, max(1, CALIBRATED_NUMBERS // (shape.horizon * shape.num_targets))
    )
    total, found = sum(map(len, parts)), []
    for windows in parts:
        if not len(windows):
            continue
        kept = max(1, len(windows) * most // max(total, most))
        numbers = evenly_spaced(len(windows), kept)
        forecast, quantiles = forecast_windows(fitted, windows, numbers)
        series, first = windows.index.locate(numbers)
        spread = forecast[..., None] if quantiles is None else quantiles
        rows = windows.index.horizon_rows(first)
        found.append(
            (
                measured[rows],
                forecast,
                spread,
                fitted.unit[series],
                prepared.panel.positions[rows[:, 0]] - 1,
            )
        )
    if not found:
        return None
    actual, forecast, spread, unit, positions = (
        np.concatenate(one) for one in zip(*found, strict=True)
    )
    own = own_intervals(fitted.quantile_levels, spread if fitted.quantile_levels else None)
    return Calibration.fit(
        actual, forecast, unit, positions, logarithms=on_logarithms(fitted.config), own=own
    )


def forecast_with_intervals(
    fitted: Fitted, panel: Panel, forecast: Forecast, levels: Sequence[float]
) -> Forecast:
    """The forecast of what comes after a table, with intervals as wide as the last windows that were seen ask for.

    Args:
        fitted: the trained state.
        panel: the history it was made from.
        forecast: of every series of the panel, no further ahead than the network writes.
        levels: of the intervals, in per cent.

    Raises:
        ConfigError: there are no calibration windows, or too few.
    """
    unit = align(fitted, panel, Part.whole(panel)).unit
    quantile_levels, quantiles = with_intervals(
        fitted, fitted.recent, forecast.values, forecast.quantiles, unit, levels, adapting=True
    )
    return replace(forecast, quantile_levels=quantile_levels, quantiles=quantiles)


def own_intervals(
    levels: tuple[float, ...], quantiles: FloatArray | None
) -> dict[float, tuple[FloatArray, FloatArray]]:
    """Lower and upper ends (B, H, D) of the central intervals among the quantiles a network writes, by their share."""
    if quantiles is None:
        return {}
    return {
        share: (quantiles[..., low], quantiles[..., high])
        for share, (low, high) in central_pairs(levels).items()
    }


def shown_levels(fitted: Fitted) -> tuple[float, ...]:
    """The intervals that can be compared with what came, in per cent: those with calibration windows enough."""
    calibration = fitted.calibration
    return tuple(
        level for level in SHOWN_LEVELS if calibration is not None and calibration.supports(level)
    )


def quantile_levels_of(fitted: Fitted, levels: Sequence[float]) -> tuple[float, ...]:
    """Ascending levels of the quantiles that `with_intervals` gives.

    Args:
        fitted: the state; of a network that writes quantiles the median is kept.
        levels: of the intervals, in per cent.
    """
    median = (0.5,) if fitted.quantile_levels else ()
    return tuple(sorted({*median, *(one for level in levels for one in tails(level))}))


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
    """Quantile levels, and the quantiles (B, H, D, Q): the ends of calibrated intervals, and the median of a network.

    Its other quantiles are left out: they are not calibrated, and where they lie too far out they
    would widen those that are.

    Args:
        fitted: the state.
        calibration: what its errors were.
        forecast: (B, H, D) point forecasts.
        quantiles: (B, H, D, Q) what the network writes.
        unit: (B, D) of the series of each forecast.
        levels: of the intervals, in per cent.
        adapting: see `Calibration.ends`.

    Raises:
        ConfigError: there are no calibration windows, or too few.
    """
    if calibration is None:
        raise ConfigError(
            "intervals were asked for and this model was not calibrated: train again with "
            "evaluation.test_size or "
            "evaluation.calibration_size above 0"
        )
    own = own_intervals(fitted.quantile_levels, quantiles)
    columns: dict[float, FloatArray] = {}
    if quantiles is not None:
        columns = {0.5: quantiles[..., fitted.quantile_levels.index(0.5)]}
    for level in levels:
        low, high = calibration.ends(forecast, unit, level, own=own, adapting=adapting)
        columns |= dict(zip(tails(level), (low, high), strict=True))
    ordered = quantile_levels_of(fitted, levels)
    return ordered, nested(ordered, np.stack([columns[one] for one in ordered], axis=-1), forecast)
