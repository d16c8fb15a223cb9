"""Columns that tell apart rows which have the same series and timestamp."""

from __future__ import annotations

import itertools
import shlex

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import BadTableError, listed
from forecast.data.names import join_names
from forecast.data.parse import encode
from forecast.data.table import RowNames, Table

_FEWEST_ROWS = 3
"""Mean rows of a series, at least: a column that numbers the rows names no series."""

_MOST_COLUMNS = 12
"""Columns that are tried together in pairs."""


def telling_id(names: RowNames) -> tuple[str, ...]:
    """Return the id columns with which no timestamp occurs twice in a series; empty without such.

    These are the ones in use and one of the columns without a role, or two of them. Of several
    choices it is the one with the fewest series.

    Args:
        names: the rows, with their series and timestamps.
    """
    table = names.table
    if table.was_wide or table.unread is None or names.codes is None or names.stamps is None:
        return ()
    kept = np.flatnonzero(names.codes >= 0)
    pair = np.stack([names.codes[kept], names.stamps.view(np.int64)[kept]])
    moments = np.unique(pair, axis=1, return_inverse=True)[1].ravel()
    series = names.codes[kept].astype(np.int64)
    candidates = _candidates(table, kept)
    single = {(name,): codes for name, codes in candidates.items()}
    found = _telling(single, moments, series)
    if not found:
        several = dict(list(candidates.items())[:_MOST_COLUMNS])
        pairs = {
            both: _joined(several[both[0]], several[both[1]])
            for both in itertools.combinations(several, 2)
        }
        found = _telling(pairs, moments, series)
    if not found:
        return ()
    used = [name for name in table.columns.id_cols if len(np.unique(series)) > 1]
    return (*used, *min(found, key=lambda chosen: found[chosen]))


def told_apart(names: RowNames, ids: tuple[str, ...]) -> str:
    """Write which columns tell rows apart, and how they are given.

    Args:
        names: the rows.
        ids: the columns of `telling_id`.
    """
    added = [name for name in ids if name not in names.table.columns.id_cols]
    verb = "tells" if len(added) == 1 else "tell"
    setting = join_names(ids)
    return f"{listed(added)} {verb} them apart: pass id_col: {shlex.quote(setting)}"


def _candidates(table: Table, kept: IntArray) -> dict[str, IntArray]:
    """Return codes of some rows in each unread column that may name series, text first."""
    unread = table.unread
    if unread is None:
        return {}
    place = kept
    if table.origin is not None:
        place = table.origin[kept]
        if unread.row_numbers is not None:
            place = np.searchsorted(unread.row_numbers, place)
    columns = {}
    for name in unread.names:
        try:
            column = unread.read([name])[name]
            if _may_name(column.type):
                codes = encode(column, name)[0].astype(np.int64)[place]
                columns[name] = (pa.types.is_integer(column.type), codes)
        except BadTableError:  # cells that name nothing
            continue
    order = sorted(columns, key=lambda name: columns[name][0])
    return {name: columns[name][1] for name in order if (columns[name][1] >= 0).all()}


def _may_name(kind: pa.DataType) -> bool:
    """Return whether a column of this type may name series."""
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return is_text or pa.types.is_integer(kind) or pa.types.is_dictionary(kind)


def _telling(
    candidates: dict[tuple[str, ...], IntArray], moments: IntArray, series: IntArray
) -> dict[tuple[str, ...], int]:
    """Return the candidates under which no row has a twin, with their number of series."""
    found = {}
    for chosen, codes in candidates.items():
        num_series = _count(_joined(series, codes))
        is_series = num_series * _FEWEST_ROWS <= len(series)
        if is_series and _count(_joined(moments, codes)) == len(moments):
            found[chosen] = num_series
    return found


def _joined(first: IntArray, second: IntArray) -> IntArray:
    """Return a code for each pair of codes."""
    width = int(second.max(initial=0)) + 1
    return np.unique(first * width + second, return_inverse=True)[1].astype(np.int64)


def _count(codes: NDArray[np.int64]) -> int:
    return int(codes.max(initial=-1)) + 1
