"""Simple members of a forecast in operations of an export, in float64.

Theta, Holt and exponential smoothing are recursions over a history of any length whose parameters
are found anew for every series, and `seasonal_lags` solves equations: they are not in the table,
and a forecast with them is exported without them (`writing`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecast.baselines.lengths import Steps
from forecast.baselines.ridge import RidgeWindow
from forecast.export.operations import Operations, Value


@dataclass(frozen=True, eq=False)
class Task:
    """Inputs of a simple member.

    Attributes:
        ops: writes the graph.
        history: (B, M, D) in the unit of the data; NaN before the start of a series.
        steps: lengths.
        linear: the ridge baseline.
    """

    ops: Operations
    history: Value
    steps: Steps
    linear: RidgeWindow

    @property
    def num_rows(self) -> int:
        """M."""
        return self.ops.shape(self.history)[1] or 0

    def last_rows(self, count: int) -> Value:
        """Return the (B, count, D) last rows."""
        return self.ops.slice(self.history, 1, self.num_rows - count, self.num_rows)

    def repeated(self, row: Value) -> Value:
        """Return (B, H, D) from (B, 1, D)."""
        return self.ops.take(row, [0] * self.steps.horizon, 1)


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
}
"""Simple member -> function that writes its (B, H, D) forecast."""
