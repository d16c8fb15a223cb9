"""Intervals of totals at past cutoffs against what came, and the factors that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.per_series.ended import Reach
from forecast.forecasting.fitted import Fitted
from forecast.intervals.adaptive import factors_after
from forecast.intervals.conformal import Calibration, mapped, unmapped
from forecast.intervals.levels import needed_windows, supported_levels, tails
from forecast.intervals.margins import GRID, at_places
from forecast.intervals.trajectories import Drawn, Trajectories

PAST_PATHS = 200
"""Paths that are drawn at a past cutoff."""


@dataclass(frozen=True, eq=False)
class PastTotals:
    """Paths and actual values of the past cutoffs, on the scale of the errors.

    Attributes:
        trajectories: the C cutoffs.
        calibration: gives the widths of single steps.
        unit: (N', D) of each series of the forecast.
        series: (N',) number of each among the trajectories, -1 for a new one.
        skipped: (N',) steps that are not shown of each.
        drawn: what the paths of each cutoff are drawn from, by the first cutoff of its phase.
        levels: Q of `spread`.
        spread: (H, D, Q) quantiles of the error of a step.
    """

    trajectories: Trajectories
    calibration: Calibration
    unit: FloatArray
    series: IntArray
    skipped: IntArray
    drawn: dict[tuple[int, ...], Drawn]
    levels: tuple[float, ...]
    spread: FloatArray

    @classmethod
    def at_cutoffs(
        cls,
        fitted: Fitted,
        trajectories: Trajectories,
        unit: FloatArray,
        reach: Reach,
        seed: int,
    ) -> PastTotals:
        """Draw paths at every cutoff.

        Args:
            fitted: the trained state.
            trajectories: of its past windows.
            unit: (N', D) of each series to forecast.
            reach: the series to forecast.
            seed: of the paths.
        """
        calibration = fitted.recent
        assert calibration is not None  # there are trajectories
        draw = np.random.default_rng(seed)
        series = fitted.series.index_of(reach.panel.series_ids)
        drawn = {}
        for position in trajectories.positions.tolist():
            cutoffs = trajectories.of_phase(position)
            key = tuple(cutoffs.tolist())
            if key not in drawn:
                drawn[key] = trajectories.draw(cutoffs, series, PAST_PATHS, draw)
        levels, spread = _spread(calibration)
        return cls(trajectories, calibration, unit, series, reach.skipped, drawn, levels, spread)

    def factors(
        self, series: IntArray, target: int, places: NDArray[np.bool_], level: float
    ) -> tuple[float, float]:
        """Return the factors of the widths of a sum and of a highest value.

        They are 1 where too few cutoffs are known for the level.

        Args:
            series: (K,) the series that are added up.
            target: number of the target.
            places: (K, H) the steps that are.
            level: in %.
        """
        own = self.series[series]
        stored = self.trajectories
        if (own < 0).any():
            return 1.0, 1.0
        is_whole: NDArray[np.bool_] = np.all(stored.has_window[:, own], axis=1)
        if is_whole.sum() < needed_windows(level):
            return 1.0, 1.0
        steps = self.skipped[series][:, None] + np.arange(places.shape[1])
        ratios = np.full((len(stored.positions), 2), np.nan)
        for key, drawn in self.drawn.items():
            # a few cutoffs have all of the others for their phase
            members = [c for c in key if tuple(stored.of_phase(stored.positions[c])) == key]
            deviations = self._deviations(drawn, series, target)
            for cutoff in members:
                if is_whole[cutoff]:
                    ratios[cutoff] = self._ratios(
                        cutoff, series, target, (steps, places), deviations, level
                    )
        return self._after(ratios, int(steps[places].max()), level)

    def _after(self, ratios: FloatArray, last: int, level: float) -> tuple[float, float]:
        """Return the factors once all steps up to `last` of all cutoffs are over."""
        horizon = self.trajectories.errors.shape[2]
        by_step = np.full((len(ratios), horizon, 2), np.nan)
        by_step[:, last] = ratios
        factors = factors_after(by_step, self.trajectories.positions, level / 100.0)
        return float(factors[last, 0]), float(factors[last, 1])

    def _deviations(self, drawn: Drawn, series: IntArray, target: int) -> FloatArray:
        """Return (P, K, H) errors of paths in the unit of each series."""
        places = self.trajectories.places(drawn, series)[..., target]
        spread = np.broadcast_to(self.spread[:, target], (*places.shape[1:], self.spread.shape[-1]))
        return at_places(self.levels, spread, places) * self.unit[series, target][:, None]

    def _ratios(
        self,
        cutoff: int,
        series: IntArray,
        target: int,
        where: tuple[IntArray, NDArray[np.bool_]],
        deviations: FloatArray,
        level: float,
    ) -> FloatArray:
        """Return (2,) errors of sum and highest value in half widths of their intervals."""
        stored = self.trajectories
        own = self.series[series]
        logarithms = self.calibration.logarithms
        forecast = mapped(stored.forecasts[cutoff, own, :, target], logarithms)  # (K, H)
        unit = self.unit[series, target][:, None]
        errors = stored.errors[cutoff, own, :, target] * unit
        lowest = self.calibration.lowest[target]
        paths = np.maximum(unmapped(forecast + deviations, logarithms), lowest)
        actual = unmapped(forecast + errors, logarithms)
        steps, places = where
        rows = np.arange(len(series))[:, None]
        shown = np.where(places, paths[:, rows, steps], np.nan)  # (P, K, H)
        came = np.where(places, actual[rows, steps], np.nan)
        ratios = []
        for samples, value in (
            (np.nansum(shown, axis=(1, 2)), np.nansum(came)),
            (_highest(shown), _highest(came[None])[0]),
        ):
            low_level, high_level = tails(level)
            low, middle, high = np.quantile(samples, [low_level, 0.5, high_level])
            width = high - middle if value > middle else middle - low
            ratio = 0.0
            if value != middle:
                ratio = abs(value - middle) / width if width > 0 else np.inf
            ratios.append(ratio)
        return np.array(ratios)


def _highest(shown: FloatArray) -> FloatArray:
    """Return (P,) highest of the (P, K, H) values, series added up; NaN are not shown."""
    together = np.nansum(shown, axis=1)
    is_any = np.isfinite(shown).any(axis=1)
    return np.where(is_any, together, -np.inf).max(axis=1)


def _spread(calibration: Calibration) -> tuple[tuple[float, ...], FloatArray]:
    """Return quantile levels and (H, D, Q) quantiles of the error of a step, in its unit."""
    levels = supported_levels(GRID, calibration.num_windows)
    calibration.adapt_together(levels)
    reaches = [calibration.adapted_reach(level) for level in levels]
    half = np.maximum.accumulate(np.stack(reaches, axis=-1), axis=-1)  # wider, or as wide
    middle = np.zeros((*half.shape[:-1], 1))
    spread = np.concatenate([-half[..., ::-1], middle, half], axis=-1)
    quantile_levels = sorted({0.5, *(end for level in levels for end in tails(level))})
    return tuple(quantile_levels), spread
