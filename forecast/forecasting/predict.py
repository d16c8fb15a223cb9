"""From a trained network to forecasts in the unit of the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.future import end_notes
from forecast.data.known import append_future
from forecast.data.panel import Panel
from forecast.data.subset import last_rows
from forecast.errors import DataError
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.unseen import DRIFT_RANGES, RowsRead, covariate_notes, new_series_note
from forecast.models.network import batch_rule
from forecast.scores.forecast import Forecast
from forecast.scores.symptoms import leap_notes
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.features import Features
from forecast.windows.index import index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures


def forecast_windows(
    fitted: Fitted, windows: WindowedFeatures, numbers: IntArray
) -> tuple[FloatArray, FloatArray | None]:
    """Forecast numbered windows; how depends on how many there are in all, so that a window keeps its forecast.

    Args:
        fitted: state aligned with the panel of the windows.
        windows: the windows.
        numbers: (B,) which of them.

    Returns:
        (B, H, D) forecasts in the unit of the data, and (B, H, D, Q) quantiles where the network
        writes them.

    Raises:
        DataError: a forecast is not finite.
    """
    size, compiled = batch_rule(len(windows), fitted.predict.largest_batch)
    parts = [
        _forecast_batch(fitted, windows, numbers[start : start + size], size if compiled else 0)
        for start in range(0, len(numbers), size)
    ]
    raw = np.concatenate(parts)
    if not fitted.quantile_levels:
        return raw[..., 0], None
    return raw[..., fitted.quantile_levels.index(0.5)], raw


def _forecast_batch(
    fitted: Fitted, windows: WindowedFeatures, numbers: IntArray, compiled: int
) -> FloatArray:
    """(B, H, D, Q) in the unit of the data; Q is 1 for a point forecast. `compiled` is a size, or 0."""
    wanted = len(numbers)
    filled_up = (
        np.append(numbers, np.repeat(numbers[:1], compiled - wanted))
        if compiled > wanted
        else numbers
    )
    output = fitted.predict(windows.batch(filled_up)[0], compiled=compiled > 0)[:wanted].astype(
        np.float64
    )
    if not fitted.quantile_levels:
        output = output[..., None]
    series, first = windows.index.locate(numbers)
    cutoff = first + windows.index.context_length
    chain = fitted.feature_map.target
    history = targets_before(windows.features, cutoff, max(chain.lag, 1))
    levels = [
        chain.invert(output[..., q], series=series, history=history)
        for q in range(output.shape[-1])
    ]
    values = np.stack(levels, axis=-1)
    # A series that never changed in training has no scale to forecast changes on: its last value
    # goes on.
    never_changed = np.isfinite(fitted.constants[series])[:, None, :, None]
    values = np.where(never_changed, history[:, -1, None, :, None], values)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2, 3)))[0])
        raise DataError(
            f"the forecast of series {fitted.series_ids[series[bad]]!r} is not finite: its context "
            f"is too far from "
            "the training data for the transforms to be undone; check its last rows"
        )
    return values


def targets_before(features: Features, cutoff: IntArray, steps: int) -> FloatArray:
    """(B, steps, D) filled targets of the rows before each cutoff row; an unfinished gap is not looked across."""
    num_targets = features.target.shape[1]
    rows = cutoff[:, None] + np.arange(-steps, 0)
    filled = features.filled
    values = filled.values[rows, :num_targets]
    if filled.interpolated is None or filled.next_observed is None:
        return values
    known = filled.next_observed[rows, :num_targets] < cutoff[:, None, None]
    return np.where(known, filled.interpolated[rows, :num_targets], values)


def forecast_future(fitted: Fitted, panel: Panel, steps: int, known: Panel | None) -> Forecast:
    """Forecast the steps after the end of every series, feeding forecasts back beyond the trained horizon.

    Args:
        fitted: the trained state.
        panel: the history.
        steps: H to forecast.
        known: known covariates of those steps, from `read_known`; those in rows of the future that
            the table of the history held are used where these say nothing.

    Raises:
        DataError: the history is too short, or known covariates are missing.
    """
    aligned = align(fitted, panel, Part.whole(panel))
    notes = (
        *end_notes(panel),
        *new_series_notes(fitted, panel, panel.lengths),
        *drift_notes(aligned, panel),
    )
    whole = panel
    panel = last_rows(panel, fitted.shape.context_length + fitted.feature_map.target.lag)
    notes += fitted.feature_map.clip(panel.values)[1]
    horizon = fitted.shape.horizon
    rounded = -(-steps // horizon) * horizon
    future = append_future(panel, rounded, known, needed=steps)
    first_new = panel.offsets[1:] + np.arange(panel.num_series) * rounded
    points: list[FloatArray] = []
    quantiles: list[FloatArray] = []
    for done in range(0, rounded, horizon):
        windows = _final_windows(aligned, future, first_new + done)
        point, spread = forecast_windows(aligned, windows, np.arange(panel.num_series))
        points.append(point)
        quantiles += [] if spread is None else [spread]
        if done + horizon < rounded:
            future = _with_targets(future, first_new + done, point)
    notes += covariate_notes(
        fitted.feature_map,
        future,
        windows.features.filled.values,
        _rows_read(fitted, first_new, steps),
    )
    values = np.concatenate(points, axis=1)[:, :steps]
    notes += leap_notes(
        whole.series_ids, whole.columns.target_cols, whole.targets, whole.offsets, values
    )
    ahead = panel.positions[panel.offsets[1:] - 1][:, None] + np.arange(1, steps + 1)
    return Forecast(
        series_ids=panel.series_ids,
        cutoffs=panel.timestamps[panel.offsets[1:] - 1],
        stamps=panel.freq.stamps(ahead.ravel()).reshape(ahead.shape),
        values=values,
        alias=fitted.config.name,
        columns=panel.columns,
        freq=panel.freq,
        quantile_levels=fitted.quantile_levels,
        quantiles=np.concatenate(quantiles, axis=1)[:, :steps] if quantiles else None,
        notes=notes,
    )


def _final_windows(fitted: Fitted, panel: Panel, first_new: IntArray) -> WindowedFeatures:
    """One window per series, which forecasts the rows from `first_new` on."""
    policy = fitted.config.data.missing
    filled: Filled = fill_missing(panel, "forward_fill" if policy == "refuse" else policy)[0]
    features = fitted.feature_map.apply(panel, filled)
    context_length, horizon = fitted.shape.context_length, fitted.shape.horizon
    part = Part(first_new, first_new + horizon)
    index = index_windows(panel, context_length, horizon, part=part, usable=features.usable)
    missing = np.flatnonzero(index.series_counts(panel.num_series) == 0)
    if len(missing):
        needed = context_length + fitted.feature_map.target.lag
        rows = first_new - panel.offsets[:-1]
        named = ", ".join(f"{panel.series_ids[i]!r} ({rows[i]} rows)" for i in missing[:5])
        raise DataError(
            f"{len(missing)} series cannot be forecast: {named}; each needs its last {needed} rows "
            f"without a gap "
            "or an unfilled value: give a longer history"
        )
    return WindowedFeatures(features, index)


def _rows_read(fitted: Fitted, first_new: IntArray, steps: int) -> RowsRead:
    """The rows that forecasts of `steps` rows from `first_new` (N,) on read, later blocks included."""
    context = first_new[:, None] - np.arange(fitted.shape.context_length, 0, -1)
    return RowsRead(context.ravel(), (first_new[:, None] + np.arange(steps)).ravel())


def _with_targets(panel: Panel, first: IntArray, values: FloatArray) -> Panel:
    """The panel with forecasts in the place of the targets of some rows."""
    out = panel.values.copy()
    rows = first[:, None] + np.arange(values.shape[1])
    out[rows, : values.shape[2]] = values
    return replace(panel, values=out)


def new_series_notes(fitted: Fitted, panel: Panel, lengths: IntArray) -> tuple[str, ...]:
    """Name the series that training has not seen.

    Args:
        fitted: the state, not yet aligned with `panel`.
        panel: the series to forecast.
        lengths: (N,) rows that the scale of a new series may come from.
    """
    new = fitted.places(panel.series_ids) < 0
    if not new.any():
        return ()
    per_series = any(stage.per_series for stage in fitted.feature_map.target.stages)
    own_scale = per_series and bool(
        (lengths[new] >= 2).all()
    )  # of less there is none: see `transforms.scaling`
    return (
        new_series_note(
            panel.series_ids[new], fitted.series_ids, lengths[new] if own_scale else None
        ),
    )


def drift_notes(fitted: Fitted, panel: Panel) -> tuple[str, ...]:
    """Name the series whose context lies far outside what was seen in training."""
    ends = panel.offsets[1:]
    rows = np.maximum(
        ends[:, None] - np.arange(1, fitted.shape.context_length + 1), panel.offsets[:-1, None]
    )
    context = panel.targets[rows]
    reach = DRIFT_RANGES * (fitted.high - fitted.low)  # none for a series that never changed
    far = (np.fmax.reduce(context, axis=1) > fitted.high + reach) | (
        np.fmin.reduce(context, axis=1) < fitted.low - reach
    )
    drifted = np.flatnonzero(far.any(axis=1))
    if not len(drifted):
        return ()
    named = ", ".join(repr(panel.series_ids[i]) for i in drifted[:5])
    return (
        f"the last values of {len(drifted)} series lie far outside the training data (first "
        f"{named}): "
        "the forecast is an extrapolation; check the unit, or train again on recent rows",
    )
