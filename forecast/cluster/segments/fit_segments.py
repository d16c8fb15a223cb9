"""Fit a model for each segment of a panel, each in the next free worker of an executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd

from forecast.cluster.segments.segment_folder import (
    COMPARED,
    LOCK,
    PAGE,
    SEGMENTS,
    TABLES,
    Segments,
    begin_folder,
    check_tables,
)
from forecast.cluster.segments.segment_rows import divide_by_column
from forecast.cluster.segments.segment_scores import compared, line_of, notes_by_segment, summary
from forecast.cluster.segments.segment_station import (
    SegmentEnd,
    SegmentWork,
    open_segments,
    write_error,
)
from forecast.cluster.tasks import reason_of, run_tasks
from forecast.data.findings import FindingLog, counted
from forecast.data.formats.readers import Source, reader_named
from forecast.data.formats.row_batches import KINDS
from forecast.data.panel import AUTO_ROLES, LISTS
from forecast.data.roles.settle import settle_columns
from forecast.errors import ConfigError, OutputError
from forecast.experiment.named_functions import load_functions
from forecast.experiment.prepare import table_of
from forecast.experiment.settings import DataConfig, Experiment
from forecast.files.atomic import replace_folder, write_file
from forecast.files.lock import open_locked
from forecast.files.outputs import check_folder
from forecast.files.traces import clean_start
from forecast.report.segments_page import segments_page
from forecast.runs.segment_mark import is_segments
from forecast.search.processes import Executor, LocalProcesses, Opening
from forecast.search.workers import Resources
from forecast.training.voice import Say


@dataclasses.dataclass(frozen=True)
class SegmentsEnd:
    """Result of all segments.

    Attributes:
        folder: that was written.
        num_fitted: segments with a run.
        num_kept: of these, those whose run was there already.
        errors: value of each segment without a run, and why it has none.
        table: the segments compared, as in `segments.csv`.
    """

    folder: Path
    num_fitted: int
    num_kept: int
    errors: dict[str, str]
    table: pd.DataFrame


def fit_segments(
    config: Experiment,
    by: str,
    table: Source | None = None,
    *,
    out: str | Path | None = None,
    replace: bool = False,
    executor: Executor = LocalProcesses(),
    say: Say = lambda _: None,
) -> SegmentsEnd:
    """Fit a model for each segment of a table, and compare them.

    Runs that are there for the same rows and settings are kept, and a training that was interrupted
    goes on. A segment that is refused does not stop the others.

    Args:
        config: the experiment, the same for all segments; what the data decide is decided for each.
        by: column that names the segments; it has one value per series.
        table: a frame, a file or `dataset:NAME`; default: `config.data.source`.
        out: folder to write: new, empty, or of the same rows and settings; default: `runs/NAME`,
            see `Experiment.folder_name`.
        replace: fit again what differs in a folder of other rows or settings.
        executor: where the segments are fitted; default: one process.
        say: takes lines about progress.

    Returns:
        Counts, errors, and the table that compares the segments.

    Raises:
        DataError: the table cannot be read, or a series is in two segments.
        ConfigError: the table is wide, so that it has no column for segments.
        OutputError: the folder has other files, or segments of other rows or settings.
    """
    config = config.with_source(table)
    folder = Path(out or Path("runs") / config.folder_name)
    check_folder(folder, SEGMENTS, config.data.source)
    load_functions(config)
    config = _settled(config, config.data.source if table is None else table, say)
    busy = OutputError(
        f"{folder}: another process is fitting there; wait for it, or name another folder with "
        f"`out=`"
    )
    with clean_start(folder) as on_failure, open_locked(folder / LOCK, busy):
        on_failure(partial(_remove_start, folder))
        segments = _divide(config, by, table, folder, replace)
        say(
            f"{counted(len(segments.segments), 'segment')} of column {by!r}, "
            f"{counted(sum(each.num_series for each in segments.segments), 'series')}"
        )
        work = SegmentWork(config, segments, folder.resolve())
        ends = _fit(work, executor, say)
        frame = compared(folder, segments, ends)
        notes = notes_by_segment({value: end.notes for value, end in ends.items()})
        write_file(folder / COMPARED, frame.to_csv(index=False).encode())
        write_file(folder / PAGE, segments_page(by, frame, notes).encode())
    for line in summary(frame):
        say(line)
    errors = {value: end.error for value, end in ends.items() if end.error}
    kept = [end for end in ends.values() if end.is_kept]
    return SegmentsEnd(folder, len(ends) - len(errors), len(kept), errors, frame)


def _settled(config: Experiment, source: Source | None, say: Say) -> Experiment:
    """Return the experiment with the roles of columns that the whole table shows.

    Raises:
        ConfigError: the table is wide.
        DataError: the roles are not clear.
    """
    data = config.data
    if data.layout == "wide":
        raise ConfigError(
            'data.layout is "wide", a column per series, so no column names the segments: write '
            "the table with one row per series and timestamp"
        )
    log = FindingLog(strict=True)
    columns, _ = settle_columns(table_of(data, source), data.columns, data.table_format, log)
    for finding in log.findings:
        say(f"note: {finding.message}")
    roles = {f"data.{role}": getattr(columns, role) for role in (*AUTO_ROLES, *LISTS)}
    return _as_written(config.with_settings(roles), source)


def _as_written(config: Experiment, source: Source | None) -> Experiment:
    """Return the experiment with the format of the files of segments.

    Tables that are neither text nor parquet files become parquet files.

    Raises:
        ConfigError: numbers in text have another mark than a point.
    """
    is_text = source == "-"
    if isinstance(source, str | Path) and (is_text or reader_named(str(source)) in KINDS):
        return config
    unset = DataConfig()
    if config.data.decimal != unset.decimal:
        raise ConfigError(
            f"data.decimal is {config.data.decimal!r}, which is read of CSV files alone where a "
            f"table is divided by segment: write the table as CSV"
        )
    fields = ("sheet", "separator", "encoding")
    data = config.data.model_copy(update={name: getattr(unset, name) for name in fields})
    return config.model_copy(update={"data": data})


def _divide(
    config: Experiment, by: str, table: Source | None, folder: Path, replace: bool
) -> Segments:
    """Write the tables of all segments, and begin the folder."""
    source = config.data.source if table is None else table
    with replace_folder(folder / TABLES, partial(check_tables, folder)) as tables:
        new = tables / "new"
        new.mkdir()
        divided = divide_by_column(table_of(config.data, source), config.data, by, new)
        segments = begin_folder(folder, config, divided, tables, replace=replace)
        new.rmdir()
    return segments


def _fit(work: SegmentWork, executor: Executor, say: Say) -> dict[str, SegmentEnd]:
    """Fit all segments, the largest first, and tell about each."""
    ordered = sorted(work.segments.segments, key=lambda segment: -segment.num_rows)
    threads = Resources(executor.num_workers).threads
    opening = Opening("segments", open_segments, work, threads=threads)
    ends: dict[str, SegmentEnd] = {}
    for answered in run_tasks(executor, opening, "fit", [(segment,) for segment in ordered]):
        segment = ordered[answered.number]
        end = answered.answer
        reason = reason_of(end)
        if reason:  # the worker was lost twice, or something unforeseen
            end = SegmentEnd(error=write_error(work, segment, reason))
        ends[segment.value] = end
        say(f"{len(ends):,} of {len(ordered):,}: {line_of(work.folder, segment, end)}")
    return {segment.value: ends[segment.value] for segment in work.segments.segments}


def _remove_start(folder: Path) -> None:
    """Remove the files of a folder in which nothing has begun."""
    if is_segments(folder):
        return
    for name in (TABLES, LOCK):
        with suppress(OSError):
            path = folder / name
            path.rmdir() if path.is_dir() else path.unlink()


def error_lines(end: SegmentsEnd) -> Sequence[str]:
    """Return what to say about segments without a run; nothing where there is none."""
    if not end.errors:
        return []
    total = end.num_fitted + len(end.errors)
    verb = "has no model" if len(end.errors) == 1 else "have no model"
    return [
        f"{len(end.errors)} of {counted(total, 'segment')} {verb}: see {end.folder / COMPARED}; "
        f"correct the table and run the command again, which keeps the runs of the others"
    ]
