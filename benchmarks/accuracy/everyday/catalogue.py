"""The tables of the benchmark, how far they are forecast, and from which cutoffs.

The files of `tables/` are split into a development and a judging half by `halves`, before any
forecast of them was scored. Those of the project's shared folder are all for development; the
environment variable `FORECAST_EVERYDAY` names their folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
CASES = Path(
    os.environ.get("FORECAST_EVERYDAY") or HERE.parents[3] / "shared" / "cases" / "everyday"
)

STEPS = {
    "yearly": (4, 1),
    "quarterly": (4, 4),
    "monthly": (12, 12),
    "weekly": (8, 52),
    "daily": (14, 7),
    "hourly": (24, 24),
}
"""Frequency -> horizon, and steps of a season for MASE."""

HALVES = ("development", "judging")
MAX_CUTOFFS = 12
JUDGED_SHARE = 0.4
"""Share of the rows, from the end, that the cutoffs may take."""
MAX_FITS = 2


@dataclass(frozen=True)
class Task:
    """One table and the forecasts that are asked for.

    Attributes:
        name: of the table.
        group: `shared`, or one of `HALVES`.
        path: of the file.
        horizon: H; cutoffs are as far apart.
        season: m of MASE.
        num_cutoffs: K; the last cutoff is H steps before the end.
        max_fits: fits of the default, each used for as many cutoffs.
        known: columns that are known ahead.
        is_alone: whether each series is a table of its own.
    """

    name: str
    group: str
    path: Path
    horizon: int
    season: int
    num_cutoffs: int
    max_fits: int = MAX_FITS
    known: tuple[str, ...] = ()
    is_alone: bool = False

    def tables(self) -> list[pd.DataFrame]:
        """Read the rows `unique_id, ds, y`, in the order of series and time."""
        if self.path.suffix == ".parquet":
            frame = pd.read_parquet(self.path)
        else:
            frame = pd.read_csv(self.path, parse_dates=["ds"])
        frame = frame.sort_values(["unique_id", "ds"], ignore_index=True)
        if not self.is_alone:
            return [frame]
        return [rows.reset_index(drop=True) for _, rows in frame.groupby("unique_id")]

    def blocks(self, table: pd.DataFrame) -> list[list[pd.Timestamp]]:
        """Return the cutoffs, those of one fit together, in the order of time."""
        stamps = sorted(table["ds"].unique())
        ends = [len(stamps) - self.horizon * (1 + back) for back in range(self.num_cutoffs)]
        cutoffs = [pd.Timestamp(stamps[end - 1]) for end in reversed(ends)]
        size = -(-len(cutoffs) // self.max_fits)  # rounded up
        return [cutoffs[first : first + size] for first in range(0, len(cutoffs), size)]


def num_cutoffs(rows: int, horizon: int) -> int:
    """Return how many cutoffs a series gets: as many as fit into its last rows, 1 to 12."""
    return min(MAX_CUTOFFS, max(1, int(JUDGED_SHARE * rows) // horizon))


def halves(frequencies: Mapping[str, str]) -> dict[str, str]:
    """Split tables into two halves, each with all frequencies.

    Frequency by frequency, in the order of `STEPS`, the names are sorted by their SHA-256; then
    every other one goes into the development half, the first one included.

    Args:
        frequencies: name -> frequency.

    Returns:
        Name -> one of `HALVES`.
    """
    ordered = [
        name
        for frequency in STEPS
        for name in sorted(frequencies, key=_digest)
        if frequencies[name] == frequency
    ]
    return {name: HALVES[number % 2] for number, name in enumerate(ordered)}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def real_tasks() -> list[Task]:
    """Return the tasks of the files of this folder."""
    index = pd.read_csv(HERE / "index.csv")
    tasks = []
    for row in index.itertuples(index=False):
        horizon, season = STEPS[row.frequency]
        cutoffs = num_cutoffs(row.rows // row.series, horizon)
        path = HERE / "tables" / f"{row.name}.csv"
        tasks.append(Task(row.name, row.half, path, horizon, season, cutoffs))
    return tasks


def shared_tasks() -> list[Task]:
    """Return the tasks of the shared folder, with the horizons and cutoffs of its README."""

    def task(name: str, horizon: int, season: int, cutoffs: int, **more: object) -> Task:
        path = CASES / f"{name}.parquet"
        return Task(name, "shared", path, horizon, season, cutoffs, **more)

    return [
        task("retail36_alone", 12, 12, 1, is_alone=True),
        task("level_shift3", 28, 7, 1),
        task("bdays_syn", 10, 5, 12),
        task("quarterhours28", 96, 96, 7, max_fits=1),
        task("intermittent_syn", 28, 7, 1),
        task("retail_syn", 28, 7, 1, known=("promo",)),
        task("trend_days_syn", 28, 7, 1),
    ]


def all_tasks() -> dict[str, Task]:
    """Return every task by name, those of the shared folder first."""
    return {task.name: task for task in (*shared_tasks(), *real_tasks())}
