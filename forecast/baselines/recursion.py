"""The recursion of exponential smoothing for many series and sets of parameters at once.

`tests/baselines` compares it with that of statsmodels.

Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from forecast.axes import FloatArray

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

    Level, trend and squares are (S, G), the season is (S, G, m).
    """

    level: FloatArray
    trend: FloatArray
    season: FloatArray
    squares: FloatArray


def smooth(values: FloatArray, parameters: FloatArray, form: Form, season_length: int) -> States:
    """Run the recursion of exponential smoothing with additive errors along the rows.

    With e = y - l - phi b - s: l' = l + phi b + alpha e, b' = phi b + beta e, s' = s + gamma e.

    The first states are read off the first rows. On tables without a season, where the first trend
    counts for long, those with the least sum of squares are taken.

    Args:
        values: (S, T) complete.
        parameters: (S or 1, G, 4) alpha, beta, gamma and damping phi.
        form: whether there is a trend and a season.
        season_length: m; T is at least 2 m where there is a season.
    """
    run = _Run.start(*_first_states(values, form, season_length), parameters)
    if season_length == 1 and values.shape[1] >= LEAST_FITTED_ROWS:
        return _from_best_start(run, values, form)
    squares = np.zeros(run.level.shape)
    for row, now in enumerate(values.T):
        error = run.follow(now, row)
        squares += error * error
    return States(run.level, run.trend, run.season, squares)


@dataclass(eq=False)
class _Run:
    """The recursion on its way along the rows: level and trend (S, G), season (S, G, m)."""

    level: FloatArray
    trend: FloatArray
    season: FloatArray
    parameters: FloatArray

    @classmethod
    def start(
        cls, level: FloatArray, trend: FloatArray, season: FloatArray, parameters: FloatArray
    ) -> _Run:
        """Begin with the first states (S,), (S,) and (S, m) of series, the same for all G sets."""
        num_sets = parameters.shape[1]
        return cls(
            np.repeat(level[:, None], num_sets, axis=1),
            np.repeat(trend[:, None], num_sets, axis=1),
            np.repeat(season[:, None], num_sets, axis=1),
            parameters,
        )

    @cached_property
    def _by_name(self) -> tuple[FloatArray, ...]:
        """Alpha, beta, gamma and damping: taking them apart at each row took half of the time."""
        return tuple(np.moveaxis(self.parameters, -1, 0))

    def follow(self, now: FloatArray, row: int) -> FloatArray:
        """Go on by the values (S,) of a row, and return their errors (S, G)."""
        alpha, beta, gamma, damping = self._by_name
        cycle = self.season.shape[2]
        step = damping * self.trend
        error: FloatArray = now[:, None] - self.level - step - self.season[:, :, row % cycle]
        self.level = self.level + step + alpha * error
        self.trend = step + beta * error
        if cycle > 1:
            self.season[:, :, row % cycle] += gamma * error
        return error


def _from_best_start(run: _Run, values: FloatArray, form: Form) -> States:
    """Smooth from the first level and trend with the least squared error, without a season.

    The errors are linear in the first states: the same recursion along rows of 0, from a level of 1
    and from a trend of 1, says how much each error moves with them. Arguments as in `smooth`.
    """
    zero = np.zeros(len(run.parameters))
    one = np.ones(len(run.parameters))
    by_level = _Run.start(one, zero, zero[:, None], run.parameters)
    by_trend = _Run.start(zero, one * form.has_trend, zero[:, None], run.parameters)
    squares = np.zeros(run.level.shape)
    gram = np.zeros((2, 2, *by_level.level.shape))
    cross = np.zeros((2, *run.level.shape))
    for row, now in enumerate(values.T):
        error = run.follow(now, row)
        moved = np.stack([by_level.follow(zero, row), by_trend.follow(zero, row)])
        squares += error * error
        cross += moved * error
        gram += moved[:, None] * moved
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
    values: FloatArray, form: Form, season_length: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return level (S,), trend (S,) and season (S, m) before the first row, from the first rows."""
    num_series, num_rows = values.shape
    if not form.has_season:
        count = min(num_rows, 4)
        trend = np.zeros(num_series)
        if form.has_trend and count > 1:
            trend = (values[:, count - 1] - values[:, 0]) / (count - 1)
        return values[:, 0] - trend, trend, np.zeros((num_series, 1))

    count = min(num_rows // season_length, 3)
    cycles = values[:, : count * season_length].reshape(num_series, count, season_length)
    means = cycles.mean(axis=2)
    trend = (means[:, -1] - means[:, 0]) / ((count - 1) * season_length)
    centred = np.arange(season_length) - (season_length - 1) / 2
    flat = cycles - means[:, :, None] - trend[:, None, None] * centred
    level = means[:, 0] - trend * (season_length + 1) / 2
    if not form.has_trend:
        trend = np.zeros(num_series)
    return level, trend, flat.mean(axis=1)


def go_on(states: States, damping: FloatArray, num_rows: int, horizon: int) -> FloatArray:
    """Return (S, H) forecasts from states with one set of parameters for each series."""
    steps = np.arange(1, horizon + 1)
    growth = np.cumsum(damping[:, None] ** steps, axis=1)
    cycle = states.season.shape[2]
    season = states.season[:, 0, (num_rows + steps - 1) % cycle]
    return states.level + growth * states.trend + season
