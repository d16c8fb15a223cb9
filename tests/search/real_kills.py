"""Kill real processes of searches with training, and count the damage.

    PYTHONPATH=.:tests python tests/search/real_kills.py --algorithms random bayesian --kills 10

The search is a small version of `configs/tune_bigru.yaml`. For each algorithm it runs once without
kills, then

    workers   with two workers, one of whose processes is killed (SIGKILL) from time to time
    search    with two workers, whose parent process is killed from time to time and resumed
    chief     with a chief and two workers over gRPC, one of which is killed and replaced from time
              to time; the chief is killed once and resumed

Each must end with the table, the best settings and the final scores of the search without kills,
and no training may be scored twice. A chief must give out the trial of a killed worker again within
a minute, and stop serving ten seconds after the last trial. `--memory 50` runs 50 trials and prints
how much the processes grow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from search.searches import begun_again, results_of

from forecast.experiment.file import dump_experiment, load_experiment
from forecast.search.journal import JOURNAL
from forecast.search.processes import used_memory

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "windows.context_length=24",
    "training.epochs=3",
    "training.windows_per_epoch=512",
    "evaluation.stride=24",
    "search.space={model.units: {choice: [4, 8, 12]}, training.learning_rate: {float: [5e-4, "
    "2e-2], log: true}}",
]
ALGORITHMS = ("random", "grid", "hyperband", "bayesian")
MODES = ("workers", "search", "chief")

AGAIN_SECONDS = 60.0
"""After a kill, in which a chief must have given out the trial again."""

SERVING_SECONDS = 10.0
"""After the last trial, in which the chief must have stopped to serve."""

LONGEST_PAUSE = 3.0
"""Seconds between the end of a trial and a kill, at most: about as long as a trial."""

MOST_GROWTH = 0.5
"""MiB per trial that the leading process may grow by."""

Kill = Callable[[], int]
"""Kills a process and returns its number."""


@dataclass
class Watch:
    """Records of the journal of a running search, with the time each was first seen.

    Attributes:
        folder: of the search.
        begun: number of a trial -> when it was seen to have begun.
        ended: the same for its end.
        again: processes whose trial a chief was seen to say it gives out again, and when.
        kills: processes that were killed, and when.
    """

    folder: Path
    begun: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    again: list[tuple[float, int]] = field(default_factory=list)
    kills: list[tuple[float, int]] = field(default_factory=list)

    def look(self) -> None:
        """Read the journal, which another process is writing: its last line may be torn."""
        journal = self.folder / JOURNAL
        lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
        for line in lines:
            record = parsed(line)
            for event, times in (("start", self.begun), ("end", self.ended)):
                if record["event"] == event:
                    times.setdefault(record["number"], time.monotonic())
        said = self.folder.with_suffix(".txt").read_text()
        lost = re.findall(
            r"^trial \d+ is given out again: no heartbeat from worker-.*-(\d+) for",
            said,
            re.MULTILINE,
        )
        self.again += [(time.monotonic(), int(process)) for process in lost[len(self.again) :]]

    def wait(self, until: Callable[[], bool], going: Callable[[], bool]) -> bool:
        """Look until something is so; False where the search ends before."""
        while going():
            self.look()
            if until():
                return True
            time.sleep(0.05)
        self.look()
        return False

    def kill(self, times: int, act: Kill, going: Callable[[], bool], draw: random.Random) -> None:
        """Kill at random moments, with the end of a trial between any two."""
        for _ in range(times):
            done = len(self.ended)
            if not self.wait(lambda done=done: len(self.ended) > done, going):  # type: ignore[misc]
                return
            moment = time.monotonic() + draw.uniform(0, LONGEST_PAUSE)
            if not self.wait(lambda moment=moment: time.monotonic() > moment, going):  # type: ignore[misc]
                return
            at = time.monotonic()
            process = act()
            self.kills += [(at, process)] if process else []

    @property
    def waits(self) -> list[float]:
        """Seconds from the kill of a worker to when its trial was given out again."""
        killed = {process: at for at, process in self.kills}
        return [at - killed[process] for at, process in self.again if process in killed]


def parsed(line: bytes) -> dict[str, Any]:
    """The record of a line of a journal."""
    record: dict[str, Any] = json.loads(line.split(b" ", maxsplit=1)[1])
    return record


def start(folder: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    """Start `forecast tune` as a person would, in a folder of that name."""
    command = [sys.executable, "-m", "forecast", "tune", "--config", str(folder / "config.yaml")]
    with open(folder / f"{name}.txt", "ab") as said:
        return subprocess.Popen(
            [*command, "--out", str(folder / name), *options], stdout=said, stderr=said, cwd=ROOT
        )


def trial_processes(parent: int) -> list[int]:
    """The processes that run trials for another one, the oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            *_, state, of, rest = (
                path.joinpath("stat").read_text().rpartition(")")[2].split(maxsplit=2)
            )
            if (
                int(of) == parent
                and state != "Z"
                and b"spawn_main" in path.joinpath("cmdline").read_bytes()
            ):
                found.append((int(rest.split()[17]), int(path.name)))
    return [number for _, number in sorted(found)]


def kill_trial_process(parent: int) -> int:
    """Kill the process that has run trials for longest, not the last replacement."""
    oldest = next(iter(trial_processes(parent)), 0)
    if oldest:
        os.kill(oldest, signal.SIGKILL)
    return oldest


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill a process that was started here."""
    process.kill()
    process.wait()
    return process.pid


def killed_workers(folder: Path, kills: int, draw: random.Random) -> Watch:
    """See `workers` above."""
    watch = Watch(folder / "workers")
    search = start(folder, "workers", "--workers", "2")
    watch.kill(kills, lambda: kill_trial_process(search.pid), lambda: search.poll() is None, draw)
    watch.wait(lambda: False, lambda: search.poll() is None)
    return watch


def killed_searches(folder: Path, kills: int, draw: random.Random) -> Watch:
    """See `search` above."""
    watch = Watch(folder / "search")
    options = ("--workers", "2", "--resume")
    search = start(folder, "search", *options)

    def again() -> int:
        nonlocal search
        killed = kill(search)
        search = start(folder, "search", *options)
        return killed

    watch.kill(kills, again, lambda: search.poll() is None, draw)
    watch.wait(lambda: False, lambda: search.poll() is None)
    return watch


def killed_chief(folder: Path, kills: int, draw: random.Random) -> tuple[Watch, float]:
    """See `chief` above; also for how long it served after the last trial."""
    address = ("--address", f"127.0.0.1:{free_port()}")
    watch = Watch(folder / "chief")
    chief = start(folder, "chief", "--chief", "--resume", *address)
    workers = [start(folder, f"worker-{number}", "--worker", *address) for number in range(2)]

    def replace_worker() -> int:
        number = len(watch.kills) % 2
        killed = kill(workers[number])
        workers[number] = start(folder, f"worker-{number}", "--worker", *address)
        return killed

    def replace_chief() -> int:
        nonlocal chief
        killed = kill(chief)
        chief = start(folder, "chief", "--chief", "--resume", *address)
        return killed

    def going() -> bool:
        return chief.poll() is None

    watch.kill(kills // 2, replace_worker, going, draw)
    watch.kill(1, replace_chief, going, draw)
    watch.kill(kills - kills // 2, replace_worker, going, draw)
    watch.wait(lambda: len(watch.ended) == len(watch.begun) and not listens(address[1]), going)
    served = time.monotonic() - max(watch.ended.values(), default=0.0)
    watch.wait(lambda: False, going)
    for worker in workers:  # a worker that was started after the end would wait for a chief
        kill(worker)
    return watch, served


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(address: str) -> bool:
    """Whether somebody does."""
    host, port = address.split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def judged(folder: Path, name: str, watch: Watch, served: float) -> tuple[bool, str]:
    """Whether a search that was killed came to what the one in peace did, and the figures."""
    same = (folder / name / "trials.csv").exists() and results_of(folder / name) == results_of(
        folder / "peace"
    )
    doubled = len(begun_again(folder / name))
    waits = watch.waits
    text = (
        f"{name}: {len(watch.kills)} kills, results the same: {same}, scored twice: {doubled}"
        + (
            f", {len(waits)} trials given out again after {max(waits):.1f} s at most"
            if waits
            else ""
        )
        + (f", served for {served:.1f} s after the last trial" if served else "")
    )
    clean = (
        same and not doubled and max(waits, default=0) < AGAIN_SECONDS and served < SERVING_SECONDS
    )
    return clean, text if clean else f"{text}\n{(folder / f'{name}.txt').read_text()[-2000:]}"


def kill_one(algorithm: str, modes: list[str], options: argparse.Namespace) -> bool:
    """Do it for one algorithm and print what came of it."""
    clean = True
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_config(folder, f"search.algorithm={algorithm}", f"search.max_trials={options.trials}")
        begin = time.monotonic()
        assert start(folder, "peace", "--workers", "2").wait() == 0, (
            folder / "peace.txt"
        ).read_text()[-2000:]
        print(
            f"{algorithm}: {options.trials} trials in {time.monotonic() - begin:.0f} s in peace",
            flush=True,
        )
        for mode in modes:
            begin = time.monotonic()
            served = 0.0
            if mode == "chief":
                watch, served = killed_chief(folder, options.kills, draw)
            else:
                watch = (killed_workers if mode == "workers" else killed_searches)(
                    folder, options.kills, draw
                )
            well, text = judged(folder, mode, watch, served)
            print(f"{algorithm}, {text} ({time.monotonic() - begin:.0f} s)", flush=True)
            clean &= well
    return clean


def write_config(folder: Path, *overrides: str) -> None:
    """Write the small search."""
    config = load_experiment(ROOT / "configs" / "tune_bigru.yaml", [*SMALL, *overrides])
    (folder / "config.yaml").write_text(dump_experiment(config))


def memory_over(trials: int) -> bool:
    """Run a search of many trials, print the memory of its processes, and check its growth."""
    held: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_config(folder, f"search.max_trials={trials}", "search.folds=1")
        watch = Watch(folder / "memory")
        search = start(folder, "memory")
        for number in range(1, trials + 1):
            if watch.wait(
                lambda number=number: len(watch.ended) >= number, lambda: search.poll() is None
            ):  # type: ignore[misc]
                workers = trial_processes(search.pid)
                held.append(
                    (used_memory(search.pid), max(map(used_memory, workers), default=np.nan))
                )
        assert search.wait() == 0, (folder / "memory.txt").read_text()[-2000:]
    leading, running = np.array(held).T
    later = len(leading) // 5  # what is read and traced first is no growth
    growth = float(np.polyfit(np.arange(later, len(leading)), leading[later:], 1)[0])
    print(
        f"memory over {trials} trials: leading process {leading[later]:.0f} MiB after trial "
        f"{later + 1}, "
        f"{leading[-1]:.0f} at the end, {growth:+.3f} per trial; processes of trials "
        f"{np.nanmax(running):.0f} at most, "
        f"{np.nanmax(running[: trials // 2]):.0f} in the first half and "
        f"{np.nanmax(running[trials // 2 :]):.0f} in the "
        "second",
        flush=True,
    )
    return growth < MOST_GROWTH and np.nanmax(running[trials // 2 :]) < 1.05 * np.nanmax(
        running[: trials // 2]
    )


def main() -> int:
    """Do all of it and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--algorithms", nargs="*", default=list(ALGORITHMS), choices=ALGORITHMS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument(
        "--kills", type=int, default=10, help="of workers, or of the leading process"
    )
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument(
        "--memory",
        type=int,
        default=0,
        metavar="TRIALS",
        help="trials over which memory is watched",
    )
    options = parser.parse_args()
    clean = [kill_one(algorithm, options.modes, options) for algorithm in options.algorithms]
    if options.memory:
        clean.append(memory_over(options.memory))
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main())
