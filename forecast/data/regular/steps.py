"""The rows of a table become the steps of its series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from forecast.data.findings import FindingLog
from forecast.data.order import SortedRows
from forecast.data.per_series.future import observed
from forecast.data.regular.joining import Joined, join_repeats
from forecast.data.regular.repeats import check_repeats, note_joined
from forecast.data.regular.resampling import join_intervals
from forecast.data.regular.time_steps import TimeSteps
from forecast.data.table import RowNames


def make_steps(rows: SortedRows, settings: TimeSteps, log: FindingLog) -> Joined:
    """Join rows that belong to one step; where none are to be joined, each row is a step.

    Args:
        rows: rows in time order.
        settings: whether and how they are joined.
        log: gets an error where rows with one timestamp are not to be joined, else notes.

    Raises:
        BadTableError: the rows do not fit `resample`.
    """
    if settings.resample is not None:
        return join_intervals(rows, settings, log)
    if settings.aggregate == "refuse":
        check_repeats(rows, log, at_end=settings.stamps == "end")
        return Joined(rows, np.arange(len(rows.stamps)))
    note_joined(rows, settings.aggregate, log)
    return join_repeats(rows)


def with_counts(names: RowNames) -> RowNames:
    """Return the same rows with 1 for every target that is there, whatever it is, else 0."""
    table = names.table
    data = dict(table.data)
    for name in table.columns.target_cols:
        counts = observed(data[name]).astype(np.float64)
        data[name] = pa.chunked_array([counts])
    return replace(names, table=replace(table, data=data))
