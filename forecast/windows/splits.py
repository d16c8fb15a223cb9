"""Splits in time: which rows may be learned from, chosen on and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecast.axes import IntArray
from forecast.data.findings import BadTableError
from forecast.data.panel import Panel
from forecast.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one set (training, validation, calibration or test), `first` to before `last`.

    Attributes:
        first: (N,) int64 row of the panel.
        last: (N,) int64 row of the panel, exclusive.
    """

    first: IntArray
    last: IntArray

    @classmethod
    def whole(cls, panel: Panel) -> Part:
        """Return every row of every series."""
        return cls(panel.offsets[:-1], panel.offsets[1:])


def part_rows(part: Part) -> IntArray:
    """Return the rows of one set, series after series."""
    lengths = np.maximum(part.last - part.first, 0)
    ends = np.cumsum(lengths)
    return np.repeat(part.first - (ends - lengths), lengths) + np.arange(int(lengths.sum()))


@dataclass(frozen=True, eq=False)
class Split:
    """Four sets that follow one another in time; a set of size 0 is empty (`first == last`).

    Attributes:
        train: the training set; scales are fitted on these rows alone.
        validation: the validation set, for early stopping and the weights of an ensemble.
        calibration: the calibration set, whose errors give intervals their width.
        test: the test set, for the scores.
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

    Sizes are steps on the grid of the frequency: a gap counts as if its rows were there.

    Args:
        panel: the series.
        validation_size: a whole number of steps, or a share of the whole span as a float in [0, 1),
            rounded to steps.
        test_size: the same for the test set.
        calibration_size: the same for the calibration set.
        purge: steps left out between two sets that are not empty.
        by: `time`: one cutoff for all series; shares are of the span of the panel. `series`:
            counted back from the last timestamp of each series; shares are of its span.

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
    parts = {}
    end = stop  # (N,) positions before which the next set ends
    row = panel.offsets[1:]  # (N,) rows before which it ends
    for name, size in reversed(sizes.items()):
        steps = _steps(size, stop - first)
        start = first_rows_at(panel, end - steps) if steps.any() else row
        parts[name] = Part(start, row)
        end = end - steps - np.where(steps > 0, purge, 0)
        row = start
        if purge and steps.any():
            row = first_rows_at(panel, end)
    train = Part(panel.offsets[:-1], row)
    if not (train.last > train.first).any():
        given = ", ".join(
            f"{name} {size}" for name, size in sizes.items() if size or name != "calibration_size"
        )
        longest = "the panel" if by == "time" else "the longest series"
        raise BadTableError(
            "no_training_rows",
            f"{given} and purge {purge} leave no row to learn from: {longest} spans "
            f"{int(np.max(stop - first, initial=0))} steps",
            "take smaller sets or give more rows",
        )
    return Split(train, parts["validation_size"], parts["calibration_size"], parts["test_size"])


def ends_of(panel: Panel, by: Literal["time", "series"]) -> IntArray:
    """Return (N,) one past the last position of each series (`series`) or of all (`time`).

    It is 0 for a series without a row.
    """
    return _spans(panel, by)[1]


def first_rows_at(panel: Panel, positions: IntArray) -> IntArray:
    """Return the first row of each series at or after a position, else one past its last row.

    A binary search in all series at once.

    Args:
        panel: the series.
        positions: (N,) positions on the grid.

    Returns:
        (N,) rows.
    """
    low = panel.offsets[:-1].copy()
    high = panel.offsets[1:].copy()
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = np.where(open_, (low + high) // 2, 0)
        before = panel.positions[middle] < positions
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)


def _spans(panel: Panel, by: Literal["time", "series"]) -> tuple[IntArray, IntArray]:
    """Return (N,) first positions and one past the last positions of the span of each series."""
    filled = panel.lengths > 0
    first = np.zeros(panel.num_series, np.int64)
    stop = np.zeros(panel.num_series, np.int64)
    first[filled] = panel.positions[panel.offsets[:-1][filled]]
    stop[filled] = panel.positions[panel.offsets[1:][filled] - 1] + 1
    if by == "time" and filled.any():
        first[:] = first[filled].min()
        stop[:] = stop[filled].max()
    return first, stop


def _steps(size: int | float, span: IntArray) -> IntArray:
    """Return (N,) steps of a size given in steps or as a share of (N,) spans."""
    if isinstance(size, float):
        return np.rint(size * span).astype(np.int64)
    return np.full_like(span, size)
