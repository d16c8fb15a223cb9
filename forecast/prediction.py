"""From a trained network to forecasts in the unit of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.backtest import seasonal_errors
from forecast.baselines import RidgeWindow
from forecast.config import Experiment
from forecast.data.extend import append_future, last_rows
from forecast.data.future import end_notes
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.data.splits import Part
from forecast.errors import DataError
from forecast.features import FeatureMap, Features, WindowedFeatures, part_rows, rows_of
from forecast.intervals import Calibration, log_mapped
from forecast.network import Network, batch_rule
from forecast.results import Forecast, History
from forecast.symptoms import leap_notes
from forecast.transforms import Chain, Rows
from forecast.transforms.missing import Filled, fill_missing
from forecast.unseen import DRIFT_RANGES, RowsRead, covariate_notes, new_series_note
from forecast.windows import WindowShape, index_windows

if TYPE_CHECKING:
    import keras


NEVER = np.iinfo(np.int64).min
"""`Fitted.seen_until` of a series training has no row of."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything a forecast needs, frozen once training is over.

    Attributes:
        config: the experiment.
        model: the trained network.
        predict: the same as a function of arrays.
        shape: the arrays the network reads and writes.
        feature_map: scales and vocabularies.
        freq: alias of the frequency of the training data.
        season_length: steps in one season.
        series_ids: (N,) ids seen in training.
        constants: (N, D) value of the series that never changed in training, NaN for all others; the forecast
            of such a series is its last value.
        low: (N, D) smallest training value.
        high: (N, D) largest training value.
        seen_until: (N,) last stamp learned from, chosen on, or calibrated on by a part of its own, in ns since 1970 or
            as the integer index, or `NEVER`.
        unit: (N, D) size of usual changes of each series before it was calibrated: what errors are measured in.
        calibration: errors on the calibration windows, for intervals of what follows them; None where there were none.
        recent: errors on calibration and test windows, for intervals of what comes after the table of training.
        linear: the ridge baseline.
        histories: losses per epoch of each network by name, that with the largest weight first.
        shares: weight of each member of a blend by name; where there is no blend one of 1, or none.
    """

    config: Experiment
    model: keras.Model
    predict: Network
    shape: WindowShape
    feature_map: FeatureMap
    freq: str
    season_length: int
    series_ids: NDArray[np.object_]
    constants: FloatArray
    low: FloatArray
    high: FloatArray
    seen_until: IntArray
    unit: FloatArray
    calibration: Calibration | None
    recent: Calibration | None
    linear: RidgeWindow
    histories: dict[str, History]
    shares: dict[str, float]

    @property
    def history(self) -> History:
        """Losses per epoch; of a blend, those of the network with the largest weight."""
        return next(iter(self.histories.values()))

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels the network writes; none for a point forecast."""
        return self.config.training.quantile_levels if self.config.training.loss == "quantile" else ()

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {name_of(series_id): place for place, series_id in enumerate(self.series_ids)}

    def places(self, series_ids: NDArray[np.object_]) -> IntArray:
        """(N',) place of each id among the series of training by its name, -1 where training has not seen it."""
        return np.array([self._place_of.get(name_of(series_id), -1) for series_id in series_ids], np.int64)


def training_range(values: FloatArray, panel: Panel, part: Part) -> tuple[FloatArray, FloatArray]:
    """(N, D) smallest and (N, D) largest value of each series in the rows of a part; NaN where there is none."""
    rows = part_rows(part)
    series = panel.series_of_rows()[rows]
    low = np.full((panel.num_series, values.shape[1]), np.inf)
    high = -low
    chosen = values[rows]
    np.fmin.at(low, series, chosen)
    np.fmax.at(high, series, chosen)
    empty = low > high
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def align(fitted: Fitted, panel: Panel, part: Part) -> Fitted:
    """Return the fitted state with its per-series numbers in the order of another panel's series.

    A series that was not seen in training gets scales of its own, from its rows in `part`.

    Args:
        fitted: the state.
        panel: the series to forecast.
        part: the rows of `panel` that may be looked at.

    Raises:
        DataError: a series is new and the model has learned an embedding of the ids.
    """
    index = fitted.places(panel.series_ids)
    if np.array_equal(index, np.arange(len(fitted.series_ids))):
        return fitted
    new, fresh = index < 0, None
    low, high, unit = fitted.low[index], fitted.high[index], fitted.unit[index]
    if new.any():
        _refuse_new_ids(fitted, panel, new)
        fresh, *own = _fit_series(fitted, panel, part)
        low, high = (np.where(new[:, None], one, trained) for one, trained in zip(own, (low, high), strict=True))
        unit = np.where(new[:, None], error_units(fitted.config, panel, part, fitted.season_length), unit)
    return replace(
        fitted,
        feature_map=replace(fitted.feature_map, target=fitted.feature_map.target.align(index, fresh)),
        series_ids=panel.series_ids,
        constants=np.where(low == high, low, np.nan),
        low=low,
        high=high,
        seen_until=np.where(new, NEVER, fitted.seen_until[index]),
        unit=unit,
    )


def _refuse_new_ids(fitted: Fitted, panel: Panel, new: NDArray[np.bool_]) -> None:
    """Raise where the model has learned an embedding of the ids."""
    columns = panel.columns
    if columns.id_col in columns.static_covariates:
        named = new_series_note(panel.series_ids[new], fitted.series_ids, None)
        raise DataError(
            f"{named}; this model has learned its series by id: "
            f"leave them out, or train again without {columns.id_col!r} among the static covariates"
        )


def error_units(config: Experiment, panel: Panel, part: Part, season_length: int) -> FloatArray:
    """(N, D) mean change over a season in the rows of a part, of logarithms where the experiment works on them.

    A series that has none, or none but 0, takes the middle one of the others.
    """
    if on_logarithms(config):
        values, targets = panel.values.copy(), len(panel.columns.target_cols)
        values[:, :targets] = log_mapped(values[:, :targets])
        panel = replace(panel, values=values)
    found = seasonal_errors(panel, season_length, part=part)
    usable = np.where(found > 0, found, np.nan)
    usual = [float(np.median(one[one > 0])) if (one > 0).any() else 1.0 for one in usable.T]
    return np.where(np.isfinite(usable), usable, usual)


def on_logarithms(config: Experiment) -> bool:
    """Whether the targets are learned as logarithms, so that errors are factors."""
    return any(one.name == "log1p" for one in config.transforms.target)


def _fit_series(fitted: Fitted, panel: Panel, part: Part) -> tuple[Chain, FloatArray, FloatArray]:
    """The maps of the targets and the training range of each series, from its rows in `part`."""
    values = fill_missing(panel, fitted.config.data.missing)[0].measured(len(panel.columns.target_cols))
    train, rows = part_rows(part), rows_of(panel)
    chain = Chain.fit(
        fitted.config.transforms.target,
        values[train],
        Rows(rows.series[train], rows.positions[train]),
        num_series=panel.num_series,
        shared=fitted.feature_map.target,
    )
    return chain, *training_range(values, panel, part)


def forecast_windows(
    fitted: Fitted, windows: WindowedFeatures, numbers: IntArray
) -> tuple[FloatArray, FloatArray | None]:
    """Forecast numbered windows; how depends on how many there are in all, so that a window keeps its forecast.

    Args:
        fitted: state aligned with the panel of the windows.
        windows: the windows.
        numbers: (B,) which of them.

    Returns:
        (B, H, D) forecasts in the unit of the data, and (B, H, D, Q) quantiles where the network writes them.

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


def _forecast_batch(fitted: Fitted, windows: WindowedFeatures, numbers: IntArray, compiled: int) -> FloatArray:
    """(B, H, D, Q) in the unit of the data; Q is 1 for a point forecast. `compiled` is a size, or 0."""
    wanted = len(numbers)
    filled_up = np.append(numbers, np.repeat(numbers[:1], compiled - wanted)) if compiled > wanted else numbers
    output = fitted.predict(windows.batch(filled_up)[0], compiled=compiled > 0)[:wanted].astype(np.float64)
    if not fitted.quantile_levels:
        output = output[..., None]
    series, first = windows.index.locate(numbers)
    cutoff = first + windows.index.context_length
    chain = fitted.feature_map.target
    history = targets_before(windows.features, cutoff, max(chain.lag, 1))
    levels = [chain.invert(output[..., q], series=series, history=history) for q in range(output.shape[-1])]
    values = np.stack(levels, axis=-1)
    # A series that never changed in training has no scale to forecast changes on: its last value goes on.
    never_changed = np.isfinite(fitted.constants[series])[:, None, :, None]
    values = np.where(never_changed, history[:, -1, None, :, None], values)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2, 3)))[0])
        raise DataError(
            f"the forecast of series {fitted.series_ids[series[bad]]!r} is not finite: its context is too far from "
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
        known: known covariates of those steps, from `read_known`; those in rows of the future that the table of the
            history held are used where these say nothing.

    Raises:
        DataError: the history is too short, or known covariates are missing.
    """
    aligned = align(fitted, panel, Part.whole(panel))
    notes = (*end_notes(panel), *new_series_notes(fitted, panel, panel.lengths), *drift_notes(aligned, panel))
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
        fitted.feature_map, future, windows.features.filled.values, _rows_read(fitted, first_new, steps)
    )
    values = np.concatenate(points, axis=1)[:, :steps]
    notes += leap_notes(whole.series_ids, whole.columns.target_cols, whole.targets, whole.offsets, values)
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
            f"{len(missing)} series cannot be forecast: {named}; each needs its last {needed} rows without a gap "
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
    own_scale = per_series and bool((lengths[new] >= 2).all())  # of less there is none: see `transforms.scaling`
    return (new_series_note(panel.series_ids[new], fitted.series_ids, lengths[new] if own_scale else None),)


def drift_notes(fitted: Fitted, panel: Panel) -> tuple[str, ...]:
    """Name the series whose context lies far outside what was seen in training."""
    ends = panel.offsets[1:]
    rows = np.maximum(ends[:, None] - np.arange(1, fitted.shape.context_length + 1), panel.offsets[:-1, None])
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
        f"the last values of {len(drifted)} series lie far outside the training data (first {named}): "
        "the forecast is an extrapolation; check the unit, or train again on recent rows",
    )
