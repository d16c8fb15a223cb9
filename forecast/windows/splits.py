"""Splits in time: which rows may be learned from, chosen on and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecast.axes import IntArray
from forecast.data.panel import Panel
from forecast.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of every series that may be forecast: those from `first` up to, not including, `last`.

    Attributes:
        first: (N,) int64 row of the panel.
        last: (N,) int64 row of the panel, exclusive.
    """

    first: IntArray
    last: IntArray

    @classmethod
    def whole(cls, panel: Panel) -> Part:
        """Every row of every series."""
        return cls(panel.offsets[:-1], panel.offsets[1:])


@dataclass(frozen=True, eq=False)
class Split:
    """Four parts that follow one another in time; a part of size 0 is empty (`first == last`).

    Attributes:
        train: rows to learn from; scales are fitted on these alone.
        validation: rows for early stopping.
        calibration: rows whose errors give intervals their width.
        test: rows for the scores.
    """

    train: Part
    validation: Part
    calibration: Part
    test: Part


def split_panel(
    panel: Panel,
    *,
    validation_size: int | float,
    test_size: int | float,
    calibration_size: int | float = 0,
    purge: int = 0,
    by: Literal["time", "series"] = "time",
) -> Split:
    """Cut every series into training, validation, calibration and test rows, in this order in time.

    Sizes are counted on the grid of the frequency, so a gap takes as many steps as if its rows were
    there.

    Args:
        panel: the series.
        validation_size: a whole number of steps, or a share of the whole span as a float in [0, 1),
            rounded to steps.
        test_size: the same for the test part.
        calibration_size: the same for the calibration part.
        purge: steps left out between two parts that are not empty.
        by: `time`: one cutoff for all series, the span is that of the panel. `series`: counted back
            from the last stamp of each series, the span is its own.

    Raises:
        ConfigError: a size is negative, or a share of 1 or more.
        DataError: no row is left to learn from.
    """
    sizes = {
        "validation_size": validation_size,
        "calibration_size": calibration_size,
        "test_size": test_size,
    }
    for name, size in (*sizes.items(), ("purge", purge)):
        if size < 0 or (isinstance(size, float) and not size < 1):
            raise ConfigError(
                f"{name} is {size}; expected a whole number of steps, or a share of at least 0, "
                f"below 1"
            )
    first, stop = _spans(panel, by)
    end, row, parts = stop, panel.offsets[1:], {}
    for name, size in reversed(sizes.items()):
        steps = _steps(size, stop - first)
        start = first_rows_at(panel, end - steps) if steps.any() else row
        parts[name] = Part(start, row)
        end = end - steps - np.where(steps > 0, purge, 0)
        row = first_rows_at(panel, end) if purge and steps.any() else start
    train = Part(panel.offsets[:-1], row)
    if not (train.last > train.first).any():
        asked = ", ".join(
            f"{name} {size}" for name, size in sizes.items() if size or name != "calibration_size"
        )
        raise DataError(
            f"{asked} and purge {purge} leave no row to learn from: "
            f"{'the panel' if by == 'time' else 'the longest series'} spans "
            f"{int(np.max(stop - first, initial=0))} steps; take smaller parts or give more rows"
        )
    return Split(train, parts["validation_size"], parts["calibration_size"], parts["test_size"])


def ends_of(panel: Panel, by: Literal["time", "series"]) -> IntArray:
    """(N,) one past the last position of each series (`series`), or of all together (`time`); 0 without any row."""
    return _spans(panel, by)[1]


def first_rows_at(panel: Panel, positions: IntArray) -> IntArray:
    """First row of each series at or after a position; one past its last row where there is none.

    A binary search in all series at once.

    Args:
        panel: the series.
        positions: (N,) places on the grid.

    Returns:
        (N,) rows.
    """
    low, high = panel.offsets[:-1].copy(), panel.offsets[1:].copy()
    while (open_ := low < high).any():
        middle = np.where(open_, (low + high) // 2, 0)
        before = panel.positions[middle] < positions
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def _spans(panel: Panel, by: Literal["time", "series"]) -> tuple[IntArray, IntArray]:
    """(N,) first position and one past the last position of the span each series is cut by."""
    filled = panel.lengths > 0
    first, stop = np.zeros(panel.num_series, np.int64), np.zeros(panel.num_series, np.int64)
    first[filled] = panel.positions[panel.offsets[:-1][filled]]
    stop[filled] = panel.positions[panel.offsets[1:][filled] - 1] + 1
    if by == "time" and filled.any():
        first[:], stop[:] = first[filled].min(), stop[filled].max()
    return first, stop


def _steps(size: int | float, span: IntArray) -> IntArray:
    """(N,) steps of a size given in steps or as a share of (N,) spans."""
    return (
        np.rint(size * span).astype(np.int64)
        if isinstance(size, float)
        else np.full_like(span, size)
    )
