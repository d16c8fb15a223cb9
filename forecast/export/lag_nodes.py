"""The regression on seasonal lags in operations of an export; see `baselines.seasonal_lags`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.axes import IntArray
from forecast.baselines.seasonal_lags import (
    LEAST_ROWS,
    LEAST_UNIT,
    Inputs,
    inputs_of,
    rows_read,
)
from forecast.export.operations import Value
from forecast.export.series_rows import SeriesRows, Task


def lag_nodes(task: Task) -> Value:
    """Write the (B, H, D) forecast of the regression on seasonal lags."""
    steps = task.steps
    rows = task.rows(rows_read(steps))
    read = inputs_of(steps)
    before = steps.horizon + steps.season_length - 1  # rows that the level of a row needs
    made = _last_season(rows, int(read.lags[0]), steps.horizon)
    earlier = Earlier.of(rows, _levels(rows, steps.horizon, steps.season_length), before)
    # Later attempts need more rows, and are better where there are enough.
    for count in range(1, len(read.lags) + 1):
        lags = read.lags[:count]
        first = max(int(lags[-1]), before)
        made = _where_enough(made, earlier, Inputs(lags, (), read.penalty), first)
        if read.means:
            first = max([first, *(int(among[0]) + before for among in read.means)])
            made = _where_enough(made, earlier, Inputs(lags, read.means, read.penalty), first)
    return task.forecast_of(made)


@dataclass(frozen=True, eq=False)
class Earlier:
    """Earlier values beside the level of a row.

    Attributes:
        rows: the series.
        level: (S, T + H) of each row and of each step ahead.
        away: (S, T) differences of values from their own level, 0 where they have none.
        has_level: (S, T) 1 where a row has a level, else 0.
    """

    rows: SeriesRows
    level: Value
    away: Value
    has_level: Value

    @classmethod
    def of(cls, rows: SeriesRows, level: Value, before: int) -> Earlier:
        """Write what all regressions read.

        Args:
            rows: the series.
            level: (S, T + H).
            before: rows of a series without a level.
        """
        ops = rows.ops
        end = rows.num_rows
        num_levels = max(end - before, 0)
        none = rows.zeros(end - num_levels)
        has_level = ops.concat([none, ops.slice(rows.known, 1, 0, num_levels)], 1)
        away = (rows.values - ops.slice(level, 1, 0, end)) * has_level
        return cls(rows, level, away, has_level)

    @property
    def horizon(self) -> int:
        """H."""
        return (self.rows.ops.shape(self.level)[1] or 0) - self.rows.num_rows

    def at_lag(self, start: int, stop: int, lag: int) -> Value:
        """Return values one lag before rows, as differences from the level of the rows."""
        level = self.rows.ops.slice(self.level, 1, start, stop)
        return self._before(self.rows.values, start, stop, lag) - level

    def mean_of(self, start: int, stop: int, lags: IntArray) -> Value:
        """Return the mean difference from their own level of the values at some lags, or else 0."""
        ops = self.rows.ops
        total = self.rows.zeros(stop - start)
        count = total
        for lag in lags.tolist():
            total = total + self._before(self.away, start, stop, lag)
            count = count + self._before(self.has_level, start, stop, lag)
        return total / ops.binary("maximum", count, self.rows.number(1.0))

    def _before(self, values: Value, start: int, stop: int, lag: int) -> Value:
        """Return values (S, stop - start) one lag before rows; 0 before the first row."""
        ops = self.rows.ops
        num_missing = min(max(lag - start, 0), stop - start)
        if num_missing == stop - start:
            return self.rows.zeros(num_missing)
        found = ops.slice(values, 1, start + num_missing - lag, stop - lag)
        if num_missing:
            found = ops.concat([self.rows.zeros(num_missing), found], 1)
        return found


def _where_enough(made: Value, earlier: Earlier, read: Inputs, first: int) -> Value:
    """Return forecasts (S, H), those of a regression where a series has enough rows for it.

    Args:
        made: those of the others.
        earlier: values.
        read: inputs.
        first: rows before the first that is learned from.
    """
    rows = earlier.rows
    needed = first + LEAST_ROWS * (len(read.lags) + len(read.means))
    if needed > rows.num_rows:
        return made
    return rows.ops.where(rows.at_least(needed), _forecast(earlier, read, first), made)


def _forecast(earlier: Earlier, read: Inputs, first: int) -> Value:
    """Return (S, H) forecasts of a regression; see `_where_enough`."""
    rows = earlier.rows
    ops = rows.ops
    end = rows.num_rows
    horizon = earlier.horizon

    def inputs(start: int, stop: int) -> list[Value]:
        found = [earlier.at_lag(start, stop, int(lag)) for lag in read.lags]
        return found + [earlier.mean_of(start, stop, among) for among in read.means]

    is_learned = ops.slice(rows.known, 1, 0, end - first)  # a row is, if the one so far before is
    learned = [values * is_learned for values in inputs(first, end)]
    actual = earlier.at_lag(first, end, 0) * is_learned
    num_learned = rows.lengths - rows.number(float(first))
    weights = _weights(rows, learned, actual, num_learned, read.penalty)
    error = actual
    made = ops.slice(earlier.level, 1, end, end + horizon)
    ahead = inputs(end, end + horizon)
    for of_input, values, weight in zip(learned, ahead, weights, strict=True):
        error = error - of_input * weight
        made = made + values * weight

    count = end - first
    size = ops.binary("maximum", _sum(rows, error, error), rows.number(LEAST_UNIT))
    later = ops.slice(error, 1, 1, count)
    product = _sum(rows, later, ops.slice(error, 1, 0, count - 1)) / size
    memory = ops.binary("minimum", product, rows.number(1.0))
    memory = ops.binary("maximum", memory, rows.number(0.0))
    steps = ops.constant(np.arange(1, horizon + 1, dtype=np.float64)[None])
    last = ops.slice(error, 1, count - 1, count)
    return made + last * ops.binary("power", memory, steps)


def _levels(rows: SeriesRows, horizon: int, season_length: int) -> Value:
    """Return (S, T + H) the mean of the season that ends a horizon before each row, or else 0."""
    ops = rows.ops
    sums = ops.cumsum(ops.concat([rows.zeros(), rows.values], 1), 1)  # (S, T + 1)
    end = rows.num_rows + 1
    later = ops.slice(sums, 1, season_length, end)
    means = (later - ops.slice(sums, 1, 0, end - season_length)) / rows.number(season_length)
    return ops.concat([rows.zeros(horizon + season_length - 1), means], 1)


def _weights(
    rows: SeriesRows, inputs: Sequence[Value], actual: Value, num_learned: Value, share: float
) -> list[Value]:
    """Return the ridge weight (S, 1) of each input, shrunk towards equal ones by a penalty."""
    ops = rows.ops
    count = len(inputs)
    gram = [[_sum(rows, a, b) / num_learned for b in inputs] for a in inputs]
    trace = gram[0][0]
    for place in range(1, count):
        trace = trace + gram[place][place]
    unit = ops.binary("maximum", trace / rows.number(count), rows.number(LEAST_UNIT))
    penalty = unit * rows.number(share)
    right = [_sum(rows, a, actual) / num_learned + penalty / rows.number(count) for a in inputs]
    for place in range(count):
        gram[place][place] = gram[place][place] + penalty
    return _solved(gram, right)


def _solved(matrix: list[list[Value]], right: list[Value]) -> list[Value]:
    """Return the solution of equations by elimination; the matrix is symmetric and positive."""
    count = len(right)
    for row in range(count):
        for below in range(row + 1, count):
            factor = matrix[below][row] / matrix[row][row]
            for column in range(row + 1, count):
                matrix[below][column] = matrix[below][column] - factor * matrix[row][column]
            right[below] = right[below] - factor * right[row]
    for row in reversed(range(count)):
        for column in range(row + 1, count):
            right[row] = right[row] - matrix[row][column] * right[column]
        right[row] = right[row] / matrix[row][row]
    return right


def _sum(rows: SeriesRows, a: Value, b: Value) -> Value:
    """Return (S, 1) sums of products."""
    return rows.ops.reduce("sum", a * b, 1)


def _last_season(rows: SeriesRows, lag: int, horizon: int) -> Value:
    """Return (S, H) the values one lag before, or the last one where there are fewer rows."""
    ops = rows.ops
    end = rows.num_rows
    last = ops.take(rows.values, [end - 1] * horizon, 1)
    if lag > end:
        return last
    earlier = ops.slice(rows.values, 1, end - lag, end - lag + horizon)
    return ops.where(rows.at_least(lag), earlier, last)
