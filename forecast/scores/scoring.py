"""The table of scores applied to the arrays of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from forecast.axes import FloatArray
from forecast.scores.measure import Axis, Score
from forecast.scores.metrics import SCORES
from forecast.scores.quantile_metrics import central_pairs


@dataclass(frozen=True, eq=False)
class Scorable:
    """Forecasts of one model beside the actual values, with any leading axes.

    Attributes:
        actual: (W, H, D) in the unit of the data, NaN where nothing was measured.
        forecast: same shape.
        scale: same shape, the seasonal error of each value's series.
        levels: Q ascending quantile levels.
        quantiles: (W, H, D, Q), or None where the model writes points alone.
    """

    actual: FloatArray
    forecast: FloatArray
    scale: FloatArray
    levels: tuple[float, ...] = ()
    quantiles: FloatArray | None = None

    def rearranged(self, change: Callable[[FloatArray], FloatArray]) -> Scorable:
        """Return the same forecasts with other leading axes, such as some windows only."""
        quantiles = self.quantiles
        if quantiles is not None:
            quantiles = change(quantiles)
        return replace(
            self,
            actual=change(self.actual),
            forecast=change(self.forecast),
            scale=change(self.scale),
            quantiles=quantiles,
        )

    def scores(self, axis: Axis = None, only: str | None = None) -> dict[str, Any]:
        """Return every score of `SCORES` for which the arrays are there, by name.

        A score of intervals has one name per central interval, such as `coverage-80`.

        Args:
            axis: axes of `actual` to average over; default: all.
            only: optional; the one entry of `SCORES` that is wanted.
        """
        values = {}
        for name, score in SCORES.items():
            if only in (None, name):
                for full_name, arguments in self._arguments(name, score):
                    values[full_name] = score.function(self.actual, *arguments, axis=axis)
        return values

    def _arguments(self, name: str, score: Score) -> Iterator[tuple[str, list[Any]]]:
        """Yield names of an entry's numbers, each with the arguments of its function."""
        known: dict[str, Any] = {"forecast": self.forecast, "scale": self.scale}
        if score.is_of_points:
            yield name, [known[need] for need in score.needs]
        if self.quantiles is None or score.is_of_points:
            return
        known["quantiles"] = self.quantiles
        known["levels"] = self.levels
        if not score.is_of_intervals:
            yield name, [known[need] for need in score.needs]
            return
        for nominal, (lower, upper) in central_pairs(self.levels).items():
            known["lower"] = self.quantiles[..., lower]
            known["upper"] = self.quantiles[..., upper]
            known["nominal"] = nominal
            yield interval_name(name, 100.0 * nominal), [known[need] for need in score.needs]


def interval_name(name: str, level: float) -> str:
    """Name of the score of one central interval by its level in percent, such as `coverage-80`."""
    return f"{name}-{level:.8g}"


def entry_of(name: str) -> tuple[str, float | None] | None:
    """Split the name of a number into its entry of `SCORES` and the level of its interval.

    Returns:
        Such as ("coverage", 80.0), or ("MAE", None); None where no such entry exists, as in a
        stored file of a metric that is not there any more.
    """
    if name in SCORES:
        return name, None
    entry, _, level = name.rpartition("-")
    if entry not in SCORES or not SCORES[entry].is_of_intervals:
        return None
    return entry, float(level)


def objectives() -> tuple[str, ...]:
    """Names of the scores that a search can minimise: one number, and the lowest is best."""
    return tuple(
        name for name, score in SCORES.items() if score.best == "low" and not score.is_of_intervals
    )
