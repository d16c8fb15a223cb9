"""Commands that are told to end, at work or at the door: one line, nothing half, and a way on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from operating import (
    ENDLESS,
    FIT,
    NETWORK,
    QUICK,
    ROOT,
    SEARCH,
    TUNE,
    contents,
    forked,
    make_state,
    skip_where_ignored,
    start,
    waited,
)

from forecast import Forecaster


@dataclass(frozen=True)
class Begun:
    """A command, when it is at work, and how it goes on.

    Attributes:
        words: of the command.
        at_work: whether it is, from its folder.
        again: of the command that goes on; optional.
        kept: beginnings of the names that may be left.
    """

    words: tuple[str, ...]
    at_work: Callable[[Path], object]
    again: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def has(pattern: str) -> Callable[[Path], object]:
    return lambda folder: list(folder.glob(pattern))


COMMANDS = {
    "fit": Begun(
        ("fit", "sales.csv", "--horizon=3", *NETWORK, *ENDLESS, "--out=out"),
        has(".out.checkpoint*"),
        kept=(".out.checkpoint",),
    ),
    "tune": Begun((*SEARCH, "--out=out"), has("out/journal.jsonl"), kept=("out/",)),
    "predict": Begun(("predict", "run", "-", "--output=out.csv"), lambda _: True),
    "update": Begun(("update", "run", "-"), lambda _: True, ("update", "run", "newer.csv")),
    "backtest": Begun(("backtest", "-", "--horizon=3", *QUICK, "--out=out"), lambda _: True),
}
"""Three of them wait for a table from standard input, which never comes."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("ended") / "state")


@pytest.mark.proof
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_that_is_told_to_end(
    name: str, number: signal.Signals, state: Path, tmp_path: Path
) -> None:
    skip_where_ignored(number)
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    begun = COMMANDS[name]
    before = contents(folder)
    running = start(begun.words, folder)
    assert waited(lambda: begun.at_work(folder) or running.poll() is not None)
    assert running.poll() is None, (folder / "said.txt").read_text()
    if not begun.kept:
        assert waited(lambda: is_waiting(running.pid))
    running.send_signal(number)
    assert running.wait(60) == 128 + number
    said = (folder / "said.txt").read_text()
    errors = [line for line in said.splitlines() if line.startswith("forecast: ")]
    assert len(errors) == 1, said
    assert f"ended by {number.name}" in errors[0]
    assert ("--resume" in errors[0]) == (name in ("fit", "tune", "backtest"))
    assert "Traceback" not in said
    after = contents(folder)
    assert {path: after.get(path) for path in before} == before
    new = [path for path in after if path not in before and path != "said.txt"]
    assert all(path.startswith(begun.kept) for path in new if begun.kept), new
    assert begun.kept or not new
    Forecaster.load(folder / "run" / "model")
    if begun.again:
        assert forked(begun.again, folder).code == 0


SWALLOWED = """
import os, signal, sys, time
from forecast.cli.ending import Ended, end_in_order, stop_looking
end_in_order()
try:
    for _ in range(int(sys.argv[1])):
        try:
            os.kill(os.getpid(), signal.SIGTERM) if not _ else time.sleep(30)
            time.sleep(30)
        except:  # as Keras has them
            pass
    try:
        time.sleep(30)
    finally:
        time.sleep(2.5)  # cleans up, which is not cut short
        try:
            raise ValueError
        except ValueError:
            time.sleep(1.5)
        print("clean")
except Ended as ended:
    stop_looking()
    time.sleep(1.5)
    print(ended, ended.code)
"""
"""Swallows what is raised at a signal some times."""


@pytest.mark.parametrize("times", [1, 3])
def test_an_end_that_others_swallow_is_told_again(times: int) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(times)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n") == ["clean", "ended by SIGTERM 143", ""], done.stderr
    assert done.stderr == ""
    assert time.monotonic() - start < 25


def ending_is_in_order(process: int) -> bool:
    """Return whether a process has a handler for the signal that tells it to end."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def is_waiting(process: int) -> bool:
    """Return whether a process heeds the signal, and has done nothing for a second."""
    stat = Path(f"/proc/{process}/stat")
    before = stat.read_text().split()[13:15]
    time.sleep(1.0)
    return ending_is_in_order(process) and stat.read_text().split()[13:15] == before


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_a_command_that_is_told_to_end_before_it_has_begun(
    delay: float, state: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    running = start(("update", "run", "-"), folder)
    assert waited(lambda: ending_is_in_order(running.pid))
    time.sleep(delay)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    said = (folder / "said.txt").read_text().splitlines()
    assert said == ["forecast: ended by SIGTERM; run the same command again"]


@pytest.mark.proof
def test_a_search_that_was_ended_goes_on(state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    running = start((*TUNE, "--out=out"), folder)
    assert waited(has_scores(folder / "out" / "journal.jsonl"))
    running.send_signal(signal.SIGTERM)
    running.wait(60)
    ended = forked((*TUNE, "--out=out", "--resume"), folder)
    assert ended.code == 0, ended.said


def has_scores(journal: Path) -> Callable[[], object]:
    return lambda: journal.is_file() and journal.read_bytes().count(b"\n") > 2


@pytest.mark.parametrize(
    "words", [("check", "sales.csv"), (*FIT, "--out=out")], ids=["check", "fit"]
)
def test_a_reader_that_has_gone(words: tuple[str, ...], state: Path, tmp_path: Path) -> None:
    """As behind `| head -1`: the pipe is closed before anything is printed."""
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "forecast", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
