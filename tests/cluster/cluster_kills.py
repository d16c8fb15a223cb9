"""Kill workers and drivers of parts, segments, ensembles, searches and backtests: count the damage.

    PYTHONPATH=.:tests python tests/cluster/cluster_kills.py --kills 50
    PYTHONPATH=.:tests python tests/cluster/cluster_kills.py --only parts --kills 10 --local

Each kind of work runs once in one process without kills. Then it runs on a Ray cluster of this
machine (`--local`: in processes), and from time to time SIGKILL ends one of its actors, its raylet
or the command itself, which is then run again. Each must end with the bytes, or the table, of the
run without kills, and nothing may be there twice.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cluster.stations import daily
from search.searches import begun_again, results_of

ROOT = Path(__file__).resolve().parents[2]
FORECAST = [sys.executable, "-m", "forecast"]
SMALL = [
    "--time=day",
    "--target=sales",
    "--id=store",
    "--horizon=5",
    "--set=windows.context_length=14",
    "--set=model.name=bigru",
    "--set=model.units=4",
    "--set=ensemble.seeds=1",
    "--set=ensemble.linear=none",
    "--set=training.epochs=3",
]
ENSEMBLE = [
    *SMALL,
    "--set=ensemble.seeds=4",
    "--set=ensemble.simple=[]",
    "--set=training.epochs=20",
]
SEARCH = [
    *SMALL,
    "--set=search.max_trials=6",
    "--set=search.folds=2",
    "--set=search.space={training.learning_rate: {float: [5e-4, 2e-2], log: true}}",
]
BACKTEST = [
    *SMALL,
    "--num-windows=6",
    "--refit=each",
    "--models=last_value,drift,net",
    "--alias=net",
]


@dataclass
class Work:
    """One kind of work.

    Attributes:
        words: of the command, without where it runs.
        again: words that it is run again with after the command was killed.
        results: returns what must be equal, given the folder.
        twice: returns what was done twice, given the folder.
        option: names the folder.
        pause: most seconds between two kills; less than the work takes.
    """

    words: list[str]
    again: list[str]
    results: Callable[[Path], object]
    twice: Callable[[Path], list[str]] = lambda _: []
    option: str = "--out"
    pause: float = 20.0


@dataclass
class Damage:
    """Counts of one kind of work under kills."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    unequal: int = 0
    twice: int = 0
    failed: int = 0


def tables(folder: Path) -> dict[str, bytes]:
    """Forecasts of parts by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def backtest_files(folder: Path) -> dict[str, bytes]:
    """Files of a backtest that do not depend on the clock."""
    return {name: (folder / name).read_bytes() for name in ("forecasts.parquet", "scores.json")}


def segment_files(folder: Path) -> dict[str, bytes]:
    """Files of the models of segments that do not depend on the clock."""
    names = ("forecast.csv", "scores.json", "model/weights.safetensors")
    return {
        f"{run.name}/{name}": (run / name).read_bytes()
        for run in sorted((folder / "runs").iterdir())
        for name in names
    }


def run_files(folder: Path) -> dict[str, bytes]:
    """Files of a run that do not depend on the clock."""
    names = ("forecast.csv", "scores.json", "model/weights.safetensors", "model/state.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def works_in(folder: Path) -> dict[str, Work]:
    """Make the tables, a model and 64 parts, and return every kind of work."""
    daily(8, 80).drop(columns="promo").to_csv(folder / "t.csv", index=False)
    daily(640, 60, seed=1).drop(columns="promo").to_parquet(folder / "large.parquet")
    table = str(folder / "t.csv")
    call(["fit", table, *SMALL, "--out", str(folder / "run")])
    regions = daily(8, 80).drop(columns="promo")
    regions["region"] = regions["store"].map(lambda store: int(store[1:]) // 2)
    regions.to_csv(folder / "regions.csv", index=False)
    large = str(folder / "large.parquet")
    call(["split", large, "--id=store", "--parts=64", "--output", str(folder / "parts")])
    parts = ["predict", str(folder / "run"), "--parts", str(folder / "parts")]
    return {
        "parts": Work(parts, [], tables, option="--output", pause=2.0),
        "segments": Work(
            ["fit", str(folder / "regions.csv"), *SMALL, "--by=region"], [], segment_files
        ),
        "ensemble": Work(["fit", table, *ENSEMBLE], ["--resume"], run_files),
        "search": Work(["tune", table, *SEARCH], ["--resume"], results_of, begun_again),
        "backtest": Work(["backtest", table, *BACKTEST], ["--resume"], backtest_files),
    }


def call(words: list[str]) -> None:
    """Run a command that must succeed."""
    subprocess.run([*FORECAST, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def descendants(process: int) -> dict[int, str]:
    """Return the commands of all processes below one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").iterdir():
        if not path.name.isdecimal():
            continue
        with suppress(OSError, ValueError, IndexError):
            after_name = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = int(after_name[1])
            names[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    found = {process}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return {child: names.get(child, "") for child in found - {process}}
        found |= more


def victim(driver: int, kind: str) -> int | None:
    """Return a process of a kind below a command, if there is one."""
    if kind == "driver":
        return driver
    marks = {"worker": ("ray::StationActor", "spawn_main"), "node": ("raylet/raylet",)}[kind]
    found = [
        child
        for child, command in descendants(driver).items()
        if any(mark in command for mark in marks)
    ]
    return random.choice(found) if found else None


def finished_parts(folder: Path) -> dict[str, int]:
    """Files of parts and their inodes: a part that is written again gets another one."""
    return {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}


def run_killed(
    work: Work, folder: Path, where: list[str], kinds: list[str], most: int, damage: Damage
) -> None:
    """Run a command to its end, and kill at most so many of its processes."""
    kills = 0
    lost: Counter[str] = Counter()
    done: dict[str, int] = {}
    for attempt in range(100):
        words = [*work.words, work.option, str(folder), *where]
        if attempt:
            words += work.again
        log = folder.with_suffix(".log").open("a")
        driver = subprocess.Popen(
            [*FORECAST, *words], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
        next_kill = math.inf
        while driver.poll() is None:
            time.sleep(0.05)
            if next_kill == math.inf and victim(driver.pid, "worker"):  # work has begun
                next_kill = time.monotonic() + random.uniform(0, work.pause)
            if kills >= most or time.monotonic() < next_kill:
                continue
            kind = random.choice(kinds)
            process = victim(driver.pid, kind)
            if process is None:
                continue
            # one loss is made good; the second of one task is a failure that is named, not damage
            if kind == "worker" and lost["worker"] >= 1:
                kind = "driver"
                process = driver.pid
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                kills += 1
                lost[kind] += 1
                damage.kills[kind] += 1
            next_kill = time.monotonic() + random.uniform(0, work.pause)
        log.close()
        now = finished_parts(folder)
        damage.twice += sum(now.get(name) != inode for name, inode in done.items())
        done = now
        if driver.returncode == 0:
            return
        lost.clear()
    damage.failed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    every = ["parts", "segments", "ensemble", "search", "backtest"]
    parser.add_argument("--only", nargs="+", default=every)
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    where = ["--workers=2"]
    kinds = ["worker", "driver"]
    if options.local:  # one process trains all networks of an ensemble
        options.only = [name for name in options.only if name != "ensemble"]
    if not options.local:
        where = ["--ray", "--workers=2"]
        kinds = ["worker", "worker", "driver", "node"]

    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        folder = Path(temporary)
        works = {name: work for name, work in works_in(folder).items() if name in options.only}
        damages = {name: Damage() for name in works}
        expected = {}
        for name, work in works.items():
            target = folder / f"{name}-whole"
            call([*work.words, work.option, str(target)])
            expected[name] = work.results(target)
        while sum(damage.kills.total() for damage in damages.values()) < options.kills:
            for name, work in works.items():
                damage = damages[name]
                damage.rounds += 1
                target = folder / f"{name}-{damage.rounds}"
                run_killed(work, target, where, kinds, 5, damage)
                damage.unequal += work.results(target) != expected[name]
                damage.twice += len(work.twice(target))
                shutil.rmtree(target)
                print(f"{name}: {damage}", flush=True)
    bad = sum(d.unequal + d.twice + d.failed for d in damages.values())
    total = sum((damage.kills for damage in damages.values()), Counter())
    spared = [name for name, damage in damages.items() if not damage.kills]
    print(f"{total.total()} kills {dict(total)}: {bad} damaged; without a kill: {spared}")
    return int(bad > 0 or bool(spared))


if __name__ == "__main__":
    sys.exit(main())
