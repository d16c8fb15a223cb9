"""The libraries of a wheel: the one for this processor is chosen, and what happens where it does
not work."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from forecast.baselines import compiled_recursions as recursions
from forecast.errors import ForecastWarning
from forecast.files.libraries import build
from forecast.files.libraries.compiler import CHECKSUMS, COMPILED, VARIANTS, find_compiler
from forecast.layers.native import library, operations, registered

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    *(f"{name}-{variant.name}.so" for name in ("loops", "recursions") for variant in VARIANTS),
    "operations.so",
)

PROCESSORS = {
    "Sapphire Rapids": (
        "fma avx avx2 avx512f avx512bw avx512dq avx512vl avx512_bf16",
        "avx512bf16",
    ),
    "Skylake": ("fma avx avx2 avx512f avx512bw avx512dq avx512vl", "avx512"),
    "Zen 2": ("fma avx avx2", "avx2"),
}


def forget() -> None:
    """Nothing is loaded."""
    library.loaded_loops.cache_clear()
    recursions.compiled_recursions.cache_clear()
    registered.loaded_operations.cache_clear()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the libraries of an installed wheel, each holding its own name; no compiler.
    They are read and not loaded, as that cannot be undone."""
    folder = tmp_path / COMPILED
    folder.mkdir()
    for name in LIBRARIES:
        (folder / name).write_text(name)
    checksums = {name: hashlib.sha256(name.encode()).hexdigest() for name in LIBRARIES}
    (folder / CHECKSUMS).write_text(json.dumps(checksums))

    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "WARNED", [])
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(build, "processor", lambda: PROCESSORS["Zen 2"][0])
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "Loops", Path.read_text)
    monkeypatch.setattr(recursions, "Recursions", Path.read_text)
    monkeypatch.setattr(registered, "_register", lambda path, _: path.read_text())
    forget()
    yield folder
    forget()
    monkeypatch.undo()


@pytest.mark.parametrize(("features", "variant"), PROCESSORS.values(), ids=PROCESSORS)
@pytest.mark.usefixtures("wheel")
def test_each_processor_has_its_libraries_and_nothing_is_written(
    features: str, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "processor", lambda: features)
    assert library.compiled_loops() == f"loops-{variant}.so"
    assert recursions.compiled_recursions() == f"recursions-{variant}.so"
    assert operations() == "operations.so"
    assert not (tmp_path / "cache").exists()


def damage(path: Path) -> None:
    path.write_text("half")


def refuse(*_: Any) -> None:
    raise OSError("wrong ELF class: ELFCLASS32")


FAULTS: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], Any], str]] = {
    "damaged loops": (
        lambda folder, _: damage(folder / "loops-avx2.so"),
        "loops-avx2.so is damaged: install the package again, and no C.. compiler",
    ),
    "no loops": (lambda folder, _: (folder / "loops-avx2.so").unlink(), "is damaged"),
    "damaged operations": (
        lambda folder, _: damage(folder / "operations.so"),
        "operations.so is damaged",
    ),
    "damaged checksums": (lambda folder, _: damage(folder / CHECKSUMS), "is damaged"),
    "no checksums": (lambda folder, _: (folder / CHECKSUMS).unlink(), "is damaged"),
    "checksums of another form": (
        lambda folder, _: (folder / CHECKSUMS).write_text("3"),
        "is damaged",
    ),
    "loops of another system": (
        lambda _, patch: patch.setattr(library, "Loops", refuse),
        "wrong ELF class: ELFCLASS32: install the package again, and no C.. compiler",
    ),
    "operations of another system": (
        lambda _, patch: patch.setattr(registered, "_register", refuse),
        "wrong ELF class",
    ),
    "an old processor": (
        lambda _, patch: patch.setattr(build, "processor", lambda: "sse2"),
        "no C.. compiler was found",
    ),
    "a TensorFlow that is not known": (
        lambda _, patch: patch.setattr(tf, "__version__", "2.99.0"),
        "no C.. compiler was found",
    ),
}


@pytest.mark.parametrize(("break_it", "said"), FAULTS.values(), ids=FAULTS)
def test_what_does_not_work_is_said_once(
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Path, pytest.MonkeyPatch], Any],
    said: str,
) -> None:
    break_it(wheel, monkeypatch)
    with pytest.warns(ForecastWarning, match=f"without their compiled loops.*{said}") as heard:
        assert [operations(), operations(), library.compiled_loops() and None] == [None] * 3
    assert len(heard) == 1


MENDED = {name: fault for name, (fault, said) in FAULTS.items() if "ELF" not in said}
"""Faults of files; of the others a file that is compiled would have them too."""


@pytest.mark.parametrize("break_it", MENDED.values(), ids=MENDED)
def test_a_compiler_mends_what_does_not_work(
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Path, pytest.MonkeyPatch], Any],
) -> None:
    script = tmp_path / "cc.sh"
    script.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nprintf compiled > "$2"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setenv("PATH", os.defpath)
    break_it(wheel, monkeypatch)
    assert "compiled" in (library.compiled_loops(), operations())


def test_the_known_versions_are_those_of_the_requirements() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("tensorflow>="))
    low, high = re.findall(r"2\.(\d+)", line)
    expected = tuple(f"2.{minor}." for minor in range(int(low), int(high)))
    assert expected == registered.KNOWN_TENSORFLOW


CODE = """
import sys
import numpy as np
from forecast.baselines.compiled_recursions import compiled_recursions
from forecast.layers.native.library import compiled_loops
assert compiled_recursions() is not None
loops = compiled_loops()
assert "tensorflow" not in sys.modules
weights = [np.ones(shape) for shape in ((3, 12), (4, 12), (2, 12))]
assert loops.forward("gru", np.ones((2, 5, 3)), weights)[0].shape == (2, 5, 4)
from forecast.layers.native import operations
import keras
from forecast.layers.recurrent import GRU
assert operations() is not None
assert GRU(4)(np.ones((2, 5, 3), "float32")).shape == (2, 4)
import forecast
print(forecast.__file__)
"""


@pytest.mark.proof
@pytest.mark.skipif(
    find_compiler() is None or platform.system() != "Linux", reason="no C++ compiler here"
)
def test_a_wheel_runs_without_compiler_home_and_cache(tmp_path: Path) -> None:
    """It is built from a copy of the repository, unpacked, and run by a process that finds no
    compiler."""
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    source.mkdir()
    names = ["setup.py", "pyproject.toml", "README.md", "LICENSE", "requirements.txt"]
    for name in names:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "forecast", source / "forecast")
    backend = tomllib.loads((source / "pyproject.toml").read_text())["build-system"]
    call = f"import {backend['build-backend']} as backend; backend.build_wheel('dist')"
    subprocess.run(
        [sys.executable, "-c", call], cwd=source, check=True, capture_output=True, timeout=280
    )
    (path,) = (source / "dist").glob("*-py3-none-linux_*.whl")
    with zipfile.ZipFile(path) as packed:
        packed.extractall(tmp_path / "site")
    environment = {
        "PATH": str(tmp_path),
        "PYTHONPATH": str(tmp_path / "site"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XDG_CACHE_HOME": str(path),  # a file: nothing can be written below it
        "TMPDIR": str(path),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::forecast.errors.ForecastWarning", "-c", CODE],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "site"))
