"""Lengths that baselines read, and histories without holes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray

SMOOTHED_ROWS = 400
"""Last rows of a history that are smoothed, or five seasons where these are more."""

LONGEST_SMOOTHED_SEASON = 400
"""Steps of a season that is smoothed, at most: a day of 5 minutes has 288. The work grows with its
rows, at every cutoff: 2,000 windows of a season of 3,000 steps take four minutes. Longer seasons
are left to medians, lags and regressions."""

MEDIAN_WEEKS = 8
"""Weeks whose steps have a median."""

MEDIAN_SEASONS = 4
"""Seasons whose steps have a median where a season is longer than a week."""

MEDIAN_ROWS = 6_000
"""Rows that a median reaches back, at most."""


@dataclass(frozen=True)
class Steps:
    """Lengths that a baseline reads, in steps.

    Attributes:
        horizon: H.
        context_length: L, rows that the evaluated model sees.
        season_length: m.
        week_length: steps in a week; None where steps are longer than a day.
    """

    horizon: int
    context_length: int = 1
    season_length: int = 1
    week_length: int | None = None

    @property
    def median_periods(self) -> tuple[int, int]:
        """Steps of the season whose median is taken, and how many of them, at most."""
        week = self.week_length
        if week is not None and week <= MEDIAN_ROWS:
            return week, min(MEDIAN_WEEKS, MEDIAN_ROWS // week)
        return self.season_length, max(1, min(MEDIAN_SEASONS, MEDIAN_ROWS // self.season_length))

    @property
    def history_length(self) -> int:
        """M, rows before a cutoff that some baseline reads."""
        period, count = self.median_periods
        return max(
            self.context_length,
            self.season_length,
            period * count,
            smoothed_rows(self.season_length),
        )


def smoothed_rows(season_length: int) -> int:
    """Return the last rows of a history that exponential smoothing and Theta read."""
    return max(SMOOTHED_ROWS, 5 * smoothed_season(season_length))


def smoothed_season(season_length: int) -> int:
    """Return the season of exponential smoothing, Holt and Theta: 1 for one too long for them."""
    return season_length if season_length <= LONGEST_SMOOTHED_SEASON else 1


def forward_filled(history: FloatArray) -> FloatArray:
    """Fill missing values along axis 1 with the one before; NaN before the first value stay."""
    known = np.isfinite(history)
    if not (known[:, :-1] & ~known[:, 1:]).any():  # no value is missing after another one
        return history
    steps = np.arange(history.shape[1])[:, None]
    latest = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    return np.take_along_axis(history, latest, axis=1)


def last_rows(history: FloatArray, num_rows: int) -> FloatArray:
    """Return (B D, M) histories, each target a row, filled forward and cut to the last M rows."""
    read = forward_filled(np.asarray(history[:, -num_rows:], np.float64))
    return read.swapaxes(1, 2).reshape(-1, read.shape[1])


def lengths_of(values: FloatArray) -> IntArray:
    """Return (S,) the number of values of series (S, T), which are NaN before the first."""
    lengths: IntArray = np.isfinite(values).sum(axis=1)
    return lengths


def of_equal_length(rows: FloatArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield numbers and values (S, T) of the histories of each length; those without one are left.

    Args:
        rows: (B, M), NaN before the first value.
    """
    lengths = lengths_of(rows)
    if len(lengths) and lengths[0] > 0 and (lengths == lengths[0]).all():
        yield np.arange(len(lengths)), np.ascontiguousarray(rows[:, -lengths[0] :])
        return
    for length in np.unique(lengths[lengths > 0]):
        members = np.flatnonzero(lengths == length)
        yield members, rows[members, -length:]


def sums_of(values: FloatArray, width: int) -> FloatArray:
    """Return (S, T - width + 1) sums of neighbouring values of series (S, T).

    Args:
        values: (S, T), T at least `width`.
        width: values of a sum.
    """
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums[:, width:] - sums[:, :-width]
