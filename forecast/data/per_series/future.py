"""Future rows, split off the history.

The rows of a series after its last target are its future rows: `forecast` starts there. Their known
covariates are kept, and no policy for missing values makes history of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.cells.marks import without_marks
from forecast.data.findings import FindingLog, show_stamp
from forecast.data.panel import Columns
from forecast.data.table import MISSING_WORDS, RowNames

BoolArray = NDArray[np.bool_]

FUTURE_ROWS = "future_rows"
"""Code of the finding that names the future rows."""

NEVER = np.iinfo(np.int64).min


def split_future(
    names: RowNames, tz: str | None, log: FindingLog
) -> tuple[RowNames, RowNames | None]:
    """Split a table into its rows of history and its future rows.

    A series without any target keeps its rows as history.

    Args:
        names: the table, and the series and timestamp of each of its rows.
        tz: time zone of the timestamps in the table.
        log: gets a note on the future rows.

    Returns:
        The rows of history, and the future rows; None where there are none.
    """
    future = _future_rows(names)
    if future is None:
        return names, None
    later = rows_of(names, future)
    log.note(FUTURE_ROWS, _describe(names, later, tz))
    return rows_of(names, ~future), later


def known_columns(columns: Columns) -> Columns:
    """Return the roles in a table of forecast steps: id, time and known covariates.

    Args:
        columns: the roles in the history.
    """
    known = columns.known_covariates
    roles: dict[str, tuple[str, ...] | None] = {
        "weight_col": None,
        "target_cols": (),
        "past_covariates": (),
        "static_covariates": (),
        "categorical": tuple(name for name in known if name in columns.categorical),
    }
    return columns.model_copy(update=roles)  # unchecked: only here a table has no target


def _future_rows(names: RowNames) -> BoolArray | None:
    """Return (R,) whether a row comes after the last target of its series; None where none does."""
    table = names.table
    codes = names.codes
    stamps = names.stamps
    if codes is None or stamps is None or not table.columns.target_cols:
        return None
    empty = np.ones(table.num_rows, bool)
    for name in table.columns.target_cols:
        empty &= ~observed(table.data[name])
    if not empty.any():
        return None
    ticks = stamps.view(np.int64)
    has_target = ~empty & (codes >= 0)
    latest = np.full(int(codes.max(initial=-1)) + 1, NEVER)  # (N,) time of the last target
    np.maximum.at(latest, codes[has_target], ticks[has_target])

    rows = np.flatnonzero(empty & (codes >= 0))
    last_target = latest[codes[rows]]
    future = np.zeros(table.num_rows, bool)
    future[rows[(last_target > NEVER) & (ticks[rows] > last_target)]] = True
    if not future.any():
        return None
    return future


def observed(column: pa.ChunkedArray) -> BoolArray:
    """Return (R,) whether a cell is not empty, be it a number or not."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(pa.string())
    if pa.types.is_floating(kind):
        return ~np.isnan(column.to_numpy())  # a null becomes NaN
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.utf8_trim_whitespace(column)
        is_missing = pc.is_in(text, pa.array(MISSING_WORDS, text.type))
        observed = pc.and_(pc.invert(is_missing).fill_null(False), without_marks(text).is_valid())
    else:
        observed = column.is_valid()
    return np.asarray(observed.to_numpy(), dtype=bool)


def rows_of(names: RowNames, chosen: BoolArray) -> RowNames:
    """Return the chosen rows of a table, with their names in the whole table.

    Args:
        names: the table, and the series and timestamp of each of its rows.
        chosen: (R,) whether a row is kept.
    """
    table = names.table
    mask = pa.array(chosen)
    origin = np.flatnonzero(chosen)
    if table.origin is not None:
        origin = table.origin[chosen]
    chosen_table = replace(
        table,
        data={name: column.filter(mask) for name, column in table.data.items()},
        num_rows=int(chosen.sum()),
        origin=origin,
    )
    codes = names.codes
    if codes is not None:
        codes = codes[chosen]
    stamps = names.stamps
    if stamps is not None:
        stamps = stamps[chosen]
    return RowNames(chosen_table, names.ids, codes, stamps, names.tz)


def only_present(names: RowNames) -> RowNames:
    """Return the same rows, without the series that have none of them.

    Args:
        names: rows whose ids and series are known.
    """
    if names.ids is None or names.codes is None:
        return names
    present, codes = np.unique(names.codes, return_inverse=True)
    return replace(names, ids=names.ids[present], codes=codes.astype(np.int32))


def _describe(names: RowNames, later: RowNames, tz: str | None) -> str:
    """Write number, series and start of the future rows, and how their cells are used."""
    table = later.table
    columns = table.columns
    where = "at the end"
    if names.ids is not None and later.codes is not None and len(names.ids) > 1:
        where += f" of {len(np.unique(later.codes))} of {len(names.ids)} series"
    start = ""
    if later.stamps is not None:
        start = f" from {show_stamp(later.stamps.min(), tz)} on"
    missing = " or ".join(columns.target_cols)
    if table.was_wide:
        missing = "value"
    if table.num_rows == 1:
        text = f"1 row {where} has no {missing}: it is the future{start}, not history"
    else:
        text = f"{table.num_rows} rows {where} have no {missing}: they are the future{start}, "
        text += "not history"
    if columns.known_covariates:
        text += f"; forecasts use {', '.join(columns.known_covariates)} of these rows"
    unused = [name for name in columns.past_covariates if observed(table.data[name]).any()]
    if unused:
        text += f"; their past covariates ({', '.join(unused)}) are not used"
    return text
