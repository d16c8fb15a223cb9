"""Several rows become one: those with one timestamp, or in one interval of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.findings import FindingLog, counted
from forecast.data.order import SortedRows
from forecast.data.per_series.row_weights import carried
from forecast.data.regular.time_steps import Aggregate, TimeSteps
from forecast.data.values import Arranged


@dataclass(frozen=True, eq=False)
class Joined:
    """Rows that were joined, and where the cells of each row of the table went.

    Attributes:
        rows: one row per step.
        target: (R,) step of each row of the table, in time order; -1 where it was left out.
    """

    rows: SortedRows
    target: IntArray


def join_repeats(rows: SortedRows) -> Joined:
    """Join the rows of each series that have one timestamp."""
    begins = np.ones(len(rows.stamps), dtype=bool)
    begins[1:] = ~rows.inside | (rows.stamps[1:] != rows.stamps[:-1])
    target = np.cumsum(begins) - 1
    return Joined(first_rows(rows, np.flatnonzero(begins)), target)


def first_rows(rows: SortedRows, first: IntArray) -> SortedRows:
    """Return some rows, at least one of each series, with their names in the table."""
    order = first
    if rows.order is not None:
        order = rows.order[first]
    offsets = np.searchsorted(first, rows.offsets).astype(np.int64)
    return replace(rows, order=order, offsets=offsets, stamps=rows.stamps[first])


def join_cells(arranged: Arranged, joined: Joined, settings: TimeSteps) -> Arranged:
    """Join the cells of rows that were joined.

    Args:
        arranged: cells of the rows of the table, in time order.
        joined: the step of each row.
        settings: how the targets are joined, and their value in a step without a row; covariates
            are missing there.
    """
    num_steps = len(joined.rows.stamps)
    if np.array_equal(joined.target, np.arange(num_steps)):  # every row is a step
        return arranged
    how: Aggregate = settings.aggregate
    if how == "refuse":  # no step has several rows
        how = "last"
    columns = arranged.columns
    kept = np.flatnonzero(joined.target >= 0)
    target = joined.target[kept]
    starts = np.flatnonzero(np.diff(target, prepend=-1))
    values = np.full((num_steps, len(columns.dynamic)), np.nan)
    if settings.empty_is_zero:
        values[:, : len(columns.target_cols)] = 0
    for place, name in enumerate(columns.dynamic):
        way: Aggregate = how
        if name not in columns.target_cols:
            way = _of_covariates(how, is_category=name in columns.categorical)
        cells = arranged.dynamic[kept, place]
        values[target[starts], place] = _WAYS[way](cells, starts)
    weights = None
    if arranged.weights is not None:
        weights = np.full(num_steps, np.nan)
        weights[target[starts]] = _mean(arranged.weights[kept], starts)
        weights = carried(weights)
    return replace(arranged, dynamic=values, weights=weights)


def check_inserted(
    arranged: Arranged, joined: Joined, allow_missing: bool, log: FindingLog
) -> None:
    """Report covariates that are missing in steps without a row."""
    columns = arranged.columns
    covariates = columns.dynamic[len(columns.target_cols) :]
    has_row = np.zeros(len(joined.rows.stamps), dtype=bool)
    has_row[joined.target[joined.target >= 0]] = True
    if has_row.all() or not covariates or allow_missing:
        return
    log.error(
        "inserted_covariates",
        f"{counted(int((~has_row).sum()), 'interval')} without a row, where "
        f"{', '.join(covariates)} have no value",
        settings=({"data.missing": "forward_fill"}, {"data.missing": "mask"}),
    )


def _of_covariates(how: Aggregate, *, is_category: bool) -> Aggregate:
    """Return how a covariate is joined where the targets are joined in some way."""
    if is_category:
        return "first" if how == "first" else "last"
    if how in ("sum", "count"):
        return "mean"
    return how


def _sum(cells: FloatArray, starts: IntArray) -> FloatArray:
    """Return the sum of each group, NaN where all its cells are missing."""
    total = np.add.reduceat(np.nan_to_num(cells, nan=0.0), starts)
    return np.where(_count(cells, starts) > 0, total, np.nan)


def _count(cells: FloatArray, starts: IntArray) -> FloatArray:
    """Return the number of cells of each group that are not missing."""
    return np.add.reduceat((~np.isnan(cells)).astype(np.float64), starts)


def _mean(cells: FloatArray, starts: IntArray) -> FloatArray:
    return _sum(cells, starts) / np.maximum(_count(cells, starts), 1)


def _last(cells: FloatArray, starts: IntArray) -> FloatArray:
    """Return the last cell of each group that is not missing, NaN where all are."""
    row = np.where(np.isnan(cells), -1, np.arange(len(cells)))
    last = np.maximum.reduceat(row, starts)
    return np.where(last < 0, np.nan, cells[last])


def _first(cells: FloatArray, starts: IntArray) -> FloatArray:
    """Return the first cell of each group that is not missing, NaN where all are."""
    row = np.where(np.isnan(cells), len(cells), np.arange(len(cells)))
    first = np.minimum.reduceat(row, starts)
    return np.where(first == len(cells), np.nan, cells[np.minimum(first, len(cells) - 1)])


def _max(cells: FloatArray, starts: IntArray) -> FloatArray:
    return np.asarray(np.fmax.reduceat(cells, starts))


def _min(cells: FloatArray, starts: IntArray) -> FloatArray:
    return np.asarray(np.fmin.reduceat(cells, starts))


_WAYS: dict[Aggregate, Callable[[FloatArray, IntArray], FloatArray]] = {
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "first": _first,
    "max": _max,
    "min": _min,
    "count": _sum,  # of ones and zeros, which stand for targets that are there or missing
}
