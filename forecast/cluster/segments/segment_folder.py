"""The folder of `forecast fit --by`: a run for each segment, and what was done.

segments.json          the column, the settings, and the segments: value, name, rows, fingerprint
tables/NAME.csv        rows of a segment, which its run reads
runs/NAME/             run of the segment, as `forecast fit` writes it for this table
records/NAME.json      fingerprints and seconds of the fit, or why there is no run
segments.csv, .html    the segments compared
.lock                  empty; locked by the process that works on the folder
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import forecast
from forecast.cluster.parts_folder import as_json, hash_of
from forecast.cluster.segments.segment_names import folder_names
from forecast.cluster.segments.segment_rows import Divided
from forecast.errors import DataError, OutputError
from forecast.experiment.identity import differences, flat
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.files.outputs import Content, check_folder, foreign_paths, free_name, read_record
from forecast.runs.records import MODEL
from forecast.runs.run import RUN, RUN_FILES
from forecast.runs.segment_mark import SEGMENTS_FILE, is_segments

LOCK = ".lock"
TABLES = "tables"
RUNS = "runs"
RECORDS = "records"
COMPARED = "segments.csv"
PAGE = "segments.html"

SEGMENTS = Content(
    "folder of fit --by",
    "segments",
    lambda folder: is_segments(folder) or not foreign_paths(folder, (LOCK,)),
)
"""Content of the folder."""


@dataclass(frozen=True)
class Segment:
    """One segment of a table.

    Attributes:
        value: in the column that names the segments.
        name: of its folder and files.
        table: file with its rows, below the folder.
        sha256: of that file.
        num_rows: in it.
        num_series: in it.
    """

    value: str
    name: str
    table: str
    sha256: str
    num_rows: int
    num_series: int


@dataclass(frozen=True)
class Segments:
    """Content of `segments.json`.

    Attributes:
        by: column that names the segments.
        settings: of all fits, as path -> text, and the version of the package.
        segments: in the order of the table.
    """

    by: str
    settings: Mapping[str, str]
    segments: tuple[Segment, ...]

    def of_value(self) -> dict[str, Segment]:
        """Return the segments by their value."""
        return {segment.value: segment for segment in self.segments}


def read_segments(folder: str | Path) -> Segments:
    """Read the segments of a folder that `fit --by` wrote.

    Raises:
        DataError: the file is damaged.
    """
    record = read_record(Path(folder) / SEGMENTS_FILE)
    try:
        segments = tuple(Segment(**each) for each in record["segments"])
        return Segments(record["by"], record["settings"], segments)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{Path(folder, SEGMENTS_FILE)} is damaged ({error}): run forecast fit --by again with "
            f"the same table and settings, which keeps the runs"
        ) from None


def begin_folder(
    folder: Path, config: Experiment, divided: Divided, tables: Path, *, replace: bool
) -> Segments:
    """Begin the folder, or go on with that of the same segments and settings.

    Args:
        folder: to write.
        config: of all fits.
        divided: the segments, whose files are moved to `tables`.
        tables: folder that is to take the place of the tables.
        replace: whether to fit again in a folder of other rows or settings.

    Raises:
        OutputError: the folder is of other rows or settings and not to be replaced.
    """
    stored = None
    known: dict[str, str] = {}
    if is_segments(folder):
        stored = read_segments(folder)
        known = {segment.value: segment.name for segment in stored.segments}
    new = Segments(divided.by, settings_of(config), _named(divided, known))
    if stored is not None:
        _refuse_other(folder, stored, new, replace)
        _remove_gone(folder, stored, new)
    for segment in new.segments:
        path, _ = divided.files[segment.value]
        path.rename(tables / Path(segment.table).name)
    _write_segments(folder, new)
    return new


def _refuse_other(folder: Path, stored: Segments, new: Segments, replace: bool) -> None:
    difference = _difference(stored, new)
    if difference and not replace:
        raise OutputError(
            f"{folder} contains segments {difference}: fit those that differ again with "
            f"`replace=true`, or name another folder with `out=`, such as {free_name(folder)}"
        )


def _write_segments(folder: Path, segments: Segments) -> None:
    """Write `segments.json`, by which the folder is known."""
    record = {
        "content": "models of segments",
        "by": segments.by,
        "settings": dict(segments.settings),
        "segments": [asdict(segment) for segment in segments.segments],
    }
    write_file(folder / SEGMENTS_FILE, as_json(record))


def check_tables(folder: Path) -> None:
    """Raise if the tables of a folder are not those that it names, before they are replaced.

    Raises:
        OutputError: there are files of others.
    """
    names: list[str] = []
    if is_segments(folder):
        names += [Path(segment.table).name for segment in read_segments(folder).segments]
    content = Content("table of segments", TABLES, lambda _: True, tuple(names))
    check_folder(folder / TABLES, content)


def settings_of(config: Experiment) -> dict[str, str]:
    """Return what decides about every fit but the rows, as path -> text."""
    unread: dict[str, Any] = {"data": {"source"}, "search": True, "backtest": True}
    settings = flat(config.model_dump(mode="json", exclude=unread))
    return {**settings, "package version": forecast.__version__}


def fingerprints_of(segments: Segments, segment: Segment) -> dict[str, str]:
    """Return what a run is kept for: its rows and its settings."""
    settings = json.dumps(dict(segments.settings), sort_keys=True)
    return {"table": segment.sha256, "settings": settings}


def run_folder(folder: Path, segment: Segment) -> Path:
    """Return the folder of the run of a segment."""
    return folder / RUNS / segment.name


def record_path(folder: Path, segment: Segment) -> Path:
    """Return the file with what was done for a segment."""
    return folder / RECORDS / f"{segment.name}.json"


def model_hash(run: Path) -> str:
    """Return the fingerprint of the model that `fit` wrote; updates leave it. "" without one."""
    manifest = run / MODEL / "manifest.json"
    if not RUN.is_own(run) or not manifest.is_file():
        return ""
    return hash_of(manifest)


def _named(divided: Divided, known: Mapping[str, str]) -> tuple[Segment, ...]:
    """Return the segments with names for their folders."""
    names = folder_names(divided.files, known)
    num_series = divided.num_series()
    return tuple(
        Segment(
            value,
            names[value],
            f"{TABLES}/{names[value]}{path.suffix}",
            hash_of(path),
            num_rows,
            num_series[value],
        )
        for value, (path, num_rows) in divided.files.items()
    )


def _difference(stored: Segments, new: Segments) -> str:
    """Return in words how segments differ from those of a folder; nothing where they do not."""
    if stored.by != new.by:
        return f"of column {stored.by!r} instead of {new.by!r}"
    settings = differences(stored.settings, new.settings)
    if settings:
        return f"fitted with other settings ({settings})"
    before = {segment.value: segment.sha256 for segment in stored.segments}
    after = {segment.value: segment.sha256 for segment in new.segments}
    if before == after:
        return ""
    changed = [value for value in {**before, **after} if before.get(value) != after.get(value)]
    return f"of other rows (in {len(changed):,} of {len(after):,} segments, such as {changed[0]!r})"


def _remove_gone(folder: Path, stored: Segments, new: Segments) -> None:
    """Delete what belongs to segments that are gone; runs with files of others stay."""
    names = {segment.name for segment in new.segments}
    tables = {segment.table for segment in new.segments}
    for segment in stored.segments:
        if segment.table not in tables:
            (folder / segment.table).unlink(missing_ok=True)
        if segment.name in names:
            continue
        record_path(folder, segment).unlink(missing_ok=True)
        run = run_folder(folder, segment)
        if run.is_dir() and RUN.is_own(run) and not foreign_paths(run, RUN_FILES):
            shutil.rmtree(run)
