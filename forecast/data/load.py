"""From a table to a checked panel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.findings import FindingLog
from forecast.data.frequency import Frequency
from forecast.data.future import FUTURE_ROWS, ended_notes, known_columns, only_present, part_future
from forecast.data.gaps import fill_gaps
from forecast.data.order import SortedRows, check_duplicates, sort_rows
from forecast.data.panel import Columns, Panel
from forecast.data.parse import Ids, read_ids
from forecast.data.read import Source, TableFormat, read_table
from forecast.data.spacing import Spacing, check_on_grid, find_grid
from forecast.data.stamps import TimeColumn, read_stamps
from forecast.data.table import RowNames, Table
from forecast.data.values import Cells, arrange, read_cells
from forecast.errors import ConfigError, DataError

Gaps = Literal["refuse", "skip", "fill"]


@dataclass(frozen=True)
class Request:
    """What is asked of a table: see `load_panel`."""

    columns: Columns = Columns()
    table_format: TableFormat = TableFormat()
    freq: str | None = None
    gaps: Gaps = "refuse"
    allow_missing: bool = False
    cut_future: bool = True

    def __post_init__(self) -> None:
        """Refuse settings no table can fit."""
        if self.gaps not in ("refuse", "skip", "fill"):
            raise ConfigError(f"gaps is {self.gaps!r}; expected 'refuse', 'skip' or 'fill'")
        if self.freq is not None:
            Frequency.parse(self.freq)


@dataclass(frozen=True)
class Examination:
    """What became of a table: the stages that were reached.

    Attributes:
        panel: where there was no error.
        rows: where series and stamps could be read.
        freq: where the stamps fit one.
    """

    panel: Panel | None = None
    rows: SortedRows | None = None
    freq: Frequency | None = None


def load_panel(
    source: Source,
    columns: Columns = Columns(),
    *,
    table_format: TableFormat = TableFormat(),
    freq: str | None = None,
    gaps: Gaps = "refuse",
    allow_missing: bool = False,
    cut_future: bool = True,
) -> Panel:
    """Read a table and check it; anything doubtful is refused with series, rows, dates and the fix.

    Messages name lines of a text file, the header being line 1, and rows of a frame or a parquet
    file, counted from 0.

    Rows at the end of a series that hold no target are its future: they become `Panel.future`,
    whatever the policy for missing values.

    Args:
        source: a CSV or parquet file, or a data frame.
        columns: the role of each column.
        table_format: how the table is written down.
        freq: step between stamps, a pandas alias or a whole number; inferred where it is None.
        gaps: what to do with missing stamps: `refuse`, `skip` (windows leave them out), `fill`
            (insert rows of missing values).
        allow_missing: whether empty cells are let through as NaN.
        cut_future: whether rows of the future are told apart; else they are history with missing
            targets.

    Raises:
        DataError: the first thing wrong with the table.
        ConfigError: a setting that fits no table.
    """
    request = Request(columns, table_format, freq, gaps, allow_missing, cut_future)
    log = FindingLog(strict=True)
    panel = examine(source, request, log).panel
    pa.default_memory_pool().release_unused()  # the readers' buffers: nearly as much as the panel itself
    if panel is None:
        raise DataError("the table could not be turned into series")
    return panel


def examine(source: Source, request: Request, log: FindingLog) -> Examination:
    """Take a table through all stages as far as they can be reached; findings go to `log`."""
    table = log.attempt(read_table, source, request.columns, request.table_format)
    if table is None:
        return Examination()
    log.findings.extend(table.notes)
    ids = log.attempt(read_ids, table, log)
    shape = request.table_format
    numbered = request.freq is not None and request.freq.strip().isdigit()
    time = log.attempt(
        read_stamps, table, ids, log, time_format=shape.time_format, tz=shape.tz, is_index=numbered
    )
    names = _name_rows(table, ids, time)
    if ids is None or time is None:
        read_cells(names, log, request.allow_missing)  # for what is wrong with them
        return Examination()
    del table  # its columns are freed one after another
    later = None
    if request.cut_future:
        names, later = part_future(names, time.tz, log)
    outcome = _examine_history(names, time.tz, request, log)
    if later is None or outcome.freq is None:
        return _with_notes(outcome, log)
    future = _read_future(later, outcome.freq, log)
    if outcome.panel is None or future is None:
        return replace(outcome, panel=None)
    return _with_notes(replace(outcome, panel=replace(outcome.panel, future=future)), log)


def _examine_history(
    names: RowNames, tz: str | None, request: Request, log: FindingLog
) -> Examination:
    """Take the rows of history through the stages after ids and stamps."""
    cells = read_cells(names, log, request.allow_missing)
    rows = sort_rows(names, tz, log)
    if not np.diff(rows.offsets).all():
        return Examination()
    check_duplicates(rows, log)
    found = log.attempt(find_grid, rows, request.freq, request.gaps, log)
    values, static_values = arrange(cells, rows, log)
    if log.failed or found is None:
        return Examination(None, rows, found[0] if found else None)
    return Examination(
        _assemble(rows, found, cells, (values, static_values), request.gaps), rows, found[0]
    )


def _read_future(later: RowNames, freq: Frequency, log: FindingLog) -> Panel | None:
    """Read the known covariates in rows of the future, on the grid of the history; None where they are damaged.

    What is worth a note, such as an empty cell, is only so where a forecast needs the row.
    """
    own = FindingLog(log.strict)
    table = replace(later.table, columns=known_columns(later.table.columns))
    names = only_present(replace(later, table=table))
    cells = read_cells(names, own, allow_missing=True)
    rows = sort_rows(names, freq.tz, own)
    check_duplicates(rows, own)
    spacing = Spacing(rows, freq)
    check_on_grid(spacing, own)
    values = arrange(cells, rows, own)
    log.findings.extend(finding for finding in own.findings if finding.severity == "error")
    if own.failed:
        return None
    notes = tuple(finding.sentence for finding in log.findings if finding.code == FUTURE_ROWS)
    return replace(_assemble(rows, (freq, spacing.positions), cells, values, "skip"), notes=notes)


def _with_notes(outcome: Examination, log: FindingLog) -> Examination:
    """The outcome whose panel says what was found on the way."""
    if outcome.panel is None:
        return outcome
    if outcome.panel.columns.target_cols:
        for note in ended_notes(outcome.panel):
            log.note("ended_series", note)
    notes = tuple(finding.sentence for finding in log.findings)
    return replace(outcome, panel=replace(outcome.panel, notes=notes))


def _name_rows(table: Table, ids: Ids | None, time: TimeColumn | None) -> RowNames:
    """Name rows by what could be read; a row without a stamp belongs to no series."""
    stamps = None if time is None else time.stamps
    if ids is None:
        return RowNames(table, stamps=stamps)
    codes = (
        ids.codes
        if time is None or time.readable is None
        else np.where(time.readable, ids.codes, -1)
    )
    return RowNames(table, ids.names, codes, stamps)


def _assemble(
    rows: SortedRows,
    found: tuple[Frequency, NDArray[np.int64]],
    cells: Cells,
    values: tuple[NDArray[np.float64], NDArray[np.float64]],
    gaps: Gaps,
) -> Panel:
    """Make the panel of a table without errors, with missing rows inserted where that is asked for."""
    (grid, positions), (dynamic, static) = found, values
    if gaps == "fill" and (np.diff(positions)[rows.inside] > 1).any():
        rows, positions, place = fill_gaps(rows, grid, positions)
        filled = np.full((len(positions), dynamic.shape[1]), np.nan)
        filled[place] = dynamic
        dynamic = filled
    return Panel(
        columns=cells.columns,
        freq=grid,
        series_ids=rows.names.ids if rows.names.ids is not None else np.empty(0, dtype=object),
        offsets=rows.offsets,
        timestamps=rows.stamps,
        positions=positions,
        values=dynamic,
        static_values=static,
        categories=cells.categories,
    )
