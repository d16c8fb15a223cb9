"""Histories of a simple member as series of rows in operations of an export, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.baselines.lengths import Steps
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.smoothing import Smoothing
from forecast.export.operations import Operations, Value


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """The last T rows of S series, latest last.

    Attributes:
        ops: writes the graph.
        values: (S, T), 0 before the first value of a series.
        known: (S, T) 1 from the first value on, 0 before.
        is_known: (S, T) whether there is a value.
        lengths: (S, 1) number of values of a series.
        all_positive: (S, 1) whether all values are above 0.
    """

    ops: Operations
    values: Value
    known: Value
    is_known: Value
    lengths: Value
    all_positive: Value

    @classmethod
    def of(cls, ops: Operations, values: Value, known: Value) -> SeriesRows:
        """Write what members ask of rows, once, so that loops and branches find it there.

        Args:
            ops: writes the graph.
            values: (S, T), 0 before the first value of a series.
            known: (S, T) 1 from the first value on, 0 before.
        """
        zero = ops.constant(np.float64(0))
        is_known = ops.binary("greater", known, zero)
        shown = ops.where(is_known, values, ops.constant(np.float64(1)))
        all_positive = ops.binary("greater", ops.reduce("min", shown, 1), zero)
        return cls(ops, values, known, is_known, ops.reduce("sum", known, 1), all_positive)

    @property
    def num_rows(self) -> int:
        """T."""
        return self.ops.shape(self.values)[1] or 0

    def number(self, value: float) -> Value:
        """Return a number."""
        return self.ops.constant(np.float64(value))

    def from_start(self, places: Value) -> Value:
        """Return (S, K) values at places (S or 1, K) counted from the first; of more, the last."""
        ops = self.ops
        first = self.number(float(self.num_rows)) - self.lengths
        wanted = ops.binary("minimum", first + places, self.number(self.num_rows - 1.0))
        return ops.pick(self.values, ops.cast(wanted, "int64"))

    def zeros(self, count: int = 1) -> Value:
        """Return (S, count) zeros."""
        none = self.lengths - self.lengths
        return none + self.ops.constant(np.zeros((1, count)))

    def at_least(self, count: float) -> Value:
        """Return (S, 1) whether a series has so many values."""
        return self.ops.binary("greater", self.lengths, self.number(count - 0.5))

    def by_row(self) -> tuple[Value, Value]:
        """Return values and whether there is one, (T, S, 1) each, for a loop."""
        ops = self.ops
        values, is_known = (
            ops.expand(ops.transpose(rows, (1, 0)), 2) for rows in (self.values, self.is_known)
        )
        return values, is_known


@dataclass(frozen=True, eq=False)
class Task:
    """Inputs of a simple member.

    Attributes:
        ops: writes the graph.
        history: (B, M, D) in the unit of the data; NaN before the start of a series.
        steps: lengths.
        linear: the ridge baseline.
        series: (B,) number of the series of training; -1 for a new one.
        smoothing: exponential smoothing of the series of training; None in earlier models.
    """

    ops: Operations
    history: Value
    steps: Steps
    linear: RidgeWindow
    series: Value
    smoothing: Smoothing | None = None

    @property
    def num_rows(self) -> int:
        """M."""
        return self.ops.shape(self.history)[1] or 0

    @property
    def num_targets(self) -> int:
        """D."""
        return self.ops.shape(self.history)[2] or 0

    def last_rows(self, count: int) -> Value:
        """Return the (B, count, D) last rows."""
        return self.ops.slice(self.history, 1, self.num_rows - count, self.num_rows)

    def repeated(self, row: Value) -> Value:
        """Return (B, H, D) from (B, 1, D)."""
        return self.ops.take(row, [0] * self.steps.horizon, 1)

    def rows(self, count: int) -> SeriesRows:
        """Return the last rows of every window and target, B D series."""
        ops = self.ops
        by_target = ops.transpose(self.last_rows(count), (0, 2, 1))
        rows = ops.reshape(by_target, (-1, count))
        is_missing = ops.unary("isnan", rows)
        zero = ops.constant(np.float64(0))
        one = ops.constant(np.float64(1))
        return SeriesRows.of(
            ops, ops.where(is_missing, zero, rows), ops.where(is_missing, zero, one)
        )

    def forecast_of(self, made: Value) -> Value:
        """Return (B, H, D) from the forecasts (B D, H) of series."""
        ops = self.ops
        by_target = ops.reshape(made, (-1, self.num_targets, self.steps.horizon))
        return ops.transpose(by_target, (0, 2, 1))
