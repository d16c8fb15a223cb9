"""The recursion of exponential smoothing for many series and sets of parameters at once.

`tests/baselines` compares it with that of statsmodels.

Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.compiled_recursions import Cells, Moves, compiled_recursions
from forecast.baselines.lengths import lengths_of

ALPHAS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95)
"""Grid of the share of an error by which the level moves."""

BETAS = (0.0, 0.05, 0.2, 0.5)
"""Grid of the share of the level's move by which the trend moves."""

GAMMAS = (0.0, 0.05, 0.15, 0.4)
"""Grid of the share of the rest of an error by which the season moves."""

DAMPINGS = (0.8, 0.9, 0.97, 1.0)
"""Grid of the factor by which a trend shrinks with each step."""

LEAST_FITTED_ROWS = 8
"""Rows from which first states are fitted; fewer would be followed exactly."""


class Form(NamedTuple):
    """A kind of exponential smoothing: additive errors, on the values or on their logarithms."""

    is_logarithm: bool
    has_trend: bool
    has_season: bool

    @property
    def grid(self) -> FloatArray:
        """(G, 4) alpha, beta, gamma and damping; the last is 0 without a trend."""
        betas = BETAS if self.has_trend else (0.0,)
        gammas = GAMMAS if self.has_season else (0.0,)
        dampings = DAMPINGS if self.has_trend else (0.0,)
        rows = [
            (alpha, alpha * beta, (1.0 - alpha) * gamma, damping)
            for alpha, beta, gamma, damping in product(ALPHAS, betas, gammas, dampings)
        ]
        return np.array(rows)

    def num_parameters(self, season_length: int) -> int:
        """Number of estimated values, first states included."""
        trend = 2 * self.has_trend
        season = self.has_season * (1 + season_length)
        return 2 + trend + season


FORMS = tuple(Form(*flags) for flags in product((False, True), repeat=3))
"""All forms; AICc of each decides its weight in the forecast of a series."""


class States(NamedTuple):
    """States after the last row, and the sum of squared errors one step ahead.

    Level, trend and squares are (S, G), the season is (m, S, G).
    """

    level: FloatArray
    trend: FloatArray
    season: FloatArray
    squares: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[States]) -> States:
        """Return the series of all parts, one part after the other."""
        return cls(
            np.concatenate([part.level for part in parts]),
            np.concatenate([part.trend for part in parts]),
            np.concatenate([part.season for part in parts], axis=1),
            np.concatenate([part.squares for part in parts]),
        )

    def take(self, order: IntArray) -> States:
        """Return the series in another order."""
        return States(
            self.level[order], self.trend[order], self.season[:, order], self.squares[order]
        )


def smooth(values: FloatArray, parameters: FloatArray, form: Form, season_length: int) -> States:
    """Run the recursion of exponential smoothing with additive errors along the rows.

    With e = y - l - phi b - s: l' = l + phi b + alpha e, b' = phi b + beta e, s' = s + gamma e.

    The first states are read off the first rows. On tables without a season, where the first trend
    counts for long, those with the least sum of squares are taken.

    Args:
        values: (S, T) the latest last, NaN before the first value of a series.
        parameters: (S or 1, G, 4) alpha, beta, gamma and damping phi.
        form: whether there is a trend and a season.
        season_length: m; each series has at least 2 m values where there is a season.
    """
    kinds = np.full(len(values), form.has_trend), np.full(len(values), form.has_season)
    return smooth_together(Smoothed(values, parameters, *kinds), season_length)


class Smoothed(NamedTuple):
    """Series that are smoothed together, each by a form of its own.

    Attributes:
        values: (S, T) the latest last, NaN before the first value.
        parameters: (S or 1, G, 4); of all series only where they have one form.
        has_trend: (S,).
        has_season: (S,).
    """

    values: FloatArray
    parameters: FloatArray
    has_trend: NDArray[np.bool_]
    has_season: NDArray[np.bool_]

    def take(self, order: IntArray) -> Smoothed:
        """Return some of the series."""
        parameters = self.parameters
        if len(parameters) > 1:
            parameters = parameters[order]
        return Smoothed(
            self.values[order], parameters, self.has_trend[order], self.has_season[order]
        )


def smooth_together(given: Smoothed, season_length: int) -> States:
    """Return the states of `smooth` for series of several forms, from one pass along the rows.

    The steps of a single series take as long as those of many; eight forms would take eight times
    as long one after the other.

    Args:
        given: the series.
        season_length: m.
    """
    starts = given.values.shape[1] - lengths_of(given.values)
    if (starts == starts[:1]).all():
        return _smooth_in_order(given, starts, season_length)
    order = np.argsort(starts, kind="stable")  # those that start first are first
    states = _smooth_in_order(given.take(order), starts[order], season_length)
    return states.take(np.argsort(order, kind="stable"))


def _smooth_in_order(given: Smoothed, starts: IntArray, season_length: int) -> States:
    """Smooth series in the order of their first rows."""
    num_fitted = 0  # series whose first states are fitted
    if season_length == 1:
        lengths = given.values.shape[1] - starts
        num_fitted = int((lengths >= LEAST_FITTED_ROWS).sum())
    groups = []
    for part, is_fitted in ((slice(num_fitted), True), (slice(num_fitted, None), False)):
        begin = starts[part]
        if not len(begin):
            continue
        own = given
        if len(begin) < len(starts):
            own = given.take(np.arange(len(starts))[part])
        run = _Run.start(*_first_states(own, begin, season_length), own.parameters, begin)
        if is_fitted:
            groups.append(_from_best_start(run, own))
        else:
            groups.append(_from_rows(run, own.values))
    return groups[0] if len(groups) == 1 else States.joined(groups)


@dataclass(eq=False)
class _Run:
    """The recursion on its way along the rows: level and trend (S, G), season (m, S, G).

    Place `row % m` of the season is that of a row, whatever the row a series starts at.
    """

    level: FloatArray
    trend: FloatArray
    season: FloatArray
    parameters: tuple[FloatArray, ...]
    starts: IntArray

    @classmethod
    def start(
        cls,
        level: FloatArray,
        trend: FloatArray,
        season: FloatArray,
        parameters: FloatArray,
        starts: IntArray,
    ) -> _Run:
        """Begin with the first states (S,), (S,) and (S, m) of series, the same for all G sets.

        Args:
            level: before the first row.
            trend: before the first row.
            season: of the first m rows of each series.
            parameters: (S or 1, G, 4).
            starts: (S,) first row of each series, ascending.
        """
        num_sets = parameters.shape[1]
        cycle = season.shape[1]
        places = (np.arange(cycle) - starts[:, None]) % cycle
        in_place = season[np.arange(len(season))[:, None], places]
        return cls(
            np.repeat(level[:, None], num_sets, axis=1),
            np.repeat(trend[:, None], num_sets, axis=1),
            np.repeat(in_place.T[:, :, None], num_sets, axis=2),
            tuple(np.ascontiguousarray(parameters[:, :, number]) for number in range(4)),
            starts,
        )

    def cells(self) -> Cells:
        """Return the arrays that go along the rows."""
        return Cells(self.parameters, self.level, self.trend, self.season, self.starts)

    def stretches(self, num_rows: int) -> Iterator[tuple[range, _Run]]:
        """Yield stretches of rows, and the run of the series that have begun by then.

        The arrays of such a run are views: whoever goes on with it goes on with this one.

        Args:
            num_rows: T.
        """
        firsts = np.unique(self.starts)
        for first, stop in zip(firsts, [*firsts[1:], num_rows], strict=True):
            begun = int(np.searchsorted(self.starts, first, side="right"))
            yield (
                range(first, stop),
                _Run(
                    self.level[:begun],
                    self.trend[:begun],
                    self.season[:, :begun],
                    tuple(column[:begun] for column in self.parameters),
                    self.starts[:begun],
                ),
            )

    def follow(self, now: FloatArray, row: int) -> FloatArray:
        """Go on by the values (S,) of a row, and return the errors (S, G)."""
        alpha, beta, gamma, damping = self.parameters
        self.trend *= damping
        self.level += self.trend
        error: FloatArray = now[:, None] - self.level
        if len(self.season) > 1:
            season = self.season[row % len(self.season)]
            error -= season
            season += gamma * error
        self.level += alpha * error
        self.trend += beta * error
        return error


def _from_rows(run: _Run, values: FloatArray) -> States:
    """Smooth from first states that were read off the first rows; arguments as below."""
    squares = np.zeros(run.level.shape)
    compiled = compiled_recursions()
    if compiled is not None:
        compiled.smooth_rows(np.ascontiguousarray(values), run.cells(), squares)
        return States(run.level, run.trend, run.season, squares)
    for rows, begun in run.stretches(values.shape[1]):
        num_series = len(begun.starts)
        of_begun = squares[:num_series]
        for row, now in zip(rows, values[:num_series, rows.start : rows.stop].T, strict=True):
            error = begun.follow(now, row)
            of_begun += np.multiply(error, error, out=error)
    return States(run.level, run.trend, run.season, squares)


def _from_best_start(run: _Run, given: Smoothed) -> States:
    """Smooth from the first level and trend with the least squared error, without a season.

    The errors are linear in the first states: the same recursion along rows of 0, from a level of 1
    and from a trend of 1, says how much each error moves with them.

    Args:
        run: from states that need not be the best.
        given: the series, in the order of their first rows.
    """
    values = np.ascontiguousarray(given.values)
    starts = run.starts
    trend = given.has_trend.astype(np.float64)
    if starts[-1] == starts[0] and len(run.parameters[0]) == 1:
        starts = starts[:1]  # one run serves all
        trend = trend[:1]
    zero = np.zeros(len(starts))
    one = np.ones(len(starts))
    parameters = np.stack(run.parameters, axis=-1)
    by_level = _Run.start(one, zero, zero[:, None], parameters, starts)
    by_trend = _Run.start(zero, trend, zero[:, None], parameters, starts)
    squares = np.zeros(run.level.shape)
    gram = np.zeros((2, 2, *by_level.level.shape))
    cross = np.zeros((2, *run.level.shape))
    moves = Moves(by_level.cells(), by_trend.cells(), cross, gram)
    compiled = compiled_recursions()
    if compiled is not None:
        compiled.smooth_rows_and_moves(values, run.cells(), squares, moves)
    else:
        _follow_moves((run, by_level, by_trend), values, squares, moves)
    # The second keeps the determinant above 0 where there is no trend.
    gram[0, 0] += 1e-9 * gram[0, 0]
    gram[1, 1] += 1e-9 * gram[1, 1] + 1e-12
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    level = (gram[0, 1] * cross[1] - gram[1, 1] * cross[0]) / determinant
    trend = (gram[0, 1] * cross[0] - gram[0, 0] * cross[1]) / determinant
    return States(
        run.level + level * by_level.level + trend * by_trend.level,
        run.trend + level * by_level.trend + trend * by_trend.trend,
        run.season,
        np.maximum(squares + level * cross[0] + trend * cross[1], 0.0),
    )


def _follow_moves(
    runs: tuple[_Run, _Run, _Run], values: FloatArray, squares: FloatArray, moves: Moves
) -> None:
    """Follow the rows (S, T) with three runs: from the first states, and as in `Moves`."""
    all_stretches = (run.stretches(values.shape[1]) for run in runs)
    for (rows, begun), (_, by_level), (_, by_trend) in zip(*all_stretches, strict=True):
        num_series = len(begun.starts)
        nothing = np.zeros(len(by_level.starts))
        for row in rows:
            error = begun.follow(values[:num_series, row], row)
            moved = np.stack([by_level.follow(nothing, row), by_trend.follow(nothing, row)])
            squares[:num_series] += error * error
            moves.cross[:, :num_series] += moved * error
            moves.gram[:, :, : moved.shape[1]] += moved[:, None] * moved


def _first_states(
    given: Smoothed, starts: IntArray, season_length: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return level (S,), trend (S,) and season (S, m) before the first row, from the first rows.

    The season of series without one is 0, and has one step where no series has one.
    """
    level, trend = _first_line(given, starts)
    if not given.has_season.any():
        return level, trend, np.zeros((len(level), 1))
    seasonal_level, seasonal_trend, season = _first_season(given, starts, season_length)
    level = np.where(given.has_season, seasonal_level, level)
    trend = np.where(given.has_season, seasonal_trend, trend)
    return level, trend, np.where(given.has_season[:, None], season, 0.0)


def _first_line(given: Smoothed, starts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return level and trend (S,) before the first row of series without a season."""
    series = np.arange(len(starts))
    first = given.values[series, starts]
    lengths = given.values.shape[1] - starts
    steps = np.minimum(lengths, 4) - 1
    trend = (given.values[series, starts + steps] - first) / np.maximum(steps, 1)
    trend = np.where(given.has_trend, trend, 0.0)
    return first - trend, trend


def _first_season(
    given: Smoothed, starts: IntArray, season_length: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return level (S,), trend (S,) and season (S, m) before the first row, from two seasons.

    A series of less than two has some number, which nothing reads.
    """
    num_series, num_rows = given.values.shape
    series = np.arange(num_series)
    count = np.minimum(np.maximum((num_rows - starts) // season_length, 2), 3)
    rows = starts[:, None] + np.arange(3 * season_length)
    cycles = given.values[series[:, None], np.minimum(rows, num_rows - 1)]
    cycles = cycles.reshape(num_series, 3, season_length)
    means = cycles.mean(axis=2)
    trend = (means[series, count - 1] - means[:, 0]) / ((count - 1) * season_length)
    centred = np.arange(season_length) - (season_length - 1) / 2
    flat = cycles - means[:, :, None] - trend[:, None, None] * centred
    is_read = np.arange(3) < count[:, None]
    level = means[:, 0] - trend * (season_length + 1) / 2
    trend = np.where(given.has_trend, trend, 0.0)
    return level, trend, (flat * is_read[:, :, None]).sum(axis=1) / count[:, None]


def go_on(states: States, damping: FloatArray, num_rows: int, horizon: int) -> FloatArray:
    """Return (S, H) forecasts from states with one set of parameters for each series."""
    steps = np.arange(1, horizon + 1)
    growth = np.cumsum(damping[:, None] ** steps, axis=1)
    season = states.season[(num_rows + steps - 1) % len(states.season), :, 0].T
    return states.level + growth * states.trend + season
