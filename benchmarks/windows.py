"""Windows per second: ours beside Keras, `Dataset.window` and a gather by NumPy, on the same array.

    python benchmarks/windows.py               96 + 24 steps, 1 and 7 channels, batches of 32 to 256
    python benchmarks/windows.py --json FILE   the figures as JSON as well

Every way yields shuffled batches of contexts (B, 96, C); ours and NumPy's yield targets (B, 24, C)
too. Datasets are read by `next` inside a `tf.function`, as in training, and once more from Python.
In every round, each way is started, warmed up and timed in turn, and stopped before the next:
batches that Keras prefetches while others are timed would count as free. Ratios are of windows per
second within one round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LENGTH, HORIZON, ROWS = 96, 24, 200_000
CHANNELS, BATCH_SIZES = (1, 7), (32, 64, 256)
ROUNDS, SECONDS, WARM_UP = 7, 0.2, 10
REFERENCE = "Keras"

Read = Callable[[int], Any]


def source_of(values: np.ndarray[Any, Any]) -> Any:
    """Our windows over one series whose channels are all targets."""
    from forecast.transforms.missing import Filled
    from forecast.windows.features import Features
    from forecast.windows.index import WindowIndex
    from forecast.windows.windowed import WindowedFeatures

    rows = len(values)
    none, codes = np.zeros((rows, 0), np.float32), np.zeros((rows, 0), np.int32)
    features = Features(
        past=values,
        known=none,
        past_codes=codes,
        known_codes=codes,
        static=none[:1],
        static_codes=codes[:1],
        target=values,
        filled=Filled(values.astype(np.float64)),
        late=None,
        sizes=((), (), ()),
    )
    ends = np.array([rows - LENGTH - HORIZON + 1])
    return WindowedFeatures(
        features, WindowIndex(LENGTH, HORIZON, 1, np.array([0]), np.array([0]), ends)
    )


def keras_dataset(values: Any, batch_size: int) -> Any:
    """Windows by Keras."""
    import keras

    return keras.utils.timeseries_dataset_from_array(
        values, None, LENGTH, batch_size=batch_size, shuffle=True, seed=0
    )


def window_dataset(values: Any, batch_size: int) -> Any:
    """The windows of `tf.data` itself, shuffled in a buffer."""
    import tensorflow as tf

    windows = tf.data.Dataset.from_tensor_slices(values).window(
        LENGTH, shift=1, drop_remainder=True
    )
    return (
        windows.flat_map(lambda one: one.batch(LENGTH))
        .shuffle(1000, seed=0)
        .batch(batch_size)
        .prefetch(2)
    )


def our_dataset(source: Any, batch_size: int) -> Any:
    """Training batches."""
    from forecast.training.batches import training_batches

    return training_batches(source, batch_size=batch_size, seed=0, epoch=1)


def compiled_reader(dataset: Any) -> Callable[[], Read]:
    """Begin to read batches inside a compiled function."""
    import tensorflow as tf

    @tf.function
    def read(iterator: Any, count: Any) -> Any:
        total = 0.0
        for _ in tf.range(count):
            total += tf.reshape(tf.nest.flatten(next(iterator))[0], [-1])[0]
        return total

    def begin() -> Read:
        iterator = iter(dataset)
        return lambda count: float(read(iterator, tf.constant(count)))

    return begin


def python_reader(batches: Callable[[], Iterator[Any]]) -> Callable[[], Read]:
    """Begin to read batches from Python."""

    def begin() -> Read:
        iterator = batches()

        def read(count: int) -> None:
            for _ in range(count):
                next(iterator)

        return read

    return begin


def numpy_batches(source: Any, batch_size: int) -> Iterator[Any]:
    """The same windows gathered by NumPy."""
    order = np.random.default_rng(0).permutation(len(source))
    for start in range(0, len(order), batch_size):
        yield source.batch(order[start : start + batch_size])


def readers(channels: int, batch_size: int) -> dict[str, Callable[[], Read]]:
    """Every way to read batches, by name."""
    values = np.random.default_rng(0).normal(size=(ROWS, channels)).astype(np.float32)
    source = source_of(values)
    made = {
        REFERENCE: keras_dataset(values, batch_size),
        "Dataset.window": window_dataset(values, batch_size),
        "ours": our_dataset(source, batch_size),
    }
    return {
        **{name: compiled_reader(dataset) for name, dataset in made.items()},
        "NumPy gather": python_reader(lambda: numpy_batches(source, batch_size)),
        f"{REFERENCE}, from Python": python_reader(lambda: iter(made[REFERENCE])),
        "ours, from Python": python_reader(lambda: iter(made["ours"])),
    }


def rates(
    ways: dict[str, Callable[[], Read]], batch_size: int, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Windows per second of each way in each round."""
    counts = {name: batches_in(begin, batch_size, seconds) for name, begin in ways.items()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, begin in ways.items():
            found[name].append(counts[name] * batch_size / timed(begin, counts[name]))
    return found


def timed(begin: Callable[[], Read], count: int) -> float:
    """Seconds for some batches, after a few others."""
    read = begin()
    read(WARM_UP)
    start = time.perf_counter()
    read(count)
    return time.perf_counter() - start


def batches_in(begin: Callable[[], Read], batch_size: int, seconds: float) -> int:
    """Number of batches that take about this long, and no more than there are."""
    timed(begin, 10)
    most = (ROWS - LENGTH - HORIZON) // batch_size - WARM_UP
    return min(most, max(10, int(seconds * 10 / timed(begin, 10))))


def figures(channels: int, batch_size: int, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """One row per way: its median, and its rate over that of Keras read in the same manner."""
    rows = []
    for name, rate in found.items():
        slow = found[f"{REFERENCE}, from Python" if "Python" in name else REFERENCE]
        ratios = [one / other for one, other in zip(rate, slow, strict=True)]
        rows.append(
            {
                "channels": channels,
                "batch_size": batch_size,
                "way": name,
                "windows_per_second": statistics.median(rate),
                "ratio": statistics.median(rate) / statistics.median(slow),
                "smallest_ratio": min(ratios),
                "median_ratio": statistics.median(ratios),
                "largest_ratio": max(ratios),
            }
        )
    return rows


def line(row: dict[str, Any]) -> str:
    """A row as text."""
    ratios = "".join(
        f"{row[name]:9.1f}" for name in ("ratio", "smallest_ratio", "median_ratio", "largest_ratio")
    )
    case = f"{row['channels']:8}{row['batch_size']:7}  {row['way']:20}"
    return f"{case}{row['windows_per_second']:12,.0f}{ratios}"


def measure(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Measure and print every combination."""
    print(
        f"channels  batch  {'way':20}   windows/s    ratio      min   median      max", flush=True
    )
    rows: list[dict[str, Any]] = []
    for channels in CHANNELS:
        for batch_size in BATCH_SIZES:
            found = rates(readers(channels, batch_size), batch_size, rounds, seconds)
            block = figures(channels, batch_size, found)
            print("\n".join(line(row) for row in block), flush=True)
            rows += block
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds in which all take turns")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way in each round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds, arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
