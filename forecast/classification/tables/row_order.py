"""The order of the rows of a table of sequences, by a column of steps or timestamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_settings import SequenceColumns
from forecast.classification.tables.sequence_cells import repeating
from forecast.data.dates.lookalikes import refuse_lookalikes
from forecast.data.dates.stamps import read_stamps
from forecast.data.findings import BadTableError, FindingLog, counted
from forecast.data.parse import read_numbers
from forecast.data.per_series.ids import Ids
from forecast.data.table import RowNames, Table

_NUMBER = r"^\s*[-+]?(\d{1,3}([., ']\d{3})+|\d*)([.,]\d+)?\s*$"
"""A number as text, perhaps with a decimal comma or marks between thousands; no date."""

_MOST = 0.5
"""Share of such cells from which the others are mistakes."""


@dataclass(frozen=True, eq=False)
class RowOrder:
    """Order of the rows of a table.

    Attributes:
        rows: (R,) numbers of the rows, by sequence and step.
        steps: (R,) their steps, numbers or nanoseconds of timestamps; None where they stay in the
            order of the table.
        has_stamps: whether `steps` are nanoseconds.
        tz: zone in which the table has its timestamps, where they are those of UTC.
    """

    rows: IntArray
    steps: FloatArray | None = None
    has_stamps: bool = False
    tz: str | None = None


def order_of(
    table: Table, roles: SequenceColumns, rows: RowNames, *, are_spaced: bool, log: FindingLog
) -> RowOrder:
    """Return the rows sorted by sequence and step.

    Args:
        table: the table; the column of steps is removed from it.
        roles: of its columns.
        rows: names of the rows, with the sequence of each.
        are_spaced: whether the distance of two steps matters, not only their order.
        log: gets the findings.

    Raises:
        BadTableError: a step is missing, or repeated in its sequence.
    """
    assert rows.codes is not None
    assert rows.ids is not None
    ids = rows.codes
    if roles.step_col is None:
        return RowOrder(np.argsort(ids, kind="stable").astype(np.int64))
    column = table.data[roles.step_col]
    tz = None
    has_stamps = _has_stamps(column, roles.time_format)
    if has_stamps:
        names = Ids(rows.ids, rows.codes.astype(np.int32, copy=False))
        time = read_stamps(table, names, log, time_format=roles.time_format, tz=roles.tz)
        has_stamps = time.stamps.dtype.kind == "M"
        tz = time.tz
        steps = time.stamps.astype(np.int64).astype(np.float64)
        if time.readable is not None:
            steps[~time.readable] = np.nan
    else:
        if are_spaced:
            _refuse_dates(column, rows, roles.step_col)
        steps = read_numbers(table, roles.step_col, rows, log, allow_missing=True)
    if log.failed:
        return RowOrder(np.argsort(ids, kind="stable").astype(np.int64))
    missing = np.flatnonzero(np.isnan(steps))
    if len(missing):
        raise BadTableError(
            "missing_step",
            f"column {roles.step_col!r} is empty in {counted(len(missing), 'row')}: "
            f"{rows.several(missing[:5], len(missing))}",
            "number these steps, or leave the rows out",
        )
    order = np.lexsort((steps, ids)).astype(np.int64)
    same = (np.diff(ids[order]) == 0) & (np.diff(steps[order]) == 0)
    if same.any():
        where = order[1:][same]
        raise BadTableError(
            "duplicate_steps",
            f"{repeating(len(where))} a step of {roles.step_col!r} in their sequence: "
            f"{rows.several(where[:5], len(where))}",
            "keep one row of each step, or name another column of steps",
        )
    return RowOrder(order, steps[order], has_stamps, tz)


def _has_stamps(column: pa.ChunkedArray, time_format: str | None) -> bool:
    """Return whether the steps are timestamps, by their type, their text or a format."""
    kind = column.type
    if pa.types.is_temporal(kind):
        return not pa.types.is_time(kind) and not pa.types.is_duration(kind)
    if time_format is not None:
        return True
    if pa.types.is_dictionary(kind):
        column = column.cast(pa.string())
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    filled = column.drop_null()
    if not len(filled):
        return False
    return pc.sum(pc.match_substring_regex(filled, _NUMBER)).as_py() < _MOST * len(filled)


def _refuse_dates(column: pa.ChunkedArray, rows: RowNames, name: str) -> None:
    """Ask about numbers that look like dates, where their distances would be others as dates.

    Raises:
        BadTableError: they do, and are not at equal distances.
    """
    if not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
        return
    assert rows.codes is not None
    numbers = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    order = np.lexsort((numbers, rows.codes))
    steps = np.diff(numbers[order])[np.diff(rows.codes[order]) == 0]
    if len(np.unique(steps[steps > 0])) > 1:
        refuse_lookalikes(column, rows.codes, name)
