"""Sums over windows from which ridge regressions are solved and scored.

| letter | axis                                     |
|--------|------------------------------------------|
| K      | known covariates of a step               |
| S      | pairs of a window and a target           |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.threads import one_thread
from forecast.windows.index import WindowIndex
from forecast.windows.window_weights import window_weights

CHUNK_WINDOWS = 2048

STEPS_TOGETHER = 500
"""Known values of a horizon, H K, up to which each step is forecast from those of all steps.

They tell what was known before the horizon, too, which improves forecasts where there are windows
enough. Sums and equations grow with the square of H K, so with more values each step has its own
alone. Measured in `benchmarks/accuracy/README.md`.
"""

LEAST_UNIT = 1e-290
"""Least mean squared input: its inverse is a number, also times the inverse of a penalty."""


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
        positions: (R,) place of each row on the grid of time, by which windows are held out
            together; default: the number of the row.
        weights: (R,) how much each row counts, 1 on average; a window counts by the mean weight of
            the rows that it forecasts. Default: all alike.
    """

    targets: FloatArray
    scale: FloatArray
    inputs: FloatArray | None = None
    known: FloatArray | None = None
    positions: IntArray | None = None
    weights: FloatArray | None = None

    @property
    def num_known(self) -> int:
        """K."""
        if self.known is None:
            return 0
        return self.known.shape[1]

    def num_together(self, horizon: int) -> int:
        """Return how many known values of the horizon all steps are forecast from: H K or 0."""
        together = horizon * self.num_known
        if together > STEPS_TOGETHER:
            return 0
        return together

    @property
    def vary(self) -> bool:
        """Whether a series has more than one value."""
        return bool((self.scale > 0).any())


@dataclass(frozen=True, eq=False)
class Pairs:
    """Complete contexts and their horizons, without last value and scale.

    Attributes:
        context: (S, L), followed by the known covariates of all steps if few (`STEPS_TOGETHER`).
        ahead: (S, H), 0 where nothing was measured.
        measured: (S, H) where something was.
        known: (S, H, K) known covariates as they are; K is 0 where they are in `context`.
        weights: (S,) how much each counts.
    """

    context: FloatArray
    ahead: FloatArray
    measured: NDArray[np.bool_]
    known: FloatArray
    weights: FloatArray

    def mean_squares(self, weights: FloatArray) -> FloatArray:
        """Return (S,) mean squared errors of weights (L + K, H); 0 where nothing was measured."""
        length = self.context.shape[1]
        forecast = self.context @ weights[:length]
        if self.known.shape[2]:
            forecast += np.einsum("shk,kh->sh", self.known, weights[length:])
        total = np.where(self.measured, np.square(self.ahead - forecast), 0.0).sum(axis=1)
        mean: FloatArray = total / np.maximum(self.measured.sum(axis=1), 1)
        return mean


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over windows x (L), z (H, K) -> y (H), by which any linear map is scored.

    Step h is forecast from x, the context of `Pairs`, and from z_h, its own known covariates.

    Attributes:
        gram: (L, L) sum of x x'.
        cross: (L, H) sum of x y' over the windows that have the step.
        known_gram: (H, K, K) sum of z_h z_h'.
        known_mixed: (H, L, K) sum of x z_h'.
        known_cross: (H, K) sum of z_h y_h over the windows that have the step.
        square: sum of y'y.
        count: number of windows, or the sum of their weights.
        counts: (H,) those of them that have the step.
    """

    gram: FloatArray
    cross: FloatArray
    known_gram: FloatArray
    known_mixed: FloatArray
    known_cross: FloatArray
    square: float
    count: float
    counts: FloatArray

    @classmethod
    def of(
        cls,
        rows: RidgeRows,
        index: WindowIndex,
        numbers: IntArray,
        weights: FloatArray | None = None,
        least: float = 1.0,
    ) -> Moments:
        """Sum up windows.

        Args:
            rows: the rows to read.
            index: the windows.
            numbers: those of them to sum up.
            weights: optional; each window is then divided by its error with these weights.
            least: the least error that a window is divided by.
        """
        horizon = index.horizon
        together = rows.num_together(horizon)
        length = index.context_length + together
        num_known = rows.num_known
        if together:
            num_known = 0
        gram = np.zeros((length, length))
        cross = np.zeros((length, horizon))
        known_gram = np.zeros((horizon, num_known, num_known))
        known_mixed = np.zeros((length, horizon * num_known))
        known_cross = np.zeros((horizon, num_known))
        square = 0.0
        count = 0.0
        counts = np.zeros(horizon)
        for pairs in chunks(rows, index, numbers):
            size = pairs.weights
            if weights is not None:
                size = size / np.hypot(np.sqrt(pairs.mean_squares(weights)), least)
            weighted = pairs.context * size[:, None]
            gram += pairs.context.T @ weighted
            cross += weighted.T @ pairs.ahead
            square += float(np.vdot(pairs.ahead, pairs.ahead * size[:, None]))
            count += float(size.sum())
            counts += size @ pairs.measured
            if num_known:
                by_step = pairs.known.swapaxes(0, 1)  # (H, S, K)
                sized = by_step * size[:, None]
                known_gram += by_step.swapaxes(1, 2) @ sized
                known_mixed += weighted.T @ pairs.known.reshape(len(size), -1)
                known_cross += np.einsum("hsk,sh->hk", sized, pairs.ahead)
        mixed = known_mixed.reshape(length, horizon, num_known).swapaxes(0, 1)
        return cls(gram, cross, known_gram, mixed, known_cross, square, count, counts)

    @classmethod
    def total(cls, parts: Sequence[Moments]) -> Moments:
        """Return the sums over the windows of all parts."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: sum(getattr(part, name) for part in parts) for name in names})

    @property
    def num_unknown(self) -> int:
        """L + K, the weights of a step."""
        return len(self.gram) + self.known_cross.shape[1]

    @property
    def is_few(self) -> bool:
        """Whether a step has fewer windows than unknowns; only of sums without weights."""
        return bool(self.counts.min() < self.num_unknown)

    def has_share_of(self, total: Moments, share: float) -> bool:
        """Return whether every step has at least this share of the windows of `total`, and one."""
        return bool((self.counts >= np.maximum(share * total.counts, 1)).all())

    def solutions(self, penalties: Iterable[float]) -> list[FloatArray]:
        """Return (L + K, H) weights for every penalty, in units of the mean squared input.

        The equations of all steps share those of the context: one eigendecomposition serves them
        and all penalties, and what is left for each step are K equations (Schur complement).
        """
        penalties = tuple(penalties)
        if len(penalties) == 1 and not self.known_cross.size:
            return [self._solution(penalties[0])]
        with one_thread():
            eigenvalues, basis = np.linalg.eigh(self.gram / self.count)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        known_gram = self.known_gram / self.count
        unit = eigenvalues.sum() + np.trace(known_gram, axis1=1, axis2=2).mean()
        unit = max(float(unit) / self.num_unknown, LEAST_UNIT)
        rotated = basis.T @ (self.cross / self.counts)  # (L, H)
        mixed = basis.T @ (self.known_mixed / self.count)  # (H, L, K)
        known_cross = self.known_cross / self.counts[:, None]
        found = []
        for penalty in penalties:
            inverse = 1.0 / (eigenvalues + penalty * unit)
            of_known = np.zeros((len(known_cross), 0))  # (H, K)
            left = rotated
            if known_cross.size:
                shrunk = (mixed * inverse[:, None]).swapaxes(1, 2)  # (H, K, L)
                schur = known_gram + penalty * unit * np.eye(known_gram.shape[1]) - shrunk @ mixed
                right = known_cross - np.einsum("hkl,lh->hk", shrunk, rotated)
                of_known = np.linalg.solve(schur, right[:, :, None])[:, :, 0]
                left = rotated - np.einsum("hlk,hk->lh", mixed, of_known)
            found.append(np.concatenate([basis @ (inverse[:, None] * left), of_known.T]))
        return found

    def _solution(self, penalty: float) -> FloatArray:
        """Return (L, H) weights for one penalty without known covariates, in a tenth of the time.

        The smallest penalty, 1e-5 of the mean eigenvalue, bounds the condition number by 1e5 L.
        """
        gram = self.gram / self.count
        unit = max(float(np.trace(gram)) / self.num_unknown, LEAST_UNIT)
        gram[np.diag_indices_from(gram)] += penalty * unit
        with one_thread():
            return np.asarray(np.linalg.solve(gram, self.cross / self.counts), np.float64)

    def deviation(self, weights: FloatArray) -> float:
        """Root mean squared error of one step."""
        return float(np.sqrt(max(self.squared_error(weights), 0.0) / self.counts.sum()))

    @property
    def resolved(self) -> float:
        """Least root mean squared error that differs from 0 in these sums, whose digits cancel."""
        return float(np.sqrt(np.finfo(np.float64).eps * self.square / self.counts.sum()))

    def squared_error(self, weights: FloatArray) -> float:
        """Sum of |y - W'x|^2 over the windows; of a step that some lack, its share of W'x x'W."""
        length = len(self.gram)
        of_context = weights[:length]  # (L, H)
        of_known = weights[length:].T  # (H, K)
        explained = np.einsum("lh,lh->h", of_context, self.gram @ of_context)
        together = np.vdot(of_context, self.cross) + np.vdot(of_known, self.known_cross)
        if of_known.size:
            twice = np.einsum("lh,hlk->hk", of_context, self.known_mixed)
            own = np.einsum("hkj,hj->hk", self.known_gram, of_known)
            explained += np.einsum("hk,hk->h", of_known, 2 * twice + own)
        share = self.counts / max(self.count, np.finfo(np.float64).tiny)
        return self.square - 2 * float(together) + float(explained @ share)


def chunks(rows: RidgeRows, index: WindowIndex, numbers: IntArray) -> Iterator[Pairs]:
    """Yield the pairs of the numbered windows, some at a time."""
    size = max(CHUNK_WINDOWS // rows.targets.shape[1], 1)
    for start in range(0, len(numbers), size):
        yield _pairs(rows, index, numbers[start : start + size])


def _pairs(rows: RidgeRows, index: WindowIndex, numbers: IntArray) -> Pairs:
    """Return the pairs of the numbered windows and all targets with a complete context."""
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
    known = np.zeros((len(y), ahead.shape[1], 0))
    if rows.known is not None:
        known = np.repeat(rows.known[ahead], rows.targets.shape[1], axis=0)[is_complete]
    if rows.num_together(ahead.shape[1]):
        x = np.concatenate([x, known.reshape(len(x), -1)], axis=1)
        known = known[:, :, :0]
    measured = np.isfinite(y)
    weights = np.ones(len(y))
    if rows.weights is not None:
        of_windows = window_weights(rows.weights, index, first)
        weights = np.repeat(of_windows, rows.targets.shape[1])[is_complete]
    return Pairs(x, np.where(measured, y, 0.0), measured, known, weights)
