"""Searches that are stopped by Ctrl-Z and go on later: the time between is nobody's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forecast.search import processes
from forecast.search.processes import MOST_BETWEEN_LOOKS, TimeAwake

ROOT = Path(__file__).parents[2]


def test_the_time_between_two_looks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(processes.time, "monotonic", lambda: now[0])
    awake = TimeAwake()
    assert awake.seconds() == 0
    now[0] += 0.25
    assert awake.seconds() == 0.25
    now[0] += 3600.0
    assert awake.seconds() == 0.25 + MOST_BETWEEN_LOOKS
    now[0] += 0.5
    assert awake.seconds() == 0.75 + MOST_BETWEEN_LOOKS


@pytest.mark.proof
def test_a_stop_is_no_time_of_a_trial() -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "search.napping", "1.5", "4"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "started\n"
    os.killpg(running.pid, signal.SIGSTOP)
    time.sleep(6)
    os.killpg(running.pid, signal.SIGCONT)
    out, _ = running.communicate(timeout=60)
    assert out == "awake\n"


@pytest.mark.proof
def test_a_nap_over_its_time_is_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "search.napping", "30", "1"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "took longer than the 1 s of --trial-timeout"
