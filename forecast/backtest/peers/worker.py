"""Fit models of statsforecast and forecast with them: a script for a Python that has it.

It imports nothing from the rest of the package, which that environment need not have.

    python worker.py MODEL SEASON_LENGTH HORIZON FOLDER

reads in FOLDER
    series.parquet      one row per series: `values`, and the range `train_first:train_last` of
                        them to fit on
    windows.parquet     one row per window: the number of its `series`, and the range `first:last`
                        of its history
and writes
    forecasts.parquet   one row per window: `mean`, HORIZON numbers
or
    failure.json        the number of the first series whose model failed, and why
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from statsforecast import models

FloatArray = NDArray[np.float64]
"""As in `forecast.axes`, which this environment need not have."""


LOOK_SECONDS = 0.5

_WITHOUT_SEASON = ("Naive",)
"""Models without a season length."""


@dataclass
class _Task:
    """One series, to fit on and to forecast.

    Attributes:
        model: name of the model.
        season_length: m.
        horizon: H.
        values: (R,) of the series.
        learned: first row to fit on, and the row after the last.
        windows: the same of the history of each window.
    """

    model: str
    season_length: int
    horizon: int
    values: FloatArray
    learned: tuple[int, int]
    windows: list[tuple[int, int]] = field(default_factory=list)


def main(name: str, season_length: str, horizon: str, folder: str) -> None:
    """Read, forecast on all cores, write."""
    path = Path(folder)
    series = pq.read_table(path / "series.parquet").to_pydict()
    windows = pq.read_table(path / "windows.parquet").to_pydict()
    tasks = [
        _Task(name, int(season_length), int(horizon), np.array(values, np.float64), (first, last))
        for values, first, last in zip(
            series["values"], series["train_first"], series["train_last"], strict=True
        )
    ]
    for number, first, last in zip(
        windows["series"], windows["first"], windows["last"], strict=True
    ):
        tasks[number].windows.append((first, last))

    num_processes = min(os.cpu_count() or 1, max(len(tasks), 1))
    parent = os.getpid()
    with ProcessPoolExecutor(num_processes, initializer=end_with, initargs=(parent,)) as pool:
        begun = pool.map(forecast, tasks, chunksize=max(1, len(tasks) // 64))
        end_with(os.getppid())  # a thread: started after the processes of the pool were forked
        results = list(begun)
    for number, result in enumerate(results):
        if isinstance(result, str):
            (path / "failure.json").write_text(json.dumps((number, result)), encoding="utf-8")
            return

    # The forecasts of a series are in the order of its windows.
    remaining = [iter(result) for result in results]
    means = [next(remaining[number]) for number in windows["series"]]
    column = pa.array(means, pa.list_(pa.float64()))
    pq.write_table(pa.table({"mean": column}), path / "forecasts.parquet")


def end_with(parent: int) -> None:
    """End this process as soon as its parent has ended: nobody would read the forecasts.

    Args:
        parent: its id. On Windows it stays when that process ends, and this one goes on.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def forecast(task: _Task) -> list[Any] | str:
    """Fit on one series and forecast its windows; return a text with the reason where it fails."""
    settings = {"season_length": task.season_length}
    if task.model in _WITHOUT_SEASON:
        settings = {}
    model = getattr(models, task.model)(**settings)
    try:
        model = model.fit(task.values[slice(*task.learned)])
        forecasts = []
        for window in task.windows:
            if window == task.learned:
                forecasts.append(model.predict(task.horizon)["mean"])
            else:  # another history, with the fitted parameters
                history = task.values[slice(*window)]
                forecasts.append(model.forward(y=history, h=task.horizon)["mean"])
    except Exception as error:  # any error goes into the file
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return forecasts


if __name__ == "__main__":
    main(*sys.argv[1:])
