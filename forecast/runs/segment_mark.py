"""The mark of a folder that has a run for each segment, by which other commands know it."""

from __future__ import annotations

from pathlib import Path

from forecast.errors import DataError
from forecast.files.outputs import read_record

SEGMENTS_FILE = "segments.json"
"""File of the folder, which names its segments."""


def is_segments(folder: str | Path) -> bool:
    """Return whether `fit --by` wrote a folder."""
    return read_record(Path(folder) / SEGMENTS_FILE).get("content") == "models of segments"


def refuse_segments(folder: str | Path) -> None:
    """Raise where a command takes the run of one segment, and the folder of all was named.

    Raises:
        DataError: as above, with such a run.
    """
    if not is_segments(folder):
        return
    segments = read_record(Path(folder) / SEGMENTS_FILE)["segments"]
    first = Path(folder, "runs", segments[0]["name"])
    raise DataError(
        f"{folder} has a run for each of {len(segments):,} segments, and this command takes one: "
        f"name it, such as {first}"
    )
