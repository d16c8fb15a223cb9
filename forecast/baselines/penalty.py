"""Penalty of a ridge regression, chosen on windows that were held out.

The training windows are cut into folds, each of them a stretch of time. A fit on the others
forecasts it. Windows that overlap share values to forecast, and with them their errors: those next
to a fold are in no fit that is scored on it (Racine, Consistent cross-validatory model-selection
for dependent data: hv-block cross-validation, 2000). Sums over windows add up, so that no window is
read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.moments import Moments, RidgeRows, chunks
from forecast.windows.index import WindowIndex

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-10, 5))
"""Grid of ridge penalties from 1e-5 to 1e2, in units of the mean squared input."""

PENALTY_WITHOUT_SCORES = PENALTIES[6]
"""Penalty where no window can be held out."""

NUM_FOLDS = 5
"""Folds of the training windows; measured with others in `benchmarks/accuracy/README.md`."""

LEAST_LEARNED = 0.5
"""Share of the training windows that the fit of a fold must have.

Of few windows most overlap with those of a fold, and a fit on the rest needs another penalty.
"""

MAX_WINDOWS = 100_000
"""Windows of all targets that a ridge is fitted on, at most; more are thinned evenly."""

SCORED_WINDOWS = 4_000
"""Windows of the folds, and of the validation set, that score the penalties of a robust fit."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Numbers of the segments that are held out, and of those that overlap with none of them."""

    held: IntArray
    learned: IntArray


@dataclass(frozen=True, eq=False)
class LearnedWindows:
    """The windows a ridge regression is fitted on, in segments of time.

    Attributes:
        rows: the rows that they read.
        index: the training windows.
        segments: numbers of the windows of each segment, in the order of time.
        folds: the segments that each fold holds out and learns from; may be empty.
    """

    rows: RidgeRows
    index: WindowIndex
    segments: tuple[IntArray, ...]
    folds: tuple[Fold, ...]

    @classmethod
    def of(cls, rows: RidgeRows, index: WindowIndex) -> LearnedWindows:
        """Cut the training windows into segments, so that each fold holds out whole ones.

        Args:
            rows: the rows that they read.
            index: the training windows; more than `MAX_WINDOWS` are thinned evenly.
        """
        numbers = evenly_spaced(len(index), max(MAX_WINDOWS // rows.targets.shape[1], 1))
        if not len(numbers):
            return cls(rows, index, (numbers,), ())
        _, first = index.locate(numbers)
        step = first + index.context_length  # the first row to forecast
        if rows.positions is not None:
            step = rows.positions[step]
        bounds = _bounds(step)  # (F + 1,)
        before = bounds - index.horizon + 1  # windows from here on overlap with those of the fold
        after = bounds + index.horizon - 1
        cuts = np.unique(np.concatenate([bounds, before[1:-1], after[1:-1]]))
        cuts = cuts[(cuts >= bounds[0]) & (cuts <= bounds[-1])]
        starts, ends = cuts[:-1], cuts[1:]
        segment = np.searchsorted(cuts, step, side="right") - 1
        folds = [
            Fold(
                held=np.flatnonzero((starts >= bounds[fold]) & (ends <= bounds[fold + 1])),
                learned=np.flatnonzero((ends <= before[fold]) | (starts >= after[fold + 1])),
            )
            for fold in range(len(bounds) - 1)
        ]
        segments = [numbers[segment == number] for number in range(len(starts))]
        return cls(rows, index, tuple(segments), tuple(folds))

    def moments(self) -> list[Moments]:
        """Return the sums over the windows of each segment."""
        return [Moments.of(self.rows, self.index, segment) for segment in self.segments]

    def weighted_moments(self, weights: FloatArray, least: float) -> Moments:
        """Return the sums over all windows, each divided by its error (`Moments.of`)."""
        numbers = np.concatenate(self.segments)
        return Moments.of(self.rows, self.index, numbers, weights, least)


def choose_penalty(
    windows: LearnedWindows,
    parts: Sequence[Moments],
    validation: WindowIndex,
    penalties: Sequence[float],
    *,
    robust: bool,
) -> float:
    """Return the penalty with the least error on the folds and the validation windows together.

    The best penalty times the number of windows is the noise over the signal, whatever that number
    is, so a fit on fewer windows is scored with a penalty that is larger by as much (Dobriban and
    Wager, High-dimensional asymptotics of prediction, 2018). Without any fold the validation
    windows decide, and without these `PENALTY_WITHOUT_SCORES` is taken.

    Args:
        windows: the training windows.
        parts: sums over each of their segments, without weights.
        validation: windows after them, forecast by the fit on all training windows.
        penalties: the penalties to choose from.
        robust: whether errors are squared, or the roots of the mean squares of the windows.
    """
    total = Moments.total(parts)
    rows = windows.rows
    scores = np.zeros(len(penalties))
    for fold in windows.folds:
        learned = Moments.total([parts[segment] for segment in fold.learned])
        if not learned.has_share_of(total, LEAST_LEARNED):
            continue
        factor = total.count / learned.count
        candidates = learned.solutions([factor * penalty for penalty in penalties])
        if robust:
            numbers = np.concatenate([windows.segments[segment] for segment in fold.held])
            most = SCORED_WINDOWS // len(windows.folds)
            scored = numbers[evenly_spaced(len(numbers), most)]
            scores += _root_errors(rows, windows.index, scored, candidates)
        else:
            held = Moments.total([parts[segment] for segment in fold.held])
            scores += [held.squared_error(weights) for weights in candidates]

    if len(validation):
        candidates = total.solutions(penalties)
        if robust:
            scored = evenly_spaced(len(validation), SCORED_WINDOWS)
            scores += _root_errors(rows, validation, scored, candidates)
        else:
            summed = evenly_spaced(len(validation), max(MAX_WINDOWS // rows.targets.shape[1], 1))
            held = Moments.of(rows, validation, summed)
            scores += [held.squared_error(weights) for weights in candidates]
    if not scores.any():
        return max(PENALTY_WITHOUT_SCORES, min(penalties))
    return penalties[int(np.argmin(scores))]


def _root_errors(
    rows: RidgeRows, index: WindowIndex, numbers: IntArray, candidates: Sequence[FloatArray]
) -> FloatArray:
    """Return the sum over windows of root mean squared errors for each of the candidates."""
    errors = np.zeros(len(candidates))
    for pairs in chunks(rows, index, numbers):
        errors += [float(pairs.weights @ np.sqrt(pairs.mean_squares(each))) for each in candidates]
    return errors


def _bounds(step: IntArray) -> IntArray:
    """Return (F + 1,) bounds in time that divide windows into folds of about equal size.

    There are fewer folds where windows are too few, or many of them at the same time.

    Args:
        step: (W,) time of the first step to forecast of each window.
    """
    ordered = np.sort(step)
    begins = ordered[np.arange(NUM_FOLDS) * len(step) // NUM_FOLDS]
    return np.unique(np.append(begins, ordered[-1] + 1))
