"""Series without any value of a target, left out of a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.data.findings import FindingLog, counted, listed
from forecast.data.per_series.future import observed, rows_of
from forecast.data.table import RowNames

_SHOWN = 5


def without_empty_series(names: RowNames, log: FindingLog) -> RowNames:
    """Return the rows of the series in which every target has a value.

    A table without any such series stays as it is: the check of its values refuses it.

    Args:
        names: the table, and the series of each of its rows.
        log: gets a note that names the series left out.
    """
    table = names.table
    if names.ids is None or names.codes is None:
        return names
    known = names.codes >= 0
    is_empty = np.zeros(len(names.ids), bool)  # (N,)
    for name in table.columns.target_cols:
        codes = names.codes[known & observed(table.data[name])]
        is_empty |= np.bincount(codes, minlength=len(names.ids)) == 0
    if not is_empty.any() or is_empty.all():
        return names

    left_out = listed(names.ids[is_empty], _SHOWN)
    targets = " or ".join(table.columns.target_cols)
    if table.was_wide:
        targets = "column"
    log.note(
        "empty_series",
        f"{counted(int(is_empty.sum()), 'series')} of {len(is_empty)} left out, without any value "
        f"of {targets}: {left_out}",
    )
    kept = rows_of(names, ~known | ~is_empty[names.codes])
    assert kept.codes is not None
    numbers = np.cumsum(~is_empty) - 1
    codes = np.where(kept.codes < 0, -1, numbers[kept.codes]).astype(np.int32)
    return replace(kept, ids=names.ids[~is_empty], codes=codes)
