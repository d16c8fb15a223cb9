"""Ridge regression from a window to the steps after it.

It is the linear baseline, and a member of ensembles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape, evenly_spaced
from forecast.baselines.steps import forward_filled
from forecast.errors import DataError, ShapeError
from forecast.windows.index import WindowIndex

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-10, 5))
"""Grid of ridge penalties from 1e-5 to 1e2, in units of the mean squared input."""


PENALTY_WITHOUT_VALIDATION = PENALTIES[6]


LEAST_PENALTY_OF_FEW = PENALTIES[8]
"""Least penalty, 0.1, of a fit with fewer windows than unknowns.

Such a fit can interpolate its windows, noise included, and with a small penalty it does. Until
there are as many windows as unknowns, each further one makes that worse: a penalty chosen on few
windows is too small for more of them. With as many of both the best penalty is the noise over the
signal, and 0.1 is that of a signal ten times the noise. Leave-one-out over all windows chose no
better on short tables: windows that overlap leak into each other.

Source: Hastie, Montanari, Rosset and Tibshirani, Surprises in High-Dimensional Ridgeless Least
Squares Interpolation, 2022, for both.
"""


MAX_WINDOWS = 100_000
"""Windows of one target that a ridge is fitted on, at most; more are thinned evenly."""


SCORED_WINDOWS = 4_000
"""Windows of one target that the penalty of a robust fit is chosen on, at most."""


CHUNK_WINDOWS = 2048


ROBUST_ROUNDS = 2
"""Times that a robust fit weights the windows anew: further rounds moved validation errors by less
than 0.5 %."""


LEAST_ERROR = 0.03
"""Least error that weights a window in a robust fit, as a share of the root mean squared error of
all windows: bounds the weight of one."""


@dataclass(frozen=True, eq=False)
class RidgeRows:
    """The rows a ridge regression is fitted on.

    Attributes:
        targets: (R, D) values to forecast; NaN where nothing was measured.
        scale: (N, D) size of each series, by which its windows are divided so that all count alike;
            series whose scale is 0 or NaN are left out.
        inputs: (R, D) values that contexts read, in which missing ones may be filled in; default:
            `targets`.
        known: (R, K) known covariates of each row, of zero mean and comparable spread; optional.
    """

    targets: FloatArray
    scale: FloatArray
    inputs: FloatArray | None = None
    known: FloatArray | None = None

    @property
    def num_known(self) -> int:
        """K."""
        if self.known is None:
            return 0
        return self.known.shape[1]

    @property
    def vary(self) -> bool:
        """Whether a series has more than one value."""
        return bool((self.scale > 0).any())


def learned_steps(rows: RidgeRows, index: WindowIndex) -> NDArray[np.bool_]:
    """Return (H,) whether a step of the horizon was measured in a window that can be learned from.

    Args:
        rows: the rows to fit on.
        index: the windows.
    """
    found = np.zeros(index.horizon, bool)
    for _, ahead in _chunks(rows, index, len(index)):
        found |= np.isfinite(ahead).any(axis=0)
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
        weights: (L, H), followed by (H K, H) for K known covariates of each forecast step, if any.
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
        """Solve the normal equations for every penalty, and keep the best on validation.

        Where there are fewer windows than unknowns, no penalty is below `LEAST_PENALTY_OF_FEW`,
        given ones included.

        The fit minimises the squared error over all windows. A robust fit minimises the sum of the
        root squared errors of the windows, so that a few wild series do not decide for all: windows
        are weighted by the inverse of their error in the round before (iteratively reweighted least
        squares; Holland and Welsch 1977).

        Memory is O(L (L + H)): windows are summed up in chunks. Windows with a NaN in their context
        are left out. In a horizon with a NaN the other steps count: the sums of each step are taken
        over the windows that have it (available-case analysis; Little and Rubin, Statistical
        Analysis with Missing Data, 2019, 3.4).

        Args:
            rows: the rows to fit on.
            train: training windows.
            validation: windows to choose the penalty on, by squared error; if there are none,
                `PENALTY_WITHOUT_VALIDATION` is taken.
            penalty: optional; one that was chosen before, so that `validation` is not read.
            robust: see above.

        Raises:
            DataError: series vary, and no training window of them has a complete context, or a step
                of the horizon was never measured.
        """
        penalties = PENALTIES
        if penalty is not None:
            penalties = (penalty,)
        learned = _Moments.of(rows, train)
        if not rows.vary:  # the forecast is the last value
            return cls(np.zeros_like(learned.cross), max(penalties), rows.num_known)
        _check_complete(learned, train)
        if learned.is_few:
            penalties = tuple(sorted({max(one, LEAST_PENALTY_OF_FEW) for one in penalties}))
        candidates = learned.solutions(penalties)
        chosen = _best_penalty(candidates, rows, validation, robust=robust)
        if not robust:
            return cls(candidates[chosen], chosen, rows.num_known)

        deviation = max(learned.deviation(candidates[chosen]), learned.resolved)
        least = LEAST_ERROR * (deviation or 1.0)
        for _ in range(ROBUST_ROUNDS):
            learned = _Moments.of(rows, train, candidates[chosen], least)
            _check_complete(learned, train)
            candidates = learned.solutions(penalties)
            chosen = _best_penalty(candidates, rows, validation, robust=True)
        return cls(candidates[chosen], chosen, rows.num_known)

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
        change: FloatArray = np.einsum(
            "bld,lh->bhd", window - last, self.weights[:length], optimize=True
        )
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


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over windows x (L) -> y (H), from which the squared error of any linear map follows.

    Attributes:
        gram: (L, L) sum of x x'.
        cross: (L, H) sum of x y' over the windows that have the step.
        square: sum of y'y.
        count: number of windows, or the sum of their weights.
        counts: (H,) those of them that have the step.
    """

    gram: FloatArray
    cross: FloatArray
    square: float
    count: float
    counts: FloatArray

    @classmethod
    def of(
        cls,
        rows: RidgeRows,
        index: WindowIndex,
        weights: FloatArray | None = None,
        least: float = 1.0,
    ) -> _Moments:
        """Sum up the windows.

        Args:
            rows: the rows to read.
            index: the windows.
            weights: optional; each window is then divided by its error with these weights.
            least: the least error that a window is divided by.
        """
        horizon = index.horizon
        num_targets = rows.targets.shape[1]
        length = index.context_length + horizon * rows.num_known
        gram = np.zeros((length, length))
        cross = np.zeros((length, horizon))
        square = 0.0
        count = 0.0
        counts = np.zeros(horizon)
        for x, ahead in _chunks(rows, index, MAX_WINDOWS // num_targets):
            measured = np.isfinite(ahead)
            y = np.where(measured, ahead, 0.0)
            size = np.ones(len(x))
            if weights is not None:
                size = 1.0 / np.hypot(np.sqrt(_mean_squares(y - x @ weights, measured)), least)
            weighted = x * size[:, None]
            gram += x.T @ weighted
            cross += weighted.T @ y
            square += float(np.vdot(y, y * size[:, None]))
            count += float(size.sum())
            counts += size @ measured
        return cls(gram, cross, square, count, counts)

    @property
    def is_few(self) -> bool:
        """Whether a step has fewer windows than unknowns; only of sums without weights."""
        return bool(self.counts.min() < len(self.gram))

    def solutions(self, penalties: Iterable[float]) -> dict[float, FloatArray]:
        """Return (L, H) weights for every penalty."""
        eigenvalues, basis = np.linalg.eigh(self.gram / self.count)
        rotated = basis.T @ (self.cross / self.counts)
        unit = max(float(eigenvalues.mean()), np.finfo(np.float64).tiny)
        return {
            penalty: basis @ (rotated / (np.maximum(eigenvalues, 0.0) + penalty * unit)[:, None])
            for penalty in penalties
        }

    def deviation(self, weights: FloatArray) -> float:
        """Root mean squared error of one step."""
        return float(np.sqrt(max(self.squared_error(weights), 0.0) / self.counts.sum()))

    @property
    def resolved(self) -> float:
        """Least root mean squared error that differs from 0 in these sums, whose digits cancel."""
        return float(np.sqrt(np.finfo(np.float64).eps * self.square / self.counts.sum()))

    def squared_error(self, weights: FloatArray) -> float:
        """Sum of |y - W'x|^2 over the windows; of a step that some lack, its share of W'x x'W."""
        explained = np.einsum("lh,lh->h", weights, self.gram @ weights)
        share = self.counts / max(self.count, np.finfo(np.float64).tiny)
        return self.square - 2 * float(np.vdot(weights, self.cross)) + float(explained @ share)


def _best_penalty(
    candidates: dict[float, FloatArray], rows: RidgeRows, validation: WindowIndex, *, robust: bool
) -> float:
    """Return the penalty with the least error on validation: squared, or its root by window."""
    if len(candidates) == 1:
        return next(iter(candidates))
    without = max(PENALTY_WITHOUT_VALIDATION, min(candidates))
    if not robust:
        moments = _Moments.of(rows, validation)
        if not moments.counts.any():
            return without
        squares = {one: moments.squared_error(weights) for one, weights in candidates.items()}
        return min(squares, key=squares.__getitem__)

    errors = dict.fromkeys(candidates, 0.0)
    for x, ahead in _chunks(rows, validation, SCORED_WINDOWS):
        measured = np.isfinite(ahead)
        y = np.where(measured, ahead, 0.0)
        for penalty, weights in candidates.items():
            roots = np.sqrt(_mean_squares(y - x @ weights, measured))
            errors[penalty] += float(roots.sum())
    if not any(errors.values()):
        return without
    return min(errors, key=errors.__getitem__)


def _check_complete(moments: _Moments, train: WindowIndex) -> None:
    """Raise where a step of the horizon has no window."""
    if not moments.counts.all():
        raise DataError(
            f"none of the {len(train)} training windows of {train.context_length} + "
            f"{train.horizon} steps is complete in a series that varies: use a shorter context or "
            f"more history"
        )


def _mean_squares(errors: FloatArray, measured: NDArray[np.bool_]) -> FloatArray:
    """(B,) mean squared error of each window over its measured steps; 0 where it has none."""
    total = np.where(measured, np.square(errors), 0.0).sum(axis=1)
    mean: FloatArray = total / np.maximum(measured.sum(axis=1), 1)
    return mean


def _chunks(
    rows: RidgeRows, index: WindowIndex, most: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield `_pairs` of at most `most` windows, evenly spaced, some at a time."""
    num_targets = rows.targets.shape[1]
    numbers = evenly_spaced(len(index), max(most, 1))
    size = max(CHUNK_WINDOWS // num_targets, 1)
    for start in range(0, len(numbers), size):
        yield _pairs(rows, index, numbers[start : start + size])


def _pairs(
    rows: RidgeRows, index: WindowIndex, numbers: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Complete contexts (B D, L) and their horizons (B D, H), without last value and scale.

    Known covariates of the horizon follow the context as they are: (B D, L + H K).
    """
    series, first = index.locate(numbers)
    context = index.context_rows(first)  # (B, L)
    ahead = index.horizon_rows(first)  # (B, H)
    inputs = rows.inputs
    if inputs is None:
        inputs = rows.targets
    before = inputs[context].swapaxes(1, 2).reshape(-1, context.shape[1])
    after = rows.targets[ahead].swapaxes(1, 2).reshape(-1, ahead.shape[1])
    size = rows.scale[series].reshape(-1, 1)

    is_complete = np.isfinite(before).all(axis=1) & (size > 0)[:, 0] & np.isfinite(size)[:, 0]
    last = before[is_complete, -1:]
    x = (before[is_complete] - last) / size[is_complete]
    y = (after[is_complete] - last) / size[is_complete]
    if rows.known is None:
        return x, y
    known = rows.known[ahead].reshape(len(ahead), -1)
    known = np.repeat(known, rows.targets.shape[1], axis=0)[is_complete]
    return np.concatenate([x, known], axis=1), y
