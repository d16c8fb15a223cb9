"""The combination of a model with simple members: which of them forecast, and by what weight.

Simple members are the baselines of the score table. They cost little, so their errors are known at
many cutoffs before the test set; the model is judged on the validation windows, which it has not
learned from. The weights follow in two steps:

1. of the simple members: the best weights, drawn to equal ones of the `GOOD_MEMBERS`;
2. of the model beside the simple members: the simple members alone, moved towards the best weights
   where their gain is above its error.

A model without networks, which is a ridge regression, is fitted anew at the cutoffs and belongs to
the simple members, if it reads known covariates: the others do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.baselines.simple import ETS, LINEAR
from forecast.data.panel import Panel
from forecast.experiment.choices import LEAST_BLOCKS
from forecast.experiment.prepare import Prepared
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.forecasting.predict import forecast_model
from forecast.forecasting.rolled_members import (
    reads_known,
    roll_linear,
    roll_regression,
    roll_smoothing,
)
from forecast.forecasting.seasonal_member import seasonal_forecasts
from forecast.forecasting.simple_members import simple_forecasts
from forecast.scores.seasonal import seasonal_errors
from forecast.section import decided
from forecast.training.earned_weights import Errors, drawn_weights, earned_weights
from forecast.training.judged_members import LEAST_WEIGHT
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

GOOD_MEMBERS = ("theta", ETS, LINEAR)
"""Members that share the weight without evidence; a ridge regression only where its errors at
earlier cutoffs are known."""

GOOD_WITHOUT_SEASON = (*GOOD_MEMBERS, "holt")
"""The same where there is no season: years, above all, whose trends the others leave too early."""

GOOD_WITH_TWO_SEASONS = ("seasonal_lags", LINEAR, "theta")
"""The same where a week has several days of several steps: members that know both seasons."""

ROLLED_WINDOWS = 2_000
"""Windows that simple members are compared on, at most."""

ROLLED_BLOCKS = 12
"""Stretches of one horizon that simple members are compared on, at most, the latest."""

ROLLED_WEEKS = 4
"""Weeks that they are compared on where a week has several seasons: 12 days may be holidays."""

MOST_BLOCKS = 28  # stretches of these weeks

MODEL_BLOCKS = 2
"""Stretches of the validation set that the model is judged on, at least."""

JUDGED_WINDOWS = 4_000
"""Validation windows that the model is compared on, at most."""


@dataclass(frozen=True, eq=False)
class Rolled:
    """Forecasts of the simple members from many cutoffs before the held-back rows.

    Attributes:
        names: of the M members; a ridge regression only where it could be fitted at the cutoffs.
        made: (M, B, H, D) in the unit of the data.
        last: (B,) row at the cutoff of each window.
        blocks: (B,) stretch of one horizon, counted back from the held-back rows.
        simple: (M,) weights without evidence.
        weights: (M,) that they earned.
    """

    names: tuple[str, ...]
    made: FloatArray
    last: IntArray
    blocks: IntArray
    simple: FloatArray
    weights: FloatArray

    def combined(self, weights: FloatArray) -> FloatArray:
        """Return (B, H, D) the weighted sum of the members, with (M,) or (M, B) weights."""
        if weights.ndim == 1:
            return np.tensordot(weights, self.made, axes=1)
        return np.einsum("mb,mbhd->bhd", weights, self.made)


def roll_simple(fitted: Fitted, prepared: Prepared) -> Rolled | None:
    """Forecast with the simple members from many cutoffs, and find their weights.

    Args:
        fitted: the state; its networks are not read.
        prepared: the data it was trained on.

    Returns:
        None where no member is rolled.
    """
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    baselines = [name for name in names if name != SEASONAL]
    if not baselines:
        return None
    return _roll(fitted, prepared, baselines)


def with_combination(
    fitted: Fitted, prepared: Prepared, rolled: Rolled | None
) -> tuple[Fitted, Rolled | None]:
    """Return the fitted state with the weights of the model and of its simple members.

    Args:
        fitted: the state, which forecasts by its model alone.
        prepared: the data it was trained on.
        rolled: result of `roll_simple`.

    Returns:
        The state, and the forecasts of its members from earlier cutoffs: None where there are no
        simple members, no such cutoffs, or networks that forecast with them.
    """
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    if not names:
        return fitted, None
    weights = _weights(fitted, prepared, rolled, (prepared.validation,), _known_until(prepared))
    fitted = replace(fitted, weights=weights)
    if SEASONAL not in weights:
        fitted = replace(fitted, seasonal=None)
    if rolled is None or not len(rolled.last):
        return fitted, None
    has_networks = weights[MODEL] > 0 and MODEL not in rolled.names
    if has_networks or SEASONAL in weights:
        return fitted, None
    return fitted, rolled


def weights_of_all(fitted: Fitted, prepared: Prepared, whole: Prepared) -> dict[str, float]:
    """Return the weights once more, with the errors on the rows held back for the score, too.

    Args:
        fitted: the state, which has not learned from these rows.
        prepared: the data it was trained on.
        whole: the same data with every row in the training set.
    """
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    if not names:
        return dict(fitted.weights)
    rolled = roll_simple(fitted, whole)
    judged = (prepared.validation, prepared.test)
    return _weights(fitted, prepared, rolled, judged, prepared.panel.offsets[1:])


def weights_of_others(prepared: Prepared, rolled: Rolled) -> FloatArray:
    """Return (M, B) weights for each window, from the stretches that it does not forecast.

    With them the errors of the combination are those on windows that its weights have not seen.
    """
    errors = _errors_of(prepared, rolled.made, rolled.last, rolled.blocks)
    found = np.empty((len(rolled.names), len(rolled.last)))
    for block in np.unique(rolled.blocks):
        is_other = np.abs(errors.blocks - block) > 1
        weights = rolled.simple
        if is_other.any():
            weights = drawn_weights(errors.take(is_other), rolled.simple)
        found[:, rolled.blocks == block] = weights[:, None]
    return found


def _simple_weights(names: Sequence[str], prepared: Prepared) -> FloatArray:
    """Return equal weights of the good members, or of all members where there is none of them.

    A regression that reads known covariates takes the place of the one that does not.
    """
    season_length = _season_length(prepared)
    good = set(GOOD_MEMBERS)
    if season_length == 1:
        good = set(GOOD_WITHOUT_SEASON)
    elif (prepared.panel.freq.steps_per_week or 0) > season_length:
        good = set(GOOD_WITH_TWO_SEASONS)
    if MODEL in names:
        good = good - {LINEAR} | {MODEL}
    weights = np.array([float(name in good) for name in names])
    if not weights.any():
        weights = np.ones(len(names))
    return weights / weights.sum()


def _roll(fitted: Fitted, prepared: Prepared, names: Sequence[str]) -> Rolled:
    """Forecast with simple members from many cutoffs, and find their weights."""
    panel = prepared.panel
    end = _known_until(prepared)
    index = _rolled_index(fitted, prepared, end)
    numbers = evenly_spaced(len(index), min(len(index), ROLLED_WINDOWS))
    series, first = index.locate(numbers)
    last = first + index.context_length - 1
    blocks = (end[series] - last - 1 - index.horizon) // index.horizon
    learning = (ETS, LINEAR)  # fitted anew at the cutoffs
    simple = tuple(name for name in names if name not in learning)
    made = simple_forecasts(fitted, panel, prepared.filled, last, simple)
    stops = {block: end - index.horizon * (block + 2) + 1 for block in np.unique(blocks).tolist()}
    if ETS in names:
        smoothed = roll_smoothing(fitted, prepared, last, blocks, stops)
        simple = (*simple, ETS)
        made = np.concatenate([made, smoothed[None]])
    regressions = {}
    if LINEAR in names:
        regressions[LINEAR] = roll_linear(fitted, prepared, last, blocks, stops)
    if reads_known(prepared):
        regressions[MODEL] = roll_regression(fitted, prepared, last, blocks, stops)
    for name, forecasts in regressions.items():
        is_whole = np.isfinite(forecasts).all(axis=(1, 2))
        num_blocks = len(np.unique(blocks[is_whole]))
        if len(last) and is_whole.mean() >= 0.5 and num_blocks >= LEAST_BLOCKS:
            simple = (*simple, name)
            made = np.concatenate([made, forecasts[None]])
    is_made = np.isfinite(made).all(axis=(0, 2, 3))
    made = made[:, is_made]
    last = last[is_made]
    blocks = blocks[is_made]
    start = _simple_weights(simple, prepared)
    weights = start
    if len(last):
        weights = drawn_weights(_errors_of(prepared, made, last, blocks), start)
    return Rolled(simple, made, last, blocks, start, weights)


def _known_until(prepared: Prepared) -> IntArray:
    """Return (N,) the row of each series that is the first of those held back."""
    end: IntArray = np.maximum(prepared.split.train.last, prepared.split.validation.last)
    return end


def _rolled_index(fitted: Fitted, prepared: Prepared, end: IntArray) -> WindowIndex:
    """Return the windows that simple members are compared on: the latest before `end`."""
    panel = prepared.panel
    horizon = fitted.shape.horizon
    least = 2 * fitted.season_length + 1
    rows = np.median(end - panel.offsets[:-1])
    if rows < least + horizon:
        least = max(int(rows) // 3, 1)
    first = np.maximum(panel.offsets[:-1], end - horizon * _most_blocks(prepared))
    return index_windows(panel, least, horizon, part=Part(first, end))


def _most_blocks(prepared: Prepared) -> int:
    """Return the stretches that simple members are compared on, at most."""
    week = prepared.panel.freq.steps_per_week or 0
    if week <= _season_length(prepared):
        return ROLLED_BLOCKS
    wanted = ROLLED_WEEKS * week / prepared.config.windows.horizon
    return int(np.clip(wanted, ROLLED_BLOCKS, MOST_BLOCKS))


def _errors_of(prepared: Prepared, made: FloatArray, last: IntArray, blocks: IntArray) -> Errors:
    """Return the errors of (M, B, H, D) forecasts in units of each series.

    A window in which a member has no forecast is left out.
    """
    panel = prepared.panel
    horizon = made.shape[2]
    ahead = last[:, None] + np.arange(1, horizon + 1)
    actual = prepared.filled.measured(made.shape[3])[ahead]
    known = Part(panel.offsets[:-1], np.maximum(prepared.split.train.last, panel.offsets[:-1]))
    units = seasonal_errors(panel, _season_length(prepared), part=known)  # (N, D)
    usual = np.nanmean(np.where(units > 0, units, np.nan)) if (units > 0).any() else 1.0
    units = np.where(np.isfinite(units) & (units > 0), units, usual)
    series = panel.series_at(last)
    errors = (made - actual) / units[series][:, None, :]
    errors = np.where(np.isfinite(actual), errors, 0.0)
    is_whole = np.isfinite(errors).all(axis=(0, 2, 3))
    errors = errors[:, is_whole]

    num_targets = made.shape[3]
    flat = errors.swapaxes(2, 3).reshape(len(made), -1, horizon)
    return Errors(
        flat,
        np.repeat(blocks[is_whole], num_targets),
        np.repeat(series[is_whole], num_targets),
        of_mean=prepared.config.training.point == "mean",
        weights=_weights_ahead(panel, ahead[is_whole], num_targets),
    )


def _weights_ahead(panel: Panel, ahead: IntArray, num_targets: int) -> FloatArray | None:
    """Return (B D, H) weights of forecast rows (B, H); None where all count alike, as all of 0."""
    if panel.weights is None or not panel.weights[ahead].any():
        return None
    return np.repeat(panel.weights[ahead], num_targets, axis=0)


def _season_length(prepared: Prepared) -> int:
    return prepared.config.data.season_length or prepared.panel.freq.season_length


def _weights(
    fitted: Fitted,
    prepared: Prepared,
    rolled: Rolled | None,
    judged: Sequence[WindowedFeatures],
    end: IntArray,
) -> dict[str, float]:
    """Return the weights of the model and of the simple members.

    Args:
        fitted: the state.
        prepared: its data.
        rolled: forecasts of simple members from many cutoffs, with their weights.
        judged: sets that nothing was learned from, for the weight of the model and of members that
            are not in `rolled`.
        end: (N,) row of each series that the last of these sets ends before.
    """
    simple: dict[str, float] = {}
    if rolled is not None:
        simple = dict(zip(rolled.names, rolled.weights.tolist(), strict=True))
    if MODEL in simple:
        return {name: weight for name, weight in simple.items() if weight or name == MODEL}
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    late: list[str] = [name for name in names if name not in (*simple, SEASONAL)]
    if fitted.seasonal is not None:
        late.append(SEASONAL)
    without_model = {MODEL: 0.0} | {name: weight for name, weight in simple.items() if weight}
    if not simple:
        without_model = {MODEL: 1.0}
    judged = [windows for windows in judged if len(windows)]
    if not judged or not (simple or late):
        return without_model

    parts = [_made_beside(fitted, prepared, simple, late, windows) for windows in judged]
    made = np.concatenate([part[0] for part in parts], axis=1)
    last = np.concatenate([part[1] for part in parts])
    horizon = fitted.shape.horizon
    blocks = (end[prepared.panel.series_at(last)] - last - 1 - horizon) // horizon
    found = _beside_simple(_errors_of(prepared, made, last, blocks))

    members = dict.fromkeys(late, 0.0) | {MODEL: 0.0}
    shares = found[-len(members) :].tolist()
    weights = dict(zip(members, shares, strict=True))
    if simple:
        weights |= {name: float(found[0]) * weight for name, weight in simple.items()}
    return {name: weight for name, weight in weights.items() if weight or name == MODEL}


def _made_beside(
    fitted: Fitted,
    prepared: Prepared,
    simple: Mapping[str, float],
    late: Sequence[str],
    windows: WindowedFeatures,
) -> tuple[FloatArray, IntArray]:
    """Forecast with the simple members together, with other members, and with the model.

    Args:
        fitted: the state.
        prepared: its data.
        simple: weights of the simple members; may be empty.
        late: other members, the seasonal regression last.
        windows: that nothing was learned from.

    Returns:
        (1 + J + 1, B, H, D) forecasts for J other members, without the first where there is no
        simple member; and (B,) the row at each cutoff.
    """
    most = max(1, JUDGED_WINDOWS // fitted.shape.num_targets)
    numbers = evenly_spaced(len(windows), min(len(windows), most))
    _, first = windows.index.locate(numbers)
    last = first + windows.index.context_length - 1
    used = [name for name, weight in simple.items() if weight]
    baselines = [*used, *(name for name in late if name != SEASONAL)]
    forecasts = simple_forecasts(fitted, prepared.panel, prepared.filled, last, baselines)
    made = [*forecasts[len(used) :]]
    if simple:
        weights = np.array([simple[name] for name in used])
        made.insert(0, np.tensordot(weights, forecasts[: len(used)], axes=1))
    if SEASONAL in late:
        made.append(seasonal_forecasts(fitted, prepared.panel, windows, numbers))
    made.append(forecast_model(fitted, windows, numbers)[0])
    return np.stack(made), last


def _beside_simple(errors: Errors) -> FloatArray:
    """Return (M,) weights by the errors of the simple members together, and of M - 1 others.

    The last is the model, which takes long to fit once more: without much weight it has none.
    """
    start = np.zeros(len(errors.values))
    start[0] = 1.0
    found, _ = earned_weights(errors, start, least_blocks=MODEL_BLOCKS)
    if found[-1] < LEAST_WEIGHT:
        found = np.append(found[:-1], 0.0) / found[:-1].sum()
    return found
