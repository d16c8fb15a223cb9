"""The column of weights: how much the errors of each row count where a model learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.findings import SHOWN, Change, FindingLog, counted
from forecast.data.parse import read_numbers
from forecast.data.table import RowNames

_FIX = "give every row a number of at least 0"

_WITHOUT = Change({"data.weight_col": None}, "to do without weights")


def read_weights(names: RowNames, column: str, log: FindingLog) -> FloatArray:
    """Read the weights of the rows of a table.

    Args:
        names: the rows.
        column: name of the column.
        log: gets an error where a weight is missing, negative or infinite, or all are 0.

    Returns:
        (R,) weights.

    Raises:
        BadTableError: cells that are no numbers, or the log is strict and there is an error.
    """
    weights = read_numbers(names.table, column, names, log, allow_missing=True)
    _report(np.isnan(weights), f"weight {column!r} is empty", names, log)
    _report(weights < 0, f"weight {column!r} is negative", names, log)
    if len(weights) and not weights.any():
        log.error(
            "bad_weights",
            f"weight {column!r} is 0 in every row, so that there is nothing to learn from",
            "give the rows that count a weight above 0",
            settings=(_WITHOUT,),
        )
    return weights


def _report(bad: NDArray[np.bool_], message: str, names: RowNames, log: FindingLog) -> None:
    """Add an error that names the rows of bad weights, if there are any."""
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    where = names.several(rows[:SHOWN].tolist(), len(rows))
    log.error(
        "bad_weights",
        f"{message} in {counted(len(rows), 'row')}: {where}",
        _FIX,
        settings=(_WITHOUT,),
    )


def carried(weights: FloatArray) -> FloatArray:
    """Return (R,) weights with those of steps without a row taken from the row before."""
    latest = np.maximum.accumulate(np.where(np.isnan(weights), 0, np.arange(len(weights))))
    return weights[latest]


def with_inserted(
    weights: FloatArray | None, new_rows: IntArray, num_rows: int
) -> FloatArray | None:
    """Return the weights of rows among which others were inserted, each like the row before it.

    Args:
        weights: (R,) weights of the old rows; None for none.
        new_rows: (R,) new row of every old one; the first row of a series is an old one.
        num_rows: number of all rows.
    """
    if weights is None:
        return None
    spread = np.full(num_rows, np.nan)
    spread[new_rows] = weights
    return carried(spread)
