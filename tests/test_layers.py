"""The rooms import downwards only, and what must start fast starts without TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = str(Path(sysconfig.get_path("scripts")) / "lint-imports")
HEAVY = {"tensorflow", "keras", "keras_tuner"}
# NumPy rooms and the settings; the settings reach Keras only inside the functions that build a model.
LIGHT = (
    "forecast",
    "forecast.backtest",
    "forecast.baselines",
    "forecast.config",
    "forecast.config_file",
    "forecast.data.doctor",
    "forecast.data.datasets",
    "forecast.features",
    "forecast.intervals",
    "forecast.metrics",
    "forecast.models.bigru",
    "forecast.plots",
    "forecast.report",
    "forecast.results",
    "forecast.transforms",
    "forecast.windows",
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package that lies in a folder."""
    env = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"}
    return subprocess.run([LINT, "--no-cache"], cwd=folder, env=env, capture_output=True, text=True, check=False)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be broken."""
    shutil.copytree(ROOT / "forecast", tmp_path / "forecast", ignore=shutil.ignore_patterns("__pycache__", "files"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_package_keeps_its_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("errors.py", "import forecast.config", "forecast.errors -> forecast.config"),
        ("metrics.py", "from forecast.data import panel", "forecast.metrics -> forecast.data.panel"),
        ("intervals.py", "import forecast.backtest", "forecast.intervals -> forecast.backtest"),
        ("windows.py", "import keras", "forecast.windows -> keras"),
        ("metrics.py", "def late(): import tensorflow.nn", "forecast.metrics -> tensorflow"),
        ("data/panel.py", "from forecast.layers import attention", "forecast.layers.attention -> keras"),
        ("helpers.py", "", "forecast.helpers"),
    ],
    ids=["upwards", "one-row-up", "siblings", "keras", "inside-a-function", "keras-at-second-hand", "unknown-room"],
)
def test_a_forbidden_import_is_refused(copy: Path, file: str, line: str, complaint: str) -> None:
    with (copy / "forecast" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout


@pytest.mark.parametrize("module", LIGHT)
def test_start_up_leaves_tensorflow_alone(module: str) -> None:
    done = python("-W", "error", "-c", f"import {module}, sys; print(*{HEAVY} & set(sys.modules))")
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_help_is_quick_and_leaves_tensorflow_alone() -> None:
    done = python("-X", "importtime", "-m", "forecast", "--help")
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & HEAVY
    assert min(seconds_for_help() for _ in range(3)) < 0.5  # the least of three, since others use the machine too


def seconds_for_help() -> float:
    start = time.perf_counter()
    python("-m", "forecast", "--help")
    return time.perf_counter() - start
