"""Compile the operations for this machine's processor, once, into the user's cache folder.

A library compiled for every processor could use the vectors of the oldest only. Whatever fails,
from a missing compiler to a folder whose files may not be executed, the loops of `recurrence` do
the same work more slowly: `operations` warns once and returns None.
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
"""Environment variable: with `0` the loops run without the compiled operations."""

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
"""Time limit of the compiler, which takes about 3 s."""
SHOWN = 500
"""Characters at the end of a compiler's output that a warning shows."""

WARNED: list[str] = []
"""Reasons that this process has already warned of."""

_ONE_AT_A_TIME = threading.Lock()


def operations() -> Any:
    """Return the operations `bigru_forward` and `bigru_backward`, or None if not available.

    The first call on a machine compiles them, which takes about 3 s. A process warns once of each
    reason for a None.
    """
    with _ONE_AT_A_TIME:  # loaded twice, they would be registered twice
        library, reason = loaded()
        if reason and reason not in WARNED:
            WARNED.append(reason)
            _warn(reason)
    return library


def _warn(reason: str) -> None:
    """Warn that the operations are not available, unless there is a GPU, which needs none."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return
    warnings.warn(
        f"recurrent layers run without their compiled loops, and training takes about twice as "
        f"long: {reason}; set {SWITCH}=0 in the environment to turn off this warning",
        ForecastWarning,
        stacklevel=3,
    )


@cache
def loaded() -> tuple[Any, str]:
    """Return the operations, or None and the reason, which is empty where they are turned off."""
    if os.environ.get(SWITCH) == "0" or platform.system() not in {"Linux", "Darwin"}:
        return None, ""
    compiler = os.environ.get("CXX")
    if not compiler:
        compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        names = ", ".join(COMPILERS)
        return None, f"no C++ compiler was found ({names}); install one, or name it in CXX"
    try:
        return load(compiler), ""
    except Exception as error:  # any error: the loops of `recurrence` run instead
        return None, _one_line(error)


def _one_line(error: Exception) -> str:
    """Return the end of the compiler's output, or else the error, on one line."""
    text = getattr(error, "stderr", None)
    if not isinstance(text, str) or not text.strip():
        text = f"{error}"
    return " ".join(text.split())[-SHOWN:] or type(error).__name__


def load(compiler: str) -> Any:
    """Load the library from the cache folder; compile it where it is missing or damaged.

    Raises:
        OSError: it cannot be loaded, or no folder can be written to.
        subprocess.SubprocessError: the compiler fails.
    """
    import tensorflow as tf

    command = [*compiler.split(), *FLAGS, "-I", tf.sysconfig.get_include()]
    if platform.system() == "Darwin":
        command += ["-undefined", "dynamic_lookup"]
    name = f"native-{_fingerprint(command, tf.__version__)}.so"
    with _cache_folder() as folder:
        library = folder / name
        if not _is_intact(library):
            _compile(command, library)
        try:
            return tf.load_op_library(str(library))
        except Exception as error:  # errors of TensorFlow, which are no OSError
            raise OSError(
                f"{error}: delete {library} if another system has compiled it, or set "
                f"XDG_CACHE_HOME to a folder whose files may be executed"
            ) from error


def _fingerprint(command: list[str], tensorflow: str) -> str:
    """Return a digest of everything a library depends on.

    Those are the sources, the command, TensorFlow, and the processor, since folders may be shared.
    """
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update(Path(__file__).with_name(source).read_bytes())
    for text in (*command, tensorflow, platform.machine(), processor()):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def processor() -> str:
    """Return the features of the processor, as far as the system reports them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.lower().startswith(("flags", "features"))), "")


@contextmanager
def _cache_folder() -> Iterator[Path]:
    """Yield the user's cache folder, or a temporary one where that cannot be written to."""
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


def _is_intact(library: Path) -> bool:
    """Return whether the library has the bytes that the compiler wrote.

    A damaged one would end the process.
    """
    try:
        return _checksum(library) == library.with_suffix(".sha256").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(library: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _compile(command: list[str], library: Path) -> None:
    """Compile into a temporary file and move it into place, its checksum last.

    Raises:
        subprocess.SubprocessError: the compiler fails, with the reason in `stderr`, or takes longer
            than `SECONDS`.
    """
    source = Path(__file__).with_name("operations.cc")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        output = Path(folder) / library.name
        digest = Path(folder) / "sha256"
        subprocess.run(
            [*command, str(source), "-o", str(output)],
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
        digest.write_text(_checksum(output), encoding="ascii")
        output.replace(library)
        digest.replace(library.with_suffix(".sha256"))
