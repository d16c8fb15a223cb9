"""The fit of one segment: rows in, a run folder out, as `forecast fit` writes it for these rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecast.cluster.parts_folder import as_json
from forecast.cluster.segments.segment_folder import (
    Segment,
    Segments,
    fingerprints_of,
    model_hash,
    record_path,
    run_folder,
)
from forecast.errors import FileError, ForecastError
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.files.outputs import read_record
from forecast.runs.run import fit_run
from forecast.search.processes import Tell, one_line
from forecast.training.voice import Voice


@dataclass(frozen=True)
class SegmentWork:
    """The same for every segment.

    Attributes:
        config: the experiment.
        segments: all of them, with the settings that they are kept for.
        folder: to write.
    """

    config: Experiment
    segments: Segments
    folder: Path


@dataclass(frozen=True)
class SegmentEnd:
    """Result of one segment.

    Attributes:
        is_kept: whether its run was there already.
        error: why there is no run; empty where there is one.
        seconds: that the fit took.
        notes: on figures that could not be drawn, for example.
    """

    is_kept: bool = False
    error: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SegmentStation:
    """Station of a worker that fits segments.

    Attributes:
        work: the same for every segment.
    """

    work: SegmentWork

    def answer(self, _kind: str, content: tuple[Any, ...], _tell: Tell) -> SegmentEnd:
        """Fit one segment, unless its run is there; see `fit_segment`."""
        (segment,) = content
        return fit_segment(self.work, segment)


def open_segments(work: SegmentWork, _tell: Tell) -> SegmentStation:
    """Open the station of a worker that fits segments."""
    return SegmentStation(work)


def fit_segment(work: SegmentWork, segment: Segment) -> SegmentEnd:
    """Fit one segment, unless its run is there; an interrupted training goes on.

    Args:
        work: the same for every segment.
        segment: to fit.

    Returns:
        The time it took, or the line of the error for which there is no run.

    Raises:
        FileError: the run cannot be written, as on a full disk.
    """
    path = record_path(work.folder, segment)
    record = read_record(path)
    fingerprints = fingerprints_of(work.segments, segment)
    is_begun = record.get("fingerprints") == fingerprints
    run = run_folder(work.folder, segment)
    if is_begun and record.get("model") and record["model"] == model_hash(run):
        return SegmentEnd(True, seconds=record["seconds"], notes=tuple(record["notes"]))

    write_file(path, as_json({"fingerprints": fingerprints}))
    start = time.monotonic()
    notes: list[str] = []
    try:
        fit_run(
            work.config,
            str(work.folder / segment.table),
            out=run,
            resume=is_begun,
            replace=True,
            voice=Voice(lambda _: None, failed=notes.append),
        )
    except FileError:
        raise
    except ForecastError as error:  # whatever is wrong with this segment, the others are fitted
        return SegmentEnd(error=write_error(work, segment, one_line(error)))
    end = SegmentEnd(seconds=round(time.monotonic() - start, 1), notes=tuple(notes))
    done = {"model": model_hash(run), "seconds": end.seconds, "notes": notes}
    write_file(path, as_json({"fingerprints": fingerprints, **done}))
    return end


def write_error(work: SegmentWork, segment: Segment, error: str) -> str:
    """Write why a segment has no run, and return it.

    Args:
        work: the same for every segment.
        segment: that was not fitted.
        error: one line.
    """
    record = {"fingerprints": fingerprints_of(work.segments, segment), "error": error}
    write_file(record_path(work.folder, segment), as_json(record))
    return error
