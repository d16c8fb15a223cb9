"""Commands as other people's machines run them: forked or started, from a state to begin with."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main

ROOT = Path(__file__).parents[1]

QUICK = ("--set=ensemble.seeds=0", "--set=ensemble.linear=member", "--set=ensemble.simple=[]")
"""A ridge regression alone, which takes a second and no TensorFlow."""

FIT = ("fit", "sales.csv", "--horizon=3", *QUICK)

TRIALS = (
    *("tune", "sales.csv", "--horizon=3", "--set=windows.context_length=14"),
    "--set=model={name: bigru, units: 3, cell: rnn, bidirectional: false, decoder: direct}",
    "--set=training={loss: mae, epochs: 2, batch_size: 64}",
    *("--set=ensemble.seeds=1", "--set=ensemble.linear=none", "--set=ensemble.simple=[]"),
    "--set=search.space={training.learning_rate: {float: [0.001, 0.1], log: true}}",
    "--set=search.folds=1",
)
TUNE = (*TRIALS, "--set=search.max_trials=2")
"""Two trials of a second, in a process that takes some seconds to start."""

SEARCH = (*TRIALS, "--set=search.max_trials=1000")
"""As many as nobody waits for."""

NETWORK = ("--set=ensemble.simple=[]", "--set=ensemble.seeds=1", "--set=model.units=4")
"""A small network, whose training never ends by itself with `ENDLESS`."""

ENDLESS = ("--set=training.epochs=100000", "--set=training.patience=null")


def make_state(folder: Path) -> Path:
    """Write tables, a run of `fit`, and a folder of parts."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    tables = []
    for number, name in enumerate("ab"):
        days = np.arange(140)
        frame = pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=140)})
        frame["y"] = 20.0 + 5 * number + days % 7 + draw.normal(size=140)
        tables.append(frame)
    table = pd.concat(tables)
    is_old = table["ds"] < "2024-05-01"
    table[is_old].to_csv(folder / "sales.csv", index=False)
    table[~is_old].to_csv(folder / "newer.csv", index=False)
    for words in (
        (*FIT, "--out=run", "--quiet"),
        ("split", "sales.csv", "--parts=3", "--output=parts", "--quiet"),
    ):
        ended = forked(words, folder)
        assert ended.code == 0, ended.said
    return folder


@dataclass(frozen=True)
class EndedCommand:
    """A command that has ended: its exit code, and what it printed to standard error."""

    code: int
    said: str

    @property
    def errors(self) -> list[str]:
        """The lines of errors."""
        return [line for line in self.said.splitlines() if line.startswith("forecast: ")]


def forked(
    words: tuple[str, ...], folder: Path, prepare: Callable[[], None] | None = None
) -> EndedCommand:
    """Run a command in a fork of this process, where its libraries are loaded already.

    Args:
        words: of the command.
        folder: that it runs in.
        prepare: called in its process before.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 70
        try:
            os.chdir(folder)
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for the life of the process
            sys.stderr = os.fdopen(writing, "w")
            warnings.simplefilter("default")  # as outside of tests
            if prepare is not None:
                prepare()
            code = main(list(words))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        said = pipe.read()
    return EndedCommand(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said)


SILENCE = os.pipe()
"""A standard input from which nothing ever comes."""


def start(words: tuple[str, ...], folder: Path, said: str = "said.txt") -> subprocess.Popen[bytes]:
    """Start a command in a process of its own; what it says is in a file of the folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(folder / said, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "forecast", *words],
            cwd=folder,
            env=environment,
            stdin=SILENCE[0],
            stdout=subprocess.DEVNULL,
            stderr=file,
        )


def skip_where_ignored(number: signal.Signals) -> None:
    """Skip a test of a signal that this process ignores, as one below `nohup` ignores SIGHUP."""
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, and commands leave it so")


def waited(condition: Callable[[], object], seconds: float = 90.0) -> bool:
    """Wait for a condition; return whether it came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of each file below a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def descendants(process: int) -> list[int]:
    """Return the running processes that a process started, and those that they started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = path.joinpath("stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(path.name)] = int(parent)
    found = [process]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found[1:]


def is_running(process: int) -> bool:
    """Return whether a process runs, and is not merely waited for by nobody."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
