"""From a table to a checked panel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.dates.stamps import TimeColumn, read_stamps
from forecast.data.findings import BadTableError, Finding, FindingLog
from forecast.data.frequency import Frequency
from forecast.data.order import SortedRows, sort_rows
from forecast.data.panel import Columns, Panel
from forecast.data.per_series.empty_series import without_empty_series
from forecast.data.per_series.ended import ENDED, EndedSeries, ended_finding
from forecast.data.per_series.future import (
    FUTURE_ROWS,
    known_columns,
    only_present,
    split_future,
)
from forecast.data.per_series.ids import Ids, read_ids
from forecast.data.per_series.row_weights import with_inserted
from forecast.data.read import Source, TableFormat, read_table
from forecast.data.regular.gaps import fill_gaps
from forecast.data.regular.intervals import check_freq, is_same_step
from forecast.data.regular.joining import check_inserted, join_cells
from forecast.data.regular.spacing import Spacing, check_on_grid, find_grid
from forecast.data.regular.steps import make_steps, with_counts
from forecast.data.regular.time_steps import TimeSteps
from forecast.data.roles.settle import GUESSED_ROLES, settle_columns
from forecast.data.table import RowNames, Table
from forecast.data.values import Arranged, arrange, check_ranges, read_cells
from forecast.errors import ConfigError, DataError, check_kind

Gaps = Literal["refuse", "skip", "fill"]

_MOST_UNREAD = 0.1
"""Share of rows without series or timestamp up to which the spacing of the others is judged."""


@dataclass(frozen=True)
class Request:
    """Settings with which a table is read, as in `load_panel`."""

    columns: Columns = Columns()
    table_format: TableFormat = TableFormat()
    freq: str | None = None
    gaps: Gaps = "refuse"
    allow_missing: bool = False
    cut_future: bool = True
    ended_series: EndedSeries = "own_end"

    def __post_init__(self) -> None:
        """Refuse settings that are wrong whatever the table."""
        check_kind("columns", self.columns, Columns, "Columns(...)")
        check_kind("table_format", self.table_format, TableFormat, "TableFormat(...)")
        check_kind("freq", self.freq, (str, type(None)), "text such as 'D', 'h' or '1'")
        check_kind("gaps", self.gaps, str, "'refuse', 'skip' or 'fill'")
        if self.gaps not in ("refuse", "skip", "fill"):
            raise ConfigError(f"gaps is {self.gaps!r}; expected 'refuse', 'skip' or 'fill'")
        if self.freq is not None:
            Frequency.parse(self.freq)
            check_freq(self.freq, self.table_format.resample)


@dataclass(frozen=True)
class Examination:
    """Results of the checks of a table, as far as they could be made.

    Attributes:
        panel: the checked series; None where there is an error.
        rows: the rows in order; None where series or timestamps could not be read.
        freq: the step between timestamps; None where there is no common one.
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
    """Read and check a table; a doubtful one is refused with series, rows, dates and the fix.

    Messages name lines of a text file, the header being line 1, rows of a sheet as Excel numbers
    them, and rows of a frame or a parquet file, counted from 0.

    Rows at the end of a series without a target are its future rows: they become `Panel.future`,
    whatever the policy for missing values.

    Args:
        source: a file or an object that one of `forecast.data.formats.readers.READERS` takes: CSV,
            parquet, Excel, JSON lines or Arrow; a frame, a Series or a list of numbers.
        columns: the role of each column; what is `auto` is found in the table, with a note.
        table_format: separator, layout and other properties of the table as text.
        freq: step between timestamps, a pandas alias or a whole number; default: inferred.
        gaps: policy for missing timestamps: `refuse`, `skip` (windows leave them out), `fill`
            (insert rows of missing values).
        allow_missing: whether empty cells are allowed; they become NaN.
        cut_future: whether future rows are taken out; else they are history with missing targets.

    Returns:
        The checked series.

    Raises:
        DataError: the first error found in the table.
        ConfigError: a setting is wrong whatever the table.

    Example:
        >>> import pandas as pd
        >>> from forecast import Columns, load_panel
        >>> table = pd.DataFrame({
        ...     "shop": ["north", "north", "south", "south"],
        ...     "date": pd.to_datetime(["2025-01-01", "2025-01-02"] * 2),
        ...     "sales": [3, 4, 8, 9],
        ... })
        >>> columns = Columns(id_col="shop", time_col="date", target_cols=("sales",))
        >>> panel = load_panel(table, columns)
        >>> panel.series_ids.tolist(), panel.freq.alias
        (['north', 'south'], 'D')
    """
    request = Request(columns, table_format, freq, gaps, allow_missing, cut_future)
    return load_requested(source, request)


def load_requested(source: Source, request: Request) -> Panel:
    """Read and check a table as `load_panel` does, with all settings in one object.

    Raises:
        DataError: the first error found in the table.
    """
    log = FindingLog(strict=True)
    panel = examine(source, request, log).panel
    # the buffers of the readers take nearly as much memory as the panel
    pa.default_memory_pool().release_unused()
    if panel is None:
        raise DataError("the table could not be turned into series")
    return panel


def examine(source: Source, request: Request, log: FindingLog) -> Examination:
    """Run all stages that a table reaches; findings go to `log`.

    Raises:
        BadTableError: the first error, where the log is strict.
    """
    try:
        examination = _examine(source, request, log)
    except BadTableError as error:
        finding = _with_free_freq(error.finding, request.freq)
        if finding == error.finding:  # the error may know more than its finding
            raise
        raise BadTableError.of(finding) from error
    log.findings[:] = [_with_free_freq(finding, request.freq) for finding in log.findings]
    return examination


def _with_free_freq(finding: Finding, freq: str | None) -> Finding:
    """Return a finding whose changes leave out a given frequency that contradicts `resample`."""
    if freq is None:
        return finding
    changes = []
    for change in finding.changes:
        made = change.settings.get("data.resample")
        free: dict[str, None] = {}
        if made is not None and not is_same_step(freq, made):
            free = {"data.freq": None}
        changes.append(replace(change, settings={**change.settings, **free}))
    return replace(finding, changes=tuple(changes))


def _examine(source: Source, request: Request, log: FindingLog) -> Examination:
    settled = log.attempt(settle_columns, source, request.columns, request.table_format, log)
    if settled is None:
        return Examination()
    columns, opened = settled
    table = log.attempt(read_table, source, columns, request.table_format, opened)
    del settled, opened  # they may hold columns without a role
    if table is None:
        return Examination()
    log.findings.extend(table.notes)
    log.decisions.update(table.decisions)

    ids = log.attempt(read_ids, table, log)
    written = request.table_format
    time = log.attempt(
        read_stamps,
        table,
        ids,
        log,
        time_format=written.time_format,
        tz=written.tz,
        is_index=request.freq is not None and request.freq.strip().isdigit(),
        names_step=written.stamps,
    )
    if time is not None:
        # from here on, `start` or `end`
        written = written.model_copy(update={"stamps": "end" if time.at_end else "start"})
        request = replace(request, table_format=written)
    names = _name_rows(table, ids, time)
    if ids is None or time is None or len(names.unread) > _MOST_UNREAD * table.num_rows:
        read_cells(names, log, request.allow_missing)  # for its findings alone
        return Examination()
    del table  # its columns are freed one after another
    if written.empty_series == "leave_out":
        names = without_empty_series(names, log)

    later = None
    if request.cut_future:
        names, later = split_future(names, time.tz, log)
    examination = _examine_history(names, later, time.tz, request, log)
    if later is None or examination.freq is None:
        return _with_notes(examination, request.ended_series, log)

    future = _read_future(later, examination.freq, request.table_format, log)
    if examination.panel is None or future is None:
        return replace(examination, panel=None)
    panel = replace(examination.panel, future=future)
    return _with_notes(replace(examination, panel=panel), request.ended_series, log)


def _examine_history(
    names: RowNames, later: RowNames | None, tz: str | None, request: Request, log: FindingLog
) -> Examination:
    """Run the stages after ids and timestamps on the rows of history; `later` are future rows."""
    settings = request.table_format
    if settings.aggregate == "count":
        names = with_counts(names)
    cells = read_cells(names, log, request.allow_missing)
    table_rows = sort_rows(names, tz, log)
    if not np.diff(table_rows.offsets).all():  # a series without a readable row
        return Examination()
    joined = log.attempt(make_steps, table_rows, settings, log)
    if joined is None:
        return Examination(rows=table_rows)
    rows = joined.rows
    grid = log.attempt(
        find_grid,
        rows,
        settings.resample or request.freq,
        request.gaps,
        log,
        settings,
        None if later is None else later.stamps,
    )
    arranged = join_cells(arrange(cells, table_rows, log), joined, settings)
    check_ranges(arranged, rows, log)
    if grid is None:
        return Examination(rows=rows)
    freq, positions = grid
    check_inserted(arranged, joined, request.allow_missing, log)
    if log.failed:
        return Examination(rows=rows, freq=freq)
    panel = _assemble(rows, freq, positions, arranged, request.gaps)
    return Examination(panel, rows, freq)


def _read_future(
    later: RowNames, freq: Frequency, settings: TimeSteps, log: FindingLog
) -> Panel | None:
    """Read the known covariates of the future rows; None where there is an error in them.

    Only errors are kept: whether an empty cell matters is known once a forecast needs the row.
    """
    table = replace(later.table, columns=known_columns(later.table.columns))
    names = only_present(replace(later, table=table))
    future_log = FindingLog(log.strict)
    cells = read_cells(names, future_log, allow_missing=True)
    table_rows = sort_rows(names, freq.tz, future_log)
    # an interval without a row is not known
    settings = settings.model_copy(
        update={"empty_intervals": "missing", "partial_intervals": "keep"}
    )
    joined = future_log.attempt(make_steps, table_rows, settings, future_log)
    arranged = arrange(cells, table_rows, future_log)
    if joined is not None:
        spacing = Spacing(joined.rows, freq)
        check_on_grid(spacing, future_log)
        arranged = join_cells(arranged, joined, settings)
        check_ranges(arranged, joined.rows, future_log)
    log.findings += [finding for finding in future_log.findings if finding.severity == "error"]
    if joined is None or future_log.failed:
        return None

    panel = _assemble(joined.rows, freq, spacing.positions, arranged, "skip")
    notes = tuple(finding.sentence for finding in log.findings if finding.code == FUTURE_ROWS)
    return replace(panel, notes=notes)


def _with_notes(examination: Examination, ended: EndedSeries, log: FindingLog) -> Examination:
    """Return the examination with all findings as notes of its panel."""
    panel = examination.panel
    if panel is None:
        return examination
    if panel.columns.target_cols:
        log.findings += ended_finding(panel, ended)
    notes = tuple(
        # whoever prints the notes may not be in Python: these need no keyword
        finding.message if finding.code in (GUESSED_ROLES, ENDED) else finding.sentence
        for finding in log.findings
    )
    panel = replace(panel, notes=notes, decisions=dict(log.decisions))
    return replace(examination, panel=panel)


def _name_rows(table: Table, ids: Ids | None, time: TimeColumn | None) -> RowNames:
    """Name rows by what could be read; a row without a timestamp belongs to no series."""
    stamps = None
    tz = None
    if time is not None:
        stamps = time.stamps
        tz = time.tz
    if ids is None:
        if time is not None and time.readable is not None:
            stamps = None
        return RowNames(table, stamps=stamps, tz=tz)
    codes = ids.codes
    if time is not None and time.readable is not None:
        codes = np.where(time.readable, codes, -1)
    return RowNames(table, ids.names, codes, stamps, tz)


def _assemble(
    rows: SortedRows,
    freq: Frequency,
    positions: NDArray[np.int64],
    arranged: Arranged,
    gaps: Gaps,
) -> Panel:
    """Make the panel of a table without errors; where `gaps` is `fill`, insert missing rows."""
    values = arranged.dynamic
    weights = arranged.weights
    if gaps == "fill" and (np.diff(positions)[rows.inside] > 1).any():
        rows, positions, new_rows = fill_gaps(rows, freq, positions)
        values = np.full((len(positions), values.shape[1]), np.nan)
        values[new_rows] = arranged.dynamic
        weights = with_inserted(weights, new_rows, len(positions))
    ids = rows.names.ids
    if ids is None:
        ids = np.empty(0, dtype=object)
    return Panel(
        columns=arranged.columns,
        freq=freq,
        series_ids=ids,
        offsets=rows.offsets,
        timestamps=rows.stamps,
        positions=positions,
        values=values,
        static_values=arranged.static,
        categories=arranged.categories,
        weights=weights,
    )
