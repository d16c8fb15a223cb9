"""The season of Theta and Holt in operations of an export; see `baselines.theta.season_of`.

Rows are counted from the end of the history, so that places in the season are the same for all
windows, wherever their series begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.export.operations import Operations, Value
from forecast.export.series_rows import SeriesRows


@dataclass(frozen=True, eq=False)
class SeasonNodes:
    """Season of S series.

    Attributes:
        ops: writes the graph.
        ratio: (S, m) factors, by row modulo m.
        difference: (S, m) differences of those without factors.
        length: m.
    """

    ops: Operations
    ratio: Value
    difference: Value
    length: int

    def removed(self, rows: SeriesRows) -> SeriesRows:
        """Return rows without their season."""
        places = (np.arange(rows.num_rows) % self.length).tolist()
        difference = self.ops.take(self.difference, places, 1)
        flat = (rows.values - difference) / self.ops.take(self.ratio, places, 1)
        return SeriesRows.of(rows.ops, flat * rows.known, rows.known)

    def added(self, forecast: Value, num_rows: int) -> Value:
        """Return forecasts (S, H) of the steps after so many rows, with their season."""
        horizon = self.ops.shape(forecast)[1] or 0
        places = ((num_rows + np.arange(horizon)) % self.length).tolist()
        ratio = self.ops.take(self.ratio, places, 1)
        return forecast * ratio + self.ops.take(self.difference, places, 1)


def season_nodes(rows: SeriesRows, season_length: int) -> SeasonNodes:
    """Write the season of series, by factors where all values are positive.

    Args:
        rows: the series.
        season_length: m.
    """
    ops = rows.ops
    none = rows.zeros(season_length)
    ones = none + rows.number(1.0)
    if season_length <= 1 or rows.num_rows < 2 * season_length + 1:
        return SeasonNodes(ops, ones, none, season_length)
    wanted = ops.binary(
        "and", rows.at_least(2 * season_length + 1), _is_seasonal(rows, season_length)
    )
    average, inside, is_whole = _moving_average(rows, season_length)
    first = (rows.num_rows - (ops.shape(average)[1] or 0)) // 2

    is_positive = ops.binary("greater", average, rows.number(0.0))
    divisor = ops.where(is_positive, average, rows.number(1.0))
    factors = _by_place(rows, inside / divisor, is_whole, first, season_length)
    mean = ops.reduce("mean", factors, 1)
    is_above = ops.binary("greater", mean, rows.number(0.0))
    factors = factors / ops.where(is_above, mean, rows.number(1.0))
    least = ops.reduce("min", factors, 1)
    is_ratio = ops.binary("and", wanted, rows.all_positive)
    is_usable = ops.binary("and", is_ratio, ops.binary("greater", least, rows.number(0.01)))

    differences = _by_place(rows, inside - average, is_whole, first, season_length)
    differences = differences - ops.reduce("mean", differences, 1)
    is_difference = ops.binary("and", wanted, ops.unary("not", rows.all_positive))
    return SeasonNodes(
        ops,
        ops.where(is_usable, factors, ones),
        ops.where(is_difference, differences, none),
        season_length,
    )


def _is_seasonal(rows: SeriesRows, season_length: int) -> Value:
    """Return (S, 1) whether the autocorrelation at the lag of a season differs from 0."""
    ops = rows.ops
    mean = ops.reduce("sum", rows.values, 1) / rows.lengths
    centred = (rows.values - mean) * rows.known
    tiny = rows.number(np.finfo(np.float64).tiny)
    variance = ops.reduce("sum", centred * centred, 1) + tiny

    def next_lag(states: Sequence[Value], _: Sequence[Value]) -> list[Value]:
        earlier, before, latest = states
        earlier = _moved(rows, earlier, 1)
        product = ops.reduce("sum", centred * earlier, 1)
        return [earlier, before + latest * latest, product / variance]

    count = ops.constant(np.zeros((season_length, 1)))
    start = [centred, rows.zeros(), rows.zeros()]
    _, before, latest = ops.loop(next_lag, [count], start)
    share = (before + before + rows.number(1.0)) / rows.lengths
    limit = ops.unary("sqrt", share) * rows.number(1.645)
    return ops.binary("greater", ops.unary("abs", latest), limit)


def _moving_average(rows: SeriesRows, season_length: int) -> tuple[Value, Value, Value]:
    """Return the centred moving averages over a season.

    Returns:
        (S, K) the averages, the values at their rows, and 1 where all values of one are known.
    """
    ops = rows.ops
    width = season_length + 1 - season_length % 2
    end = rows.num_rows
    count = end - width + 1
    sums = ops.cumsum(ops.concat([rows.zeros(), rows.values], 1), 1)
    total = ops.slice(sums, 1, width, end + 1) - ops.slice(sums, 1, 0, count)
    if width > season_length:  # an even season: the first and the last value count half
        edges = ops.slice(rows.values, 1, 0, count) + ops.slice(rows.values, 1, width - 1, end)
        total = total - edges * rows.number(0.5)
    average = total / rows.number(float(season_length))
    half = width // 2
    inside = ops.slice(rows.values, 1, half, half + count)
    return average, inside, ops.slice(rows.known, 1, 0, count)


def _moved(rows: SeriesRows, values: Value, by: int) -> Value:
    """Return (S, T) values one row later (1) or earlier (-1), with a 0 in the row that is free."""
    ops = rows.ops
    if by > 0:
        return ops.concat([rows.zeros(), ops.slice(values, 1, 0, rows.num_rows - 1)], 1)
    return ops.concat([ops.slice(values, 1, 1, rows.num_rows), rows.zeros()], 1)


def _by_place(
    rows: SeriesRows, values: Value, is_read: Value, first: int, season_length: int
) -> Value:
    """Return the (S, m) means of values (S, K) by their row modulo m.

    Args:
        rows: the series.
        values: numbers of rows.
        is_read: (S, K) 1 for those that count, else 0.
        first: row of the first.
        season_length: m.
    """
    ops = rows.ops
    before = first % season_length
    count = ops.shape(values)[1] or 0
    num_seasons = -(-(before + count) // season_length)
    after = num_seasons * season_length - before - count

    def mean_of(numbers: Value) -> Value:
        parts = [rows.zeros(before)] * (before > 0) + [numbers] + [rows.zeros(after)] * (after > 0)
        whole = ops.concat(parts, 1)
        seasons = ops.reshape(whole, (-1, num_seasons, season_length))
        return ops.squeeze(ops.reduce("sum", seasons, 1), 1)

    num_read = ops.binary("maximum", mean_of(is_read), rows.number(1.0))
    return mean_of(values * is_read) / num_read
