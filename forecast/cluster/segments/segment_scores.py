"""The table that compares the segments of a panel, read from their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.cluster.segments.segment_folder import RUNS, Segment, Segments, run_folder
from forecast.data.findings import and_more, counted
from forecast.files.outputs import read_record
from forecast.runs.records import SCORES
from forecast.scores.verdict import Scores

if TYPE_CHECKING:
    from forecast.cluster.segments.segment_station import SegmentEnd

TOTAL = "all"
"""Name of the last row, whose run is empty."""

COVERAGE = "coverage-"

_SHOWN = 3
"""Segments that a note names."""


def compared(folder: Path, segments: Segments, ends: Mapping[str, SegmentEnd]) -> pd.DataFrame:
    """Return a row per segment, and one for all that were fitted.

    Errors, MASE and coverage of all are means over the test windows of all segments, and the skill
    is that of these errors, so the baseline is the best one of each segment.

    Args:
        folder: of the segments.
        segments: all of them.
        ends: of each, by its value.
    """
    rows = [_row(folder, segment, ends[segment.value]) for segment in segments.segments]
    table = pd.DataFrame(rows)
    total = pd.DataFrame([_total(table)])
    names = [*table, *(name for name in total if name not in table)]
    levels = sorted(name for name in names if name.startswith(COVERAGE))
    names = [name for name in names if name not in levels]
    place = names.index("seconds")
    return pd.concat([table, total], ignore_index=True)[[*names[:place], *levels, *names[place:]]]


def _row(folder: Path, segment: Segment, end: SegmentEnd) -> dict[str, Any]:
    """Return the row of one segment."""
    row: dict[str, Any] = {
        "segment": segment.value,
        "run": f"{RUNS}/{segment.name}",
        "series": segment.num_series,
        "rows": segment.num_rows,
        "test_windows": 0,
        "score": "",
        "error": np.nan,
        "best_baseline": "",
        "baseline_error": np.nan,
        "skill": np.nan,
        "MASE": np.nan,
        "seconds": end.seconds,
        "refused": end.error,
    }
    scores = _scores_in(folder, segment)
    if end.error or scores is None:
        return row
    own = scores.values[scores.alias]
    row["test_windows"] = scores.num_windows
    row["score"] = scores.judged_by
    row["error"] = own[scores.judged_by]
    row["MASE"] = own.get("MASE", np.nan)
    best = scores.best_baseline
    if best is not None:
        row["best_baseline"] = best
        row["baseline_error"] = scores.values[best][scores.judged_by]
        row["skill"] = scores.skill(scores.alias)
    return row | {name: score for name, score in own.items() if name.startswith(COVERAGE)}


def _scores_in(folder: Path, segment: Segment) -> Scores | None:
    """Return the scores of a run; None where it has no test set."""
    stored = read_record(run_folder(folder, segment) / SCORES)
    if not stored:
        return None
    return Scores.from_dict(stored)


def _total(table: pd.DataFrame) -> dict[str, Any]:
    """Return the row of all segments that were fitted."""
    fitted = table[table["refused"] == ""]
    judged = fitted[fitted["test_windows"] > 0]
    total: dict[str, Any] = {
        "segment": TOTAL,
        "run": "",
        "series": fitted["series"].sum(),
        "rows": fitted["rows"].sum(),
        "test_windows": judged["test_windows"].sum(),
        "score": "",
        "seconds": round(float(fitted["seconds"].sum()), 1),
        "best_baseline": "",
        "refused": "",
    }
    for name in map(str, table):
        if name == "MASE" or name.startswith(COVERAGE):
            total[name] = _mean(judged, name)
    if judged["score"].nunique() == 1:  # else they have no common unit
        total["score"] = judged["score"].iloc[0]
        total["error"] = _mean(judged, "error")
        total["baseline_error"] = _mean(judged, "baseline_error")
        if total["baseline_error"] > 0:
            total["skill"] = 1.0 - total["error"] / total["baseline_error"]
    return total


def _mean(judged: pd.DataFrame, name: str) -> float:
    """Return the mean of a score over the test windows of the segments that have it."""
    rows = judged[judged[name].notna()]
    if rows.empty:
        return float("nan")
    return float(np.average(rows[name], weights=rows["test_windows"]))


def line_of(folder: Path, segment: Segment, end: SegmentEnd) -> str:
    """Return one line about a segment that has ended."""
    size = f"{counted(segment.num_series, 'series')}, {counted(segment.num_rows, 'row')}"
    start = f"{segment.value}: {size}"
    if end.error:
        return f"{start}: {end.error}"
    if end.is_kept:
        return f"{start}: kept from before"
    return f"{start}, {shown_scores(_row(folder, segment, end))}{end.seconds:.1f} s"


def shown_scores(row: Mapping[Any, Any]) -> str:
    """Return the error and the skill of a row in words, with a comma after each."""
    text = ""
    if np.isfinite(row["error"]):
        text += f"{row['score']} {row['error']:.4g}, "
    if np.isfinite(row["skill"]):
        text += f"skill {100 * row['skill']:+.1f} %, "
    return text


def summary(table: pd.DataFrame) -> list[str]:
    """Return the last row of the table in words."""
    total = table.to_dict("records")[-1]
    segments = counted(int((table["refused"].iloc[:-1] == "").sum()), "segment")
    text = f"all: {counted(int(total['series']), 'series')} of {segments}, "
    return [f"{text}{shown_scores(total)}{total['seconds']:.1f} s of fits"]


def notes_by_segment(notes: Mapping[str, Iterable[str]]) -> list[str]:
    """Return notes with the segments that have them, each once.

    Args:
        notes: of each segment, by its value.
    """
    having: dict[str, list[str]] = {}
    for value, own in notes.items():
        for note in own:
            having.setdefault(note, []).append(value)
    return [
        f"{', '.join(values[:_SHOWN])}{and_more(len(values), _SHOWN)}: {note}"
        for note, values in having.items()
    ]
