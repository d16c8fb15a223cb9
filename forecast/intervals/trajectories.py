"""Whole error trajectories of past windows, from which joint sample paths are drawn.

The errors of a window belong together: a forecast that is too low after an hour is mostly too low
after two. So a path takes the errors of one past window as a whole, and of all series at the same
cutoff. Only their order counts at each step: the path with the k-th largest error gets the k-th
largest value of the calibrated distribution of that step (Schaake shuffle: Clark et al., The
Schaake Shuffle, 2004; empirical copula coupling: Schefzik, Thorarinsdottir and Gneiting,
Uncertainty Quantification in Complex Simulation Models Using Ensemble Copula Coupling, 2013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, check_shape

MOST_WINDOWS = 2_000
"""Windows whose trajectories are stored, at most, of all series together."""

MOST_NUMBERS = 500_000
"""Errors that are stored, at most: windows times steps times targets."""

LEAST_OF_PHASE = 20
"""Cutoffs at the same place in the season from which only these are drawn: errors of windows that
begin in the morning differ from those in the evening, step by step."""

LEAST_CUTOFFS = 20
"""Cutoffs from which every series gets its own errors; of fewer it also gets those of others."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """The past window that each of P paths takes its errors from.

    Attributes:
        cutoffs: (P,) cutoff of each path.
        source: (P, N') series whose errors a series gets.
        order: (P,) order of paths with equal errors.
    """

    cutoffs: IntArray
    source: IntArray
    order: IntArray


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Errors and forecasts of N series from C cutoffs.

    Attributes:
        errors: (C, N, H, D) actual values less forecasts, in units of their series, on the scale of
            the calibration; NaN where a series has no window at a cutoff.
        forecasts: (C, N, H, D) in the unit of the data.
        positions: (C,) ascending positions of the cutoffs on the time grid.
        season_length: m, in steps.
    """

    errors: FloatArray
    forecasts: FloatArray
    positions: IntArray
    season_length: int

    def __post_init__(self) -> None:
        """Check that all arrays are of the same cutoffs, series, steps and targets."""
        sizes = dict(zip("CNHD", self.errors.shape, strict=True))
        check_shape("forecasts", self.forecasts, "CNHD", **sizes)
        check_shape("positions", self.positions, "C", C=sizes["C"])

    @property
    def num_windows(self) -> int:
        """Windows that are stored."""
        return int(self.has_window.sum())

    @property
    def has_window(self) -> NDArray[np.bool_]:
        """(C, N) whether a series has a window at a cutoff."""
        return np.isfinite(self.errors[:, :, 0, 0])

    def until(self, position: int) -> Trajectories:
        """Return those whose last step is not after a position."""
        is_over = self.positions + self.errors.shape[2] <= position
        return replace(
            self,
            errors=self.errors[is_over],
            forecasts=self.forecasts[is_over],
            positions=self.positions[is_over],
        )

    def of_phase(self, position: int) -> IntArray:
        """Return the cutoffs at the place in the season of a position; all where these are few."""
        is_same = (self.positions - position) % self.season_length == 0
        if is_same.sum() >= LEAST_OF_PHASE:
            return np.flatnonzero(is_same)
        return np.arange(len(self.positions))

    def draw(
        self, cutoffs: IntArray, series: IntArray, num_paths: int, draw: np.random.Generator
    ) -> Drawn:
        """Draw a trajectory for every path, of all series at the same cutoff.

        Cutoffs are drawn equally often. A series without a window at the cutoff that was drawn, and
        with few cutoffs any series, gets the errors of another one there.

        Args:
            cutoffs: (K,) which to draw from.
            series: (N',) which series, -1 for one that is not stored.
            num_paths: P.
            draw: source of the random choices.
        """
        rounds = -(-num_paths // len(cutoffs))
        drawn = np.concatenate([draw.permutation(cutoffs) for _ in range(rounds)])[:num_paths]
        num_series = self.errors.shape[1]
        shifts = np.zeros(num_paths, np.int64)
        if len(cutoffs) < LEAST_CUTOFFS:
            shifts = draw.integers(0, num_series, num_paths)
        others = draw.integers(0, num_series, (num_paths, len(series)))
        source = (np.where(series < 0, others, series) + shifts[:, None]) % num_series

        has_window = self.has_window[drawn]  # (P, N)
        present = np.argsort(~has_window, axis=1, kind="stable")
        counts = has_window.sum(axis=1, keepdims=True)
        stand_in = np.take_along_axis(present, others % np.maximum(counts, 1), axis=1)
        has_own = np.take_along_axis(has_window, source, axis=1)
        order = draw.permutation(num_paths)
        return Drawn(drawn, np.where(has_own, source, stand_in), order)

    def places(self, drawn: Drawn, some: slice | IntArray) -> FloatArray:
        """Return the places of drawn errors among those of all paths at their step, in (0, 1).

        Args:
            drawn: the trajectory of each path.
            some: which of its series.

        Returns:
            (P, N'', H, D).
        """
        errors = self.errors[drawn.cutoffs[:, None], drawn.source[:, some]]
        num_paths = len(errors)
        # A stable sort of paths in random order: a trajectory that was drawn twice is in the same
        # order at every step.
        order = drawn.order
        ranks = np.empty(errors.shape, np.int64)
        sorted_places = np.argsort(errors[order], axis=0, kind="stable")
        ranks[order] = np.argsort(sorted_places, axis=0, kind="stable")
        return (ranks + 0.5) / num_paths

    def to_state(self) -> dict[str, FloatArray]:
        """Return arrays from which `from_state` rebuilds the trajectories."""
        return {
            "errors": np.nan_to_num(self.errors).astype(np.float32),
            "forecasts": np.nan_to_num(self.forecasts).astype(np.float32),
            "known": self.has_window,
            "positions": self.positions,
            "season_length": np.array([self.season_length]),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> Trajectories:
        """Read back what `to_state` wrote."""
        known = np.asarray(state["known"], bool)[:, :, None, None]
        return cls(
            errors=np.where(known, np.asarray(state["errors"], np.float64), np.nan),
            forecasts=np.where(known, np.asarray(state["forecasts"], np.float64), np.nan),
            positions=np.asarray(state["positions"], np.int64),
            season_length=int(state["season_length"][0]),
        )


def chosen_cutoffs(
    positions: IntArray, num_series: int, numbers_per_window: int, season_length: int
) -> IntArray:
    """Return the cutoffs whose trajectories are stored: the latest, or some of equal distance.

    The distance has no divisor in common with the season, so that all its places occur.

    Args:
        positions: ascending cutoffs that there are.
        num_series: N.
        numbers_per_window: steps times targets.
        season_length: m.
    """
    most_windows = min(MOST_WINDOWS, MOST_NUMBERS // numbers_per_window)
    most = max(most_windows // num_series, 1)
    distance = max(len(positions) // most, 1)
    while gcd(distance, season_length) > 1:
        distance -= 1
    return positions[::-1][: most * distance : distance][::-1]


def whole(errors: FloatArray) -> FloatArray:
    """Return (B, H, D) errors in which a missing one is that of the nearest step before, or after.

    A window without any stays NaN.
    """
    filled = errors.copy()
    for step in range(1, errors.shape[1]):
        missing = np.isnan(filled[:, step])
        filled[:, step][missing] = filled[:, step - 1][missing]
    for step in range(errors.shape[1] - 2, -1, -1):
        missing = np.isnan(filled[:, step])
        filled[:, step][missing] = filled[:, step + 1][missing]
    return filled
