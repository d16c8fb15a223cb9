"""Simple members of a forecast in operations of an export, in float64.

Members that are fitted anew to every history are fitted in the graph: a loop along the rows follows
all sets of a grid of parameters at once, as the baseline does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecast.baselines.simple import ETS
from forecast.export.ets_nodes import ets_nodes
from forecast.export.holt_nodes import holt_nodes
from forecast.export.lag_nodes import lag_nodes
from forecast.export.operations import Value
from forecast.export.series_rows import Task
from forecast.export.theta_nodes import theta_nodes


def _last_value(task: Task) -> Value:
    return task.repeated(task.last_rows(1))


def _seasonal_naive(task: Task) -> Value:
    ops = task.ops
    season = task.steps.season_length
    steps = np.arange(task.steps.horizon) % season
    rows = ops.take(task.history, (task.num_rows - season + steps).tolist(), 1)
    return ops.where(ops.unary("isnan", rows), _last_value(task), rows)


def _seasonal_median(task: Task) -> Value:
    """See `baselines.simple.seasonal_median`: missing seasons go to the end of the order."""
    ops = task.ops
    period, count = task.steps.median_periods
    steps = np.arange(task.steps.horizon) % period
    zero = ops.constant(np.float64(0))
    one = ops.constant(np.float64(1))
    seasons = []
    num_known = None
    for lag in range(1, count + 1):
        rows = ops.take(task.history, (task.num_rows - lag * period + steps).tolist(), 1)
        is_missing = ops.unary("isnan", rows)
        counted = ops.where(is_missing, zero, one)
        num_known = counted if num_known is None else num_known + counted
        filled = ops.where(is_missing, ops.constant(np.float64(np.inf)), rows)
        seasons.append(ops.expand(filled, 1))
    ordered = ops.sort(ops.concat(seasons, 1), 1)  # (B, count, H, D)
    middle = zero
    for place in range(count):
        # of n known seasons, those at (n - 1) // 2 and n // 2 are the middle, from 0
        value = ops.squeeze(ops.slice(ordered, 1, place, place + 1), 1)
        for known in range(1, count + 1):
            share = ((known - 1) // 2 == place) + (known // 2 == place)
            if share:
                is_so = ops.binary("equal", num_known, ops.constant(np.float64(known)))
                part = value * ops.constant(np.float64(share / 2))
                middle = middle + ops.where(is_so, part, zero)
    is_none = ops.binary("equal", num_known, zero)
    return ops.where(is_none, _last_value(task), middle)


def _drift(task: Task) -> Value:
    ops = task.ops
    length = task.steps.context_length
    window = task.last_rows(length)
    first = ops.slice(window, 1, 0, 1)
    last = task.last_rows(1)
    per_step = (last - first) / ops.constant(np.float64(max(length - 1, 1)))
    ahead = np.arange(1, task.steps.horizon + 1, dtype=np.float64).reshape(1, -1, 1)
    return last + per_step * ops.constant(ahead)


def _window_mean(task: Task) -> Value:
    mean = task.ops.reduce("mean", task.last_rows(task.steps.context_length), 1)
    return task.repeated(mean)


def _linear(task: Task) -> Value:
    ops = task.ops
    window = ops.transpose(task.last_rows(len(task.linear.weights)), (0, 2, 1))  # (B, D, L)
    last = task.last_rows(1)
    change = ops.matmul(window - ops.transpose(last, (0, 2, 1)), ops.constant(task.linear.weights))
    return last + ops.transpose(change, (0, 2, 1))


MEMBERS: dict[str, Callable[[Task], Value]] = {
    "last_value": _last_value,
    "seasonal_naive": _seasonal_naive,
    "seasonal_median": _seasonal_median,
    "drift": _drift,
    "window_mean": _window_mean,
    "linear": _linear,
    "theta": theta_nodes,
    "holt": holt_nodes,
    ETS: ets_nodes,
    "seasonal_lags": lag_nodes,
}
"""Simple member -> function that writes its (B, H, D) forecast."""
