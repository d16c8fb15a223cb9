"""Atomic writes: killed at every system call, on a full disk, and beside other writers."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import killed_runs

from forecast.errors import FileError
from forecast.files import atomic as files
from forecast.files.atomic import current_folder, replace_folder, write_file

OLD, NEW = {"a": b"old a", "b": b"old b"}, {"a": b"new a" * 1000, "c": b"new c"}


def fill(folder: Path, content: dict[str, bytes]) -> None:
    with replace_folder(folder, lambda: None) as temporary:
        for name, data in content.items():
            (temporary / name).write_bytes(data)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in current_folder(folder).iterdir()}


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_folder_killed_at_every_call_is_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "model"
    seen = set()
    fill(target, OLD)
    for number, killed in killed_runs(lambda: fill(target, NEW)):
        found, set_aside = content_of(target), tmp_path / ".model.old"
        assert found in (OLD, NEW), number
        assert killed or found == NEW
        assert not set_aside.exists() or content_of(set_aside) == OLD, (
            "never half deleted under this name"
        )
        seen.add((found == NEW, killed, target.exists()))
        fill(target, OLD)
        assert content_of(target) == OLD
        assert leftovers(tmp_path) == []
    assert number > 12
    # killed with the old in place, between the renames, and with the new in place; and not killed
    # at all
    assert seen == {
        (False, True, True),
        (False, True, False),
        (True, True, True),
        (True, False, True),
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.proof
def test_a_writer_killed_after_another_was_killed_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "model"

    def between_the_renames() -> None:
        fill(target, OLD)
        os.rename(target, tmp_path / ".model.old")

    between_the_renames()
    for number, _ in killed_runs(lambda: fill(target, NEW)):
        assert content_of(target) in (OLD, NEW), number
        between_the_renames()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_file_killed_at_every_call_is_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    seen = set()
    for number, killed in killed_runs(lambda: write_file(target, NEW["a"])):
        found = target.read_bytes() if target.exists() else b"none"
        assert found in (b"none", b"old", NEW["a"]), number
        seen.add((found, killed))
        write_file(target, b"old")
        assert target.read_bytes() == b"old"
        assert leftovers(tmp_path) == []
    assert seen == {(b"none", True), (b"old", True), (NEW["a"], True), (NEW["a"], False)}


def test_the_disk_holds_the_new_before_a_name_points_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "model", OLD)
    events: list[str] = []
    names: dict[int, str] = {}
    real_open, real_fsync, real_rename = os.open, os.fsync, os.rename

    def spy_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        descriptor = real_open(path, flags, *rest, **options)
        names[descriptor] = Path(path).name
        return descriptor

    monkeypatch.setattr(os, "open", spy_open)
    monkeypatch.setattr(
        os, "fsync", lambda one: (events.append(f"sync {names[one]}"), real_fsync(one))[1]
    )
    monkeypatch.setattr(os, "rename", lambda a, b: (events.append("rename"), real_rename(a, b))[1])
    fill(tmp_path / "model", NEW)
    first = events.index("rename")
    assert {"sync a", "sync c"} < set(events[:first])
    assert events[first - 1].startswith("sync .model.writer-")
    # the old is renamed, the new takes its place and is on the disk, and only then is the old taken
    # out of the way
    assert events[first:] == ["rename", "rename", f"sync {tmp_path.name}", "rename"]


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("name", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_file_that_cannot_be_written_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, reason: str
) -> None:
    target = tmp_path / "a.csv"
    write_file(target, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail_with(number))
        with pytest.raises(FileError, match=rf"cannot write .*a\.csv: .*{reason}") as caught:
            write_file(target, b"new")
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("failing", [0, 1])
def test_a_folder_that_cannot_be_renamed_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    target = tmp_path / "model"
    fill(target, OLD)
    calls = iter(range(99))
    real = os.rename

    def rename(source: Any, place: Any) -> None:
        if next(calls) == failing:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        real(source, place)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(FileError, match="in use"):
        fill(target, NEW)
    assert content_of(target) == OLD
    assert target.exists()
    assert leftovers(tmp_path) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    write_file(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs the resource limits of POSIX")
def test_a_real_limit_on_file_size_is_reported_in_one_line(tmp_path: Path) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))\n"
        "from forecast.files.atomic import replace_folder, write_file\n"
        "from forecast.errors import FileError\n"
        "try: write_file(sys.argv[1] + '/a', b'x' * 60000)\n"
        "except FileError as error: print(error)\n"
        "try:\n"
        "    with replace_folder(sys.argv[1] + '/f', lambda: None) as folder:\n"
        "        (folder / 'b').write_bytes(b'x' * 60000)\n"
        "except FileError as error: print(error)\n"
    )
    write_file(tmp_path / "a", b"old")
    fill(tmp_path / "f", OLD)
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert [("file size limit" in line) for line in run.stdout.splitlines()] == [True, True]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert content_of(tmp_path / "f") == OLD
    assert leftovers(tmp_path) == []


def test_impossible_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FileError, match="it is a folder; expected the name of a file"):
        write_file(tmp_path, b"")
    with pytest.raises(FileError, match="part of the path is a file"):
        write_file(tmp_path / "file" / "a", b"")
    with pytest.raises(FileError, match="it is a file; expected a folder"):
        fill(tmp_path / "file", NEW)
    with pytest.raises(FileError, match="name is too long"):
        write_file(tmp_path / ("n" * 300), b"")
    assert leftovers(tmp_path) == []
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="no permission"):
        write_file(tmp_path / "a", b"")
    tmp_path.chmod(0o700)


def test_an_error_in_the_block_keeps_the_old_and_passes_through(tmp_path: Path) -> None:
    fill(tmp_path / "model", OLD)
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        replace_folder(tmp_path / "model", lambda: None) as folder,
    ):
        (folder / "a").write_bytes(b"half")
        raise KeyboardInterrupt
    assert content_of(tmp_path / "model") == OLD
    assert leftovers(tmp_path) == []


def test_links_are_followed_and_parents_made(tmp_path: Path) -> None:
    write_file(tmp_path / "x" / "y" / "real", b"1")
    (tmp_path / "link").symlink_to(tmp_path / "x" / "y" / "real")
    write_file(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x" / "y" / "real").read_bytes() == b"2"
    fill(tmp_path / "x" / "folder", OLD)
    (tmp_path / "latest").symlink_to(tmp_path / "x" / "folder")
    fill(tmp_path / "latest", NEW)
    assert (tmp_path / "latest").is_symlink()
    assert content_of(tmp_path / "latest") == content_of(tmp_path / "x" / "folder") == NEW


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    (tmp_path / "usual_folder").mkdir()
    write_file(tmp_path / "a", b"")
    fill(tmp_path / "f", NEW)
    for ours, usual in (("a", "usual"), ("f", "usual_folder")):
        assert stat.S_IMODE((tmp_path / ours).stat().st_mode) == stat.S_IMODE(
            (tmp_path / usual).stat().st_mode
        )


def test_files_of_running_writers_are_left_alone(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "model", lambda: None) as ours:
        (ours / "a").write_bytes(b"first")
        fill(tmp_path / "model", NEW)
        assert ours.is_dir()
    assert content_of(tmp_path / "model") == {"a": b"first"}
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    alive = tmp_path / f".model.writer-{process.pid}.0123abcd.tmp"
    foreign = tmp_path / ".model.writer-notes"
    for path in (alive, foreign):
        path.write_bytes(b"")
    fill(tmp_path / "model", OLD)
    assert alive.exists()
    process.kill()
    process.communicate()
    fill(tmp_path / "model", OLD)
    assert leftovers(tmp_path) == [foreign.name]


def test_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    """Two processes write whole files of one letter while this one reads."""
    script = (
        "import sys\nfrom forecast.files.atomic import write_file\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "while True: write_file(sys.argv[1], sys.argv[2].encode() * 100000)"
    )
    target = tmp_path / "a"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(target), letter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        for letter in "ab"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdin is not None
        writer.stdout.readline()
        writer.stdin.write(b"\n")
    seen = set()
    end = time.monotonic() + 10
    while time.monotonic() < end and len(seen) < 2:
        if target.exists():
            data = target.read_bytes()
            assert data in (b"a" * 100000, b"b" * 100000)
            seen.add(data[:1])
    for writer in writers:
        assert writer.poll() is None
        writer.kill()
        writer.communicate()
    assert seen == {b"a", b"b"}


def test_no_name_stays_in_use(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"")
    with pytest.raises(FileError):
        write_file(tmp_path, b"")
    assert files._in_use == set()
