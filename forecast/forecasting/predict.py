"""From a trained network to forecasts in the unit of the data."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.data.panel import Panel
from forecast.data.shown import stamp_at
from forecast.errors import DataError
from forecast.forecasting.before_cutoff import targets_before
from forecast.forecasting.closed_days import closed_at, opened
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.forecasting.seasonal_member import seasonal_forecasts
from forecast.forecasting.simple_members import simple_forecasts
from forecast.forecasting.unseen import DRIFT_RANGES, new_series_note
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.index import index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

WINDOWS_AT_ONCE = 512
"""Windows whose inputs and forecasts are in memory at a time."""


def forecast_windows(
    fitted: Fitted, panel: Panel, windows: WindowedFeatures, numbers: IntArray
) -> tuple[FloatArray, FloatArray | None]:
    """Forecast windows by their numbers, with the model and the simple members that have weights.

    Args:
        fitted: state aligned with the panel.
        panel: the series of the windows.
        windows: the windows.
        numbers: (B,) numbers of the windows to forecast.

    Returns:
        (B, H, D) forecasts in the unit of the data, and (B, H, D, Q) quantiles where the network
        writes them.

    Raises:
        DataError: a forecast is not finite.
    """
    if set(fitted.weights) == {MODEL}:
        return forecast_model(fitted, windows, numbers)
    names = [name for name in fitted.weights if name not in (MODEL, SEASONAL)]
    last = windows.index.locate(numbers)[1] + windows.index.context_length - 1
    total = np.zeros((len(numbers), fitted.shape.horizon, fitted.shape.num_targets))
    if names:
        made = simple_forecasts(fitted, panel, windows.features.filled, last, names)
        for name, values in zip(names, made, strict=True):
            total += fitted.weights[name] * values
    if SEASONAL in fitted.weights:
        total += fitted.weights[SEASONAL] * seasonal_forecasts(fitted, panel, windows, numbers)
    if fitted.weights[MODEL]:
        total += fitted.weights[MODEL] * forecast_model(fitted, windows, numbers)[0]
    return _bounded(fitted, windows, numbers, total[..., None])[..., 0], None


def forecast_model(
    fitted: Fitted, windows: WindowedFeatures, numbers: IntArray
) -> tuple[FloatArray, FloatArray | None]:
    """Forecast windows by their numbers with the model alone.

    Args:
        fitted: state aligned with the panel of the windows.
        windows: the windows.
        numbers: (B,) numbers of the windows to forecast.

    Returns:
        (B, H, D) forecasts in the unit of the data, and (B, H, D, Q) quantiles where the network
        writes them.

    Raises:
        DataError: a forecast is not finite.
    """
    batches = [
        _forecast_batch(fitted, windows, numbers[start : start + WINDOWS_AT_ONCE])
        for start in range(0, len(numbers), WINDOWS_AT_ONCE)
    ]
    raw = np.concatenate(batches)
    if not fitted.quantile_levels:
        return raw[..., 0], None
    return raw[..., fitted.quantile_levels.index(0.5)], raw


def _forecast_batch(fitted: Fitted, windows: WindowedFeatures, numbers: IntArray) -> FloatArray:
    """Return (B, H, D, Q) forecasts of one batch in the unit of the data; Q is 1 for a point."""
    series, first = windows.index.locate(numbers)
    cutoff = first + windows.index.context_length
    chain = fitted.feature_map.target
    history = targets_before(windows.features, cutoff, max(chain.lag, 1))

    output = _run_network(fitted, windows, numbers)
    levels = [
        chain.invert(output[..., q], series=series, history=history)
        for q in range(output.shape[-1])
    ]
    values = np.stack(levels, axis=-1)
    # A series that never changed in training has no scale: its forecast is its last value.
    never_changed = np.isfinite(fitted.series.constants[series])[:, None, :, None]
    values = np.where(never_changed, history[:, -1, None, :, None], values)
    values = _bounded(fitted, windows, numbers, values)

    is_finite = np.isfinite(values).all(axis=(1, 2, 3))
    if not is_finite.all():
        worst = series[np.flatnonzero(~is_finite)[0]]
        raise DataError(
            f"the forecast of series {fitted.series.ids[worst]!r} is not finite: its context is "
            f"too far from the training data for the transforms to be undone; check its last rows"
        )
    return values


def _bounded(
    fitted: Fitted, windows: WindowedFeatures, numbers: IntArray, values: FloatArray
) -> FloatArray:
    """Return forecasts (B, H, D, Q) that are 0 on closed weekdays and where 0 is a bound below it.

    A weekday is no longer closed where the context has another value on it than 0.
    """
    series, first = windows.index.locate(numbers)
    facts = fitted.series
    from_zero = facts.from_zero[series][:, None, :, None]
    values = np.where(from_zero, np.maximum(values, 0.0), values)
    weekdays = windows.features.weekdays
    closed = facts.closed[series]  # (B, D, 7)
    if weekdays is None or not closed.any():
        return values
    context = windows.index.context_rows(first)
    filled = windows.features.filled
    sold = filled.values[context, : closed.shape[1]] != 0
    if filled.observed is not None:
        sold &= filled.observed[context, : closed.shape[1]]
    closed = closed & ~opened(sold, weekdays[context])
    is_closed = closed_at(closed, weekdays[windows.index.horizon_rows(first)])
    return np.where(is_closed[..., None], 0.0, values)


def _run_network(fitted: Fitted, windows: WindowedFeatures, numbers: IntArray) -> FloatArray:
    """Return the (B, H, D, Q) output of the network; Q is 1 for a point forecast."""
    inputs, _ = windows.batch(numbers)
    output = fitted.network(inputs).astype(np.float64)
    if fitted.quantile_levels:
        return output
    return output[..., None]


def final_windows(fitted: Fitted, panel: Panel, first_new: IntArray) -> WindowedFeatures:
    """Return one window per series, which forecasts the rows from `first_new` on."""
    policy = fitted.config.data.missing
    if policy == "refuse":
        policy = "forward_fill"  # the rows ahead have no targets
    filled: Filled = fill_missing(panel, policy)[0]
    features = fitted.read_features.apply(panel, filled)

    shape = fitted.shape
    part = Part(first_new, first_new + shape.horizon)
    index = index_windows(
        panel, shape.context_length, shape.horizon, part=part, usable=features.usable
    )
    missing = np.flatnonzero(index.series_counts(panel.num_series) == 0)
    if len(missing):
        needed = shape.context_length + fitted.feature_map.target.lag
        rows = first_new - panel.offsets[:-1]
        named = ", ".join(f"{panel.series_ids[i]!r} ({rows[i]} rows)" for i in missing[:5])
        raise DataError(
            f"{len(missing)} series cannot be forecast: {named}; each needs its last {needed} rows "
            f"without a gap or an unfilled value: give a longer history"
        )
    return WindowedFeatures(features, index)


def new_series_notes(fitted: Fitted, panel: Panel, lengths: IntArray) -> tuple[str, ...]:
    """Return a note that names the series that training has not seen, if there are any.

    Args:
        fitted: the state, not yet aligned with `panel`.
        panel: the series to forecast.
        lengths: (N,) rows that the scale of a new series may come from.
    """
    is_new = fitted.series.index_of(panel.series_ids) < 0
    if not is_new.any():
        return ()
    new_ids = panel.series_ids[is_new]
    new_lengths = lengths[is_new]
    has_scales = any(stage.per_series for stage in fitted.feature_map.target.stages)
    # A series of one row has no scale: see `transforms.scaling`.
    if has_scales and (new_lengths >= 2).all():
        return (new_series_note(new_ids, fitted.series.ids, new_lengths, panel.series_ids),)
    return (new_series_note(new_ids, fitted.series.ids, None, panel.series_ids),)


def drift_notes(fitted: Fitted, panel: Panel) -> tuple[str, ...]:
    """Return a note that names the series whose context lies far outside the training data."""
    ends = panel.offsets[1:]
    rows = np.maximum(
        ends[:, None] - np.arange(1, fitted.shape.context_length + 1), panel.offsets[:-1, None]
    )
    context = panel.targets[rows]
    facts = fitted.series
    reach = DRIFT_RANGES * (facts.high - facts.low)  # 0 for a series that never changed
    is_far = (np.fmax.reduce(context, axis=1) > facts.high + reach) | (
        np.fmin.reduce(context, axis=1) < facts.low - reach
    )
    drifted = np.flatnonzero(is_far.any(axis=1))
    if not len(drifted):
        return ()
    named = ", ".join(repr(panel.series_ids[i]) for i in drifted[:5])
    return (
        f"the last values of {len(drifted)} series lie far outside the training data (first "
        f"{named}): the forecast is an extrapolation; check the unit, or train again on recent "
        f"rows",
    )


def learned_notes(fitted: Fitted, panel: Panel) -> tuple[str, ...]:
    """Return a note where training has seen rows after the end of a series: it forecasts those.

    Args:
        fitted: the state, aligned with `panel`.
        panel: the history.
    """
    ends = panel.timestamps[panel.offsets[1:] - 1]
    until = fitted.series.seen_until
    learned = np.flatnonzero(until > ends.astype(np.int64))
    if not len(learned):
        return ()
    latest = learned[until[learned].argmax()]
    end = stamp_at(panel.freq, ends[latest])
    last = stamp_at(panel.freq, until[latest].astype(ends.dtype))
    which = f"the table ends at {end}"
    if panel.num_series > 1:
        which = (
            f"{len(learned):,} of {panel.num_series:,} series end before that, as "
            f"{panel.series_ids[latest]!r} at {end}"
        )
    return (
        f"training has seen rows up to {last}, and {which}: steps that the model has learned from "
        f"are forecast, which is no test of it",
    )
