"""Joint sample paths of a forecast, from the error trajectories of past windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.per_series.ended import Reach
from forecast.errors import ConfigError, check_kind, check_seed
from forecast.errors.interface import in_use
from forecast.experiment.prepare import Prepared
from forecast.forecasting.ahead import NOT_CALIBRATED, with_intervals_of, within_training
from forecast.forecasting.combine import Rolled
from forecast.forecasting.fitted import Fitted, on_logarithms
from forecast.forecasting.predict import forecast_windows
from forecast.intervals.conformal import mapped
from forecast.intervals.levels import supported_levels
from forecast.intervals.margins import GRID, at_places
from forecast.intervals.trajectories import Drawn, Trajectories, chosen_cutoffs, whole
from forecast.scores.forecast import Forecast
from forecast.scores.quantile_metrics import central_pairs

MOST_PATH_NUMBERS = 100_000_000
"""Numbers of all paths together, at most: 800 MB."""

NUMBERS_AT_ONCE = 4_000_000
"""Numbers of paths that are computed at a time."""

LEAST_PATHS = 10
"""Paths from which their quantiles say something."""

LEAST_WINDOWS = 2
"""Windows with which errors have an order."""

Source = tuple[IntArray, IntArray, FloatArray, FloatArray]
"""Series (B,), positions (B,) of cutoffs, actual values (B, H, D) and forecasts (B, H, D)."""


def record_trajectories(
    fitted: Fitted, prepared: Prepared, rolled: Rolled | None = None
) -> Trajectories | None:
    """Return the error trajectories of calibration and test windows; None without such windows.

    Args:
        fitted: the state.
        prepared: the data it was trained on.
        rolled: forecasts of the members from earlier cutoffs; optional.
    """
    sources = list(_sources(fitted, prepared, rolled))
    if not sources:
        return None
    series, cutoffs, actual, forecast = map(np.concatenate, zip(*sources, strict=True))
    logarithms = on_logarithms(fitted.config)
    unit = fitted.series.unit[series][:, None]
    errors = whole((mapped(actual, logarithms) - mapped(forecast, logarithms)) / unit)
    is_known = np.isfinite(errors).all(axis=(1, 2))
    if is_known.sum() < LEAST_WINDOWS:
        return None
    positions, number = np.unique(cutoffs[is_known], return_inverse=True)
    place = (number, series[is_known])
    shape = (len(positions), len(fitted.series.ids), *errors.shape[1:])
    all_errors = np.full(shape, np.nan)
    all_errors[place] = errors[is_known]
    forecasts = np.full(shape, np.nan)
    forecasts[place] = forecast[is_known]
    # rounded as in a saved model, so that it gives the same paths
    return Trajectories(
        errors=all_errors.astype(np.float32).astype(np.float64),
        forecasts=forecasts.astype(np.float32).astype(np.float64),
        positions=positions,
        season_length=fitted.season_length,
    )


def _sources(fitted: Fitted, prepared: Prepared, rolled: Rolled | None) -> Iterator[Source]:
    """Yield what is compared, for the windows at the cutoffs that are stored."""
    panel = prepared.panel
    shape = fitted.shape
    windows = [each for each in (prepared.calibration, prepared.test) if len(each)]
    last_rows = []  # row of the cutoff of each window, by source
    for each in windows:
        first = each.index.locate(np.arange(len(each)))[1]
        last_rows.append(first + each.index.context_length - 1)
    if rolled is not None:
        last_rows.append(rolled.last)
    if not last_rows:
        return
    cutoffs = [_aligned(prepared, rows) for rows in last_rows]
    chosen = chosen_cutoffs(
        np.unique(np.concatenate(cutoffs)),
        panel.num_series,
        shape.horizon * shape.num_targets,
        fitted.season_length,
    )
    measured = prepared.filled.measured(shape.num_targets)
    for number, rows in enumerate(last_rows):
        taken = np.flatnonzero(np.isin(cutoffs[number], chosen))
        if not len(taken):
            continue
        if number < len(windows):
            forecast = forecast_windows(fitted, panel, windows[number], taken)[0]
        elif rolled is not None:
            forecast = rolled.combined(rolled.weights)[taken]
        ahead = rows[taken, None] + np.arange(1, shape.horizon + 1)
        series = panel.series_at(rows[taken])
        yield series, cutoffs[number][taken], measured[ahead], forecast


def _aligned(prepared: Prepared, rows: IntArray) -> IntArray:
    """Return the positions of rows; of an index of whole numbers as if all series ended together.

    There the n-th row of one series has nothing to do with the n-th of another.
    """
    panel = prepared.panel
    positions = panel.positions[rows]
    if not panel.freq.is_integer:
        return positions
    ends = panel.positions[panel.offsets[1:] - 1]
    return positions - ends[panel.series_at(rows)] + ends.max()


def trajectories_for(fitted: Fitted) -> Trajectories:
    """Return the error trajectories of a model.

    Raises:
        ConfigError: it has none.
    """
    if fitted.trajectories is not None:
        return fitted.trajectories
    if fitted.recent is None:
        raise ConfigError(in_use().worded(NOT_CALIBRATED.replace("intervals", "sample paths", 1)))
    raise ConfigError(
        "sample paths were asked for, and this model was saved without error trajectories, by an "
        "earlier version: train it again"
    )


def check_paths(fitted: Fitted, num_paths: int | None, seed: int, horizon: int | None) -> None:
    """Raise unless paths can be drawn, where they are asked for.

    Raises:
        ConfigError: the numbers are no numbers of paths, the steps are too many, or the model has
            no error trajectories.
    """
    if num_paths is None:
        return
    check_kind("num_paths", num_paths, (int, np.integer), "a whole number, such as 1000")
    check_seed(seed)
    if num_paths < LEAST_PATHS:
        raise ConfigError(f"`num_paths=` is {num_paths}; expected at least {LEAST_PATHS}")
    trajectories_for(fitted)
    within_training(fitted, horizon, "sample paths")


def with_paths(
    fitted: Fitted, reach: Reach, forecast: Forecast, num_paths: int | None, seed: int
) -> Forecast:
    """Return a forecast with joint sample paths, whose quantiles are those of its intervals.

    Args:
        fitted: the trained state.
        reach: the history that the forecast was made from.
        forecast: of every series, of the network or the ensemble alone.
        num_paths: P; None for no paths.
        seed: of the draw; equal seeds give equal paths.

    Raises:
        ConfigError: the model has no error trajectories, or the numbers are too many.
    """
    if num_paths is None:
        return forecast
    trajectories = trajectories_for(fitted)
    size = forecast.values.size * num_paths
    if size > MOST_PATH_NUMBERS:
        most = max(MOST_PATH_NUMBERS // forecast.values.size, 1)
        raise ConfigError(
            f"{num_paths:,} paths of {forecast.values.size:,} steps are {size:,} numbers; expected "
            f"at most {MOST_PATH_NUMBERS:,}: ask for {most:,} paths, or predict some of the series"
        )
    steps = forecast.values.shape[1]
    if steps + reach.furthest > fitted.shape.horizon:
        raise ConfigError(
            f"sample paths were asked for {steps + reach.furthest} steps after the end of the "
            f"series furthest behind, and the model is calibrated for {fitted.shape.horizon}: set "
            f"data.ended_series to own_end or leave_out, or leave them out"
        )
    levels, quantiles = _margins(fitted, reach, forecast)
    drawn = draw_jointly(fitted, trajectories, reach, num_paths, seed)
    paths = np.empty((*forecast.values.shape, num_paths))
    lowest = np.full(forecast.values.shape[2], -np.inf)
    if fitted.recent is not None:
        lowest = fitted.recent.lowest
    num_series = len(forecast.values)
    at_once = max(NUMBERS_AT_ONCE // (size // num_series), 1)
    for start in range(0, num_series, at_once):
        some = np.arange(start, min(start + at_once, num_series))
        places = trajectories.places(drawn, some)
        shown = _shown(reach, places, some, steps)
        values = at_places(levels, quantiles[some], shown)
        least = np.minimum(lowest, forecast.values[some])
        paths[some] = np.moveaxis(np.maximum(values, least), 0, -1)
    return replace(forecast, paths=paths)


def draw_jointly(
    fitted: Fitted, trajectories: Trajectories, reach: Reach, num_paths: int, seed: int
) -> Drawn:
    """Draw a past window for every path, from those at the same place in the season.

    Args:
        fitted: the state, not aligned.
        trajectories: to draw from.
        reach: the history; the place in the season is that of its latest row.
        num_paths: P.
        seed: of the draw.
    """
    panel = reach.panel
    last = int(panel.positions[panel.offsets[1:] - 1].max())
    return trajectories.draw(
        trajectories.of_phase(last),
        fitted.series.index_of(panel.series_ids),
        num_paths,
        np.random.default_rng(seed),
    )


def _margins(
    fitted: Fitted, reach: Reach, forecast: Forecast
) -> tuple[tuple[float, ...], FloatArray]:
    """Return quantile levels and (N, H, D, Q) quantiles of every step, the median among them."""
    own = [round(100.0 * share, 8) for share in central_pairs(fitted.quantile_levels)]
    if fitted.recent is not None:
        fitted.recent.adapt_together(supported_levels(GRID, fitted.recent.num_windows))
    dense = with_intervals_of(fitted, reach, forecast, (*GRID, *own))
    levels = dense.quantile_levels
    quantiles = dense.quantiles
    if quantiles is None:
        raise ConfigError("the forecast has no intervals")
    if 0.5 not in levels:
        middle = sum(level < 0.5 for level in levels)
        quantiles = np.insert(quantiles, middle, forecast.values, axis=-1)
        levels = (*levels[:middle], 0.5, *levels[middle:])
    return levels, quantiles


def _shown(reach: Reach, places: FloatArray, some: IntArray, steps: int) -> FloatArray:
    """Return (P, N', H, D) places of the steps that are shown of some series."""
    skipped = reach.skipped[some][:, None] + np.arange(steps)
    return places[:, np.arange(len(some))[:, None], skipped]
