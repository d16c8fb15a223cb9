"""Forecasts of a run, kept in its folder as they were made.

    RUN/forecasts/000007-2-1f0c62a94b7d.parquet

The file is the table that `predict` writes. Its name has a number in the order of making, the
version of the model, and the first digits of the SHA-256 of its bytes: the same forecast is kept
once. The oldest files go when there are more than `KEPT_FILES`, or more than `KEPT_BYTES` of them.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError, FileError
from forecast.files.atomic import current_folder, write_file
from forecast.runs.versions import read_pointer
from forecast.scores.forecast import Forecast, column_names

FORECASTS = "forecasts"

KEPT_FILES = 2_000
"""Forecasts that are kept, at most: five years of nights."""

KEPT_BYTES = 500_000_000
"""Bytes of all kept forecasts, at most."""

_NAME = re.compile(r"(\d{6,})-(\d+)-([0-9a-f]{12})\.parquet")


def keep_forecast(run: Path, forecast: Forecast) -> str:
    """Keep a forecast in the folder of a run, unless it is there already.

    Args:
        run: the folder.
        forecast: as it was made.

    Returns:
        Why it could not be kept; empty where it is.
    """
    buffer = io.BytesIO()
    forecast.frame().to_parquet(buffer, index=False)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()[:12]
    paths = kept_paths(run)
    if any(path.stem.endswith(digest) for path in paths):
        return ""
    number = 1
    if paths:
        number = int(paths[-1].name.split("-")[0]) + 1
    version = read_pointer(run).version
    try:
        write_file(run / FORECASTS / f"{number:06d}-{version}-{digest}.parquet", data)
    except FileError as error:
        return f"the forecast was not kept for forecast monitor: {error}"
    _remove_oldest(run)
    return ""


def kept_paths(run: Path) -> list[Path]:
    """Return the files of kept forecasts, in the order of making; others are passed over."""
    folder = current_folder(run) / FORECASTS
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def read_kept(
    run: Path, alias: str, columns: Columns, freq: Frequency
) -> Iterator[tuple[Path, Forecast]]:
    """Yield kept forecasts in the order of making.

    Args:
        run: the folder.
        alias: name of the model.
        columns: the names of id, time and targets.
        freq: the frequency of the stamps.

    Raises:
        DataError: a file is damaged.
    """
    names = set(column_names(alias, columns.target_cols))
    for path in kept_paths(run):
        try:
            frame = pd.read_parquet(path)
            if names <= set(frame.columns):
                yield path, Forecast.from_frame(frame, alias, columns=columns, freq=freq)
        except (OSError, ValueError, KeyError, DataError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}): move it away, and the others are compared"
            ) from error


def carry_forecasts(old: Path, new: Path) -> None:
    """Copy the kept forecasts of a run to the folder that is about to take its place."""
    paths = kept_paths(old)
    if paths:
        (new / FORECASTS).mkdir()
    for path in paths:
        shutil.copyfile(path, new / FORECASTS / path.name)


def _remove_oldest(run: Path) -> None:
    """Delete the oldest of too many kept forecasts."""
    paths = kept_paths(run)
    sizes = [path.stat().st_size for path in paths]
    total = sum(sizes)
    number = len(paths)
    for path, size in zip(paths, sizes, strict=True):
        if number <= KEPT_FILES and total <= KEPT_BYTES:
            return
        path.unlink(missing_ok=True)
        number -= 1
        total -= size
