"""The recursion of exponential smoothing for many series and sets of parameters at once.

`tests/baselines` compares it with that of statsmodels.

Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from forecast.axes import FloatArray, IntArray
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
    lengths = lengths_of(values)
    order = np.argsort(-lengths, kind="stable")  # those that start first are first
    lengths = lengths[order]
    num_fitted = 0  # series whose first states are fitted
    if season_length == 1:
        num_fitted = int((lengths >= LEAST_FITTED_ROWS).sum())
    groups = []
    for part, is_fitted in ((order[:num_fitted], True), (order[num_fitted:], False)):
        if not len(part):
            continue
        own = parameters if len(parameters) == 1 else parameters[part]
        starts = values.shape[1] - lengths_of(values[part])
        first = _first_states(values[part], starts, form, season_length)
        run = _Run.start(*first, own, starts)
        if is_fitted:
            groups.append(_from_best_start(run, values[part], form))
        else:
            groups.append(_from_rows(run, values[part]))
    return States.joined(groups).take(np.argsort(order, kind="stable"))


class Smoothed(NamedTuple):
    """Series that one form smooths, each with parameters of its own.

    Attributes:
        values: (S, T) the latest last, NaN before the first value.
        parameters: (S, 1, 4).
        form: whether there is a trend and a season.
    """

    values: FloatArray
    parameters: FloatArray
    form: Form


def smooth_together(parts: Sequence[Smoothed], season_length: int) -> list[States]:
    """Return the states of `smooth` for each part, from one pass along the rows.

    The steps of a single series take as long as those of many; eight forms would take eight times
    as long one after the other.
    """
    if season_length == 1 or not parts:
        return [smooth(*part, season_length) for part in parts]
    firsts = []
    for part in parts:
        starts = part.values.shape[1] - lengths_of(part.values)
        level, trend, season = _first_states(part.values, starts, part.form, season_length)
        if not part.form.has_season:
            season = np.zeros((len(level), season_length))  # and stays 0 with a gamma of 0
        firsts.append((level, trend, season, part.parameters, starts))
    level, trend, season, parameters, starts = (
        np.concatenate(arrays) for arrays in zip(*firsts, strict=True)
    )
    order = np.argsort(starts, kind="stable")
    run = _Run.start(level[order], trend[order], season[order], parameters[order], starts[order])
    values = np.concatenate([part.values for part in parts])
    states = _from_rows(run, values[order]).take(np.argsort(order, kind="stable"))
    ends = np.cumsum([len(part.values) for part in parts])
    return [
        states.take(np.arange(end - len(part.values), end))
        for part, end in zip(parts, ends, strict=True)
    ]


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
        in_place = np.take_along_axis(season, places, axis=1)
        return cls(
            np.repeat(level[:, None], num_sets, axis=1),
            np.repeat(trend[:, None], num_sets, axis=1),
            np.repeat(in_place.T[:, :, None], num_sets, axis=2),
            tuple(np.ascontiguousarray(column) for column in np.moveaxis(parameters, -1, 0)),
            starts,
        )

    def follow(self, now: FloatArray, row: int) -> FloatArray:
        """Go on by the values (S,) of a row, and return the errors (S', G) of the S' begun."""
        begun = int(np.searchsorted(self.starts, row, side="right"))
        alpha, beta, gamma, damping = (column[:begun] for column in self.parameters)
        level = self.level[:begun]
        trend = self.trend[:begun]
        trend *= damping
        level += trend
        error: FloatArray = now[:begun, None] - level
        if len(self.season) > 1:
            season = self.season[row % len(self.season), :begun]
            error -= season
            season += gamma * error
        level += alpha * error
        trend += beta * error
        return error


def _from_rows(run: _Run, values: FloatArray) -> States:
    """Smooth from first states that were read off the first rows; arguments as below."""
    squares = np.zeros(run.level.shape)
    for row in range(run.starts[0], values.shape[1]):
        error = run.follow(values[:, row], row)
        squares[: len(error)] += error * error
    return States(run.level, run.trend, run.season, squares)


def _from_best_start(run: _Run, values: FloatArray, form: Form) -> States:
    """Smooth from the first level and trend with the least squared error, without a season.

    The errors are linear in the first states: the same recursion along rows of 0, from a level of 1
    and from a trend of 1, says how much each error moves with them. Arguments as in `smooth`, with
    the series in the order of their first rows.
    """
    starts = run.starts
    if starts[-1] == starts[0] and len(run.parameters[0]) == 1:
        starts = starts[:1]  # one run serves all
    zero = np.zeros(len(starts))
    one = np.ones(len(starts))
    parameters = np.stack(run.parameters, axis=-1)
    by_level = _Run.start(one, zero, zero[:, None], parameters, starts)
    by_trend = _Run.start(zero, one * form.has_trend, zero[:, None], parameters, starts)
    squares = np.zeros(run.level.shape)
    gram = np.zeros((2, 2, *by_level.level.shape))
    cross = np.zeros((2, *run.level.shape))
    for row in range(starts[0], values.shape[1]):
        error = run.follow(values[:, row], row)
        moved = np.stack([by_level.follow(zero, row), by_trend.follow(zero, row)])
        begun = len(error)
        squares[:begun] += error * error
        cross[:, :begun] += moved * error
        gram[:, :, : moved.shape[1]] += moved[:, None] * moved
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


def _first_states(
    values: FloatArray, starts: IntArray, form: Form, season_length: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return level (S,), trend (S,) and season (S, m) before the first row, from the first rows."""
    num_series, num_rows = values.shape
    series = np.arange(num_series)
    lengths = num_rows - starts
    if not form.has_season:
        first = values[series, starts]
        trend = np.zeros(num_series)
        if form.has_trend:
            steps = np.minimum(lengths, 4) - 1
            trend = (values[series, starts + steps] - first) / np.maximum(steps, 1)
        return first - trend, trend, np.zeros((num_series, 1))

    count = np.minimum(lengths // season_length, 3)
    rows = starts[:, None] + np.arange(3 * season_length)
    cycles = values[series[:, None], np.minimum(rows, num_rows - 1)]
    cycles = cycles.reshape(num_series, 3, season_length)
    means = cycles.mean(axis=2)
    trend = (means[series, count - 1] - means[:, 0]) / ((count - 1) * season_length)
    centred = np.arange(season_length) - (season_length - 1) / 2
    flat = cycles - means[:, :, None] - trend[:, None, None] * centred
    is_read = np.arange(3) < count[:, None]
    level = means[:, 0] - trend * (season_length + 1) / 2
    if not form.has_trend:
        trend = np.zeros(num_series)
    return level, trend, (flat * is_read[:, :, None]).sum(axis=1) / count[:, None]


def go_on(states: States, damping: FloatArray, num_rows: int, horizon: int) -> FloatArray:
    """Return (S, H) forecasts from states with one set of parameters for each series."""
    steps = np.arange(1, horizon + 1)
    growth = np.cumsum(damping[:, None] ** steps, axis=1)
    season = states.season[(num_rows + steps - 1) % len(states.season), :, 0].T
    return states.level + growth * states.trend + season
