"""Fit models of statsforecast and forecast with them: run by the Python of an environment that has it, as a script.

It shares no code with the rest of the package, which that environment need not have.

    python worker.py MODEL SEASON_LENGTH HORIZON FOLDER

reads in FOLDER
    series.parquet      one row per series: `values`, and the part `train_first:train_last` of them
    to fit on windows.parquet     one row per window: the number of its `series`, and its history
    `first:last`
and writes
    forecasts.parquet   one row per window: `mean`, HORIZON numbers
or
    failure.json        the number of the first series whose model failed, and why
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from statsforecast import models

from forecast.axes import FloatArray

Task = tuple[str, int, int, FloatArray, tuple[int, int], list[tuple[int, int]]]


WITHOUT_SEASON = ("Naive",)


def main(name: str, season_length: str, horizon: str, folder: str) -> None:
    """Read, forecast on all cores, write."""
    place = Path(folder)
    series = pq.read_table(place / "series.parquet").to_pydict()
    windows = pq.read_table(place / "windows.parquet").to_pydict()
    tasks: list[Task] = [
        (name, int(season_length), int(horizon), np.array(values, np.float64), (first, last), [])
        for values, first, last in zip(
            series["values"], series["train_first"], series["train_last"], strict=True
        )
    ]
    for number, first, last in zip(
        windows["series"], windows["first"], windows["last"], strict=True
    ):
        tasks[number][-1].append((first, last))
    with ProcessPoolExecutor(min(os.cpu_count() or 1, max(len(tasks), 1))) as pool:
        answers = list(pool.map(forecast, tasks, chunksize=max(1, len(tasks) // 64)))
    failed = next(
        ((number, one) for number, one in enumerate(answers) if isinstance(one, str)), None
    )
    if failed is not None:
        (place / "failure.json").write_text(json.dumps(failed), encoding="utf-8")
        return
    made = [iter(one) for one in answers]
    means = [next(made[number]) for number in windows["series"]]
    column = pa.array(means, pa.list_(pa.float64()))
    pq.write_table(pa.table({"mean": column}), place / "forecasts.parquet")


def forecast(task: Task) -> list[Any] | str:
    """Fit on one series and forecast its windows, or say why not."""
    name, season_length, horizon, values, (first, last), windows = task
    model = getattr(models, name)(
        **({} if name in WITHOUT_SEASON else {"season_length": season_length})
    )
    try:
        model = model.fit(values[first:last])
        return [
            model.predict(horizon)["mean"]
            if window == (first, last)
            else forward(model, values[slice(*window)], horizon)
            for window in windows
        ]
    except Exception as error:  # it goes into the file, whatever it is
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def forward(model: Any, history: FloatArray, horizon: int) -> FloatArray:
    """Forecast from another history with the parameters as they were fitted."""
    mean: FloatArray = model.forward(y=history, h=horizon)["mean"]
    return mean


if __name__ == "__main__":
    main(*sys.argv[1:])
