"""Prepare `.venv` for this project with the standard library alone.

    python3 scripts/bootstrap.py                  # what the package needs
    python3 scripts/bootstrap.py --extras test    # and the tools of scripts/test.sh

When everything is in place this returns within 0.3 s. Otherwise it finds a supported Python,
creates the environment, installs the project in it (with `uv` if it is on the PATH) and writes a
stamp last, so that the next run detects and repairs an interrupted one. To change to another
Python, delete `.venv` and run it again.

Python 3.6 and later can start this file, so that an old one prints a sentence and not a syntax
error.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "bootstrap.json"
LOCK = ROOT / ".venv.lock"
SOURCES = ("requirements.txt", "constraints.txt", "pyproject.toml")
OLDEST, NEWEST = (3, 11), (3, 13)
INSTALLING = "installing"


class SetupError(Exception):
    """One sentence for the terminal: the cause, and what to do."""


def main(argv: "Sequence[str] | None" = None) -> int:
    """Prepare the environment; return 0, or 2 if that is not possible."""
    parser = argparse.ArgumentParser(description="Make .venv ready for this project.")
    parser.add_argument(
        "--extras", nargs="*", default=[], help="optional dependencies, for example: test"
    )
    wanted = frozenset(parser.parse_args(argv).extras)
    try:
        if not is_ready(wanted):
            with locked():
                if not is_ready(wanted):  # another run may have finished while this one waited
                    set_up(wanted)
    except (SetupError, OSError) as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("set-up interrupted: run it again to finish", file=sys.stderr)
        return 130
    return 0


def is_ready(extras: "frozenset[str]") -> bool:
    """Return whether the stamp matches the current files and Python, and has all these extras."""
    stamp = read_stamp()
    return stamp.get("fingerprint") == fingerprint() and extras <= set(stamp["extras"])


def read_stamp() -> "dict":
    """Return the stamp of the last finished set-up; empty if there is none."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return {}


def fingerprint() -> str:
    """Return a digest of everything that the environment depends on.

    The folder is part of it because console scripts and the editable install contain its path, and
    the interpreter because a system update can put another version behind the same link.
    """
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((ROOT / name).read_bytes() + b"\0")
    digest.update(f"{ROOT}\0{os.path.realpath(str(PYTHON)) if PYTHON.exists() else None}".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def locked() -> "Iterator[None]":
    """Lock this folder until the block ends; wait for another set-up to finish.

    The system releases the lock if this process is killed, and an installer that outlives it and
    inherits the lock has ended.
    """
    with LOCK.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        if fcntl is None:
            print(
                "set-up: no file lock on this system, so never start two set-ups of this folder at "
                "once",
                flush=True,
            )
        else:
            take(file.fileno())
        yield


def take(descriptor: int) -> None:
    """Lock a file; print a line if that takes a while."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("set-up: waiting for another set-up of this folder to finish", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def set_up(wanted: "frozenset[str]") -> None:
    """Create or repair the environment, install, and write the stamp last."""
    started = time.time()
    previous = read_stamp()
    extras = wanted | set(previous.get("extras", ()))
    uv = working_uv()
    if LOCK.read_text(encoding="utf-8") == INSTALLING or not is_sound(previous):
        make_venv(uv)
    installer = "uv" if uv else "pip"
    print(f"set-up: installing with {installer}, some minutes the first time", flush=True)
    install(uv, extras)
    write_stamp(extras)
    named = ", ".join(sorted(extras)) or "none"
    print(f"set-up: ready in {time.time() - started:.0f} s (extras: {named})", flush=True)


def is_sound(stamp: "dict") -> bool:
    """Return whether `.venv` can be installed into.

    Its Python runs and is supported, and it was not moved or upgraded since the stamp.
    """
    version = supported_version(str(PYTHON))
    if not stamp:  # made by hand: kept as long as its Python will do
        return bool(version)
    return (stamp.get("python"), stamp.get("folder")) == (version, str(ROOT))


def working_uv() -> "str | None":
    """Return the `uv` on the PATH, if it runs."""
    uv = shutil.which("uv")
    if uv and output_of([uv, "--version"]):
        return uv
    return None


def output_of(command: "list[str]") -> "str | None":
    """Return the output of a command, or None if it fails or does not exist."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode().strip()


def supported_version(python: str) -> "str | None":
    """Return the version of an interpreter, or None if it does not run or is not supported."""
    version = output_of([python, "-c", "import platform; print(platform.python_version())"])
    if not version:
        return None
    major_minor = tuple(int(part) for part in version.split(".")[:2])
    if OLDEST <= major_minor <= NEWEST:
        return version
    return None


def make_venv(uv: "str | None") -> None:
    """Replace `.venv` with a new, empty environment.

    Raises:
        SetupError: no Python is suitable, or the suitable one cannot create environments.
    """
    python, version = find_python()
    print(f"set-up: making .venv with Python {version}", flush=True)
    LOCK.write_text(INSTALLING, encoding="utf-8")
    if VENV.exists():
        shutil.rmtree(str(VENV))
    command = [python, "-m", "venv", str(VENV)]
    if uv:
        command = [uv, "venv", "--quiet", "--python", python, str(VENV)]
    if subprocess.call(command) != 0:
        raise SetupError(
            f"{python} could not create an environment (see above); on Debian and Ubuntu `apt "
            f"install python3-venv` helps, then run this again"
        )


def find_python() -> "tuple[str, str]":
    """Return a supported interpreter and its version: this one, or else one on the PATH.

    Raises:
        SetupError: none runs; those on the PATH may be stand-ins of a version manager.
    """
    for python in candidates():
        version = supported_version(python)
        if version:
            return python, version
    raise SetupError(
        f"this is Python {sys.version_info[0]}.{sys.version_info[1]} and the project needs 3.11, "
        f"3.12 or 3.13; no python3.13, python3.12 or python3.11 on the PATH runs: install one of "
        f"them and run this again"
    )


def candidates() -> "Iterator[str]":
    """Yield interpreters to try, best first.

    The base of a virtual environment stands for it: the environment may be the one to replace.
    """
    if sys.prefix == sys.base_prefix:
        yield sys.executable
    else:
        yield os.path.realpath(sys.executable)
    for name in ("python3.13", "python3.12", "python3.11"):
        for folder in os.get_exec_path():
            found = shutil.which(name, path=folder)
            if found:
                yield found


def install(uv: "str | None", extras: "frozenset[str]") -> None:
    """Install the project, editable, at the tested versions.

    Packages are byte-compiled, without which `import keras` takes seconds every time.

    Raises:
        SetupError: the installer failed; its output is above the message.
    """
    project = str(ROOT)
    if extras:
        project += "[{}]".format(",".join(sorted(extras)))
    quiet = []
    if not sys.stdout.isatty():
        quiet = ["-q" if uv else "-qq"]  # errors are still printed
    what = ["--constraint", str(ROOT / "constraints.txt"), "--editable", project]
    installer = "pip"
    if uv:
        installer = "uv"
        command = [
            uv,
            "pip",
            "install",
            "--python",
            str(PYTHON),
            "--compile-bytecode",
            *quiet,
            *what,
        ]
    else:
        command = [*pip(), "install", "--compile", "--disable-pip-version-check", *quiet, *what]
    LOCK.write_text(INSTALLING, encoding="utf-8")
    with contextlib.suppress(FileNotFoundError):
        STAMP.unlink()
    status = subprocess.call(command, close_fds=False)
    if status >= 0:  # ended by itself, so the environment is whole; killed, the mark stays
        LOCK.write_text("", encoding="utf-8")
    if status != 0:
        raise SetupError(
            f"{installer} could not install the packages (see above); check the connection to the "
            f"package index, then run this again"
        )


def pip() -> "list[str]":
    """Return the command of the environment's pip, which an environment made by uv lacks."""
    command = [str(PYTHON), "-m", "pip"]
    if not output_of([*command, "--version"]):
        subprocess.call([str(PYTHON), "-m", "ensurepip"])
    return command


def write_stamp(extras: "frozenset[str]") -> None:
    """Write the stamp atomically: a reader finds all of it or none."""
    version = supported_version(str(PYTHON))
    stamp = {
        "fingerprint": fingerprint(),
        "extras": sorted(extras),
        "python": version,
        "folder": str(ROOT),
    }
    new = STAMP.with_name(STAMP.name + ".new")
    new.write_text(json.dumps(stamp) + "\n", encoding="utf-8")
    os.replace(str(new), str(STAMP))


if __name__ == "__main__":
    sys.exit(main())
