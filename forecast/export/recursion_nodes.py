"""The recursion of exponential smoothing in operations of an export; see `baselines.recursion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.recursion import LEAST_FITTED_ROWS, Form
from forecast.export.operations import Operations, Value
from forecast.export.series_rows import SeriesRows


class StateNodes(NamedTuple):
    """States of S series with G sets of parameters.

    Level and trend are (S, G). The season is (S, G, m), that of the next row first, or None.
    """

    level: Value
    trend: Value
    season: Value | None = None


@dataclass(frozen=True, eq=False)
class Recursion:
    """G recursions along the rows of S series, which share their rows but not what they follow.

    Attributes:
        rows: the series.
        values: (T, S, G or 1) what is followed: values, or their logarithms.
        parameters: alpha, beta, gamma and damping, (S or 1, G) each.
    """

    rows: SeriesRows
    values: Value
    parameters: Sequence[Value]

    @property
    def ops(self) -> Operations:
        """Writes the graph."""
        return self.rows.ops

    def from_rows(self, first: StateNodes) -> tuple[StateNodes, Value]:
        """Return the states after the last row, and the sums of squared errors (S, G).

        Args:
            first: states before the first row.
        """
        ops = self.ops

        def follow(before: Sequence[Value], now: Sequence[Value]) -> list[Value]:
            *states, squares = before
            value, is_begun = now
            after, error = self._follow(StateNodes(*states), value)
            squares = squares + error * error
            return self._chosen(is_begun, [*after, squares], before)

        states = [part for part in first if part is not None]
        *states, squares = ops.loop(follow, self._by_row(), [*states, first.level - first.level])
        return StateNodes(*states), squares

    def from_best_start(self, first: StateNodes, has_trend: FloatArray) -> tuple[StateNodes, Value]:
        """Return the same from the first level and trend with the least squared errors.

        There is no season. Series of few rows go on from their first states.

        Args:
            first: states before the first row.
            has_trend: (G,) 1 where there is a trend, else 0.
        """
        ops = self.ops
        zero = first.level - first.level
        trends = zero + ops.constant(has_trend[None])
        start = [first.level, first.trend, zero + self.rows.number(1.0), zero, zero, trends]

        def follow(before: Sequence[Value], now: Sequence[Value]) -> list[Value]:
            value, is_begun = now
            own, error = self._follow(StateNodes(*before[:2]), value)
            by_level, of_level = self._follow(StateNodes(*before[2:4]), None)
            by_trend, of_trend = self._follow(StateNodes(*before[4:6]), None)
            products = [
                error * error,
                of_level * error,
                of_trend * error,
                of_level * of_level,
                of_level * of_trend,
                of_trend * of_trend,
            ]
            sums = [total + part for total, part in zip(before[6:], products, strict=True)]
            return self._chosen(is_begun, [*own, *by_level, *by_trend, *sums], before)

        found = ops.loop(follow, self._by_row(), [*start, *[zero] * 6])
        own = StateNodes(*found[:2])
        squares = found[6]
        best, least = self._best(found)
        is_long = self.rows.at_least(LEAST_FITTED_ROWS)
        level = ops.where(is_long, best.level, own.level)
        trend = ops.where(is_long, best.trend, own.trend)
        return StateNodes(level, trend), ops.where(is_long, least, squares)

    def _best(self, found: Sequence[Value]) -> tuple[StateNodes, Value]:
        """Return the states and squares from the best start; see `recursion._from_best_start`."""
        level, trend, level_of_one, trend_of_one, level_of_slope, trend_of_slope = found[:6]
        squares, cross_level, cross_trend, gram_level, gram_both, gram_trend = found[6:]
        number = self.rows.number
        gram_level = gram_level + gram_level * number(1e-9)
        gram_trend = gram_trend + (gram_trend * number(1e-9) + number(1e-12))
        determinant = gram_level * gram_trend - gram_both * gram_both
        one = (gram_both * cross_trend - gram_trend * cross_level) / determinant
        slope = (gram_both * cross_level - gram_level * cross_trend) / determinant
        least = squares + one * cross_level + slope * cross_trend
        states = StateNodes(
            level + one * level_of_one + slope * level_of_slope,
            trend + one * trend_of_one + slope * trend_of_slope,
        )
        return states, self.ops.binary("maximum", least, number(0.0))

    def _follow(self, states: StateNodes, value: Value | None) -> tuple[StateNodes, Value]:
        """Go on by the values of a row, None for zeros; return the next states and the errors."""
        ops = self.ops
        alpha, beta, gamma, damping = self.parameters
        trend = states.trend * damping
        level = states.level + trend
        error = ops.unary("neg", level) if value is None else value - level
        season = states.season
        if season is not None:
            length = ops.shape(season)[2] or 0
            now = ops.squeeze(ops.slice(season, 2, 0, 1), 2)
            error = error - now
            last = ops.expand(now + gamma * error, 2)
            season = ops.concat([ops.slice(season, 2, 1, length), last], 2)
        return StateNodes(level + alpha * error, trend + beta * error, season), error

    def _chosen(
        self, is_begun: Value, after: Sequence[Value], before: Sequence[Value]
    ) -> list[Value]:
        """Return states after a row, or before it where a series has not begun."""
        ops = self.ops
        chosen = []
        kept = [value for value in after if value is not None]
        for new, old in zip(kept, before, strict=True):
            condition = is_begun
            if len(ops.shape(old)) == 3:
                condition = ops.expand(is_begun, 2)
            chosen.append(ops.where(condition, new, old))
        return chosen

    def _by_row(self) -> list[Value]:
        return [self.values, self.rows.by_row()[1]]


def first_states(shown: SeriesRows, form: Form, season_length: int) -> StateNodes:
    """Return level and trend (S, 1) and season (S, m) before the first row, from the first rows.

    Args:
        shown: what a form follows.
        form: of the recursion.
        season_length: m.
    """
    if form.has_season:
        return _first_season(shown, form, season_length)
    ops = shown.ops
    number = shown.number
    first = shown.from_start(shown.zeros())
    trend = shown.zeros()
    if form.has_trend:
        steps = ops.binary("minimum", shown.lengths, number(4.0)) - number(1.0)
        change = shown.from_start(steps) - first
        trend = change / ops.binary("maximum", steps, number(1.0))
    return StateNodes(first - trend, trend)


def _first_season(shown: SeriesRows, form: Form, season_length: int) -> StateNodes:
    """Return `first_states` from the first two or three seasons."""
    ops = shown.ops
    number = shown.number
    places = ops.constant(np.arange(3 * season_length, dtype=np.float64)[None])
    rows = shown.from_start(places + shown.zeros())
    cycles = ops.reshape(rows, (-1, 3, season_length))
    means = ops.squeeze(ops.reduce("mean", cycles, 2), 2)  # (S, 3)
    has_third = shown.at_least(3 * season_length)
    count = ops.where(has_third, number(3.0), number(2.0)) + shown.zeros()
    first, second, third = (ops.slice(means, 1, place, place + 1) for place in range(3))
    latest = ops.where(has_third, third, second)
    trend = (latest - first) / ((count - number(1.0)) * number(float(season_length)))
    level = first - trend * number((season_length + 1) / 2)

    centred = np.arange(season_length) - (season_length - 1) / 2
    line = ops.expand(trend, 2) * ops.constant(centred.reshape(1, 1, -1))  # (S, 1, m)
    flat = cycles - ops.expand(means, 2) - line
    parts = [ops.squeeze(ops.slice(flat, 1, place, place + 1), 1) for place in range(3)]
    total = parts[0] + parts[1]
    season = ops.where(has_third, total + parts[2], total) / count
    if not form.has_trend:
        trend = shown.zeros()
    return StateNodes(level, trend, season)
