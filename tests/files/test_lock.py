"""Locked files: one process at a time, released when it ends or is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from forecast.errors import FileError, SearchError
from forecast.files.lock import open_locked

ROOT = Path(__file__).resolve().parents[2]
BUSY = SearchError("another process is at it")
HOLDER = """
import sys
from pathlib import Path
from forecast.errors import ForecastError
from forecast.files.lock import open_locked
with open_locked(Path(sys.argv[1]), ForecastError("taken")):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Start another process that holds the lock of a file until it gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def is_free(path: Path) -> bool:
    """Whether the lock of a file can be taken."""
    try:
        with open_locked(path, BUSY):
            return True
    except SearchError as error:
        if error is not BUSY:
            raise
        return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None], ids=str)
def test_a_lock_lasts_as_long_as_the_process_that_holds_it(
    end: signal.Signals | None, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "folder" / ".lock"
    process = holder(path)
    assert not is_free(path)
    if end is None:
        process.communicate("\n")
    else:
        process.send_signal(end)
        process.communicate()
    assert is_free(path)


def test_a_lock_is_held_against_the_own_process_too(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with open_locked(path, BUSY):
        assert not is_free(path)
        assert not is_free(path), "the attempt before has not taken the lock away"
    assert is_free(path)


def test_a_locked_file_keeps_its_bytes_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"one\n")
    with open_locked(path, BUSY) as descriptor:
        assert os.read(descriptor, 100) == b"one\n"
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_the_lock_is_the_one_that_earlier_versions_take(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not is_free(path)
    with open_locked(path, BUSY), path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_cannot_be_opened_or_locked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(FileError, match=r"cannot open .*file/lock: part of the path is a file"),
        open_locked(tmp_path / "file" / "lock", BUSY),
    ):
        pass

    def refuse(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")  # as on some network file systems

    monkeypatch.setattr(filelock, "lock_descriptor", refuse)
    with (
        pytest.raises(FileError, match=r"cannot lock .*lock: No locks available"),
        open_locked(tmp_path / "lock", BUSY),
    ):
        pass
