"""Ridge regression with weights of its own for each step of the season.

From midnight other hours matter than from noon. So every step of the season at which a forecast
may begin has its own linear map: that of all windows, and a deviation from it that a penalty holds
near 0. Prices of electricity a day ahead are forecast in this way, one regression for each hour of
the day (Lago, Marcjasz, De Schutter and Weron, Forecasting day-ahead electricity prices, 2021).

| letter | axis                                  |
|--------|---------------------------------------|
| S      | pairs of a window and a target        |
| F      | regressors of a pair                  |
| P      | steps of a season                     |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.baselines.penalty import PENALTIES
from forecast.baselines.ridge import LEAST_ERROR

SEASONAL = "seasonal_linear"
"""Name of this member of an ensemble."""

GRID = PENALTIES[2:]
"""Penalties of the common map, from 1e-4 to 1e2: sums are exact to about 1e-6."""

DEVIATION_PENALTIES = tuple(10.0 ** (power / 2) for power in range(-5, 4))
"""Grid of penalties of the deviations from about 0.003 to 30, in units of the mean square."""

ROUNDS = 2
"""Times that a robust fit weights the windows anew."""


@dataclass(frozen=True, eq=False)
class SeasonalPairs:
    """Windows to learn from or to be judged on.

    Attributes:
        regressors: (S, F).
        ahead: (S, H) values to forecast, complete.
        steps: (S,) step of the season at which the forecast begins.
        season_length: P.
        weights: (S,) how much each counts; None: all alike.
    """

    regressors: NDArray[np.float32]
    ahead: NDArray[np.float32]
    steps: IntArray
    season_length: int
    weights: FloatArray | None = None

    @property
    def sizes(self) -> FloatArray:
        """(S,) how much each counts."""
        if self.weights is None:
            return np.ones(len(self.ahead))
        return self.weights

    def last(self, count: int) -> SeasonalPairs:
        """Return the pairs with their last `count` regressors alone."""
        return replace(self, regressors=self.regressors[:, -count:])

    def by_step(self) -> Iterator[tuple[int, IntArray]]:
        """Yield each step that has pairs, and their numbers."""
        order = np.argsort(self.steps, kind="stable")
        bounds = np.searchsorted(self.steps[order], np.arange(self.season_length + 1))
        for step in range(self.season_length):
            chosen = order[bounds[step] : bounds[step + 1]]
            if len(chosen):
                yield step, chosen


@dataclass(frozen=True, eq=False)
class SeasonalRidge:
    """Linear maps from regressors to the steps ahead, one for each step of the season.

    Attributes:
        weights: (P, F, H).
        penalty: of the map of all windows.
        deviation_penalty: of the deviations from it; None: there are none, as they gain nothing.
    """

    weights: FloatArray
    penalty: float
    deviation_penalty: float | None

    @classmethod
    def fit(
        cls,
        learned: SeasonalPairs,
        judged: SeasonalPairs,
        *,
        penalties: tuple[float, float | None] | None = None,
        robust: bool = False,
    ) -> SeasonalRidge:
        """Solve the map of all windows, then the deviation of each step of the season.

        Args:
            learned: the training windows.
            judged: windows on which the penalties are chosen; not read where they are given.
            penalties: of the common map and of the deviations, chosen before; optional.
            robust: whether the sum of the windows' errors is made least, and not that of their
                squares, by windows weighted by the inverse of their error.
        """
        total = _sums_of_all(learned, learned.sizes)
        if penalties is not None:
            penalty, deviation_penalty = penalties
            grid: tuple[float | None, ...] = (deviation_penalty,)
        else:
            penalty = _chosen_penalty(total, judged, robust)
            grid = DEVIATION_PENALTIES
        common = _solved(total, penalty)
        errors = _errors(learned, common)
        sizes = learned.sizes
        least = LEAST_ERROR * float(np.sqrt(np.square(errors).mean()))
        if learned.weights is not None:
            least = LEAST_ERROR * float(
                np.sqrt(sizes @ np.square(errors).mean(axis=1) / sizes.sum())
            )
        for _ in range(ROUNDS * robust):
            sizes = learned.sizes * _sizes(errors, least)
            common = _solved(_sums_of_all(learned, sizes), penalty)
            errors = _errors(learned, common)

        deviations = {
            step: _deviations(learned, chosen, errors, sizes, grid)
            for step, chosen in learned.by_step()
        }
        best: int | None = 0
        if penalties is None:
            best = _best_deviation(judged, common, deviations, robust)
            deviation_penalty = None
        weights = np.repeat(common[None], learned.season_length, axis=0)
        if best is not None:
            deviation_penalty = grid[best]
            for step, candidates in deviations.items():
                weights[step] += candidates[best]
        # As they are stored, so that a loaded model forecasts the same bits.
        weights = weights.astype(np.float32).astype(np.float64)
        return cls(weights, penalty, deviation_penalty)

    def predict(self, regressors: NDArray[np.float32], steps: IntArray) -> FloatArray:
        """Forecast (S, H) from regressors (S, F) at steps (S,) of the season."""
        made = np.empty((len(regressors), self.weights.shape[2]))
        for step in np.unique(steps):
            chosen = steps == step
            made[chosen] = regressors[chosen].astype(np.float64) @ self.weights[step]
        return made

    def loss(self, judged: SeasonalPairs, *, robust: bool) -> float:
        """Return the sum of squared errors of windows, or of their roots."""
        errors = judged.ahead - self.predict(judged.regressors, judged.steps)
        return _loss(errors, judged.sizes, robust)

    def to_state(self) -> dict[str, NDArray[np.floating]]:
        """Return arrays from which `from_state` rebuilds the maps."""
        penalties = [self.penalty]
        if self.deviation_penalty is not None:
            penalties.append(self.deviation_penalty)
        return {"weights": self.weights.astype(np.float32), "penalties": np.array(penalties)}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.floating]]) -> SeasonalRidge:
        """Read back what `to_state` wrote.

        Raises:
            ShapeError: the weights have other axes.
        """
        check_shape("seasonal weights", state["weights"], "PFH")
        penalty, *of_deviations = map(float, state["penalties"])
        deviation_penalty = of_deviations[0] if of_deviations else None
        return cls(np.asarray(state["weights"], np.float64), penalty, deviation_penalty)


Sums = tuple[FloatArray, FloatArray]
"""(F, F) mean of x x', and (F, H) mean of x y', of weighted pairs."""


def _chosen_penalty(total: Sums, judged: SeasonalPairs, robust: bool) -> float:
    """Return the penalty of the common map with the least loss on the judged windows."""
    losses = []
    for penalty in GRID:
        errors = _errors(judged, _solved(total, penalty))
        losses.append(_loss(errors, judged.sizes, robust))
    return GRID[int(np.argmin(losses))]


def _deviations(
    learned: SeasonalPairs,
    chosen: IntArray,
    errors: FloatArray,
    sizes: FloatArray,
    grid: Sequence[float | None],
) -> list[FloatArray]:
    """Return the (F, H) deviation of one step of the season for each penalty.

    Args:
        learned: the training windows.
        chosen: numbers of those that begin at the step.
        errors: (S, H) of the common map on all, actual minus forecast.
        sizes: (S,) weight of each.
        grid: penalties; None: there is no deviation.
    """
    zero = np.zeros((learned.regressors.shape[1], errors.shape[1]))
    if not sizes[chosen].any():
        return [zero] * len(grid)
    sums = _sums(learned.regressors[chosen], errors[chosen], sizes[chosen])
    return [zero if penalty is None else _solved(sums, penalty) for penalty in grid]


def _best_deviation(
    judged: SeasonalPairs,
    common: FloatArray,
    deviations: Mapping[int, Sequence[FloatArray]],
    robust: bool,
) -> int | None:
    """Return the number of the penalty with the least loss on the judged windows, or None.

    Args:
        judged: the windows.
        common: (F, H) the common map.
        deviations: by step of the season the deviation for each penalty.
        robust: see `SeasonalRidge.fit`.
    """
    left = _errors(judged, common)
    losses = np.zeros(len(DEVIATION_PENALTIES))
    without = 0.0
    for step, chosen in judged.by_step():
        weights = judged.sizes[chosen]
        without += _loss(left[chosen], weights, robust)
        x = judged.regressors[chosen]
        for number, deviation in enumerate(deviations.get(step, ())):
            losses[number] += _loss(left[chosen] - x @ deviation, weights, robust)
    best = int(np.argmin(losses))
    if losses[best] >= without:
        return None
    return best


def _sums_of_all(pairs: SeasonalPairs, sizes: FloatArray) -> Sums:
    """Return the sums over all windows, those of one step of the season at a time."""
    parts = []
    for _, chosen in pairs.by_step():
        share = sizes[chosen].sum() / sizes.sum()
        if not share:
            continue
        gram, cross = _sums(pairs.regressors[chosen], pairs.ahead[chosen], sizes[chosen])
        parts.append((share * gram, share * cross))
    grams, crosses = zip(*parts, strict=True)
    return np.sum(grams, axis=0), np.sum(crosses, axis=0)


def _sums(x: NDArray[np.float32], y: NDArray[np.floating], sizes: FloatArray) -> Sums:
    """Return the sums of one step: products in float32, which the penalties do not notice."""
    weighted = x * (sizes / sizes.sum()).astype(np.float32)[:, None]
    gram = (weighted.T @ x).astype(np.float64)
    return gram, (weighted.T @ y.astype(np.float32)).astype(np.float64)


def _solved(sums: Sums, penalty: float) -> FloatArray:
    """Return the (F, H) weights of a penalty in units of the mean squared regressor."""
    gram, cross = sums
    unit = max(float(np.trace(gram)) / len(gram), np.finfo(np.float64).tiny)
    return np.asarray(np.linalg.solve(gram + penalty * unit * np.eye(len(gram)), cross), np.float64)


def _errors(pairs: SeasonalPairs, weights: FloatArray) -> FloatArray:
    """Return (S, H) actual minus forecast."""
    made = pairs.regressors @ weights.astype(np.float32)
    return np.asarray(pairs.ahead - made, np.float64)


def _sizes(errors: FloatArray, least: float) -> FloatArray:
    """Return (S,) the inverse of the error of each window, bounded by that of `least`."""
    root = np.sqrt(np.square(errors).mean(axis=1))
    sizes: FloatArray = 1.0 / np.maximum(np.hypot(root, least), np.finfo(np.float64).tiny)
    return sizes


def _loss(errors: FloatArray, weights: FloatArray, robust: bool) -> float:
    """Return the weighted sum of the mean squares of (S, H) errors, or of their roots."""
    means = np.square(errors).mean(axis=1)
    if robust:
        means = np.sqrt(means)
    return float(weights @ means)


def regressors_of(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return (S, F) blocks of regressors side by side, with a constant."""
    constant = np.ones((len(blocks[0]), 1), np.float32)
    return np.concatenate([*blocks, constant], axis=1, dtype=np.float32)
