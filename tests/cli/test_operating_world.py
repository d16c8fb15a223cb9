"""Terminals, signals and names as they are on other people's machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from operating import skip_where_ignored

from forecast.cli import main
from forecast.cli.terminal import visible

ROOT = Path(__file__).parents[2]
QUICK = ["--horizon=3", "--set=ensemble.seeds=0", "--set=ensemble.linear=member"]
QUICK += ["--set=ensemble.simple=[]"]
ESCAPE = "\x1b[31m"


def write(path: Path, name: str = "y") -> str:
    noise = np.random.default_rng(0).normal(size=90)
    days = pd.date_range("2024-01-01", periods=90)
    frame = pd.DataFrame({"ds": days, name: np.arange(90) % 7 + noise})
    frame.to_csv(path, index=False)
    return str(path)


def start(words: list[str], folder: Path, **options) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", "forecast", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, **options)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_encoding_of_the_output(encoding: str, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "gr\u00f6\u00dfe\u2192")
    running = start(
        ["check", "a.csv"], tmp_path, stderr=subprocess.PIPE, env={"PYTHONIOENCODING": encoding}
    )
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert b"Traceback" not in out + err
    out.decode(encoding)


@pytest.mark.parametrize("closed", [1, 2])
@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_closed_stream(command: str, closed: int, tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    words = [sys.executable, "-m", "forecast", command, "a.csv"]
    if command == "fit":
        words += [*QUICK, "--out=run"]
    line = " ".join(f"'{word}'" for word in words) + f" {closed}>&-"
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    if command == "fit":
        assert (tmp_path / "run" / "model" / "manifest.json").is_file()


NAMES = [f"y{ESCAPE}", "y\x07", "y\u202ex", "y\x9b31m"]


@pytest.mark.parametrize("name", NAMES)
def test_control_characters_are_written_out(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "a.csv", name)
    main(["check", source])
    main(["fit", source, "--time=none", *QUICK, f"--out={tmp_path / 'run'}"])
    main(["check", f"{tmp_path}/{name}.csv"])
    out, err = capsys.readouterr()
    for letter in "\x1b\x07\u202e\x9b":
        assert letter not in out + err
    assert visible(name) != name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_one_line(number: signal.Signals, tmp_path: Path) -> None:
    skip_where_ignored(number)
    write(tmp_path / "a.csv")
    words = ["fit", "a.csv", "--horizon=3", "--set=training.epochs=100000", "--out=run", "--quiet"]
    words += ["--set=ensemble.simple=[]", "--set=training.patience=null", "--set=model.units=4"]
    running = start(words, tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob(".run.checkpoint*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    lines = err.decode().splitlines()
    assert len([line for line in lines if line.startswith("forecast: ended by")]) == 1, lines
    assert "--resume" in lines[-1]
    assert b"Traceback" not in out + err
    assert not (tmp_path / "run").exists()
    left = [path.name for path in tmp_path.iterdir()]
    assert all(each == "a.csv" or each.startswith(".run.checkpoint") for each in left), left
