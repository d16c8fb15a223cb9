"""Where series end: rows of the future are told apart from history, and series that end early are named.

The rows after the last one of a series that holds a target are its future: `forecast` starts there.
Their known covariates are kept, and no policy for missing values makes history of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.findings import FindingLog, and_more, counted, show_stamp
from forecast.data.panel import Columns, Panel
from forecast.data.table import MISSING_WORDS, RowNames

BoolArray = NDArray[np.bool_]

FUTURE_ROWS = "future_rows"
"""Code of the finding that names them."""

NEVER = np.iinfo(np.int64).min
SHOWN_ENDS = 3
"""Series that ended early which are named, those furthest behind."""


def part_future(
    names: RowNames, tz: str | None, log: FindingLog
) -> tuple[RowNames, RowNames | None]:
    """Cut the rows of the future off a table.

    A series without any target at all keeps its rows: there is no history they could come after.

    Args:
        names: the table, and the series and stamp of each of its rows.
        tz: time zone of the stamps as given.
        log: gets a note of what was cut off.

    Returns:
        The rows of history, and those of the future if there are any.
    """
    future = _future_rows(names)
    if future is None:
        return names, None
    later = _rows_of(names, future)
    log.note(FUTURE_ROWS, _describe(names, later, tz))
    return _rows_of(names, ~future), later


def known_columns(columns: Columns) -> Columns:
    """The roles in a table of the steps ahead: id, time and known covariates.

    Args:
        columns: the roles in the history.
    """
    known = columns.known_covariates
    roles: dict[str, tuple[str, ...]] = {
        "target_cols": (),
        "past_covariates": (),
        "static_covariates": (),
        "categorical": tuple(name for name in known if name in columns.categorical),
    }
    return columns.model_copy(update=roles)  # unchecked: only here a table has no target


def end_notes(panel: Panel) -> tuple[str, ...]:
    """Say where forecasts start if that is not the last stamp of the table: what the reader of a forecast must know.

    Args:
        panel: the series.
    """
    return (() if panel.future is None else panel.future.notes) + ended_notes(panel)


def ended_notes(panel: Panel) -> tuple[str, ...]:
    """Name the series that end before the last stamp of all; none where the index is of whole numbers.

    Such an index counts for every series by itself, so that a shorter series has not ended earlier.

    Args:
        panel: the series.
    """
    filled = np.flatnonzero(panel.lengths > 0)
    if panel.freq.is_integer or len(filled) < 2:
        return ()
    last = panel.offsets[1:][filled] - 1
    behind = panel.positions[last].max() - panel.positions[last]
    if not behind.any():
        return ()
    furthest = np.argsort(-behind, kind="stable")[:SHOWN_ENDS]
    named = ", ".join(
        f"{panel.series_ids[filled[one]]!r} ({_local(panel.timestamps[last[one]], panel.freq.tz)}, "
        f"{counted(int(behind[one]), 'step')} behind)"
        for one in furthest
        if behind[one]
    )
    number = int((behind > 0).sum())
    end = _local(panel.timestamps[last].max(), panel.freq.tz)
    what = (
        "ends before {} and is forecast from its own end"
        if number == 1
        else ("end before {} and are forecast from their own ends")
    )
    return (
        f"{number} of {panel.num_series} series {what.format(end)}: "
        f"{named}{and_more(number, SHOWN_ENDS)}",
    )


def _future_rows(names: RowNames) -> BoolArray | None:
    """(R,) whether a row comes after the last one of its series that holds a target; None where none does."""
    table, codes, stamps = names.table, names.codes, names.stamps
    if codes is None or stamps is None or not table.columns.target_cols:
        return None
    empty = np.ones(table.num_rows, bool)
    for name in table.columns.target_cols:
        empty &= ~_observed(table.data[name])
    if not empty.any():
        return None
    ticks = stamps.view(np.int64)
    held = ~empty & (codes >= 0)
    latest = np.full(int(codes.max(initial=-1)) + 1, NEVER)
    np.maximum.at(latest, codes[held], ticks[held])
    rows = np.flatnonzero(empty & (codes >= 0))
    own = latest[codes[rows]]
    future = np.zeros(table.num_rows, bool)
    future[rows[(own > NEVER) & (ticks[rows] > own)]] = True
    return future if future.any() else None


def _observed(column: pa.ChunkedArray) -> BoolArray:
    """(R,) whether a cell holds anything, be it a number or not."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(pa.string())
    if pa.types.is_floating(kind):
        held = pc.invert(pc.is_nan(column)).fill_null(False)
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.utf8_trim_whitespace(column)
        held = pc.invert(pc.is_in(text, pa.array(MISSING_WORDS, text.type))).fill_null(False)
        held = pc.and_(held, column.is_valid())
    else:
        held = column.is_valid()
    return np.asarray(held.to_numpy(), dtype=bool)


def _rows_of(names: RowNames, chosen: BoolArray) -> RowNames:
    """Some rows (R,) of a table, named as they were in the whole of it."""
    table, mask = names.table, pa.array(chosen)
    part = replace(
        table,
        data={name: column.filter(mask) for name, column in table.data.items()},
        num_rows=int(chosen.sum()),
        origin=np.flatnonzero(chosen) if table.origin is None else table.origin[chosen],
    )
    codes = None if names.codes is None else names.codes[chosen]
    stamps = None if names.stamps is None else names.stamps[chosen]
    return RowNames(part, names.ids, codes, stamps)


def only_present(names: RowNames) -> RowNames:
    """The same rows with none but their own series.

    Args:
        names: rows whose ids and series are known.
    """
    if names.ids is None or names.codes is None:
        return names
    present, codes = np.unique(names.codes, return_inverse=True)
    return replace(names, ids=names.ids[present], codes=codes.astype(np.int32))


def _describe(names: RowNames, later: RowNames, tz: str | None) -> str:
    """Say how many rows of which series are the future, from when on, and what becomes of their cells."""
    columns, table = later.table.columns, later.table
    total = 0 if names.ids is None else len(names.ids)
    number = 0 if later.codes is None else len(np.unique(later.codes))
    where = f"at the end of {number} of {total} series" if total > 1 else "at the end"
    single = table.num_rows == 1
    first = "" if later.stamps is None else f" from {_local(later.stamps.min(), tz)} on"
    what = "value" if table.was_wide else " or ".join(columns.target_cols)
    verbs = ("holds", "it is") if single else ("hold", "they are")
    text = f"{counted(table.num_rows, 'row')} {where} {verbs[0]} no {what}: {verbs[1]} the future{first}, not history"
    if columns.known_covariates:
        text += f"; forecasts take {', '.join(columns.known_covariates)} from there"
    unused = [name for name in columns.past_covariates if _observed(table.data[name]).any()]
    if unused:
        text += f"; past covariates there ({', '.join(unused)}) are not used"
    return text


def _local(stamp: np.generic, tz: str | None) -> str:
    """A stamp as the table has it: on the clocks of its zone, or a whole number."""
    if tz is None or not isinstance(stamp, np.datetime64):
        return show_stamp(stamp)
    local = pd.DatetimeIndex([stamp]).tz_localize("UTC").tz_convert(tz).tz_localize(None)
    return show_stamp(local.to_numpy("datetime64[ns]")[0])
