"""Find the libraries of the loops and of the operations, or compile them.

A wheel has them compiled. Where it has none for this processor, as in a source checkout, they are
compiled for it, once, into the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from forecast.errors import ForecastWarning
from forecast.layers.native.compiler import (
    CHECKSUMS,
    COMPILED,
    COMPILERS,
    FOLDER,
    LOOPS,
    VARIANTS,
    Source,
    command,
    find_compiler,
)

Opened = TypeVar("Opened")

SWITCH = "FORECAST_NATIVE"
"""Environment variable: with `0` everything runs without the compiled loops."""

SECONDS = 300
"""Time limit of the compiler, which takes about 5 s."""
SHOWN = 500
"""Characters at the end of a compiler's output that a warning shows."""

WARNED: list[str] = []
"""Reasons that this process has already warned of."""


class NotAvailableError(Exception):
    """There is no library; the message is the reason, in one line."""


def is_switched_off() -> bool:
    """Return whether nothing compiled is wanted, or known on this system."""
    return os.environ.get(SWITCH) == "0" or platform.system() not in {"Linux", "Darwin"}


def warn_once(reason: str) -> None:
    """Warn that slower loops run, unless this process has warned of the same reason."""
    if reason in WARNED:
        return
    WARNED.append(reason)
    warnings.warn(
        f"recurrent layers run without their compiled loops, and training takes about twice as "
        f"long: {reason}; set {SWITCH}=0 in the environment to turn off this warning",
        ForecastWarning,
        stacklevel=4,
    )


def load(
    source: Source,
    open_library: Callable[[Path], Opened],
    flags: Sequence[str],
    *,
    fits_wheel: bool = True,
) -> Opened:
    """Open the library of the wheel; where there is none that works, compile one.

    Args:
        source: which library.
        open_library: opens a file; any error means that the file does not work.
        flags: of the compiler, for this machine.
        fits_wheel: whether a library of the wheel may be opened.

    Raises:
        NotAvailableError: neither works.
    """
    of_wheel, reason = _of_wheel(source)
    if of_wheel is not None and fits_wheel:
        try:
            return open_library(of_wheel)
        except Exception as error:  # any error: it may be compiled instead
            reason = f"{one_line(error)}: install the package again"
    compiler = find_compiler()
    if compiler is None:
        names = ", ".join(COMPILERS)
        advice = f"no C++ compiler was found ({names}); install one, or name it in CXX"
        raise NotAvailableError(f"{reason}, and {advice}" if reason else advice)
    try:
        return _load_compiled(source, open_library, command(compiler, source, *flags))
    except Exception as error:  # any error: slower loops run instead
        raise NotAvailableError(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Return the end of the compiler's output, or else the error, on one line."""
    text = getattr(error, "stderr", None)
    if not isinstance(text, str) or not text.strip():
        text = f"{error}"
    return " ".join(text.split())[-SHOWN:] or type(error).__name__


def _of_wheel(source: Source) -> tuple[Path | None, str]:
    """Return the library of the wheel for this processor, or None and the reason.

    There is no reason where the package was not installed from a wheel with libraries, or where
    they are for other processors.
    """
    folder = FOLDER / COMPILED
    name = f"{source.name}.so"
    if source is LOOPS:
        name = _variant_file() or name
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        if name not in checksums:
            return None, ""
        if _checksum(folder / name) == checksums[name]:
            return folder / name, ""
    except FileNotFoundError:
        if not folder.exists():
            return None, ""
    except (OSError, ValueError, TypeError):
        pass
    return None, f"{folder / name} is damaged: install the package again"


def _variant_file() -> str | None:
    """Return the name of the fastest loops of a wheel that this processor can run."""
    features = set(processor().split())
    for variant in VARIANTS:
        if platform.machine() in variant.machines and features.issuperset(variant.features):
            return f"{LOOPS.name}-{variant.name}.so"
    return None


def _load_compiled(
    source: Source, open_library: Callable[[Path], Opened], compile_command: list[str]
) -> Opened:
    """Open the library of the cache folder; compile it where it is missing or damaged.

    Raises:
        OSError: it cannot be opened, or no folder can be written to.
        subprocess.SubprocessError: the compiler fails.
    """
    name = f"{source.name}-{_fingerprint(source, compile_command)}.so"
    with _cache_folder() as folder:
        library = folder / name
        if not _is_intact(library):
            compile_library(compile_command, library)
        try:
            return open_library(library)
        except Exception as error:  # errors of TensorFlow, which are no OSError
            raise OSError(
                f"{error}: delete {library} if another system has compiled it, or set "
                f"XDG_CACHE_HOME to a folder whose files may be executed"
            ) from error


def _fingerprint(source: Source, compile_command: list[str]) -> str:
    """Return a digest of everything a library depends on.

    Those are the sources, the command, and the processor, since folders may be shared.
    """
    digest = hashlib.sha256()
    for path in source.files():
        digest.update(path.read_bytes())
    for text in (*compile_command, platform.machine(), processor()):
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


def compile_library(compile_command: list[str], library: Path) -> None:
    """Compile into a temporary file and move it into place, its checksum last.

    Raises:
        subprocess.SubprocessError: the compiler fails, with the reason in `stderr`, or takes longer
            than `SECONDS`.
    """
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        output = Path(folder) / library.name
        digest = Path(folder) / "sha256"
        subprocess.run(
            [*compile_command, "-o", str(output)],
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
        digest.write_text(_checksum(output), encoding="ascii")
        output.replace(library)
        digest.replace(library.with_suffix(".sha256"))
