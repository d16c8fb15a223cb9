"""Conformal intervals: prediction intervals from errors on rows no model has learned from.

The half width of an 80 % interval is the k-th smallest of n past errors, k = ceil(0.8 (n + 1)). If
past and future windows are exchangeable, it covers the actual value with a probability of at least
80 %, whatever the model and the distribution (Vovk, Gammerman and Shafer, Algorithmic Learning in a
Random World, 2005; Lei et al., Distribution-Free Predictive Inference for Regression, 2018). Every
step of the horizon has its own errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.errors import ConfigError
from forecast.intervals.adaptive import factors_after
from forecast.intervals.levels import check_level, needed_windows

Ends = tuple[FloatArray, FloatArray]
"""Lower and upper ends (B, H, D) of intervals."""


NUMBERS_AT_ONCE = 2_000_000
"""Errors times levels whose widths are adapted at a time."""

POINT = 0.0
"""Key of the errors of a point forecast among those of a network's own intervals."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Errors on calibration windows, from which intervals of any level follow.

    Attributes:
        scores: by the nominal share of an interval that a network writes, such as 0.8, or `POINT`:
            (n, H, D) errors in units of their series, NaN where nothing was measured.
        positions: (n,) position of each window's cutoff on the time grid, in steps.
        logarithms: whether errors are differences of log(1 + y), as where the experiment works on
            logarithms; intervals are then wider above than below and never reach under -1.
        lowest: (D,) no interval ends below, unless the point forecast does: with logarithms 0 for
            targets that were never below it, else -1; without them 0 for targets with many 0 and
            nothing below (`forecasting.series_facts`), else -inf. Values that were never below 0
            in the calibration windows may still fall below it: after a warm autumn such a bound
            cost the intervals of winter temperatures six points of coverage.
    """

    scores: Mapping[float, FloatArray]
    positions: IntArray
    logarithms: bool
    lowest: FloatArray
    _reached: dict[tuple[float, float, bool], FloatArray] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def fit(
        cls,
        actual: FloatArray,
        forecast: FloatArray,
        unit: FloatArray,
        positions: IntArray,
        *,
        logarithms: bool = False,
        own: Mapping[float, Ends] | None = None,
    ) -> Calibration:
        """Compute the errors on calibration windows.

        Args:
            actual: (n, H, D) NaN where nothing was measured.
            forecast: (n, H, D) point forecasts.
            unit: (n, D) above 0: size of usual changes of each window's series, known before the
                windows.
            positions: (n,) position of each window's cutoff on the time grid, in steps.
            logarithms: see the class.
            own: ends (n, H, D) of the intervals that a network writes, by their nominal share. They
                are moved by the distance of their misses (conformalised quantile regression;
                Romano, Patterson and Candes 2019, equation 6).
        """
        check_shape("unit", unit, "nD", n=len(actual), D=actual.shape[2])
        y = mapped(actual, logarithms)
        errors = {POINT: np.abs(y - mapped(forecast, logarithms))}
        for share, (low, high) in (own or {}).items():
            below = mapped(low, logarithms) - y
            above = y - mapped(high, logarithms)
            errors[share] = np.maximum(below, above)

        # rounded as in a saved model, so that it gives the same intervals
        scores = {
            share: (error / unit[:, None]).astype(np.float32).astype(np.float64)
            for share, error in errors.items()
        }
        lowest = np.full(actual.shape[2], -np.inf)
        if logarithms:
            is_negative = (actual < 0).any(axis=(0, 1))
            lowest = -np.asarray(is_negative, np.float64)
        return cls(scores, positions, logarithms, lowest)

    @property
    def num_windows(self) -> int:
        """Calibration windows in which the least often measured step was measured."""
        return int(np.isfinite(self.scores[POINT]).sum(axis=0).min(initial=np.iinfo(np.int64).max))

    def supports(self, level: float) -> bool:
        """Whether there are enough windows for intervals of a level in percent."""
        return self.num_windows >= needed_windows(level)

    def ends(
        self,
        forecast: FloatArray,
        unit: FloatArray,
        level: float,
        *,
        own: Mapping[float, Ends] | None = None,
        adapting: bool = False,
    ) -> Ends:
        """Lower and upper ends (B, H, D) of intervals; the point forecast lies between them.

        Args:
            forecast: (B, H, D) point forecasts; H at most that of the calibration windows.
            unit: (B, D) as in `fit`, or (B, H, D) where it differs from step to step.
            level: nominal coverage in percent.
            own: as in `fit`.
            adapting: whether widths are those of `adaptive_factors` after the last window, which
                suits a forecast of the steps that follow; else they are the same wherever the
                forecast begins.

        Raises:
            ConfigError: the level is no percentage, or the windows are too few for it.
        """
        check_level(level)
        if not self.supports(level):
            raise ConfigError(
                f"level {level:g} was asked for and there are {self.num_windows} calibration "
                f"windows; it takes {needed_windows(level)}: ask for a lower level, or hold back "
                f"more rows with `evaluation.calibration_size`"
            )
        share = round(level / 100.0, 10)
        kind = POINT
        low = high = forecast
        if own is not None and share in own and share in self.scores:
            kind = share
            low, high = own[share]
        reach = self._reach(kind, level, adapting=adapting)[: forecast.shape[1]]
        half = reach * unit.reshape(len(unit), -1, unit.shape[-1])
        lower = unmapped(mapped(low, self.logarithms) - half, self.logarithms)
        upper = unmapped(mapped(high, self.logarithms) + half, self.logarithms)
        lower = np.maximum(lower, self.lowest)
        return np.minimum(lower, forecast), np.maximum(upper, forecast)

    def _reach(self, kind: float, level: float, *, adapting: bool) -> FloatArray:
        """(H, D) distance of the ends from what they are put around, in units of the series.

        It is computed once.
        """
        key = (kind, level, adapting)
        if key not in self._reached:
            reach = ranked(self.scores[kind], level)
            if adapting:
                reach = self._adapted(reach[..., None], kind, (level,))[..., 0]
            self._reached[key] = reach
        return self._reached[key]

    def adapted_reach(self, level: float) -> FloatArray:
        """Return the (H, D) half widths of intervals around point forecasts, in units."""
        return self._reach(POINT, level, adapting=True)

    def adapt_together(self, levels: Sequence[float]) -> None:
        """Compute the adapted widths of several levels at once, which takes less time.

        Args:
            levels: in percent.
        """
        new = [level for level in levels if (POINT, level, True) not in self._reached]
        scores = self.scores[POINT]
        at_once = max(NUMBERS_AT_ONCE // max(scores.size, 1), 1)
        for start in range(0, len(new), at_once):
            some = new[start : start + at_once]
            still = [self._reach(POINT, level, adapting=False) for level in some]
            adapted = self._adapted(np.stack(still, axis=-1), POINT, some)
            for number, level in enumerate(some):
                self._reached[POINT, level, True] = adapted[..., number]

    def _adapted(self, reach: FloatArray, kind: float, levels: Sequence[float]) -> FloatArray:
        """Return the (H, D, K) reach of K levels after all that was observed."""
        # The intervals that a network writes move by sums, some of them negative: their widths are
        # measured in those of its point forecasts.
        widths = [self._reach(POINT, level, adapting=False) for level in levels]
        width = np.stack(widths, axis=-1)
        scores = self.scores[kind][..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = 1.0 + (scores - reach) / width
        ratios = np.where(width > 0, ratios, np.where(scores > reach, np.inf, 0.0))
        ratios = np.where(np.isnan(scores), np.nan, ratios)
        shares = np.asarray(levels, np.float64) / 100.0
        return reach + (factors_after(ratios, self.positions, shares) - 1.0) * width

    def to_state(self) -> dict[str, FloatArray]:
        """Return arrays from which `from_state` rebuilds the calibration."""
        state: dict[str, Any] = {
            f"scores/{share!r}": np.nan_to_num(errors).astype(np.float32)
            for share, errors in self.scores.items()
        }
        state["measured"] = np.isfinite(self.scores[POINT])
        state["positions"] = self.positions
        state["logarithms"] = np.array([self.logarithms])
        if np.isfinite(self.lowest).any():
            state["lowest"] = np.nan_to_num(self.lowest)  # -inf is the least number in a file
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> Calibration:
        """Read back what `to_state` wrote."""
        measured = state["measured"]
        scores = {}
        for name, errors in state.items():
            if name.startswith("scores/"):
                share = float(name.removeprefix("scores/"))
                scores[share] = np.where(measured, np.asarray(errors, np.float64), np.nan)
        lowest = state.get("lowest", np.full(measured.shape[-1], -np.inf))
        positions = np.asarray(state["positions"], np.int64)
        return cls(scores, positions, bool(state["logarithms"][0]), np.asarray(lowest, np.float64))


def ranked(scores: FloatArray, level: float) -> FloatArray:
    """Return (H, D) the error of rank ceil((n + 1) level / 100) among those that are not NaN.

    Args:
        scores: (n, H, D).
        level: in percent.
    """
    counts = np.isfinite(scores).sum(axis=0)
    rank = np.ceil((counts + 1) * level / 100.0 - 1e-9).astype(np.int64)
    # NaN are sorted to the end
    return np.take_along_axis(np.sort(scores, axis=0), np.clip(rank, 1, None)[None] - 1, axis=0)[0]


def log_mapped(values: FloatArray) -> FloatArray:
    """log(1 + y); values of -1 or below, as quantiles may have, are put just above."""
    return np.log1p(np.maximum(values, -1.0 + 1e-12))


def mapped(values: FloatArray, logarithms: bool) -> FloatArray:
    """Return values on the scale on which errors are taken."""
    if logarithms:
        return log_mapped(values)
    return np.asarray(values, np.float64)


def unmapped(values: FloatArray, logarithms: bool) -> FloatArray:
    """Return values in the unit of the data: the inverse of `mapped`."""
    if not logarithms:
        return values
    with np.errstate(over="ignore"):
        return np.expm1(values)
