"""The rooms import downwards only, and whatever must start quickly starts without TensorFlow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = str(Path(sysconfig.get_path("scripts")) / "lint-imports")
HEAVY = {"tensorflow", "keras", "keras_tuner"}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
ROWS = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
NUMPY_ROOMS = next(
    contract["source_modules"] for contract in CONTRACTS if contract["type"] == "forbidden"
)
# Rooms above the NumPy line that reach Keras only inside the functions that need it, or not at all.
LIGHT_ROOMS = [
    f"forecast.{name}"
    for name in ("cli", "experiment.file", "experiment.prepare", "models.bigru", "runs.pictures")
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package that lies in a folder."""
    env = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"}
    return subprocess.run(
        [LINT, "--no-cache"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be broken."""
    shutil.copytree(
        ROOT / "forecast", tmp_path / "forecast", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_package_keeps_its_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        (
            "errors/interface.py",
            "import forecast.axes",
            "forecast.errors.interface -> forecast.axes",
        ),
        (
            "data/panel.py",
            "import forecast.windows.index",
            "forecast.data.panel -> forecast.windows.index",
        ),
        ("axes.py", "import forecast.section", "forecast.axes -> forecast.section"),
        ("windows/index.py", "import keras", "forecast.windows.index -> keras"),
        (
            "scores/metrics.py",
            "def late(): import tensorflow.nn",
            "forecast.scores.metrics -> tensorflow",
        ),
        (
            "data/panel.py",
            "from forecast.layers import attention",
            "forecast.layers.attention -> keras",
        ),
        ("helpers.py", "", "forecast.helpers"),
    ],
    ids=[
        "upwards",
        "one-row-up",
        "siblings",
        "keras",
        "inside-a-function",
        "keras-at-second-hand",
        "unknown-room",
    ],
)
def test_a_forbidden_import_is_refused(copy: Path, file: str, line: str, complaint: str) -> None:
    with (copy / "forecast" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout


def test_every_room_below_the_line_is_kept_from_keras() -> None:
    below = ROWS[ROWS.index("layers") + 1 :]
    rooms = {f"forecast.{name}" for row in below for name in re.findall(r"\w+", row)}
    assert set(NUMPY_ROOMS) >= {room for room in rooms if find_spec(room)}


def test_the_tree_is_small_and_names_are_told_apart() -> None:
    package = ROOT / "forecast"
    # `py.typed` is a mark for type checkers, no room
    entries = [path for path in package.iterdir() if path.name not in ("__pycache__", "py.typed")]
    assert len(entries) <= 28

    modules = sorted(path for path in package.rglob("*.py") if path.name != "__init__.py")
    counts = Counter(path.name for path in modules)
    assert [path for path in modules if counts[path.name] > 1] == []
    assert [path for path in modules if num_lines(path) > 400] == []

    folders = {path.parent for path in package.rglob("*.py")}
    sizes = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: size for folder, size in sizes.items() if not 3 <= size <= 28} == {}


def num_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_what_must_start_fast_leaves_tensorflow_alone() -> None:
    modules = ["forecast", *NUMPY_ROOMS, *LIGHT_ROOMS]
    code = (
        f"import importlib, sys\nfor name in {modules}:\n    importlib.import_module(name)\n"
        f"    heavy = {HEAVY} & set(sys.modules)\n    if heavy: sys.exit(f'{{name}} imports "
        f"{{heavy}}')"
    )
    done = python("-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_quick_and_leaves_tensorflow_alone() -> None:
    done = python("-X", "importtime", "-m", "forecast", "--help")
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    # each of these takes longer than the words that are printed
    assert not {name.partition(".")[0] for name in imported} & {
        *HEAVY,
        "numpy",
        "pandas",
        "pydantic",
        "pydantic_core",
        "yaml",
    }
    # the least of three, and processor time: others use the machine too
    assert min(seconds_for_help() for _ in range(3)) < 0.5


def seconds_for_help() -> float:
    """Return the processor time of `forecast --help`."""
    before = os.times()
    python("-m", "forecast", "--help")
    after = os.times()
    own = after.children_user - before.children_user
    return own + after.children_system - before.children_system
