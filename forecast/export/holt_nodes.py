"""Holt's linear trend in operations of an export; see `baselines.holt`."""

from __future__ import annotations

import numpy as np

from forecast.baselines.holt import DAMPING, GRID, LINE, rows_smoothed
from forecast.baselines.lengths import smoothed_season
from forecast.export.operations import Value
from forecast.export.recursion_nodes import Recursion, StateNodes, first_states
from forecast.export.season_nodes import season_nodes
from forecast.export.series_rows import SeriesRows, Task


def holt_nodes(task: Task) -> Value:
    """Write the (B, H, D) forecast of Holt's trend."""
    season_length = smoothed_season(task.steps.season_length)
    rows = task.rows(rows_smoothed(season_length))
    season = season_nodes(rows, season_length)
    made = _line(season.removed(rows), task.steps.horizon)
    return task.forecast_of(season.added(made, rows.num_rows))


def _line(rows: SeriesRows, horizon: int) -> Value:
    """Return (S, H) forecasts of series, by the set of parameters of the least squared error."""
    ops = rows.ops
    zero = rows.number(0.0)
    num_sets = len(GRID)
    first = first_states(rows, LINE, 1)
    none = rows.zeros(num_sets)
    start = StateNodes(first.level + none, first.trend + none)
    parameters = [ops.constant(column[None].copy()) for column in GRID.T]
    recursion = Recursion(rows, rows.by_row()[0], parameters)
    states, squares = recursion.from_best_start(start, np.ones(num_sets))

    best = ops.argmin(squares, 1)
    level = ops.pick(states.level, best)
    trend = ops.pick(states.trend, best)
    last = ops.slice(rows.values, 1, rows.num_rows - 1, rows.num_rows)
    is_below = ops.unary("not", ops.binary("greater", level, zero))
    level = ops.where(ops.binary("and", rows.all_positive, is_below), last, level)
    growth = ops.constant(np.cumsum(DAMPING ** np.arange(1, horizon + 1))[None])

    is_falling = ops.binary("and", rows.all_positive, ops.binary("less", trend, zero))
    rate = trend / ops.where(is_falling, level, rows.number(1.0))
    falling = level * ops.unary("exp", ops.where(is_falling, rate, zero) * growth)
    return ops.where(is_falling, falling, level + trend * growth)
