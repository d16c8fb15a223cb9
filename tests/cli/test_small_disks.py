"""Commands on a disk that is full, and below a limit of the size of files: one line, nothing lost.

The disk is a small file system in memory, mounted where only the process of the test sees it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from operating import FIT, QUICK, TUNE, contents, forked, make_state

MS_REC = 0x4000
MS_PRIVATE = 1 << 18
CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000

DISK_BYTES = 2**26


@dataclass(frozen=True)
class Writes:
    """A command that writes.

    Attributes:
        words: of the command.
        kept: beginnings of names that may be left behind, for `again` to go on with.
        again: further words of the command that goes on, where something is left behind.
    """

    words: tuple[str, ...]
    kept: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


BACKTEST = ("backtest", "sales.csv", "--horizon=3", *QUICK, "--num-windows=3", "--out=out")

COMMANDS = {
    "fit": Writes((*FIT, "--out=out")),
    "update": Writes(("update", "run", "newer.csv"), ("run/versions/",)),
    "monitor": Writes(("monitor", "run", "newer.csv", "--out=out.html")),
    "predict": Writes(("predict", "run", "--output=out.csv")),
    "predict parts": Writes(("predict", "run", "--parts=parts", "--output=out"), ("out/",)),
    "backtest": Writes(BACKTEST, ("out/",), ("--resume",)),
    "split": Writes(("split", "sales.csv", "--parts=3", "--output=out"), ("out/",)),
    "export": Writes(("export", "run", "--format=onnx", "--output=out.onnx")),
    "tune": Writes((*TUNE, "--out=out"), ("out/",), ("--resume",)),
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_state(tmp_path_factory.mktemp("disks") / "state")
    assert forked(("predict", "run"), folder).code == 0  # which monitor compares with newer rows
    return folder


# ---------------------------------------------------------------------------------- full disks


def apart(act: Callable[[], Any]) -> Any:
    """Call a function in a process with mounts of its own; return its result by way of JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            try:
                json.dump(act(), pipe)
            except BaseException:
                json.dump({"failed": traceback.format_exc()}, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = json.load(pipe)
    os.waitpid(child, 0)
    return found


def mount_small_disk(folder: Path) -> bool:
    """Mount a file system that this process alone sees; return whether that is allowed."""
    library = ctypes.CDLL(None, use_errno=True)
    alone = CLONE_NEWNS if os.geteuid() == 0 else CLONE_NEWNS | CLONE_NEWUSER
    if library.unshare(alone) != 0:
        return False
    library.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    options = f"size={DISK_BYTES}".encode()
    return bool(library.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options) == 0)


def leave_free(folder: Path, room: int) -> None:
    """Fill a disk but for some bytes."""
    status = os.statvfs(folder)
    filled = status.f_bavail * status.f_frsize - room
    (folder / "filler").write_bytes(bytes(max(filled, 0)))


def found_after(
    writes: Any, folder: Path, before: dict[str, Any], after: dict[str, Any], ended: Any
) -> dict[str, Any]:
    """Run a command again that failed, and return what came of both."""
    words = writes.words
    if any(path.startswith("out/") for path in after):
        words = (*words, *writes.again)
    again = forked(words, folder) if ended.code else ended
    return {
        "code": ended.code,
        "said": ended.said,
        "errors": ended.errors,
        "changed": [path for path in before if after.get(path) != before[path]],
        "new": [path for path in after if path not in before],
        "again": again.code,
        "said again": again.said,
    }


def on_a_small_disk(state: Path, name: str, room: int | None) -> dict[str, Any]:
    """Run a command on a disk with little room, and again with more.

    Args:
        state: to begin with.
        name: of the command.
        room: bytes that are free; None: enough.
    """
    writes = COMMANDS[name]
    disk = state.parent / "disk"
    disk.mkdir(exist_ok=True)
    if not mount_small_disk(disk):
        return {"skipped": "no file system can be mounted here"}
    folder = disk / "state"
    shutil.copytree(state, folder)
    before = contents(folder)
    used = shutil.disk_usage(disk).used
    if room is not None:
        leave_free(disk, room)
    ended = forked(writes.words, folder)
    after = contents(folder)
    (disk / "filler").unlink(missing_ok=True)
    taken = shutil.disk_usage(disk).used - used
    return found_after(writes, folder, before, after, ended) | {"taken": taken}


@pytest.mark.proof
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_full_disk(name: str, state: Path) -> None:
    whole = apart(lambda: on_a_small_disk(state, name, None))
    if "skipped" in whole:
        pytest.skip(whole["skipped"])
    assert whole.get("code") == 0, whole
    shares = (0.0, 0.5) if name == "tune" else (0.0, 0.03, 0.1, 0.3, 0.7)
    failed = 0
    for share in shares:
        room = 4096 * round(share * whole["taken"] / 4096)
        found = apart(lambda room=room: on_a_small_disk(state, name, room))
        if found.get("code") == 0:
            continue
        failed += 1
        judge(name, found, "disk is full")
    assert failed


def judge(name: str, found: dict[str, Any], reason: str) -> None:
    """Assert that a command has failed as it should."""
    assert "failed" not in found, found["failed"]
    assert found["code"] in (1, 2), found
    assert "Traceback" not in found["said"], found["said"]
    assert len(found["errors"]) == 1, found["said"]
    assert reason in found["errors"][0]
    assert not found["changed"], found
    kept = COMMANDS[name].kept
    left = [path for path in found["new"] if not path.startswith(kept or ("nothing",))]
    assert not left, found
    assert found["again"] == 0, found["said again"]


# ------------------------------------------------------------------------- limits of file sizes


def below_a_limit(state: Path, name: str, limit: int, folder: Path) -> dict[str, Any]:
    """Run a command that may write files up to a size, and again without the limit."""
    writes = COMMANDS[name]
    shutil.copytree(state, folder)
    before = contents(folder)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    ended = forked(
        writes.words, folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    )
    after = contents(folder)
    return found_after(writes, folder, before, after, ended)


@pytest.mark.parametrize("name", ["fit", "update", "predict", "split"])
def test_a_limit_of_the_size_of_files(name: str, state: Path, tmp_path: Path) -> None:
    found = below_a_limit(state, name, 100, tmp_path / "state")
    judge(name, found, "limit")


@pytest.mark.proof
@pytest.mark.parametrize("limit", [0, 100, 2000, 20_000])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_limits_of_the_size_of_files(name: str, limit: int, state: Path, tmp_path: Path) -> None:
    found = below_a_limit(state, name, limit, tmp_path / "state")
    if found["code"]:
        judge(name, found, "limit")
    assert found["code"] or limit > 100
