"""A command that is killed leaves no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from operating import (
    ENDLESS,
    NETWORK,
    QUICK,
    SEARCH,
    descendants,
    is_running,
    make_state,
    start,
    waited,
)

from forecast.backtest.peers import statistical

SECONDS = 5.0

PORT = "--port=0"

BACKTEST = ("backtest", "sales.csv", "--horizon=3", "--num-windows=4", "--step=3")

COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "tune": ((*SEARCH, "--workers=2", "--out=out"), 2),
    "predict": (("predict", "run", "--parts=parts", "--output=out", "--workers=2"), 2),
    "backtest": (
        (*BACKTEST, *NETWORK, *ENDLESS, "--refit=each", "--workers=2", "--out=out"),
        2,
    ),
    "serve": (("serve", "run", PORT, "--processes=2"), 2),
}
"""Command -> its words, and the processes that it starts at least."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("killed") / "state")


def lengthen(parts: Path) -> None:
    """Copy the parts, so that there is work for many seconds after the first one is done."""
    (parts / "parts.json").unlink()  # its list of parts leaves the copies out
    for part in list(parts.glob("part-*")):
        for number in range(1000):
            shutil.copy(part, part.with_name(f"{part.stem}-{number}{part.suffix}"))


@pytest.mark.proof
@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_process_outlives_a_killed_command(name: str, state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    words, least = COMMANDS[name]
    if name == "predict":
        lengthen(folder / "parts")
    running = start(words, folder)
    try:
        assert waited(lambda: len(descendants(running.pid)) >= least or running.poll() is not None)
        assert running.poll() is None, (folder / "said.txt").read_text()
        if name == "predict":
            assert waited(lambda: any((folder / "out").glob("*.done.json")))
        else:
            time.sleep(3.0)  # at work, and started
        started = descendants(running.pid)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert len(started) >= least
    waited(lambda: not any(map(is_running, started)), SECONDS)
    left = [process for process in started if is_running(process)]
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left


@pytest.mark.proof
def test_a_fit_starts_no_process_that_outlives_it(state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    words = ("fit", "sales.csv", "--horizon=3", *NETWORK, *ENDLESS, "--out=out")
    running = start(words, folder)
    started: set[int] = set()

    def trains() -> bool:
        started.update(descendants(running.pid))
        return bool(list(folder.glob(".out.checkpoint*"))) or running.poll() is not None

    assert waited(trains)
    assert running.poll() is None, QUICK
    running.send_signal(signal.SIGKILL)
    running.wait()
    waited(lambda: not any(map(is_running, started)), SECONDS)
    assert not [process for process in started if is_running(process)]


FAKE = """
import time

class Slow:
    def __init__(self, **settings): pass
    def fit(self, values): time.sleep(600)
"""


def test_no_peer_outlives_a_killed_backtest(tmp_path: Path) -> None:
    package = tmp_path / "statsforecast"
    package.mkdir()
    (package / "__init__.py").write_text("from statsforecast import models")
    (package / "models.py").write_text(FAKE)
    rows = {"values": [[1.0, 2.0]] * 4, "train_first": [0] * 4, "train_last": [2] * 4}
    pd.DataFrame(rows).to_parquet(tmp_path / "series.parquet")
    windows = pd.DataFrame({"series": range(4), "first": 0, "last": 2})
    windows.to_parquet(tmp_path / "windows.parquet")
    worker = Path(statistical.__file__).with_name("worker.py")
    words = [sys.executable, str(worker), "Slow", "1", "1", str(tmp_path)]
    script = f"import subprocess; subprocess.run({words!r})"
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    least = 2  # the script, and a process of its pool
    assert waited(lambda: len(descendants(parent.pid)) >= least)
    time.sleep(1.0)
    started = descendants(parent.pid)
    parent.kill()
    parent.wait()
    waited(lambda: not any(map(is_running, started)), SECONDS)
    left = [process for process in started if is_running(process)]
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left
