"""Members that learn, fitted anew at earlier cutoffs, for their errors there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.compare import history_reader
from forecast.baselines.lengths import smoothed_rows
from forecast.baselines.moments import Moments, RidgeRows
from forecast.baselines.penalty import MAX_WINDOWS
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.smoothing import Smoothing
from forecast.errors import DataError
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import Prepared
from forecast.forecasting.before_cutoff import targets_before
from forecast.forecasting.fitted import Fitted, fit_smoothing
from forecast.forecasting.simple_members import linear_rows
from forecast.section import decided
from forecast.training.linear_members import row_weights
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part

RIDGE_WORK = 5e8
"""Products of one regression, at most; a larger one is judged on the validation windows alone."""

SMOOTHING_WORK = 1_000_000
"""Rows that exponential smoothing is fitted on in all stretches together, at most: some 10 s."""

CUTOFF_WORK = 100_000
"""The same where it is fitted at every cutoff. A short series has few rows before a stretch, and
what is fitted on these is no judge of what all its rows give."""

SMOOTHING_FITS = 4
"""Times that it is fitted, at most: its parameters hardly change from one stretch to the next."""

Stops = Mapping[int, IntArray]
"""By stretch of time (N,) the row of each series up to which its regression learns, exclusive."""


def reads_known(prepared: Prepared) -> bool:
    """Return whether the model is a ridge regression that reads known covariates."""
    columns = prepared.panel.columns
    is_alone = decided(prepared.config.ensemble.seeds, "ensemble.seeds") == 0
    return is_alone and bool(columns.known_covariates or prepared.config.data.holidays)


def roll_linear(
    fitted: Fitted, prepared: Prepared, last: IntArray, blocks: IntArray, stops: Stops
) -> FloatArray:
    """Return (B, H, D) forecasts of the ridge baseline, fitted before the stretch of each window.

    The penalty is that of the baseline: choosing it anew in every stretch takes five times as long.
    Forecasts are NaN where the rows before are too few, or the regression is too large.

    Args:
        fitted: the state, with the ridge baseline.
        prepared: the windows.
        last: (B,) row at each cutoff.
        blocks: (B,) stretch of each window.
        stops: where the rows of each stretch end that may be learned from.
    """
    rows = linear_rows(prepared)
    values = prepared.filled.values[:, : rows.targets.shape[1]]
    length = context_length_of(prepared.config)
    history_of = history_reader(prepared.panel, values, length)
    made = np.full((len(last), prepared.config.windows.horizon, rows.targets.shape[1]), np.nan)
    for block, ridge in _linear_before(prepared, rows, stops, fitted.linear.penalty).items():
        chosen = np.flatnonzero(blocks == block)
        history = history_of(last[chosen])
        is_whole = np.isfinite(history).all(axis=(1, 2))
        made[chosen[is_whole]] = ridge.predict(history[is_whole])
    return made


def roll_smoothing(
    fitted: Fitted, prepared: Prepared, last: IntArray, blocks: IntArray, stops: Stops
) -> FloatArray:
    """Return (B, H, D) forecasts of exponential smoothing, fitted at every cutoff.

    Of many rows it is fitted before every third stretch or so, of still more before the earliest
    one. Arguments as in `roll_linear`.
    """
    panel = prepared.panel
    length = smoothed_rows(fitted.season_length)
    horizon = prepared.config.windows.horizon
    values = prepared.filled.values[:, : fitted.shape.num_targets]
    history_of = history_reader(panel, values, length)
    age = last + 1 - panel.offsets[panel.series_at(last)]
    if np.minimum(age, length).sum() * fitted.shape.num_targets <= CUTOFF_WORK:
        history = history_of(last)
        own = Smoothing.fit(history, fitted.season_length)
        return own.predict(history, np.arange(len(last)), horizon)
    made = np.full((len(last), horizon, fitted.shape.num_targets), np.nan)
    read = np.minimum(panel.lengths, length).sum() * fitted.shape.num_targets
    fits = min(SMOOTHING_FITS, len(stops))
    if read * fits > SMOOTHING_WORK:
        fits = 1
    for place, block in enumerate(sorted(stops, reverse=True)):  # the earliest first
        if place % -(-len(stops) // fits) == 0:
            first = panel.offsets[:-1]
            part = Part(first, np.maximum(stops[block], first))
            smoothing = fit_smoothing(panel, prepared.filled, part, fitted.season_length)
        chosen = np.flatnonzero(blocks == block)
        series = panel.series_at(last[chosen])
        made[chosen] = smoothing.predict(history_of(last[chosen]), series, horizon)
    return made


def roll_regression(
    fitted: Fitted, prepared: Prepared, last: IntArray, blocks: IntArray, stops: Stops
) -> FloatArray:
    """Return (B, H, D) forecasts of the regression on the scale of the model, as `roll_linear`."""
    features = prepared.features
    num_targets = features.target.shape[1]
    inputs = features.past[:, :num_targets].astype(np.float64)
    rows = RidgeRows(
        features.target.astype(np.float64),
        scale=np.ones((prepared.panel.num_series, num_targets)),
        inputs=inputs,
        known=features.known.astype(np.float64),
        positions=prepared.panel.positions,
        weights=row_weights(features),
    )
    horizon = prepared.config.windows.horizon
    length = context_length_of(prepared.config)
    history_of = history_reader(prepared.panel, inputs, length)
    chain = fitted.feature_map.target
    made = np.full((len(last), horizon, num_targets), np.nan)
    for block, stop in stops.items():
        ridge = _fit_before(prepared, rows, stop)
        if ridge is None:
            continue
        chosen = np.flatnonzero(blocks == block)
        history = history_of(last[chosen])
        is_whole = np.isfinite(history).all(axis=(1, 2))
        chosen = chosen[is_whole]
        history = history[is_whole]
        ahead = last[chosen][:, None] + np.arange(1, horizon + 1)
        output = ridge.predict(history, features.known[ahead].astype(np.float64))
        made[chosen] = chain.invert(
            output,
            series=prepared.panel.series_at(last[chosen]),
            history=targets_before(features, last[chosen] + 1, max(chain.lag, 1)),
        )
    return made


def _linear_before(
    prepared: Prepared, rows: RidgeRows, stops: Stops, penalty: float
) -> dict[int, RidgeWindow]:
    """Fit a regression before each stretch; sums over windows add up, so each is read once.

    A stretch before which it cannot be fitted has none. Arguments as in `roll_linear`.
    """
    if not stops:
        return {}
    order = sorted(stops, reverse=True)  # the earliest first
    until = np.maximum([stops[block] for block in order], prepared.panel.offsets[:-1])  # (K, N)
    training = _windows(prepared, Part(prepared.panel.offsets[:-1], until[-1]))
    if not len(training) or _is_large(training, rows):
        return {}
    numbers = evenly_spaced(len(training), max(MAX_WINDOWS // rows.targets.shape[1], 1))
    series, first = training.locate(numbers)
    end = first + training.context_length + training.horizon
    stretch = (until[:, series] < end).sum(axis=0)  # the first that ends after the window
    learned: list[Moments] = []
    fitted = {}
    for place, block in enumerate(order):
        learned.append(Moments.of(rows, training, numbers[stretch == place]))
        total = Moments.total(learned)
        if rows.vary and total.counts.all():
            fitted[block] = RidgeWindow.solved(total, rows, penalty)
    return fitted


def _is_large(training: WindowIndex, rows: RidgeRows) -> bool:
    unknowns = training.context_length + rows.num_together(training.horizon)
    return len(training) * unknowns**2 > RIDGE_WORK


def _fit_before(prepared: Prepared, rows: RidgeRows, stop: IntArray) -> RidgeWindow | None:
    """Fit a regression on the windows before a row of each series; None where it cannot be."""
    panel = prepared.panel
    training = _windows(prepared, Part(panel.offsets[:-1], np.maximum(stop, panel.offsets[:-1])))
    if not len(training) or _is_large(training, rows):
        return None
    try:
        return RidgeWindow.fit(rows, training, _windows(prepared, Part(stop, stop)))
    except DataError:
        return None


def _windows(prepared: Prepared, part: Part) -> WindowIndex:
    return index_windows(
        prepared.panel,
        context_length_of(prepared.config),
        prepared.config.windows.horizon,
        part=part,
        usable=prepared.features.usable,
    )
