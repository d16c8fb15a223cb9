"""Columns that tell apart rows which have the same series and timestamp."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from forecast.axes import IntArray
from forecast.data.findings import BadTableError, listed
from forecast.data.parse import encode
from forecast.data.per_series.row_codes import joint_codes, num_combinations, num_repeated
from forecast.data.per_series.spans import are_series
from forecast.data.table import RowNames, Table, Unread
from forecast.data.text.column_words import CALENDAR_WORDS, plain

_FEWEST_ROWS = 3
"""Mean rows of a series, at least: a column that numbers the rows names no series."""

_MOST_READ = 100
"""Columns that are read, the first ones."""

_MOST_COLUMNS = 12
"""Columns that are tried together in pairs."""


def telling_id(names: RowNames) -> tuple[str, ...]:
    """Return the id columns with which no timestamp occurs twice in a series; empty without such.

    These are the ones in use and one of the columns without a role, or two of them. Of several
    choices it is the one with the fewest series, then that with the fewest values.

    Args:
        names: the rows, with their series and timestamps.
    """
    table = names.table
    if table.was_wide or table.unread is None or names.codes is None or names.stamps is None:
        return ()
    kept = np.flatnonzero(names.codes >= 0)
    series = names.codes[kept].astype(np.int64)
    time = np.unique(names.stamps[kept], return_inverse=True)[1]
    moments = joint_codes([series, time])
    candidates = _candidates(table, kept)
    single: dict[tuple[str, ...], IntArray] = {(name,): codes for name, codes in candidates.items()}
    found = _telling(single, moments, series, time)
    if not found:
        several = dict(list(candidates.items())[:_MOST_COLUMNS])
        pairs: dict[tuple[str, ...], IntArray] = {
            both: joint_codes([several[name] for name in both])
            for both in itertools.combinations(several, 2)
        }
        found = _telling(pairs, moments, series, time)
    if not found:
        return ()
    used = [name for name in table.columns.id_cols if len(np.unique(series)) > 1]
    return (*used, *min(found, key=lambda chosen: found[chosen]))


def told_apart(names: RowNames, ids: tuple[str, ...]) -> str:
    """Write which columns tell rows apart.

    Args:
        names: the rows.
        ids: the columns of `telling_id`.
    """
    added = [name for name in ids if name not in names.table.columns.id_cols]
    if len(added) == 1:
        return f"{added[0]!r} tells them apart"
    return f"{listed(added)} together tell them apart"


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
    taken = (table.columns.time_col, *table.columns.dynamic, *table.columns.static_covariates)
    columns = {
        name: column
        for name, column in _read(unread, unread.names[:_MOST_READ]).items()
        if _may_name(column.type) and name not in taken and plain(name) not in CALENDAR_WORDS
    }
    candidates = {}
    for name in sorted(columns, key=lambda name: pa.types.is_integer(columns[name].type)):
        codes = encode(columns[name], name)[0].astype(np.int64)[place]
        if (codes >= 0).all():
            candidates[name] = codes
    return candidates


def _read(unread: Unread, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read the columns that can be read, all at once where that is possible."""
    try:
        return unread.read(list(names))
    except BadTableError:
        if len(names) < 2:
            return {}
        half = len(names) // 2
        return _read(unread, names[:half]) | _read(unread, names[half:])


def _may_name(kind: pa.DataType) -> bool:
    """Return whether a column of this type may name series."""
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return is_text or pa.types.is_integer(kind) or pa.types.is_dictionary(kind)


def _telling(
    candidates: dict[tuple[str, ...], IntArray],
    moments: IntArray,
    series: IntArray,
    time: IntArray,
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return the candidates under which no row has a twin, with numbers of series and values.

    Args:
        candidates: (R,) codes by the columns that they stand for.
        moments: (R,) code of the series and timestamp of each row.
        series: (R,) code of the series of each row.
        time: (R,) code of the timestamp of each row, in the order of time.
    """
    found = {}
    for chosen, codes in candidates.items():
        parted = joint_codes([series, codes])
        num_series = num_combinations([parted])[1]
        is_series = num_series * _FEWEST_ROWS <= len(series)
        if not is_series or num_repeated([moments, codes]):
            continue
        if are_series(time, parted, chosen):
            found[chosen] = (num_series, num_combinations([codes])[1])
    return found
