"""Time and memory of the same work with 1, 2 and 4 actors of a Ray cluster of this machine.

    python benchmarks/actors.py                         parts and segments, 3 rounds
    python benchmarks/actors.py --only parts --rounds 1

The numbers of actors take turns, in another order each round, so that what else the machine does
meets all of them. A time is that of the whole command, with the start and the end of the cluster.
Memory is sampled from /proc: shared pages count in parts (PSS), so that sums are true.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
FORECAST = [sys.executable, "-m", "forecast"]
ACTORS = (1, 2, 4)
ROLES = ["--id=store", "--time=day", "--target=sales", "--horizon=14"]
NETWORK = ["--set=training.epochs=3"]
SAMPLE_SECONDS = 0.5


def sales(num_series: int, num_regions: int) -> pd.DataFrame:
    """Return 60 days of sales with a weekly season."""
    draw = np.random.default_rng(0)
    days = np.arange(60)
    level = draw.uniform(20, 200, num_series)[:, None]
    values = level * (1 + 0.3 * np.sin(2 * np.pi * days / 7))
    values = values * draw.uniform(0.9, 1.1, values.shape)
    stores = np.repeat(np.arange(num_series), 60)
    return pd.DataFrame(
        {
            "store": stores,
            "day": np.tile(pd.date_range("2026-01-01", periods=60), num_series),
            "sales": values.ravel().round(2),
            "region": stores % num_regions,
        }
    )


def works_in(folder: Path, num_series: int) -> dict[str, list[str]]:
    """Make tables, a model and parts; return the words of each command, but for its output."""
    sales(400, 8).to_csv(folder / "small.csv", index=False)
    sales(num_series, 8).to_parquet(folder / "large.parquet")
    run = str(folder / "run")
    call("fit", str(folder / "small.csv"), *ROLES, *NETWORK, "--out", run)
    parts = str(folder / "parts")
    call("split", str(folder / "large.parquet"), "--id=store", "--parts=32", "--output", parts)
    fit = ["fit", str(folder / "small.csv"), *ROLES, *NETWORK, "--by=region"]
    return {
        "parts": ["predict", run, "--parts", parts, "--output"],
        "segments": [*fit, "--out"],
    }


def call(*words: str) -> None:
    """Run a command that must succeed."""
    subprocess.run([*FORECAST, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def actors_below(process: int) -> Iterator[int]:
    """Yield the actors of a command that runs."""
    parents = {}
    names = {}
    for path in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            after_name = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = int(after_name[1])
            names[int(path.name)] = (path / "cmdline").read_bytes()
    for child, name in names.items():
        above = child
        while above in parents and above != process:
            above = parents[above]
        if above == process and b"ray::StationActor" in name:
            yield child


def mebibytes(process: int) -> float:
    """Return the memory of a process, of shared pages its part; 0 once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def measured(words: list[str], actors: int) -> dict[str, float]:
    """Return the seconds of a command, and the memory of its actors: of one and of all."""
    start = time.monotonic()
    command = [*FORECAST, *words, "--ray", "--workers", str(actors)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    largest = 0.0
    together = 0.0
    while process.poll() is None:
        sizes = [mebibytes(actor) for actor in actors_below(process.pid)]
        largest = max(largest, *sizes, 0.0)
        together = max(together, sum(sizes))
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": time.monotonic() - start, "largest": largest, "together": together}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=["parts", "segments"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--series", type=int, default=64_000)
    options = parser.parse_args()
    found = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="actors-") as temporary:
        folder = Path(temporary)
        works = works_in(folder, options.series)
        for number in range(options.rounds):
            for name in options.only:
                for actors in random.sample(ACTORS, len(ACTORS)):
                    output = str(folder / f"{name}-{actors}-{number}")
                    result = measured([*works[name], output], actors)
                    found[name, actors].append(result)
                    print(json.dumps({"work": name, "actors": actors, **result}), flush=True)
    print("| work | actors | seconds | largest actor | all actors |\n|---|---|---|---|---|")
    for (name, actors), results in sorted(found.items()):
        seconds = [result["seconds"] for result in results]
        sizes = [max(result[key] for result in results) for key in ("largest", "together")]
        print(
            f"| {name} | {actors} | {median(seconds):.0f} ({min(seconds):.0f}-{max(seconds):.0f}) "
            f"| {sizes[0]:.0f} MB | {sizes[1]:.0f} MB |"
        )


if __name__ == "__main__":
    main()
