"""The combination of a model with simple members: which of them forecast, and by what weight.

Simple members are the baselines of the score table. They cost little, so their errors are known at
many cutoffs before the test set; the model is judged on the validation windows, which it has not
learned from. The weights follow in two steps:

1. of the simple members: equal weights of `GOOD_MEMBERS`, moved towards the best weights by the
   evidence;
2. of the model beside the simple members: the simple members alone, moved in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.compare import history_reader
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.simple import ETS, LINEAR
from forecast.errors import DataError
from forecast.experiment.choices import LEAST_BLOCKS
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import Prepared
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.forecasting.predict import forecast_model
from forecast.forecasting.simple_members import linear_rows, simple_forecasts
from forecast.scores.seasonal import seasonal_errors
from forecast.section import decided
from forecast.training.earned_weights import Errors, earned_weights
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part

GOOD_MEMBERS = ("theta", ETS, LINEAR)
"""Members that share the weight without evidence; a ridge regression only where its errors at
earlier cutoffs are known."""

ROLLED_WINDOWS = 2_000
"""Windows that simple members are compared on, at most."""

ROLLED_BLOCKS = 12
"""Stretches of one horizon that simple members are compared on, at most, the latest."""

JUDGED_WINDOWS = 4_000
"""Validation windows that the model is compared on, at most."""


RIDGE_WORK = 5e8
"""Products of one rolling ridge regression, at most; a larger one is judged on the validation
windows alone."""


@dataclass(frozen=True, eq=False)
class Rolled:
    """Forecasts of the simple members from many cutoffs before the held-back rows.

    Attributes:
        names: of the M members; a ridge regression only where it could be fitted at the cutoffs.
        made: (M, B, H, D) in the unit of the data.
        last: (B,) row at the cutoff of each window.
        blocks: (B,) stretch of one horizon, counted back from the held-back rows.
        weights: (M,) that they earned.
    """

    names: tuple[str, ...]
    made: FloatArray
    last: IntArray
    blocks: IntArray
    weights: FloatArray

    def combined(self, weights: FloatArray) -> FloatArray:
        """Return (B, H, D) the weighted sum of the members, with (M,) or (M, B) weights."""
        if weights.ndim == 1:
            return np.tensordot(weights, self.made, axes=1)
        return np.einsum("mb,mbhd->bhd", weights, self.made)


def with_combination(fitted: Fitted, prepared: Prepared) -> tuple[Fitted, Rolled | None]:
    """Return the fitted state with the weights of the model and of its simple members.

    Args:
        fitted: the state, which forecasts by its model alone.
        prepared: the data it was trained on.

    Returns:
        The state, and the forecasts of the simple members from earlier cutoffs: None where there
        are no simple members, or no such cutoffs.
    """
    names = decided(prepared.config.ensemble.simple, "ensemble.simple")
    if not names:
        return fitted, None
    rolled = _roll(fitted, prepared, names)
    of_simple = dict(zip(rolled.names, rolled.weights.tolist(), strict=True))
    weights = _beside_model(fitted, prepared, of_simple, names)
    return replace(fitted, weights=weights), rolled if len(rolled.last) else None


def weights_of_others(prepared: Prepared, rolled: Rolled) -> FloatArray:
    """Return (M, B) weights for each window, from the stretches that it does not forecast.

    With them the errors of the combination are those on windows that its weights have not seen.
    """
    simple = _simple_weights(rolled.names)
    found = np.empty((len(rolled.names), len(rolled.last)))
    for block in np.unique(rolled.blocks):
        others = np.flatnonzero(np.abs(rolled.blocks - block) > 1)
        weights = simple
        if len(others):
            errors = _errors_of(
                prepared, rolled.made[:, others], rolled.last[others], rolled.blocks[others]
            )
            weights, _ = earned_weights(errors, simple)
        found[:, rolled.blocks == block] = weights[:, None]
    return found


def _simple_weights(names: Sequence[str]) -> FloatArray:
    """Return equal weights of `GOOD_MEMBERS`, or of all members where there is none of them."""
    weights = np.array([float(name in GOOD_MEMBERS) for name in names])
    if not weights.any():
        weights = np.ones(len(names))
    return weights / weights.sum()


def _roll(fitted: Fitted, prepared: Prepared, names: Sequence[str]) -> Rolled:
    """Forecast with simple members from many cutoffs, and find their weights."""
    panel = prepared.panel
    end = np.maximum(prepared.split.train.last, prepared.split.validation.last)
    index = _rolled_index(fitted, prepared, end)
    numbers = evenly_spaced(len(index), min(len(index), ROLLED_WINDOWS))
    series, first = index.locate(numbers)
    last = first + index.context_length - 1
    blocks = (end[series] - last - 1 - index.horizon) // index.horizon
    simple = tuple(name for name in names if name != LINEAR)
    made = simple_forecasts(fitted, panel, prepared.filled, last, simple)
    if LINEAR in names:
        linear = _rolled_linear(prepared, last, blocks, end)
        is_whole = np.isfinite(linear).all(axis=(1, 2))
        num_blocks = len(np.unique(blocks[is_whole]))
        if len(last) and is_whole.mean() >= 0.5 and num_blocks >= LEAST_BLOCKS:
            simple = (*simple, LINEAR)
            made = np.concatenate([made, linear[None]])[:, is_whole]
            last = last[is_whole]
            blocks = blocks[is_whole]
    is_made = np.isfinite(made).all(axis=(0, 2, 3))
    made = made[:, is_made]
    last = last[is_made]
    blocks = blocks[is_made]
    weights = _simple_weights(simple)
    if len(last):
        weights, _ = earned_weights(_errors_of(prepared, made, last, blocks), weights)
    return Rolled(simple, made, last, blocks, weights)


def _rolled_index(fitted: Fitted, prepared: Prepared, end: IntArray) -> WindowIndex:
    """Return the windows that simple members are compared on: the latest before `end`."""
    panel = prepared.panel
    horizon = fitted.shape.horizon
    least = 2 * fitted.season_length + 1
    rows = np.median(end - panel.offsets[:-1])
    if rows < least + horizon:
        least = max(int(rows) // 3, 1)
    first = np.maximum(panel.offsets[:-1], end - ROLLED_BLOCKS * horizon)
    return index_windows(panel, least, horizon, part=Part(first, end))


def _rolled_linear(
    prepared: Prepared, last: IntArray, blocks: IntArray, end: IntArray
) -> FloatArray:
    """Return (B, H, D) forecasts of ridge regressions fitted before the block of each window.

    They are NaN where the rows before are too few, or the regression is too large.
    """
    panel = prepared.panel
    rows = linear_rows(prepared)
    length = context_length_of(prepared.config)
    horizon = prepared.config.windows.horizon
    values = prepared.filled.values[:, : rows.targets.shape[1]]
    made = np.full((len(last), horizon, rows.targets.shape[1]), np.nan)
    nothing = index_windows(panel, length, horizon, part=Part(end, end))
    history_of = history_reader(panel, values, length)
    for block in np.unique(blocks):
        stop = end - horizon * (block + 2) + 1
        part = Part(panel.offsets[:-1], np.maximum(stop, panel.offsets[:-1]))
        training = index_windows(panel, length, horizon, part=part)
        if not len(training) or len(training) * length**2 > RIDGE_WORK:
            continue
        try:
            ridge = RidgeWindow.fit(rows, training, nothing)
        except DataError:
            continue
        chosen = np.flatnonzero(blocks == block)
        history = history_of(last[chosen])
        is_whole = np.isfinite(history).all(axis=(1, 2))
        made[chosen[is_whole]] = ridge.predict(history[is_whole])
    return made


def _errors_of(prepared: Prepared, made: FloatArray, last: IntArray, blocks: IntArray) -> Errors:
    """Return the errors of (M, B, H, D) forecasts in units of each series.

    A window in which a member has no forecast is left out.
    """
    panel = prepared.panel
    horizon = made.shape[2]
    actual = prepared.filled.measured(made.shape[3])[last[:, None] + np.arange(1, horizon + 1)]
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
    )


def _season_length(prepared: Prepared) -> int:
    return prepared.config.data.season_length or prepared.panel.freq.season_length


def _beside_model(
    fitted: Fitted, prepared: Prepared, simple: Mapping[str, float], names: Sequence[str]
) -> dict[str, float]:
    """Return the weights of the model and of the simple members, from the validation windows.

    Args:
        fitted: the state.
        prepared: its data.
        simple: weights of the simple members alone.
        names: all that may have a weight; a ridge regression that is not in `simple` is judged
            here.
    """
    panel = prepared.panel
    windows = prepared.validation
    without_model = {MODEL: 0.0} | {name: weight for name, weight in simple.items() if weight}
    if not len(windows):
        return without_model
    most = max(1, JUDGED_WINDOWS // fitted.shape.num_targets)
    numbers = evenly_spaced(len(windows), min(len(windows), most))
    series, first = windows.index.locate(numbers)
    last = first + windows.index.context_length - 1
    horizon = fitted.shape.horizon
    blocks = (prepared.split.validation.last[series] - last - 1 - horizon) // horizon

    late = [name for name in names if name not in simple]
    used = [name for name, weight in simple.items() if weight]
    made = simple_forecasts(fitted, panel, prepared.filled, last, [*used, *late])
    weights = np.array([simple[name] for name in used])
    together = np.tensordot(weights, made[: len(used)], axes=1)
    by_model = forecast_model(fitted, windows, numbers)[0]
    all_made = np.concatenate([together[None], made[len(used) :], by_model[None]])
    errors = _errors_of(prepared, all_made, last, blocks)
    start = np.zeros(len(all_made))
    start[0] = 1.0
    found, _ = earned_weights(errors, start)

    combined = {MODEL: float(found[-1])}
    for name, weight in zip(used, weights, strict=True):
        combined[name] = float(found[0] * weight)
    for name, weight in zip(late, found[1:-1], strict=True):
        combined[name] = float(weight)
    return {name: weight for name, weight in combined.items() if weight or name == MODEL}
