"""Cost of forecasts from a saved model: the command, a first forecast, one series, many series.

    python benchmarks/inference.py                       everything
    python benchmarks/inference.py --series 10000        fewer series at once
    python benchmarks/inference.py --json inference.json the numbers as well

The model is the default one, fitted on 50 daily series of two years within a budget of 60 s, and a
GRU of two layers, as in `latency.py`; for one series also those of a table of months and of one of
hours, without networks. Times are CPU seconds of user and system, which other work on the machine
changes less than wall time; of repeated calls the median. Each row is measured in fresh processes.
The row "windows" has the network alone, with the loops in C++ and without them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
SERIES, ROWS, HORIZON, BUDGET = 50, 730, 28, 60
LONG_ROWS = 100
FIRST = (
    "from forecast import Forecaster; "
    "Forecaster.load('default').predict('table.csv', level='auto').frame()"
)
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one unit of `ru_maxrss`


def table(series: int, rows: int) -> pd.DataFrame:
    """Daily series with a week and a year in them."""
    draw = np.random.default_rng(0)
    days = np.arange(rows)
    wave = 20 + 10 * np.sin(2 * np.pi * days / 7) + 5 * np.sin(2 * np.pi * days / 365)
    values = wave + 2 * draw.normal(size=(series, rows))
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:06d}" for number in range(series)], rows),
            "ds": np.tile(pd.date_range("2024-01-01", periods=rows, freq="D"), series),
            "y": values.round(3).ravel(),
        }
    )


def fit(folder: Path) -> None:
    """Save both models and the table of the first."""
    from latency import CASES, train

    from forecast import Forecaster

    train(folder / "gru", CASES[0], 64)
    frame = table(SERIES, ROWS)
    frame.to_csv(folder / "table.csv", index=False)
    settings = {"horizon": HORIZON, "budget": BUDGET}
    Forecaster(**settings).fit(folder / "table.csv", verbose=0).save(folder / "default")
    for name, horizon in (("months", 12), ("hours", 24)):
        forecaster = Forecaster(horizon=horizon, seeds=0, linear="member")
        forecaster.fit(one_series(name), verbose=0).save(folder / name)


def one_series(model: str) -> pd.DataFrame:
    """Table of one series that a model forecasts: of months, of hours of a week, or as above."""
    from latency import table as hourly

    from forecast import datasets

    if model == "months":
        return datasets.load("air_passengers")
    if model == "hours":
        frame = hourly(1_500, covariates=False)
        at_rest = frame["ds"].dt.dayofweek >= 5
        return frame.assign(y=10 * frame["y"] + np.where(at_rest, 30, 50))
    if model == "default":
        return table(1, 200)
    return hourly(200, covariates=False)


def cost_of(command: list[str], folder: Path) -> tuple[float, float]:
    """Return CPU seconds and megabytes at the peak of a process."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL); used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its byte code
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak * UNIT / 1e6


def measure_one(folder: str, model: str, calls: int, **_: Any) -> dict[str, float]:
    """Milliseconds of one forecast of one series from a loaded model."""
    from forecast import Forecaster

    loaded = Forecaster.load(Path(folder) / model)
    frame = one_series(model)
    wall = []
    for _ in range(20):
        loaded.predict(frame)
    start = time.process_time()
    for _ in range(calls):
        begin = time.perf_counter()
        loaded.predict(frame)
        wall.append(1e3 * (time.perf_counter() - begin))
    cpu = 1e3 * (time.process_time() - start) / calls
    return {"cpu": cpu, "median": statistics.median(wall), "least": min(wall)}


def measure_many(folder: str, series: int, **_: Any) -> dict[str, float]:
    """CPU milliseconds per series of many series, new ones and known ones."""
    from forecast import Forecaster
    from forecast.experiment.prepare import open_panel
    from forecast.forecasting.fitted import align
    from forecast.windows.splits import Part

    loaded = Forecaster.load(Path(folder) / "default")
    frame = table(series, LONG_ROWS)
    found = {"new": cpu_of(lambda: loaded.predict(frame))}
    panel = open_panel(loaded.config.data, frame, freq="D")
    loaded._fitted = align(loaded.fitted, panel, Part.whole(panel))  # as if it had been trained
    found["known"] = cpu_of(lambda: loaded.predict(frame))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e6
    return {name: 1e3 * seconds / series for name, seconds in found.items()} | {"MB": peak}


def measure_windows(folder: str, model: str, windows: int, **_: Any) -> dict[str, float]:
    """CPU milliseconds of the network alone per window."""
    from forecast import Forecaster
    from forecast.forecasting.saving import golden_inputs

    fitted = Forecaster.load(Path(folder) / model).fitted
    inputs = {
        name: np.repeat(array[:1], windows, axis=0)
        for name, array in golden_inputs(fitted.shape).items()
    }
    fitted.network(inputs)
    seconds = [cpu_of(lambda: fitted.network(inputs)) for _ in range(5 if windows > 100 else 200)]
    return {"cpu": 1e3 * statistics.median(seconds) / windows}


def cpu_of(call: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


MEASURES = {
    "one": measure_one,
    "many": measure_many,
    "windows": measure_windows,
}


def afresh(name: str, native: str = "1", **task: Any) -> dict[str, float]:
    """Measure in a separate process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FORECAST_NATIVE": native}
    command = [sys.executable, __file__, "--measure", name, "--task", json.dumps(task)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return dict(json.loads(done.stdout))


def report(folder: Path, series: int) -> dict[str, Any]:
    """Measure everything, print a line for each, and return the numbers."""
    found: dict[str, Any] = {}

    def show(name: str, text: str, numbers: Any) -> None:
        found[name] = numbers
        print(f"{name:34}{text}", flush=True)

    commands = {
        "forecast predict, 50 series": ["-m", "forecast", "predict", "default", "table.csv"],
        "the same in Python": ["-c", FIRST],
        "Python alone": ["-c", ""],
    }
    for name, words in commands.items():
        costs = [cost_of([sys.executable, *words], folder) for _ in range(4)][1:]
        seconds, peak = (statistics.median(values) for values in zip(*costs, strict=True))
        show(name, f"{seconds:.2f} CPU s, {peak:.0f} MB", [seconds, peak])
    for model in ("default", "gru", "months", "hours"):
        one = afresh("one", folder=str(folder), model=model, calls=300)
        wall = f"wall: median {one['median']:.2f}, least {one['least']:.2f}"
        show(f"one series, {model}", f"{one['cpu']:.2f} CPU ms; {wall}", one)
    many = afresh("many", folder=str(folder), series=series)
    text = f"known {many['known']:.3f}, new {many['new']:.3f} CPU ms each, {many['MB']:.0f} MB"
    show(f"{series:,} series, default", text, many)
    for model in ("default", "gru"):
        for windows in (1, 2_000):
            numbers = {
                way: afresh("windows", native, folder=str(folder), model=model, windows=windows)
                for way, native in (("C++", "1"), ("NumPy", "0"))
            }
            text = ", ".join(f"{way} {cost['cpu']:.3f}" for way, cost in numbers.items())
            show(f"{windows:,} windows, {model}", f"{text} CPU ms each", numbers)
    return found


def main() -> None:
    """Fit the models, and print one line for each measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=100_000, help="series at once")
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    parser.add_argument("--measure", choices=MEASURES, help="measure one case and print JSON")
    parser.add_argument("--task", default="{}", metavar="JSON", help="its arguments")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(MEASURES[arguments.measure](**json.loads(arguments.task))))
        return
    from machine import describe

    with tempfile.TemporaryDirectory() as temporary:
        fit(Path(temporary))
        found = report(Path(temporary), arguments.series)
    if arguments.json:
        record = {"machine": describe(), "found": found}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
