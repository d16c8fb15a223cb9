"""A ridge regression for each step of the season as a member of the forecast.

It reads what the ridge regressions of an ensemble read, on their scale: the targets of the context,
without their last value, and known covariates of all steps ahead. It also reads the known
covariates of the steps one or more whole seasons before those ahead, that are in the context. Of
the waves of the calendar it reads those of the first step: the others follow from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.seasonal_ridge import (
    SEASONAL,
    SeasonalPairs,
    SeasonalRidge,
    regressors_of,
)
from forecast.data.panel import Panel
from forecast.experiment.choices import LEAST_SEASONS
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import Prepared
from forecast.forecasting.before_cutoff import targets_before
from forecast.forecasting.fitted import Fitted
from forecast.section import decided
from forecast.training.judged_members import is_robust
from forecast.windows.calendar import calendar_columns
from forecast.windows.features import FeatureMap
from forecast.windows.windowed import Inputs, WindowedFeatures

MOST_REGRESSORS = 1_200
"""Regressors of one window, at most: equations grow with their square."""

MOST_WEIGHTS = 2_000_000
"""Numbers of all maps together, at most: 8 MB in a saved model."""

WORK = 1.5e10
"""Products of the sums over all windows, at most; more windows are thinned evenly."""

JUDGED_WINDOWS = 4_000
"""Validation windows that the penalties are chosen on, at most."""

GATHERED_WINDOWS = 2_048


def fit_seasonal(
    prepared: Prepared, season_length: int, earlier: SeasonalRidge | None = None
) -> SeasonalRidge | None:
    """Fit the member on the training windows; None where the experiment or its data have none.

    Args:
        prepared: the windows.
        season_length: m.
        earlier: the same member fitted on fewer rows, whose penalties are taken; default: they are
            chosen on the validation windows.
    """
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    windows = prepared.training
    has_penalties = earlier is not None or len(prepared.validation)
    if SEASONAL not in names or not has_penalties:
        return None
    if len(windows) < LEAST_SEASONS * season_length / 2:
        return None
    lengths = _contexts(prepared, season_length)
    if not lengths:
        return None
    num_targets = prepared.features.target.shape[1]
    most = int(WORK / _num_regressors(prepared, lengths[-1], season_length) ** 2 / num_targets)
    learned = _pairs(prepared, windows, season_length, most)
    judged = learned
    if earlier is None:
        judged = _pairs(prepared, prepared.validation, season_length, JUDGED_WINDOWS)
    if not len(learned.steps) or not len(judged.steps):
        return None
    robust = is_robust(prepared)
    if earlier is not None:
        penalties = (earlier.penalty, earlier.deviation_penalty)
        num_regressors = earlier.weights.shape[1]
        return SeasonalRidge.fit(
            learned.last(num_regressors), judged, penalties=penalties, robust=robust
        )
    fits: list[tuple[float, int, SeasonalRidge]] = []
    for length in lengths:
        num_regressors = _num_regressors(prepared, length, season_length)
        own = judged.last(num_regressors)
        ridge = SeasonalRidge.fit(learned.last(num_regressors), own, robust=robust)
        fits.append((ridge.loss(own, robust=robust), len(fits), ridge))
    return min(fits)[2]


def _contexts(prepared: Prepared, season_length: int) -> list[int]:
    """Return the contexts of the ensemble with which the member is not too large, ascending."""
    longest = context_length_of(prepared.config)
    lengths = decided(prepared.config.ensemble.context_lengths, "ensemble.context_lengths")
    horizon = prepared.config.windows.horizon
    kept = []
    for length in sorted({*lengths, longest}):
        num_regressors = _num_regressors(prepared, length, season_length)
        num_weights = season_length * num_regressors * horizon
        if num_regressors <= MOST_REGRESSORS and num_weights <= MOST_WEIGHTS:
            kept.append(length)
    return kept


def _num_regressors(prepared: Prepared, length: int, season_length: int) -> int:
    """Return F of a context: its steps but the last, covariates, and a constant."""
    inputs = prepared.training.batch(np.arange(1))[0]
    blocks = _blocks(inputs, prepared.feature_map, season_length)
    return length + sum(block.shape[1] for block in blocks[1:])


def seasonal_forecasts(
    fitted: Fitted, panel: Panel, windows: WindowedFeatures, numbers: IntArray
) -> FloatArray:
    """Return (B, H, D) forecasts of the member in the unit of the data.

    Args:
        fitted: the state, aligned with the panel.
        panel: the series of the windows.
        windows: the windows.
        numbers: (B,) numbers of the windows to forecast.

    Raises:
        ValueError: the state has no such member.
    """
    if fitted.seasonal is None:
        raise ValueError(f"the model has no member {SEASONAL!r}")
    num_targets = fitted.shape.num_targets
    chain = fitted.feature_map.target
    made = np.empty((len(numbers), fitted.shape.horizon, num_targets))
    for start in range(0, len(numbers), GATHERED_WINDOWS):
        chosen = numbers[start : start + GATHERED_WINDOWS]
        inputs, _ = windows.batch(chosen)
        x, last = _regressors(inputs, fitted.feature_map, fitted.season_length, num_targets)
        series, first = windows.index.locate(chosen)
        cutoff = first + windows.index.context_length
        steps = np.repeat(panel.positions[cutoff] % fitted.season_length, num_targets)
        x = x[:, -fitted.seasonal.weights.shape[1] :]  # the last steps of the context
        output = fitted.seasonal.predict(x, steps) + last
        output = output.reshape(len(chosen), num_targets, -1).swapaxes(1, 2)
        history = targets_before(windows.features, cutoff, max(chain.lag, 1))
        made[start : start + len(chosen)] = chain.invert(output, series=series, history=history)
    return made


def _pairs(
    prepared: Prepared, windows: WindowedFeatures, season_length: int, most: int
) -> SeasonalPairs:
    """Gather complete windows, at most `most` of them, evenly but for chance.

    Windows at equal distances would be at few steps of the season.
    """
    numbers = evenly_spaced(len(windows), most)
    if len(numbers) < len(windows):
        draw = np.random.default_rng(0)
        spacing = max(len(windows) // len(numbers), 1)
        numbers = np.minimum(numbers + draw.integers(0, spacing, len(numbers)), len(windows) - 1)
    num_targets = prepared.features.target.shape[1]
    parts = []
    weights: list[FloatArray] = []
    for start in range(0, len(numbers), GATHERED_WINDOWS):
        chosen = numbers[start : start + GATHERED_WINDOWS]
        inputs, target = windows.batch(chosen)
        x, last = _regressors(inputs, prepared.feature_map, season_length, num_targets)
        ahead = target.swapaxes(1, 2).reshape(len(x), -1) - last
        first = windows.index.locate(chosen)[1]
        cutoff = first + windows.index.context_length
        steps = np.repeat(prepared.panel.positions[cutoff] % season_length, num_targets)
        is_complete = np.isfinite(ahead).all(axis=1)
        parts.append((x[is_complete], ahead[is_complete], steps[is_complete]))
        of_rows = windows.weights(chosen)
        if of_rows is not None:
            of_pairs = np.repeat(of_rows.mean(axis=1), num_targets).astype(np.float64)
            weights.append(of_pairs[is_complete])
    x, ahead, steps = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    counted = np.concatenate(weights) if weights else None
    return SeasonalPairs(x, ahead, steps, season_length, counted)


def _regressors(
    inputs: Inputs, feature_map: FeatureMap, season_length: int, num_targets: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (B D, F) regressors and the (B D, 1) last value of each target.

    Args:
        inputs: of the network, for B windows.
        feature_map: tells which of their channels are which.
        season_length: m.
        num_targets: D.
    """
    past = inputs["past"].astype(np.float32, copy=False)
    context = past[:, :, :num_targets].swapaxes(1, 2).reshape(-1, past.shape[1])
    last = context[:, -1:]
    blocks = _blocks(inputs, feature_map, season_length)[1:]
    repeated = [np.repeat(block, num_targets, axis=0) for block in blocks]
    return regressors_of([context[:, :-1] - last, *repeated]), last


def _blocks(
    inputs: Inputs, feature_map: FeatureMap, season_length: int
) -> list[NDArray[np.float32]]:
    """Return the (B, ·) regressors of windows: those of one target first, then of covariates."""
    past = inputs["past"].astype(np.float32, copy=False)
    blocks = [past[:, :-1, 0]]
    if "known" not in inputs:
        return blocks
    known = inputs["known"].astype(np.float32, copy=False)  # (B, H, K)
    names = feature_map.input_names()["known"]
    calendar = calendar_columns(feature_map.settings.calendar)
    of_waves = {name for name in calendar if name.endswith(("_sin", "_cos"))}
    waves = [place for place, name in enumerate(names) if name in of_waves]
    others = [place for place, name in enumerate(names) if name not in of_waves]
    if waves:
        blocks.append(known[:, 0, waves])
    if not others:
        return blocks
    blocks.append(known[:, :, others].reshape(len(known), -1))
    horizon = known.shape[1]
    lag = -(-horizon // season_length) * season_length
    if lag <= past.shape[1]:
        channels = past.shape[2] - len(names) + np.array(others)
        start = past.shape[1] - lag
        earlier = past[:, start : start + horizon][:, :, channels]
        blocks.append(earlier.reshape(len(known), -1))
    return blocks
