"""Time of one forecast from a loaded model, stage by stage, and windows evaluated per second.

    python benchmarks/latency.py                      a table of all cases
    python benchmarks/latency.py --calls 50           fewer calls of each
    python benchmarks/latency.py --json latency.json  the numbers as well

Each case loads its model in a fresh process and forecasts the end of one hourly series again and
again, as a service does. `first` is the first call after loading; of the later ones median and 95th
percentile are given. A stage is the wall time inside one function of the package, so `rest` is what
no stage holds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CONTEXT, HORIZON, TRAINING_ROWS = 96, 24, 600
PAST, KNOWN = ["wind"], ["price", "load"]


@dataclass(frozen=True)
class Case:
    """Sizes of a forecast.

    Attributes:
        name: in the table.
        rows: of history that are given.
        covariates: whether there are one past and two known covariates.
        series: the model was trained on.
    """

    name: str
    rows: int
    covariates: bool = False
    series: int = 1


CASES = (
    Case("200 rows", 200),
    Case("5,000 rows", 5_000),
    Case("200 rows, 3 covariates", 200, covariates=True),
    Case("5,000 rows, 3 covariates", 5_000, covariates=True),
    Case("200 rows, one of 500 series", 200, series=500),
)
JUDGED = Case("windows judged", 20_000)


class Stopwatch:
    """Seconds spent inside some functions since the last `reset`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def reset(self) -> None:
        """Forget what was measured."""
        self.seconds = {}

    def around(self, owner: Any, name: str, stage: str) -> None:
        """Measure every call of a function of a module, or of a method of a class."""
        function: Callable[..., Any] = getattr(owner, name)

        def measured(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

        setattr(owner, name, measured)


def table(rows: int, *, covariates: bool, series: int = 1) -> pd.DataFrame:
    """Hourly series with a daily wave."""
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    wave = np.sin(2 * np.pi * np.arange(rows) / 24)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:03d}" for number in range(series)], rows),
            "ds": np.tile(stamps, series),
            "y": np.tile(wave, series) + 0.1 * draw.normal(size=rows * series),
        }
    )
    names = [*PAST, *KNOWN] if covariates else []
    return frame.assign(**{name: draw.normal(size=len(frame)) for name in names})


def train(folder: Path, case: Case, units: int) -> None:
    """Save a model of the size that is measured; how well it forecasts does not matter."""
    from forecast import Experiment, Forecaster

    config = Experiment.model_validate(
        {
            "data": {"past_covariates": PAST, "known_covariates": KNOWN} if case.covariates else {},
            "windows": {"context_length": CONTEXT, "horizon": HORIZON},
            "model": {"name": "bigru", "units": units, "num_layers": 2},
            "training": {"epochs": 1, "windows_per_epoch": 64},
            "evaluation": {"stride": 1},
        }
    )
    rows = TRAINING_ROWS if case.series == 1 else 2 * (CONTEXT + HORIZON) + 60
    Forecaster(config).fit(table(rows, covariates=case.covariates, series=case.series)).save(folder)


def measure_calls(folder: str, case: Case, calls: int) -> dict[str, Any]:
    """Seconds of loading, of the first forecast, and of every later one with its stages."""
    from forecast import Forecaster
    from forecast.forecasting import forecast_steps, learned_table
    from forecast.forecasting import predict as prediction
    from forecast.inference import forward
    from forecast.transforms import chain
    from forecast.windows import features, windowed

    start = time.perf_counter()
    loaded = Forecaster.load(folder)
    load = time.perf_counter() - start
    frame = table(case.rows + HORIZON, covariates=case.covariates)
    history, ahead = frame.iloc[: case.rows], frame.iloc[case.rows :]
    known = ahead[["unique_id", "ds", *KNOWN]] if case.covariates else None
    watch = Stopwatch()
    for owner, name, stage in (
        (learned_table, "load_requested", "table to panel"),
        (forecast_steps, "read_known", "known covariates"),
        (forecast_steps, "align", "scales of the series"),
        (forecast_steps, "drift_notes", "drift"),
        (forecast_steps, "last_rows", "last rows"),
        (forecast_steps, "append_future", "rows ahead"),
        (prediction, "fill_missing", "missing values"),
        (features.FeatureMap, "apply", "features"),
        (prediction, "index_windows", "window index"),
        (windowed.WindowedFeatures, "batch", "gather"),
        (forward.ForwardPass, "__call__", "network"),
        (chain.Chain, "invert", "back to the unit"),
    ):
        watch.around(owner, name, stage)
    totals, stages = [], []
    for _ in range(calls + 1):
        watch.reset()
        start = time.perf_counter()
        loaded.predict(history, known=known)
        totals.append(time.perf_counter() - start)
        stages.append({**watch.seconds, "rest": totals[-1] - sum(watch.seconds.values())})
    later = {stage: [one[stage] for one in stages[1:]] for stage in stages[0]}
    return {"load": load, "first": totals[0], "later": totals[1:], "stages": later}


def measure_judging(folder: str, case: Case, calls: int) -> dict[str, Any]:
    """Windows and seconds of judging a long series, baselines included."""
    from forecast import Forecaster

    loaded = Forecaster.load(folder)
    frame = table(TRAINING_ROWS + case.rows, covariates=False)
    seconds = []
    for _ in range(min(calls, 3)):
        start = time.perf_counter()
        windows = len(loaded.evaluate(frame).series)
        seconds.append(time.perf_counter() - start)
    return {"windows": windows, "seconds": seconds}


def measure_afresh(folder: Path, case: Case, calls: int) -> dict[str, Any]:
    """Measure in a separate process."""
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"}
    task = json.dumps({"folder": str(folder), "case": asdict(case), "calls": calls})
    command = [sys.executable, __file__, "--measure", task]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return dict(json.loads(done.stdout))


def milliseconds(seconds: list[float]) -> str:
    """Median and 95th percentile."""
    median, most = np.quantile(seconds, [0.5, 0.95]) * 1e3
    return f"{median:8.2f} ms   p95 {most:7.2f} ms"


def calls_text(case: Case, found: dict[str, Any]) -> str:
    """The measurement as lines of text."""
    head = f"{case.name}: load {found['load']:.2f} s, first forecast {found['first']:.2f} s"
    outside = np.subtract(found["later"], found["stages"]["network"]).tolist()
    lines = [f"  {stage:24}{milliseconds(seconds)}" for stage, seconds in found["stages"].items()]
    ends = [
        f"  {'all but the network':24}{milliseconds(outside)}",
        f"  {'later forecast':24}{milliseconds(found['later'])}",
    ]
    return "\n".join([head, *lines, *ends])


def judging_text(found: dict[str, Any]) -> str:
    """The measurement as a line of text."""
    speeds = ", ".join(f"{found['windows'] / one:,.0f}" for one in found["seconds"])
    return f"evaluate: {found['windows']:,} windows; windows a second in successive calls: {speeds}"


def main() -> None:
    """Print one block per case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=200, help="forecasts after the first")
    parser.add_argument("--units", type=int, default=64, help="units of both encoder layers")
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    parser.add_argument(
        "--measure", metavar="TASK", help="measure one case in this process and print JSON"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        task = json.loads(arguments.measure)
        case = Case(**task["case"])
        measure = measure_judging if case == JUDGED else measure_calls
        print(json.dumps(measure(task["folder"], case, task["calls"])))
        return
    from machine import describe

    record: dict[str, Any] = {"machine": describe(), "units": arguments.units, "cases": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for case in (*CASES, JUDGED):
            folder = Path(temporary) / f"{case.covariates}-{case.series}"
            if not folder.exists():
                train(folder, case, arguments.units)
            found = measure_afresh(folder, case, arguments.calls)
            print(judging_text(found) if case == JUDGED else calls_text(case, found), flush=True)
            record["cases"][case.name] = found
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
