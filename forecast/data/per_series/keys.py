"""Ids of series in results: one column of a table, or several columns that name a series together.

A series that one column names has the value of this column for an id. A series that several columns
name has a `SeriesKey`. Tables have the columns as the table of the history has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.names import join_names
from forecast.data.panel import Columns

if TYPE_CHECKING:
    import pandas as pd


class SeriesKey(tuple[Any, ...]):
    """Id of a series that several columns name: its values, in the order of the columns.

    It equals the plain tuple, and is written as one line of CSV.

    Example:
        >>> key = SeriesKey((7, "a, b"))
        >>> key == (7, "a, b"), str(key)
        (True, '7,"a, b"')
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Write the values with commas between, quoted where that is needed."""
        return join_names([str(value) for value in self])


def as_ids(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return (N,) ids as an array.

    Args:
        values: ids, also keys as lists, as JSON has them.
    """
    ids = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        ids[place] = value
        if isinstance(value, list | tuple):
            ids[place] = SeriesKey(value)
    return ids


def id_columns(columns: Columns, series_ids: NDArray[np.object_]) -> dict[str, NDArray[np.object_]]:
    """Return the columns of a table that name the series of its rows.

    Args:
        columns: the roles of the columns.
        series_ids: (R,) id of the series of each row.
    """
    names = columns.id_cols
    if len(names) == 1:
        return {names[0]: series_ids}
    return {
        name: as_ids([series_id[place] for series_id in series_ids])
        for place, name in enumerate(names)
    }


def ids_in(table: pd.DataFrame, columns: Columns) -> NDArray[np.object_]:
    """Return the (R,) id of the series of each row; the inverse of `id_columns`.

    Args:
        table: a table that has all columns of the id.
        columns: the roles of the columns.
    """
    cells = [table[name].to_numpy(object) for name in columns.id_cols]
    if len(cells) == 1:
        return cells[0]
    return as_ids(list(zip(*cells, strict=True)))
