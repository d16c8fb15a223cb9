"""Common code of all whole-fit contenders: order of events, clock, scales, test windows.

A contender is an object with the methods of `Contender`; `serve_fit` calls them in one order and
notes times, so that every library is measured between the same two moments: the name of a CSV file
is known, and an artifact is on the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import wire


@dataclass(frozen=True)
class Task:
    """Settings of a fit.

    Attributes:
        table: CSV file of hourly series with the columns `unique_id`, `ds`, `y`, all of one length.
        folder: an empty folder for the artifact.
        context_length: L.
        horizon: H.
        units: width of each recurrent layer.
        layers: number of recurrent layers.
        batch_size: windows per step.
        epochs: passes over the training windows.
        held_out: rows of the validation part and of the test part, each.
        threads: of the library.
        seed: of the weights and the order of the windows.
    """

    table: str
    folder: str
    context_length: int
    horizon: int
    units: int
    layers: int
    batch_size: int
    epochs: int
    held_out: int
    threads: int
    seed: int

    def train_windows(self, series: int, length: int) -> int:
        """Windows of all series that lie before the validation part: one epoch."""
        return series * (length - 2 * self.held_out - self.context_length - self.horizon + 1)


@dataclass
class Journal:
    """Times of one fit.

    Attributes:
        seconds: since the fit began, at the end of each epoch.
        losses: validation loss of each epoch.
        windows: trained on in each epoch.
    """

    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    begin: float = 0.0

    def note(self, loss: float, windows: int) -> None:
        """An epoch ended, validation included."""
        self.seconds.append(time.perf_counter() - self.begin)
        self.losses.append(loss)
        self.windows.append(windows)

    def take_over(self, other: Journal) -> None:
        """Become a copy of another."""
        self.seconds, self.losses, self.windows = other.seconds, other.losses, other.windows


class Contender(Protocol):
    """A library that can be fitted.

    `windows`, of an epoch, may be counted during the fit or set by `forecast`.
    """

    def load(self, threads: int) -> dict[str, str]:
        """Import all that a fit needs, set the threads, and return the versions."""

    def fit(self, task: Task, journal: Journal) -> None:
        """Read the table, train, and note each epoch."""

    def save(self, folder: Path) -> None:
        """Write what a later process needs to forecast."""

    def weights(self) -> int:
        """Return the number of trained weights."""

    def forecast(self, history: Any) -> Any:
        """Return (N, H) forecasts of every series of a long frame, in the unit of the data."""


def serve_fit(contender: Contender) -> None:
    """Answer requests to fit."""
    wire.serve(lambda request: measure_fit(contender, Task(**request)))


def measure_fit(contender: Contender, task: Task) -> dict[str, Any]:
    """Import, fit, save, then look at what came out; only the first three are timed as work."""
    start = time.perf_counter()
    versions = contender.load(task.threads)
    imported, before = time.perf_counter(), wire.peak_megabytes()
    journal = Journal(begin=time.perf_counter())
    contender.fit(task, journal)
    contender.save(Path(task.folder))
    done, ready, peak = time.perf_counter(), time.time(), wire.peak_megabytes()
    latency, error = judge(contender, task)
    return {
        "import": imported - start,
        "fit": done - imported,
        "ready": ready,
        "epochs": journal.seconds,
        "losses": journal.losses,
        "windows": journal.windows,
        "imported_mb": before,
        "peak_mb": peak,
        "latency": latency,
        "mae": error,
        "weights": contender.weights(),
        "versions": versions,
        "cpu_seconds": time.process_time(),
    }


def judge(contender: Contender, task: Task) -> tuple[float, float]:
    """Return milliseconds per forecast of one series, and the MAE on the test set.

    The test part is forecast in windows that do not overlap.
    """
    import numpy as np
    import pandas as pd

    frame = pd.read_csv(task.table, parse_dates=["ds"])
    place = frame.groupby("unique_id").cumcount()
    length = int(place.max()) + 1
    errors = []
    for cutoff in range(length - task.held_out, length - task.horizon + 1, task.horizon):
        actual = frame[(place >= cutoff) & (place < cutoff + task.horizon)]["y"].to_numpy()
        found = np.asarray(contender.forecast(frame[place < cutoff]))
        errors.append(np.abs(found - actual.reshape(found.shape)))
    single = frame[frame["unique_id"] == frame["unique_id"].iloc[0]]
    return milliseconds(lambda: contender.forecast(single)), float(np.mean(errors))


def milliseconds(act: Callable[[], Any], repeats: int = 20) -> float:
    """Median time of a call after the first two."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - start))
    return median(times[2:])
