"""Find the libraries in C++, or compile them.

A wheel has them compiled. Where it has none for this processor, as in a source checkout, they are
compiled for it, once, into the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from forecast.errors import ForecastWarning
from forecast.files.libraries.compiler import (
    CHECKSUMS,
    COMPILED,
    COMPILERS,
    FOLDER,
    VARIANTS,
    Source,
    command,
    find_compiler,
)
from forecast.files.libraries.trust import library_folder, may_execute, read_own

Opened = TypeVar("Opened")

SWITCH = "FORECAST_NATIVE"
"""Environment variable: with `0` everything runs without the compiled loops."""

SECONDS = 30
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
    _warn_once(
        reason,
        f"recurrent layers run without their compiled loops, and training takes about twice as "
        f"long: {reason}; set {SWITCH}=0 in the environment to turn off this warning",
    )


def note_once(reason: str) -> None:
    """Warn that libraries are compiled in every process, unless this process has said so."""
    _warn_once(
        reason,
        f"the libraries in C++ are not kept, and each process compiles them, which takes seconds: "
        f"{reason}; set XDG_CACHE_HOME to a folder of your own",
    )


def _warn_once(reason: str, text: str) -> None:
    """Warn, unless this process has warned of the same reason."""
    if reason in WARNED:
        return
    WARNED.append(reason)
    warnings.warn(text, ForecastWarning, stacklevel=5)


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
    if source.has_variants:
        name = _variant_file(source) or name
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        if name not in checksums:
            return None, ""
        if _checksum((folder / name).read_bytes()) == checksums[name]:
            return folder / name, ""
    except FileNotFoundError:
        if not folder.exists():
            return None, ""
    except (OSError, ValueError, TypeError):
        pass
    return None, f"{folder / name} is damaged: install the package again"


def _variant_file(source: Source) -> str | None:
    """Return the name of the fastest library of a wheel that this processor can run."""
    features = set(processor().split())
    for variant in VARIANTS:
        if platform.machine() in variant.machines and features.issuperset(variant.features):
            return f"{source.name}-{variant.name}.so"
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
    with library_folder() as (folder, reason):
        library = folder / name
        is_new = not _is_intact(library)
        if is_new:
            if not may_execute(folder):
                raise OSError(f"{reason}, and files in {folder} may not be executed either")
            compile_library(compile_command, library)
        try:
            opened = open_library(library)
        except Exception as error:  # errors of TensorFlow, which are no OSError
            raise OSError(
                f"{error}: delete {library} if another system has compiled it, or set "
                f"XDG_CACHE_HOME to a folder whose files may be executed"
            ) from error
        if is_new:
            _write_checksum(library)
    if reason:
        note_once(reason)
    return opened


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


def _is_intact(library: Path) -> bool:
    """Return whether the library has the bytes that were opened when it was compiled, by this user.

    A damaged one would end the process.
    """
    try:
        return _checksum(read_own(library)) == read_own(library.with_suffix(".sha256")).decode()
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(data: bytes) -> str:
    """Return the SHA-256 of the bytes of a file."""
    return hashlib.sha256(data).hexdigest()


def compile_library(compile_command: list[str], library: Path) -> None:
    """Compile into a temporary file and move it into place.

    Raises:
        subprocess.SubprocessError: the compiler fails, with the reason in `stderr`, or takes longer
            than `SECONDS`.
    """
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        output = Path(folder) / library.name
        _run([*compile_command, "-o", str(output)])
        output.chmod(0o700)  # whatever the umask
        output.replace(library)


def _run(words: list[str]) -> None:
    """Run a compiler, and end it with all processes that it started where it takes too long.

    Raises:
        subprocess.SubprocessError: it fails, or takes longer than `SECONDS`.
    """
    with (
        tempfile.TemporaryFile() as said,  # a pipe would wait for processes that outlive it
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        ) as compiler,
    ):
        try:
            code = compiler.wait(SECONDS)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(compiler.pid, signal.SIGKILL)
            raise
        if code:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise subprocess.CalledProcessError(code, words, stderr=text)


def _write_checksum(library: Path) -> None:
    """Write the checksum of a library that was opened, under its own name at once."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        digest = Path(folder) / "sha256"
        digest.write_text(_checksum(library.read_bytes()), encoding="ascii")
        digest.chmod(0o600)
        digest.replace(library.with_suffix(".sha256"))
