"""Forecasts a model has to beat: last value, seasonal naive, drift, window mean, and a ridge on the window.

The first four are functions of `history` (B, M, D) float64, the rows before each cutoff, latest last, NaN
where a series has no row that early; they return (B, H, D), in the unit of the history. A missing value is
carried forward from the one before it, and a series without any value gets NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import check_shape
from forecast.errors import DataError, ShapeError
from forecast.windows import WindowIndex

Array = NDArray[np.float64]
Baseline = Callable[[Array], Array]

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-10, 5))
"""Grid of ridge penalties from 1e-5 to 1e2, in units of the mean squared input."""

PENALTY_WITHOUT_VALIDATION = PENALTIES[6]
MAX_WINDOWS = 100_000
"""Windows of one target that a ridge is fitted on, at most; evenly spaced ones if there are more."""

CHUNK_WINDOWS = 2048


@dataclass(frozen=True)
class Steps:
    """What a baseline must know of the task, in steps.

    Attributes:
        horizon: H.
        context_length: L, what the judged model sees.
        season_length: m.
    """

    horizon: int
    context_length: int = 1
    season_length: int = 1

    @property
    def history_length(self) -> int:
        """M, the rows before a cutoff that some baseline reads."""
        return max(self.context_length, self.season_length)


def last_value(history: Array, steps: Steps) -> Array:
    """Repeat the last value."""
    return np.repeat(forward_filled(history)[:, -1:], steps.horizon, axis=1)


def seasonal_naive(history: Array, steps: Steps) -> Array:
    """Repeat the last season, y_(t+h-m); where it is not known, the last value takes its place."""
    ahead = np.arange(steps.horizon) % steps.season_length
    place = history.shape[1] - steps.season_length + ahead
    season = history[:, np.maximum(place, 0)]
    known = np.isfinite(season) & (place >= 0)[:, None]
    return np.where(known, season, last_value(history, steps))


def drift(history: Array, steps: Steps) -> Array:
    """Go on along the line through the first and the last value of the context.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2.
    """
    window = forward_filled(history[:, -steps.context_length :])
    first = np.isfinite(window).argmax(axis=1)[:, None]
    last = window[:, -1:]
    slope = (last - np.take_along_axis(window, first, axis=1)) / np.maximum(window.shape[1] - 1 - first, 1)
    line: Array = last + slope * np.arange(1, steps.horizon + 1)[:, None]
    return line


def window_mean(history: Array, steps: Steps) -> Array:
    """Repeat the mean of the context."""
    window = history[:, -steps.context_length :]
    known = np.isfinite(window)
    total, count = np.where(known, window, 0.0).sum(axis=1), known.sum(axis=1)
    mean = np.where(count == 0, np.nan, total / np.maximum(count, 1))
    return np.repeat(mean[:, None], steps.horizon, axis=1)


BASELINES: dict[str, Callable[[Array, Steps], Array]] = {
    "last_value": last_value,
    "seasonal_naive": seasonal_naive,
    "drift": drift,
    "window_mean": window_mean,
}


@dataclass(frozen=True, eq=False)
class RidgeWindow:
    """Linear map from the context to the horizon, one for all series and targets.

    The last value is subtracted from the window and added to the forecast, so adding a constant to a series
    adds it to the forecast, and a factor goes through as well: `forecast(a y + b) = a forecast(y) + b`.

    Source: Hoerl and Kennard, Ridge Regression, 1970; the subtraction is NLinear's, Zeng et al., 2023.

    Attributes:
        weights: (L, H), followed by (H K, H) for K numbers known of each forecast step, where there are any.
        penalty: the chosen entry of `PENALTIES`.
        num_known: K.
    """

    weights: Array
    penalty: float
    num_known: int = 0

    @classmethod
    def fit(
        cls,
        targets: Array,
        train: WindowIndex,
        validation: WindowIndex,
        *,
        scale: Array,
        known: Array | None = None,
    ) -> RidgeWindow:
        """Solve the normal equations of the training windows for every penalty; keep the best on validation.

        Memory is O(L (L + H)): windows are summed up in chunks. Windows with a NaN are left out.

        Args:
            targets: (R, D) in the unit of the data.
            train: windows to learn from.
            validation: windows to choose the penalty on, by squared error; with none of them,
                `PENALTY_WITHOUT_VALIDATION` is taken.
            scale: (N, D) size of each series, by which its windows are divided so that all count alike;
                series whose scale is 0 or NaN are left out.
            known: (R, K) numbers that are known of each row ahead, of zero mean and comparable spread.

        Raises:
            DataError: no training window is complete.
        """
        learned = _Moments.of(targets, train, scale, known)
        if not learned.count:
            raise DataError(
                f"none of the {len(train)} training windows of {train.context_length} + {train.horizon} steps is "
                "complete in a series that varies: use a shorter context or more history"
            )
        eigenvalues, basis = np.linalg.eigh(learned.gram / learned.count)
        rotated = basis.T @ (learned.cross / learned.count)
        unit = max(float(eigenvalues.mean()), np.finfo(np.float64).tiny)
        candidates = {
            penalty: basis @ (rotated / (np.maximum(eigenvalues, 0.0) + penalty * unit)[:, None])
            for penalty in PENALTIES
        }
        judged = _Moments.of(targets, validation, scale, known)
        penalty = PENALTY_WITHOUT_VALIDATION
        if judged.count:
            penalty = min(PENALTIES, key=lambda one: judged.squared_error(candidates[one]))
        return cls(candidates[penalty], penalty, 0 if known is None else known.shape[1])

    def predict(self, history: Array, known: Array | None = None) -> Array:
        """Forecast (B, H, D) from history (B, M, D), M >= L; a gap at the start takes the first value.

        Args:
            history: (B, M, D).
            known: (B, H, K), where the map was fitted with any.

        Raises:
            ShapeError: the history is shorter than the context.
        """
        length = len(self.weights) - self.weights.shape[1] * self.num_known
        if history.ndim != 3 or history.shape[1] < length:
            raise ShapeError(f"history has shape {history.shape}; expected (B, at least {length}, D)")
        window = forward_filled(forward_filled(history[:, -length:])[:, ::-1])[:, ::-1]
        last = window[:, -1:]
        change: Array = np.einsum("bld,lh->bhd", window - last, self.weights[:length], optimize=True)
        if known is not None:
            change = change + (known.reshape(len(known), -1) @ self.weights[length:])[:, :, None]
        return last + change

    def to_state(self) -> dict[str, Array]:
        """Arrays that say everything, for a saved model."""
        return {"weights": self.weights, "penalty": np.array([self.penalty])}

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> RidgeWindow:
        """Read back what `to_state` wrote.

        Raises:
            ShapeError: the weights are no matrix.
        """
        check_shape("ridge weights", state["weights"], "LH")
        return cls(np.asarray(state["weights"], np.float64), float(state["penalty"][0]))


def all_baselines(steps: Steps, ridge: RidgeWindow | None) -> dict[str, Baseline]:
    """Every baseline as a function of the history alone; `linear` among them where a ridge was fitted."""
    simple: dict[str, Baseline] = {name: _bind(function, steps) for name, function in BASELINES.items()}
    return {**simple, "linear": ridge.predict} if ridge else simple


def _bind(function: Callable[[Array, Steps], Array], steps: Steps) -> Baseline:
    return lambda history: function(history, steps)


def forward_filled(history: Array) -> Array:
    """Carry the last value over missing ones along axis 1; missing values before the first one stay NaN."""
    known = np.isfinite(history)
    if known.all():
        return history
    steps = np.arange(history.shape[1])[:, None]
    latest = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    return np.take_along_axis(history, latest, axis=1)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over windows x (L) -> y (H) from which every squared error of a linear map follows.

    Attributes:
        gram: (L, L) sum of x x'.
        cross: (L, H) sum of x y'.
        square: sum of y'y.
        count: number of windows.
    """

    gram: Array
    cross: Array
    square: float
    count: int

    @classmethod
    def of(cls, targets: Array, index: WindowIndex, scale: Array, known: Array | None) -> _Moments:
        horizon = index.horizon
        length = index.context_length + (0 if known is None else horizon * known.shape[1])
        gram, cross = np.zeros((length, length)), np.zeros((length, horizon))
        square, count = 0.0, 0
        kept = min(len(index), max(MAX_WINDOWS // targets.shape[1], 1))
        numbers = np.linspace(0, len(index) - 1, kept).round().astype(np.int64)
        size = max(CHUNK_WINDOWS // targets.shape[1], 1)
        for start in range(0, kept, size):
            x, y = _pairs(targets, index, numbers[start : start + size], scale, known)
            gram += x.T @ x
            cross += x.T @ y
            square += float(np.vdot(y, y))
            count += len(x)
        return cls(gram, cross, square, count)

    def squared_error(self, weights: Array) -> float:
        """Sum of |y - W'x|^2 over the windows."""
        return self.square - 2 * float(np.vdot(weights, self.cross)) + float(np.vdot(weights, self.gram @ weights))


def _pairs(
    targets: Array, index: WindowIndex, numbers: NDArray[np.int64], scale: Array, known: Array | None
) -> tuple[Array, Array]:
    """Complete contexts and horizons, (B D, L) and (B D, H), last value subtracted, divided by the series' scale.

    What is known of the horizon, as it is, follows the context: (B D, L + H K).
    """
    series, first = index.locate(numbers)
    rows = first[:, None] + np.arange(index.context_length + index.horizon)
    windows = targets[rows].swapaxes(1, 2).reshape(-1, rows.shape[1])
    size = scale[series].reshape(-1, 1)
    with np.errstate(invalid="ignore"):
        kept = np.isfinite(windows).all(axis=1) & (size > 0)[:, 0] & np.isfinite(size)[:, 0]
    length = index.context_length
    centred = (windows[kept] - windows[kept][:, length - 1 : length]) / size[kept]
    if known is None:
        return centred[:, :length], centred[:, length:]
    ahead = np.repeat(known[rows[:, length:]].reshape(len(rows), -1), targets.shape[1], axis=0)[kept]
    return np.concatenate([centred[:, :length], ahead], axis=1), centred[:, length:]
