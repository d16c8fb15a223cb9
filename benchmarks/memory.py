"""Memory and time from a large table to training batches, by stage, in fresh processes.

    python benchmarks/memory.py                   ten million rows, as one series and as 10,000
    python benchmarks/memory.py --rows 200000     fewer rows

What is measured is `forecast.experiment.prepare.prepare` itself, with a stopwatch around the
functions it calls, and then the gathering of training batches: 100 by NumPy, without TensorFlow;
and, in a process of its own in which it is imported first, 300 through `tf.data`, also for 100,000
series. The peak is the largest resident memory of the process up to the end of the stage, so the
stage where it grows is the one that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

BATCHES, BATCH_SIZE, TENSORFLOW_BATCHES = 100, 64, 300
SERIES = (1, 10_000)
SERIES_FOR_TENSORFLOW = (1, 100_000)
FORMATS = (".parquet", ".csv")
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one unit of `ru_maxrss`


@dataclass
class Stopwatch:
    """Seconds, and megabytes at the end, of every stage in the order they came first."""

    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a block."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.peaks[name] = peak_megabytes()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured whenever it is called."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return measured


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in units of 1e6 bytes."""
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # Linux lets a new process inherit the `ru_maxrss` of the one that started it
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e6


def write_table(path: Path, *, rows: int, series: int) -> Path:
    """Write minutely series of one length, as CSV or parquet by the suffix of the name."""
    length = rows // series
    names = pa.array([f"series_{number}" for number in range(series)])
    ids = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(series, dtype=np.int32), length), names
    )
    stamps = np.tile(
        np.datetime64("1990-01-01", "s") + np.arange(length) * np.timedelta64(60, "s"), series
    )
    values = np.arange(series * length) % 1009 / 8
    table = pa.table({"unique_id": ids.cast(pa.string()), "ds": stamps, "y": values})
    pa.csv.write_csv(table, path) if path.suffix == ".csv" else pa.parquet.write_table(table, path)
    return path


def measure(path: str, *, tensorflow: bool = False) -> dict[str, Any]:
    """Go from the table to training batches in this process."""
    watch = Stopwatch()
    with watch.stage("import"):
        from forecast.experiment import prepare as preparation
        from forecast.experiment.settings import EvaluationConfig, Experiment, WindowsConfig
        from forecast.models import BiGRUConfig
        from forecast.windows.features import FeatureMap

        if tensorflow:
            start_tensorflow()

    for name in ("open_panel", "split_at_cutoffs", "fill_missing", "windows_of"):
        setattr(preparation, name, watch.around(name, getattr(preparation, name)))
    FeatureMap.apply = watch.around("FeatureMap.apply", FeatureMap.apply)  # type: ignore[method-assign]
    FeatureMap.fit = staticmethod(watch.around("FeatureMap.fit", FeatureMap.fit))  # type: ignore[method-assign]

    config = Experiment(
        model=BiGRUConfig(),
        windows=WindowsConfig(context_length=24, horizon=6),
        evaluation=EvaluationConfig(validation_size=0.1, test_size=0.2),
    )
    with watch.stage("prepare, all of it"):
        prepared = preparation.prepare(config, path)
    read = read_through_tensorflow if tensorflow else read_by_numpy
    with watch.stage(f"{TENSORFLOW_BATCHES if tensorflow else BATCHES} batches"):
        read(prepared.training)
    return {
        **asdict(watch),
        "rows": prepared.panel.num_rows,
        "series": prepared.panel.num_series,
        "windows": len(prepared.training),
        "peak": peak_megabytes(),
        "beyond imports": peak_megabytes() - watch.peaks["import"],
        "tensorflow": "tensorflow" in sys.modules,
    }


def start_tensorflow() -> None:
    """Import it and run something, since it sets itself up at the first operation."""
    import tensorflow as tf

    next(iter(tf.data.Dataset.range(1).map(lambda number: number + 1).prefetch(1)))


def read_by_numpy(source: Any) -> None:
    """Gather the first batches of an epoch."""
    from forecast.training.batches import training_order

    order = training_order(len(source), seed=0, epoch=1)
    for start in range(0, BATCHES * BATCH_SIZE, BATCH_SIZE):
        source.batch(order[start : start + BATCH_SIZE])


def read_through_tensorflow(source: Any) -> None:
    """Read batches of three epochs."""
    from forecast.training.batches import training_batches

    for epoch in (1, 2, 3):
        batches = training_batches(source, batch_size=BATCH_SIZE, seed=0, epoch=epoch)
        for _ in batches.take(TENSORFLOW_BATCHES // 3):
            pass


def measure_afresh(path: Path, *, tensorflow: bool = False) -> dict[str, Any]:
    """Measure in a separate process."""
    command = [
        sys.executable,
        __file__,
        "--measure",
        str(path),
        *(["--tensorflow"] if tensorflow else []),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout))


def table_text(name: str, found: dict[str, Any]) -> str:
    """The measurement as lines of text."""
    lines = [
        f"{name}: {found['series']:,} series, {found['rows']:,} rows, {found['windows']:,} "
        f"training windows"
    ]
    lines += [
        f"  {stage:22}{found['seconds'][stage]:9.2f} s {found['peaks'][stage]:9,.0f} MB"
        for stage in found["peaks"]
    ]
    lines += [f"  {name:33}{found[name]:9,.0f} MB" for name in ("peak", "beyond imports")]
    return "\n".join(lines)


def main() -> None:
    """Print one block per table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of each table")
    parser.add_argument(
        "--measure", metavar="TABLE", help="measure one file in this process and print JSON"
    )
    parser.add_argument(
        "--tensorflow", action="store_true", help="with --measure: through TensorFlow"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, tensorflow=arguments.tensorflow)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for series in SERIES:
            for suffix in FORMATS:
                path = write_table(
                    Path(folder) / f"table{suffix}", rows=arguments.rows, series=series
                )
                print(table_text(f"{suffix[1:]} file", measure_afresh(path)), flush=True)
                path.unlink()
        for series in SERIES_FOR_TENSORFLOW:
            path = write_table(Path(folder) / "table.parquet", rows=arguments.rows, series=series)
            print(table_text("through tf.data", measure_afresh(path, tensorflow=True)), flush=True)


if __name__ == "__main__":
    main()
