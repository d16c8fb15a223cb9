"""Theta in operations of an export; see `baselines.theta`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.baselines.lengths import MEDIAN_WEEKS, smoothed_rows, smoothed_season
from forecast.baselines.theta import ALPHAS, LEAST_WEEKS, week_of
from forecast.export.operations import Value
from forecast.export.season_nodes import season_nodes
from forecast.export.series_rows import SeriesRows, Task


def theta_nodes(task: Task) -> Value:
    """Write the (B, H, D) forecast of Theta."""
    steps = task.steps
    rows = task.rows(smoothed_rows(steps.season_length))
    made, _ = _seasonal_theta(rows, smoothed_season(steps.season_length), steps.horizon)
    week = week_of(steps)
    if week is not None:
        weeks = task.rows(week * MEDIAN_WEEKS)
        of_weeks, by_week = _seasonal_theta(weeks, week, steps.horizon)
        _, by_season = _seasonal_theta(weeks, steps.season_length, steps.horizon)
        is_better = task.ops.binary("less", by_week, by_season)
        is_better = task.ops.binary("and", is_better, weeks.at_least(LEAST_WEEKS * week))
        made = task.ops.where(is_better, of_weeks, made)
    return task.forecast_of(made)


def _seasonal_theta(rows: SeriesRows, season_length: int, horizon: int) -> tuple[Value, Value]:
    """Return (S, H) forecasts of series, and (S, 1) AICc; see `baselines.theta`."""
    season = season_nodes(rows, season_length)
    made, squares = _flat_theta(season.removed(rows), horizon)
    return season.added(made, rows.num_rows), _corrected(rows, squares, season_length)


def _corrected(rows: SeriesRows, squares: Value, season_length: int) -> Value:
    """Return (S, 1) AICc of sums of squared errors."""
    ops = rows.ops
    number = rows.number
    least = number(np.finfo(np.float64).tiny)
    fit = rows.lengths * ops.unary("log", squares / rows.lengths + least)
    count = float(season_length)
    few = ops.binary("maximum", rows.lengths - number(count + 1.0), number(1.0))
    return fit + number(2.0 * count) + number(2.0 * count * (count + 1.0)) / few


def _flat_theta(rows: SeriesRows, horizon: int) -> tuple[Value, Value]:
    """Return (S, H) forecasts of series without a season, and (S, 1) their squared errors."""
    ops = rows.ops
    number = rows.number
    first = number(float(rows.num_rows)) - rows.lengths
    places = ops.constant(np.arange(rows.num_rows, dtype=np.float64)[None])
    centred = (places - first - (rows.lengths - number(1.0)) / number(2.0)) * rows.known
    spread = ops.reduce("sum", centred * centred, 1)
    slope = ops.reduce("sum", rows.values * centred, 1)
    slope = slope / ops.binary("maximum", spread, number(1.0))
    alpha, last, squares = _smoothed(rows)

    ahead = ops.constant(np.arange(horizon, dtype=np.float64)[None])
    left = ops.binary("power", number(1.0) - alpha, rows.lengths)
    drift = ahead + (number(1.0) - left) / alpha
    return last + slope * number(0.5) * drift, squares


def _smoothed(rows: SeriesRows) -> tuple[Value, Value, Value]:
    """Return (S, 1) the share of an error with the least squared errors, the last level, these."""
    ops = rows.ops
    alphas = ops.constant(ALPHAS[None])
    values, is_known = rows.by_row()

    def follow(states: Sequence[Value], now: Sequence[Value]) -> list[Value]:
        level, squares = states
        value, is_begun = now
        error = value - level
        after = level + alphas * error
        return [
            ops.where(is_begun, after, level),
            ops.where(is_begun, squares + error * error, squares),
        ]

    start = rows.from_start(rows.zeros()) + rows.zeros(len(ALPHAS))
    level, squares = ops.loop(follow, [values, is_known], [start, rows.zeros(len(ALPHAS))])
    best = ops.argmin(squares, 1)
    chosen = alphas + rows.zeros(len(ALPHAS))
    return ops.pick(chosen, best), ops.pick(level, best), ops.pick(squares, best)
