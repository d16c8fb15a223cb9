"""Makes `.venv` ready for this project, with nothing but the standard library.

    python3 scripts/bootstrap.py                  # what the package needs
    python3 scripts/bootstrap.py --extras test    # and the tools of scripts/test.sh

When everything is in place this returns within 0.3 s. Otherwise it finds a Python that the project
runs on, makes the environment, installs the project in it (with `uv` where there is one) and writes
a stamp last, so that a run that was cut short is seen and repaired by the next one. To move to
another Python, delete `.venv` and run it again.

Any Python from 3.6 on can start this file, so that an old one gets a sentence and not a syntax
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
    """One sentence for the person at the terminal: what went wrong and what to do."""


def main(argv: "Sequence[str] | None" = None) -> int:
    """Make the environment ready; return 0, or 2 where that is not possible."""
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
    """Whether the stamp speaks of the files and the Python as they are now, and of all these extras."""
    stamp = read_stamp()
    return stamp.get("fingerprint") == fingerprint() and extras <= set(stamp["extras"])


def read_stamp() -> "dict":
    """What the last finished set-up left; empty where none has finished."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return {}


def fingerprint() -> str:
    """A digest of all that the environment depends on.

    The folder is part of it because console scripts and the editable install hold its path, and the
    interpreter because a system update can put another version behind the same link.
    """
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((ROOT / name).read_bytes() + b"\0")
    digest.update(f"{ROOT}\0{os.path.realpath(str(PYTHON)) if PYTHON.exists() else None}".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def locked() -> "Iterator[None]":
    """Hold the lock of this folder, waiting for another set-up to finish.

    The system frees it if we are killed, once an installer that outlives us has ended too: it
    inherits the lock.
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
    """Lock a file, with a word to the person if it takes a while."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("set-up: waiting for another set-up of this folder to finish", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def set_up(wanted: "frozenset[str]") -> None:
    """Make or repair the environment, install, and stamp it last."""
    started = time.time()
    previous = read_stamp()
    extras = wanted | set(previous.get("extras", ()))
    uv = working_uv()
    if LOCK.read_text(encoding="utf-8") == INSTALLING or not is_sound(previous):
        make_venv(uv)
    print(
        f"set-up: installing with {'uv' if uv else 'pip'}, some minutes the first time", flush=True
    )
    install(uv, extras)
    write_stamp(extras)
    named = ", ".join(sorted(extras)) or "none"
    print(f"set-up: ready in {time.time() - started:.0f} s (extras: {named})", flush=True)


def is_sound(stamp: "dict") -> bool:
    """Whether `.venv` can be installed into: its Python runs and is supported, and it was not moved or upgraded."""
    version = supported_version(str(PYTHON))
    if not stamp:  # made by hand: kept as long as its Python will do
        return bool(version)
    return (stamp.get("python"), stamp.get("folder")) == (version, str(ROOT))


def working_uv() -> "str | None":
    """The `uv` on the PATH, if it runs."""
    uv = shutil.which("uv")
    return uv if uv and answer([uv, "--version"]) else None


def answer(command: "list[str]") -> "str | None":
    """What a command prints, or None where it fails or does not exist."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode().strip()


def supported_version(python: str) -> "str | None":
    """The version an interpreter gives, or None where it does not run or is not supported."""
    version = answer([python, "-c", "import platform; print(platform.python_version())"])
    if not version:
        return None
    return (
        version if OLDEST <= tuple(int(part) for part in version.split(".")[:2]) <= NEWEST else None
    )


def make_venv(uv: "str | None") -> None:
    """Replace `.venv` by a new, empty environment.

    Raises:
        SetupError: no Python is suitable, or the one that is cannot make environments.
    """
    python, version = find_python()
    print(f"set-up: making .venv with Python {version}", flush=True)
    LOCK.write_text(INSTALLING, encoding="utf-8")
    if VENV.exists():
        shutil.rmtree(str(VENV))
    command = (
        [uv, "venv", "--quiet", "--python", python, str(VENV)]
        if uv
        else [python, "-m", "venv", str(VENV)]
    )
    if subprocess.call(command) != 0:
        raise SetupError(
            f"{python} made no environment (see above); on Debian and Ubuntu `apt install "
            f"python3-venv` helps, "
            "then run this again"
        )


def find_python() -> "tuple[str, str]":
    """An interpreter the project runs on, and its version: this one if it will do, else one on the PATH.

    Raises:
        SetupError: none runs, whatever the PATH promises (a version manager's stand-ins may not).
    """
    for python in candidates():
        version = supported_version(python)
        if version:
            return python, version
    raise SetupError(
        f"this is Python {sys.version_info[0]}.{sys.version_info[1]} and the project needs 3.11, "
        f"3.12 or 3.13; no "
        "python3.13, python3.12 or python3.11 on the PATH runs: install one of them and run this "
        "again"
    )


def candidates() -> "Iterator[str]":
    """Interpreters worth trying, best first. The base of a virtual environment stands for it: it may be ours."""
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
    """Install the project, editable, at the tested versions; byte-compiled, or `import keras` takes seconds each time.

    Raises:
        SetupError: the installer failed; what it said stands above the message.
    """
    project = "{}[{}]".format(ROOT, ",".join(sorted(extras))) if extras else str(ROOT)
    quiet = [] if sys.stdout.isatty() else ["-q" if uv else "-qq"]  # errors are still told
    what = ["--constraint", str(ROOT / "constraints.txt"), "--editable", project]
    if uv:
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
    if status >= 0:  # it ended by itself, so what it leaves is whole; a killed one leaves the mark
        LOCK.write_text("", encoding="utf-8")
    if status != 0:
        raise SetupError(
            f"{'uv' if uv else 'pip'} could not install the packages (see above); check the "
            f"connection to the package "
            "index, then run this again"
        )


def pip() -> "list[str]":
    """The command for the environment's own pip, which an environment made by uv does not bring."""
    command = [str(PYTHON), "-m", "pip"]
    if not answer([*command, "--version"]):
        subprocess.call([str(PYTHON), "-m", "ensurepip"])
    return command


def write_stamp(extras: "frozenset[str]") -> None:
    """Say that all is done, in one step: a reader finds the whole stamp or none."""
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
