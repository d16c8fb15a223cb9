"""Ridge regression from a window to the steps after it.

It is the linear baseline, and a member of ensembles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape
from forecast.baselines.lengths import forward_filled
from forecast.baselines.moments import Moments, RidgeRows, chunks
from forecast.baselines.penalty import PENALTIES, LearnedWindows, choose_penalty
from forecast.errors import DataError, ShapeError
from forecast.windows.index import WindowIndex

LEAST_PENALTY_OF_FEW = PENALTIES[8]
"""Least penalty, 0.1, of a fit with fewer windows than unknowns.

Such a fit can interpolate its windows, noise included, and with a small penalty it does. Until
there are as many windows as unknowns, each further one makes that worse: a penalty chosen on few
windows is too small for more of them. With as many of both the best penalty is the noise over the
signal, and 0.1 is that of a signal ten times the noise.

Source: Hastie, Montanari, Rosset and Tibshirani, Surprises in High-Dimensional Ridgeless Least
Squares Interpolation, 2022, for both.
"""


ROBUST_ROUNDS = 2
"""Times that a robust fit weights the windows anew: further rounds moved validation errors by less
than 0.5 %."""


LEAST_ERROR = 0.03
"""Least error that weights a window in a robust fit, as a share of the root mean squared error of
all windows: bounds the weight of one."""


def learned_steps(rows: RidgeRows, index: WindowIndex) -> NDArray[np.bool_]:
    """Return (H,) whether a step of the horizon was measured in a window that can be learned from.

    Args:
        rows: the rows to fit on.
        index: the windows.
    """
    found = np.zeros(index.horizon, bool)
    for pairs in chunks(rows, index, np.arange(len(index))):
        found |= pairs.measured.any(axis=0)
    return found


@dataclass(frozen=True, eq=False)
class RidgeWindow:
    """Linear map from the context to the horizon, one for all series and targets.

    The last value is subtracted from the window and added to the forecast, so adding a constant to
    a series adds it to the forecast, and a factor multiplies it: `forecast(a y + b) = a forecast(y)
    + b`.

    Source: Hoerl and Kennard, Ridge Regression, 1970; the subtraction is NLinear's, Zeng et al.,
    2023.

    Attributes:
        weights: (L, H), followed by (H K, H) for K known covariates of each forecast step, if any;
            those of other steps are 0 where there are many (`moments.STEPS_TOGETHER`).
        penalty: the chosen entry of `PENALTIES`.
        num_known: K.
    """

    weights: FloatArray
    penalty: float
    num_known: int = 0

    @classmethod
    def fit(
        cls,
        rows: RidgeRows,
        train: WindowIndex,
        validation: WindowIndex,
        *,
        penalty: float | None = None,
        robust: bool = False,
    ) -> RidgeWindow:
        """Solve the normal equations for every penalty, and keep the best on windows held out.

        The penalty is chosen on folds of the training windows and on the validation windows
        (`penalty.choose_penalty`). Where there are fewer windows than unknowns, none is below
        `LEAST_PENALTY_OF_FEW`, given ones included.

        The fit minimises the squared error over all windows. A robust fit minimises the sum of the
        root squared errors of the windows, so that a few wild series do not decide for all: windows
        are weighted by the inverse of their error in the round before (iteratively reweighted least
        squares; Holland and Welsch 1977).

        Memory is O(L (L + H + H K)): windows are summed up in chunks. Windows with a NaN in their
        context are left out. In a horizon with a NaN the other steps count: the sums of each step
        are taken over the windows that have it (available-case analysis; Little and Rubin,
        Statistical Analysis with Missing Data, 2019, 3.4).

        Args:
            rows: the rows to fit on.
            train: training windows.
            validation: windows after them, of which the fit sees the choice of the penalty alone.
            penalty: optional; one that was chosen before, so that `validation` is not read.
            robust: see above.

        Raises:
            DataError: series vary, and no training window of them has a complete context, or a step
                of the horizon was never measured.
        """
        windows = LearnedWindows.of(rows, train)
        parts = windows.moments()
        learned = Moments.total(parts)
        if not rows.vary:  # the forecast is the last value
            weights = np.zeros(
                (train.context_length + train.horizon * rows.num_known, train.horizon)
            )
            return cls(weights, penalty or max(PENALTIES), rows.num_known)
        _check_complete(learned, train)
        least = 0.0
        if learned.is_few:
            least = LEAST_PENALTY_OF_FEW
        if penalty is None:
            penalties = tuple(each for each in PENALTIES if each >= least)
            penalty = choose_penalty(windows, parts, validation, penalties, robust=robust)
        penalty = max(penalty, least)
        weights = learned.solutions([penalty])[0]
        if not robust:
            return cls(_with_all_steps(weights, rows), penalty, rows.num_known)

        deviation = max(learned.deviation(weights), learned.resolved)
        least_error = LEAST_ERROR * (deviation or 1.0)
        for _ in range(ROBUST_ROUNDS):
            learned = windows.weighted_moments(weights, least_error)
            _check_complete(learned, train)
            weights = learned.solutions([penalty])[0]
        return cls(_with_all_steps(weights, rows), penalty, rows.num_known)

    @classmethod
    def solved(cls, learned: Moments, rows: RidgeRows, penalty: float) -> RidgeWindow:
        """Return the map of least squared error, without weights of windows.

        Args:
            learned: sums over the windows, each step of which was measured.
            rows: the rows that they read.
            penalty: at least; `LEAST_PENALTY_OF_FEW` where windows are fewer than unknowns.
        """
        if learned.is_few:
            penalty = max(penalty, LEAST_PENALTY_OF_FEW)
        return cls(_with_all_steps(learned.solutions([penalty])[0], rows), penalty, rows.num_known)

    def predict(self, history: FloatArray, known: FloatArray | None = None) -> FloatArray:
        """Forecast (B, H, D) from the history; a gap at its start takes the first value.

        Args:
            history: (B, M, D), M at least L.
            known: (B, H, K), if the map was fitted with any.

        Raises:
            ShapeError: the history is shorter than the context.
        """
        length = len(self.weights) - self.weights.shape[1] * self.num_known
        if history.ndim != 3 or history.shape[1] < length:
            raise ShapeError(
                f"history has shape {history.shape}; expected (B, at least {length}, D)"
            )
        window = forward_filled(forward_filled(history[:, -length:])[:, ::-1])[:, ::-1]
        last = window[:, -1:]
        change = np.tensordot(self.weights[:length], window - last, axes=(0, 1))  # (H, B, D)
        change = change.swapaxes(0, 1)
        if known is not None:
            change = change + (known.reshape(len(known), -1) @ self.weights[length:])[:, :, None]
        return last + change

    def to_state(self) -> dict[str, FloatArray]:
        """Return arrays from which `from_state` rebuilds the map."""
        return {"weights": self.weights, "penalty": np.array([self.penalty])}

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> RidgeWindow:
        """Read back what `to_state` wrote.

        Raises:
            ShapeError: the weights are no matrix.
        """
        check_shape("ridge weights", state["weights"], "LH")
        return cls(np.asarray(state["weights"], np.float64), float(state["penalty"][0]))


def _with_all_steps(weights: FloatArray, rows: RidgeRows) -> FloatArray:
    """Return solved weights with 0 for known covariates of other steps than the forecast one."""
    num_steps = weights.shape[1]
    if not rows.num_known or rows.num_together(num_steps):
        return weights
    length = len(weights) - rows.num_known
    of_known = np.zeros((num_steps, rows.num_known, num_steps))
    steps = np.arange(num_steps)
    of_known[steps, :, steps] = weights[length:].T
    return np.concatenate([weights[:length], of_known.reshape(-1, num_steps)])


def _check_complete(moments: Moments, train: WindowIndex) -> None:
    """Raise where a step of the horizon has no window."""
    if not moments.counts.all():
        raise DataError(
            f"none of the {len(train)} training windows of {train.context_length} + "
            f"{train.horizon} steps is complete in a series that varies: use a shorter context or "
            f"more history"
        )
