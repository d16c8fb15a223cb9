"""Compiles the operations for the processor at hand, once, and keeps them in the user's cache folder.

A library compiled for every processor could use the vectors of the oldest only. Whatever goes wrong on the way, from a
missing compiler to a folder whose files may not be executed, the loops of `recurrence` do the same work more slowly:
`operations` warns once and says None.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from forecast.errors import ForecastWarning

SWITCH = "FORECAST_NATIVE"
"""Environment variable: `0` has the loops run without the compiled operations."""

SOURCES = ("vectors.h", "cells.h", "layout.h", "forward.h", "backward.h", "operations.cc")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
COMPILERS = ("c++", "g++", "clang++")
SECONDS = 300
"""After which a compiler is given up; it takes 3 s."""
SAID = 500
"""Characters of what a compiler said last that are shown."""

_ONE_AT_A_TIME = threading.Lock()


def operations() -> Any:
    """The operations `bigru_forward` and `bigru_backward`, or None where they cannot be had.

    The first call on a machine compiles them, which takes about 3 s. The first call of a process warns where they
    could be wanted and are not to be had.
    """
    with _ONE_AT_A_TIME:  # loaded twice, they would be registered twice
        found, reason = loaded()
        if reason and not _WARNED:
            _WARNED.append(reason)
            warnings.warn(
                f"recurrent layers run without their compiled loops, so training takes about twice as long: {reason}; "
                f"set the environment variable {SWITCH}=0 to do without them silently",
                ForecastWarning,
                stacklevel=2,
            )
    return found


@cache
def loaded() -> tuple[Any, str]:
    """The operations, or None and why they cannot be had; no reason where they are not wanted."""
    import tensorflow as tf

    unwanted = os.environ.get(SWITCH) == "0" or platform.system() not in {"Linux", "Darwin"}
    if unwanted or tf.config.list_logical_devices("GPU"):  # cuDNN has faster ones
        return None, ""
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None, f"no C++ compiler was found ({', '.join(COMPILERS)}); install one, or name it in CXX"
    try:
        return load(compiler), ""
    except Exception as error:  # whatever it is: there is another way
        said = " ".join((getattr(error, "stderr", None) or str(error)).split())
        return None, f"{type(error).__name__}: {said[-SAID:]}"


def load(compiler: str) -> Any:
    """Load the library from the cache folder, compiling it where it is not there or not whole."""
    import tensorflow as tf

    command = [*compiler.split(), *FLAGS, "-I", tf.sysconfig.get_include()]
    if platform.system() == "Darwin":
        command += ["-undefined", "dynamic_lookup"]
    name = f"native-{fingerprint(command, tf.__version__)}.so"
    with cache_folder() as folder:
        library = folder / name
        if not is_whole(library):
            compile_library(command, library)
        return tf.load_op_library(str(library))


def fingerprint(command: list[str], tensorflow: str) -> str:
    """What a library depends on: sources, command, TensorFlow, and the processor, since folders may be shared."""
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update(Path(__file__).with_name(source).read_bytes())
    for part in (*command, tensorflow, platform.machine(), processor()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def processor() -> str:
    """What the processor can do, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.lower().startswith(("flags", "features"))), "")


@contextmanager
def cache_folder() -> Iterator[Path]:
    """The user's cache folder, or one that is deleted again where it cannot be written to."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(base) / "bigru-forecast"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        with tempfile.TemporaryDirectory() as private:
            yield Path(private)
    else:
        yield folder


def is_whole(library: Path) -> bool:
    """Whether the library is there with the bytes that the compiler wrote: a damaged one would end the process."""
    try:
        return checksum(library) == library.with_suffix(".sha256").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False


def checksum(library: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(library.read_bytes()).hexdigest()


def compile_library(command: list[str], library: Path) -> None:
    """Compile into a temporary file and put it in its place whole; its checksum comes last.

    Raises:
        subprocess.CalledProcessError: the compiler fails; `stderr` says why.
    """
    source = Path(__file__).with_name("operations.cc")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made, digest = Path(folder) / library.name, Path(folder) / "sha256"
        subprocess.run(
            [*command, str(source), "-o", str(made)], check=True, capture_output=True, text=True, timeout=SECONDS
        )
        digest.write_text(checksum(made), encoding="ascii")
        made.replace(library)
        digest.replace(library.with_suffix(".sha256"))
