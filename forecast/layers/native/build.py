"""Compiles the operations for the processor at hand, once, and keeps them in the user's cache folder.

A library compiled for every processor could use the vectors of the oldest only. Whatever goes wrong
on the way, from a missing compiler to a folder whose files may not be executed, the loops of
`recurrence` do the same work more slowly: `operations` warns once and says None.
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
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
)
COMPILERS = ("c++", "g++", "clang++")
SECONDS = 300
"""After which a compiler is given up; it takes 3 s."""
SAID = 500
"""Characters of what a compiler said last that are shown."""

WARNED: list[str] = []
"""Reasons that this process has been told."""

_ONE_AT_A_TIME = threading.Lock()


def operations() -> Any:
    """The operations `bigru_forward` and `bigru_backward`, or None where they cannot be had.

    The first call on a machine compiles them, which takes about 3 s. A process warns once, with the
    reason for a None.
    """
    with _ONE_AT_A_TIME:  # loaded twice, they would be registered twice
        found, reason = loaded()
        if reason and reason not in WARNED:
            WARNED.append(reason)
            warn(reason)
    return found


def warn(reason: str) -> None:
    """Say why the operations cannot be had, unless there is a GPU, which does without them."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return
    warnings.warn(
        f"recurrent layers run without their compiled loops, and training takes about twice as "
        f"long: {reason}; "
        f"set {SWITCH}=0 in the environment to go on without them silently",
        ForecastWarning,
        stacklevel=3,
    )


@cache
def loaded() -> tuple[Any, str]:
    """The operations, or None and the reason, which is empty where they are not wanted."""
    if os.environ.get(SWITCH) == "0" or platform.system() not in {"Linux", "Darwin"}:
        return None, ""
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return (
            None,
            f"no C++ compiler was found ({', '.join(COMPILERS)}); install one, or name it in CXX",
        )
    try:
        return load(compiler), ""
    except Exception as error:  # whatever it is, there is another way
        return None, said(error)


def said(error: Exception) -> str:
    """The end of what a compiler said, or else the error, on one line."""
    output = getattr(error, "stderr", None)
    text = output if isinstance(output, str) and output.strip() else f"{error}"
    return " ".join(text.split())[-SAID:] or type(error).__name__


def load(compiler: str) -> Any:
    """Load the library from the cache folder, compiling it where it is not there or not whole.

    Raises:
        OSError: it cannot be loaded, or there is no place for it.
        subprocess.SubprocessError: the compiler fails.
    """
    import tensorflow as tf

    command = [*compiler.split(), *FLAGS, "-I", tf.sysconfig.get_include()]
    if platform.system() == "Darwin":
        command += ["-undefined", "dynamic_lookup"]
    name = f"native-{fingerprint(command, tf.__version__)}.so"
    with cache_folder() as folder:
        library = folder / name
        if not is_whole(library):
            compile_library(command, library)
        try:
            return tf.load_op_library(str(library))
        except Exception as error:  # of TensorFlow's own, which are no OSError
            raise OSError(
                f"{error}: delete {library} if another system has compiled it, or set "
                f"XDG_CACHE_HOME to a folder "
                "whose files may be executed"
            ) from error


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
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "bigru-forecast"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # the latter where the user has no home
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
        subprocess.SubprocessError: the compiler fails, and `stderr` says why; or takes longer than
            `SECONDS`.
    """
    source = Path(__file__).with_name("operations.cc")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made, digest = Path(folder) / library.name, Path(folder) / "sha256"
        compile_it = [*command, str(source), "-o", str(made)]
        subprocess.run(
            compile_it,
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
        digest.write_text(checksum(made), encoding="ascii")
        made.replace(library)
        digest.replace(library.with_suffix(".sha256"))
