"""Prediction intervals from the errors on rows no model has learned from: conformal prediction, and its coverage.

An interval of 80 % is as wide as it takes to hold the k-th smallest of n past errors, k = ceil(0.8
(n + 1)). Where past and coming windows can be exchanged, it holds what comes with a probability of
at least 80 %, whatever the model and the distribution (Vovk, Gammerman and Shafer, Algorithmic
Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive Inference for Regression,
2018). Every step of the horizon has errors of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.errors import ConfigError
from forecast.intervals.adaptive import factors_after
from forecast.intervals.levels import check_level

POINT = 0.0
"""Key of the errors of a point forecast among those of a network's own intervals."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the errors on calibration windows leave.

    Attributes:
        scores: by the share of a network's own interval, such as 0.8, or `POINT`: (n, H, D) errors
            in units of their series, NaN where nothing was measured.
        positions: (n,) place of each window's cutoff on the grid of time.
        logarithms: whether errors are differences of log(1 + y), as where the experiment works on
            logarithms; intervals are then wider above than below and never reach under -1.
        lowest: (D,) no interval ends below, unless the point does: with logarithms 0 for targets
            that were never below it, else -1, which has none; -inf without. That windows hold
            nothing below 0 does not say that nothing will
            come: after a warm autumn it cost the intervals of winter temperatures six points.
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
        own: Mapping[float, tuple[FloatArray, FloatArray]] | None = None,
    ) -> Calibration:
        """Take the errors on calibration windows.

        Args:
            actual: (n, H, D) NaN where nothing was measured.
            forecast: (n, H, D) point forecasts.
            unit: (n, D) above 0: size of usual changes of each window's series, known before the
                windows.
            positions: (n,) place of each window's cutoff on the grid of time.
            logarithms: see the class.
            own: lower and upper ends (n, H, D) of the intervals a network writes, by their share.
                They are moved by what they miss (conformalised quantile regression; Romano,
                Patterson and Candes 2019, equation 6).
        """
        check_shape("unit", unit, "nD", n=len(actual), D=actual.shape[2])
        y, made = _mapped(actual, logarithms), _mapped(forecast, logarithms)
        errors = {POINT: np.abs(y - made)}
        for share, ends in (own or {}).items():
            low, high = (_mapped(one, logarithms) for one in ends)
            errors[share] = np.maximum(low - y, y - high)
        # rounded as a saved model holds them, so that it gives the same intervals
        rounded = {
            share: (one / unit[:, None]).astype(np.float32).astype(np.float64)
            for share, one in errors.items()
        }
        negative = np.asarray((actual < 0).any(axis=(0, 1)), np.float64)
        return cls(
            rounded,
            positions,
            logarithms,
            -negative if logarithms else np.full_like(negative, -np.inf),
        )

    @property
    def num_windows(self) -> int:
        """Calibration windows in which the least often measured step was measured."""
        return int(np.isfinite(self.scores[POINT]).sum(axis=0).min(initial=np.iinfo(np.int64).max))

    def supports(self, level: float) -> bool:
        """Whether there are windows enough for intervals of so many per cent."""
        return self.num_windows >= needed_windows(level)

    def ends(
        self,
        forecast: FloatArray,
        unit: FloatArray,
        level: float,
        *,
        own: Mapping[float, tuple[FloatArray, FloatArray]] | None = None,
        adapting: bool = False,
    ) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends (B, H, D) of intervals; the point forecast lies between them.

        Args:
            forecast: (B, H, D) point forecasts; H at most that of the calibration windows.
            unit: (B, D) as in `fit`.
            level: per cent of what comes that the intervals are to hold.
            own: as in `fit`.
            adapting: whether widths are those that `adaptive_factors` has come to after the last
                window, which suits a forecast of what comes next; else they are the same wherever
                the forecast begins.

        Raises:
            ConfigError: the level is none, or the windows are too few for it.
        """
        check_level(level)
        if not self.supports(level):
            raise ConfigError(
                f"level {level:g} was asked for and there are {self.num_windows} calibration "
                f"windows; it takes "
                f"{needed_windows(level)}: ask for a lower level, or hold back more rows "
                f"(evaluation.calibration_size)"
            )
        share = round(level / 100.0, 10)
        is_own = own is not None and share in own and share in self.scores
        reach = self._reach(share if is_own else POINT, level, adapting=adapting)[
            : forecast.shape[1]
        ]
        low, high = own[share] if own is not None and is_own else (forecast, forecast)
        half = reach * unit[:, None]
        low, high = (_mapped(one, self.logarithms) for one in (low, high))
        low, high = (_unmapped(one, self.logarithms) for one in (low - half, high + half))
        return np.minimum(np.maximum(low, self.lowest), forecast), np.maximum(high, forecast)

    def _reach(self, kind: float, level: float, *, adapting: bool) -> FloatArray:
        """(H, D) how far intervals reach beyond what they are put around, in units of the series; worked out once."""
        key = (kind, level, adapting)
        if key not in self._reached:
            reach = ranked(self.scores[kind], level)
            self._reached[key] = self._adapted(reach, kind, level) if adapting else reach
        return self._reached[key]

    def _adapted(self, reach: FloatArray, kind: float, level: float) -> FloatArray:
        """The reach after all that was seen."""
        # A network's own intervals move by sums, of which some are negative: widths are told in
        # those of its points.
        width = self._reach(POINT, level, adapting=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = 1.0 + (self.scores[kind] - reach) / width
        ratios = np.where(width > 0, ratios, np.where(self.scores[kind] > reach, np.inf, 0.0))
        ratios = np.where(np.isnan(self.scores[kind]), np.nan, ratios)
        return reach + (factors_after(ratios, self.positions, level / 100.0) - 1.0) * width

    def to_state(self) -> dict[str, FloatArray]:
        """Arrays that say everything, for a saved model."""
        named = {
            f"scores/{share!r}": np.nan_to_num(one).astype(np.float32)
            for share, one in self.scores.items()
        }
        about = {"measured": np.isfinite(self.scores[POINT]), "positions": self.positions}
        lowest = {"lowest": self.lowest} if self.logarithms else {}
        return {**named, **about, "logarithms": np.array([self.logarithms]), **lowest}

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> Calibration:
        """Read back what `to_state` wrote."""
        scores = {
            float(name.removeprefix("scores/")): np.where(
                state["measured"], np.asarray(one, np.float64), np.nan
            )
            for name, one in state.items()
            if name.startswith("scores/")
        }
        lowest = state.get("lowest", np.full(state["measured"].shape[-1], -np.inf))
        positions = np.asarray(state["positions"], np.int64)
        return cls(scores, positions, bool(state["logarithms"][0]), np.asarray(lowest, np.float64))


def needed_windows(level: float) -> int:
    """Least n for which the rank ceil((n + 1) level / 100) is one of 1..n."""
    share = level / 100.0
    return math.ceil(share / (1.0 - share) - 1e-9)


def ranked(scores: FloatArray, level: float) -> FloatArray:
    """(H, D) the error of rank ceil((n + 1) level / 100) of each step and target, of those that are not NaN.

    Args:
        scores: (n, H, D).
        level: per cent.
    """
    counts = np.isfinite(scores).sum(axis=0)
    rank = np.ceil((counts + 1) * level / 100.0 - 1e-9).astype(np.int64)
    return np.take_along_axis(np.sort(scores, axis=0), np.clip(rank, 1, None)[None] - 1, axis=0)[0]


def log_mapped(values: FloatArray) -> FloatArray:
    """log(1 + y); what lies at -1 or below, as quantiles may, is put just above."""
    return np.log1p(np.maximum(values, -1.0 + 1e-12))


def _mapped(values: FloatArray, logarithms: bool) -> FloatArray:
    """The scale on which errors are taken."""
    return log_mapped(values) if logarithms else np.asarray(values, np.float64)


def _unmapped(values: FloatArray, logarithms: bool) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.expm1(values) if logarithms else values
