"""Parts that scores are made of: the entry of the table, and means over measured values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from forecast.axes import FloatArray

Axis = int | tuple[int, ...] | None


Metric = Callable[..., Any]


@dataclass(frozen=True)
class Score:
    """Entry of `SCORES`: a metric, the arrays it reads, and the way its numbers are shown.

    A score of several windows, whatever they have in common (a series, a step, a cutoff), is the
    function of all their values at once. So nothing is declared about joining scores of windows:
    a metric that takes a root or a median takes it last.

    Attributes:
        function: takes `actual`, the arguments that `needs` names, and `axis` by keyword: the axes
            of `actual` to average over, None for all. Arrays may have any number of axes. Values
            where `actual` is NaN are not scored.
        needs: names of the arguments after `actual`, of these:
            `forecast`: point forecasts, in the shape of `actual`;
            `scale`: seasonal error of each value's series, in the shape of `actual`, NaN or 0
            where there is none;
            `quantiles`, `levels`: (..., Q) quantile forecasts and (Q,) ascending levels in (0, 1);
            `lower`, `upper`, `nominal`: ends of a central interval in the shape of `actual`, and
            the share of values in (0, 1) that it should cover. The metric is then scored once for
            every central interval.
        best: the value that is marked as best: the lowest, the highest, that nearest to zero, or
            none. A search minimises scores whose lowest value is best.
        printed: whether the printed table and the report show it. Other scores stand in
            `scores.json`, `Scores.frame` and `scores_by`.
        style: format of its numbers; None for equal decimals, four significant digits in the
            smallest, or with a sign and in the largest where the best is zero.
    """

    function: Metric
    needs: tuple[str, ...] = ("forecast",)
    best: Literal["low", "high", "zero", "none"] = "low"
    printed: bool = True
    style: str | None = None

    @property
    def is_of_intervals(self) -> bool:
        """Whether there is one number per central interval."""
        return "lower" in self.needs

    @property
    def is_of_points(self) -> bool:
        """Whether point forecasts are enough."""
        return not self.is_of_intervals and "quantiles" not in self.needs


def mean_where_measured(values: FloatArray, actual: FloatArray, axis: Axis) -> Any:
    """Mean of the values whose actual is not NaN; NaN where there is none."""
    measured = ~np.isnan(actual)
    count = measured.sum(axis=axis)
    total = np.where(measured, values, 0.0).sum(axis=axis)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1))[()]


def divide(numerator: FloatArray, denominator: FloatArray, *, at_zero: float) -> FloatArray:
    """Quotient, and `at_zero` where the denominator is 0."""
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, at_zero, numerator / safe)
