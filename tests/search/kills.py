"""Kill a search at every write, or fill the disk there, resume it, and count the damage.

    PYTHONPATH=.:tests python tests/search/kills.py --algorithms random bayesian --moments 100
    PYTHONPATH=.:tests python tests/search/kills.py --every 3 --store build/kills.jsonl

Every search runs in a fork of this process, so that keras-tuner is imported once. The loops in C++
are switched off, since TensorFlow must not have started before a fork. A fork is killed by itself,
in the call that writes: before it, after the first half of its bytes, or after it. With `--store`
every attempt is kept in a file, and one that was made with the same code is not made again.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from search.searches import LOG, REAL_WRITE, begun_again, experiment, results_of, search_in

from forecast.errors import ForecastError
from forecast.experiment.settings import Experiment
from forecast.search import tuner  # noqa: F401 - keras-tuner is imported here, once
from forecast.search.journal import JOURNAL, open_journal

WRITES = ("write", "replace", "rename", "unlink", "mkdir", "rmdir", "ftruncate", "fsync")
"""Functions of `os` by which a search changes what is on the disk."""

MODES = ("before", "inside", "after")
DONE = 0
REFUSED = 3
BROKEN = 1
"""Exit codes of a fork: at its end, after an error of the package, after any other."""

Act = Callable[[], object]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Fault:
    """A fault at one of the writes.

    Attributes:
        at: number of the write, from 0; none for a search without faults.
        mode: `before`, `inside` or `after` for a kill there; `full` for a disk that is full from
            there on.
        seen: writes so far.
    """

    at: int = -1
    mode: str = ""
    seen: int = 0

    def install(self) -> None:
        """Wrap every function that writes; never undone, since the process is a fork."""
        for name in WRITES:
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            number = self.seen
            self.seen = self.seen + 1
            if self.mode == "full" and name == "write" and number >= self.at >= 0:
                REAL_WRITE(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if number != self.at or self.mode == "full":
                return function(*arguments, **options)
            if self.mode == "inside" and name == "write":
                REAL_WRITE(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            elif self.mode == "after":
                with suppress(OSError):  # such as of a file that is gone already
                    function(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return call


@dataclass
class Count:
    """Counts of damage in searches that were broken off and resumed.

    Attributes:
        breaks: searches that were broken off.
        unresumable: that did not go on to the end.
        lost: whose results are not those of a search without a break.
        repeated: that trained again what was scored already.
        wordy: that met a full disk with anything but one line.
        examples: of what went wrong.
    """

    breaks: int = 0
    unresumable: int = 0
    lost: int = 0
    repeated: int = 0
    wordy: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return self.unresumable == self.lost == self.repeated == self.wordy == 0

    def add(self, other: Count) -> None:
        """Add the counts of other searches."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def text(self) -> str:
        """The counts in one line."""
        return (
            f"{self.breaks} breaks: {self.unresumable} unresumable, {self.lost} with other "
            f"results, {self.repeated} "
            f"with trainings repeated, {self.wordy} with more or less than one line"
            + "".join(f"\n  {example}" for example in self.examples)
        )


def in_fork(
    work: Act, *, fault: Fault | None = None, wait: float | None = None, said: Path | None = None
) -> int:
    """Do something in a fork; its exit code, negative for a signal.

    Args:
        work: what to do.
        fault: what happens to its writes.
        wait: seconds after which it is killed.
        said: file for the number of its writes, or for the error it ended in.
    """
    process = os.fork()
    if not process:
        code = BROKEN
        try:
            if fault is not None:
                fault.install()
            work()
            code = DONE
            text = str(fault.seen if fault else 0)
        except ForecastError as error:
            code = REFUSED
            text = str(error)
        except BaseException:
            text = traceback.format_exc()
        if said is not None and (code != DONE or (fault is not None and fault.at < 0)):
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            REAL_WRITE(descriptor, text.encode())
        os._exit(code)
    if wait is not None:
        time.sleep(wait)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Trouble:
    """Breaks one kind of search again and again, and counts.

    Args:
        config: the experiment with its search.
        folder: for everything.
    """

    def __init__(self, config: Experiment, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.count = Count()
        start = time.monotonic()
        code = in_fork(self._search("whole"), fault=Fault(), said=folder / "said")
        assert code == DONE, (folder / "said").read_text()
        self.seconds = time.monotonic() - start
        self.num_writes = int((folder / "said").read_text())
        self.expected = results_of(folder / "whole")

    def _search(self, name: str) -> Act:
        return partial(search_in, self.folder / name, self.config)

    def kill_at(self, number: int, mode: str) -> None:
        """Kill a search at one of its writes."""
        self._go_on(
            f"write {number}, {mode}", in_fork(self._search("broken"), fault=Fault(number, mode))
        )

    def kill_after(self, seconds: float) -> None:
        """Kill a search at some moment."""
        self._go_on(f"after {seconds:.3f} s", in_fork(self._search("broken"), wait=seconds))

    def kill_somewhere(self, draw: random.Random) -> None:
        """Kill a search at a random moment before its end."""
        before = self.count.breaks
        while self.count.breaks == before:
            self.kill_after(draw.uniform(0, self.seconds))

    def fill_at(self, number: int) -> None:
        """Let the disk be full from one of the writes on."""
        said = self.folder / "said"
        said.unlink(missing_ok=True)
        code = in_fork(self._search("broken"), fault=Fault(number, "full"), said=said)
        self._refused(f"full at write {number}", code, "the disk is full")

    def limit_to(self, size: int) -> None:
        """Let no file grow beyond so many bytes, by the system's own limit."""

        def work() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            search_in(self.folder / "broken", self.config)

        said = self.folder / "said"
        said.unlink(missing_ok=True)
        code = in_fork(work, said=said)
        self._refused(f"files of {size} bytes at most", code, "larger than the file size limit")

    def _refused(self, what: str, code: int, words: str) -> None:
        said = self.folder / "said"
        text = said.read_text() if said.exists() else ""
        if code != DONE and (code != REFUSED or "\n" in text or words not in text):
            self.count.wordy += 1
            self.count.examples.append(f"{what}: ended with {code} and said {text[-300:]!r}")
        self._go_on(what, code)

    def _go_on(self, what: str, code: int) -> None:
        """Let a broken search go on, and compare."""
        if code == DONE:  # it was over before
            shutil.rmtree(self.folder / "broken")
            return
        broken = self.folder / "broken"
        count = self.count
        count.breaks += 1
        scored = recorded(broken)
        log = broken / LOG
        before = len(log.read_text().splitlines()) if log.exists() else 0
        code = in_fork(self._search("broken"), said=self.folder / "said")
        if code != DONE:
            count.unresumable += 1
            count.examples.append(f"{what}: {code} {(self.folder / 'said').read_text()[-600:]}")
        else:
            trained = {line.split()[0] for line in log.read_text().splitlines()[before:]}
            if results_of(broken) != self.expected:
                count.lost += 1
                count.examples.append(f"{what}: other results")
            if begun_again(broken) or trained & scored - self.again():
                count.repeated += 1
                count.examples.append(f"{what}: {sorted(trained & scored)} trained again")
        shutil.rmtree(broken)

    def again(self) -> set[str]:
        """Trainings of the best trial, which is trained again on purpose at the end."""
        best = next(
            record["result"]["trial"]
            for record in records(self.folder / "whole")
            if record.get("name") == "again"
        )
        folds = range(self.config.search.folds if self.config.search else 0)
        return {f"{best:04d}-{fold}-0" for fold in folds}


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the journal in a folder."""
    if not (folder / JOURNAL).exists():
        return []
    with open_journal(folder / JOURNAL) as journal:
        return journal.records


def recorded(folder: Path) -> set[str]:
    """Names of the trainings whose score is in the journal."""
    folds = [record for record in records(folder) if record["event"] == "fold"]
    scores = [(record["number"], record["score"]) for record in folds]
    return {f"{number:04d}-{score['fold']}-{score['execution']}" for number, score in scores}


def troubles(trouble: Trouble, options: argparse.Namespace) -> dict[str, dict[str, Act]]:
    """Return the faults to try, by their kind and what is done."""
    writes = range(0, trouble.num_writes, options.every)
    shares = [(place + 0.5) / options.full for place in range(options.full)]
    size = (trouble.folder / "whole" / JOURNAL).stat().st_size
    found: dict[str, dict[str, Act]] = {
        f"killed {mode} every write": {f"{at}": partial(trouble.kill_at, at, mode) for at in writes}
        for mode in MODES
    }
    found["killed at random moments"] = {
        f"{number}": partial(trouble.kill_somewhere, random.Random(number))
        for number in range(options.moments)
    }
    full = [round(at * trouble.num_writes) for at in shares]
    found["disk full from a write on"] = {f"{at}": partial(trouble.fill_at, at) for at in full}
    sizes = [round(at * size) for at in shares]
    found["file size limit"] = {f"{limit}": partial(trouble.limit_to, limit) for limit in sizes}
    return found


class Kept:
    """Counts of attempts that were made with this code, by their names; none without a file.

    Args:
        path: the file, with a line for each attempt.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.counts: dict[str, Count] = {}
        self.code = _digest_of_code()
        if path is None or not path.is_file():
            return
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["code"] == self.code:
                self.counts[record["name"]] = Count(**record["count"])

    def count_of(self, trouble: Trouble, name: str, act: Act) -> Count:
        """Return the counts of an attempt, which is made unless they are kept already."""
        if name in self.counts:
            return self.counts[name]
        trouble.count = Count()
        act()
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            record = {"code": self.code, "name": name, "count": asdict(trouble.count)}
            with self.path.open("a") as file:
                file.write(json.dumps(record) + "\n")
        return trouble.count


def _digest_of_code() -> str:
    """Return the hash of the package, and of what breaks it here."""
    digest = hashlib.sha256()
    own = [Path(__file__), Path(__file__).with_name("searches.py")]
    for path in [*own, *sorted((ROOT / "forecast").rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def break_searches(
    algorithm: str, folder: Path, kept: Kept, options: argparse.Namespace
) -> tuple[int, int]:
    """Break the searches of an algorithm in every way, and print the counts of each kind.

    Returns:
        The searches that were broken off, and the attempts in which something went wrong.
    """
    trouble = Trouble(experiment(algorithm=algorithm), folder)
    print(f"{algorithm}: {trouble.num_writes} writes in {trouble.seconds:.1f} s", flush=True)
    attempts = 0
    failures = 0
    for kind, acts in troubles(trouble, options).items():
        total = Count()
        for name, act in acts.items():
            count = kept.count_of(trouble, f"{algorithm}, {kind}, {name}", act)
            total.add(count)
            failures += not count.is_clean
        attempts += total.breaks
        print(f"{algorithm}, {kind}, {total.text()}", flush=True)
    return attempts, failures


def main() -> int:
    """Do all of it and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", default=["random", "bayesian"])
    parser.add_argument("--moments", type=int, default=100, help="kills at random moments")
    parser.add_argument(
        "--every", type=int, default=1, help="take only every so many of the writes"
    )
    parser.add_argument(
        "--full", type=int, default=20, help="moments at which the disk is full, of both kinds"
    )
    parser.add_argument("--store", type=Path, help="file of attempts, which are not made again")
    options = parser.parse_args()
    os.environ["FORECAST_NATIVE"] = "0"
    kept = Kept(options.store)
    # in memory, where forcing to the disk takes no time
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    attempts = 0
    failures = 0
    for algorithm in options.algorithms:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            made, failed = break_searches(algorithm, Path(folder), kept, options)
        attempts += made
        failures += failed
    print(f"broken searches: {attempts} attempts, {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
