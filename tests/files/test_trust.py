"""Who may have written a file or a folder, by its owner and mode: every combination of them."""

from __future__ import annotations

import os
import stat
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from forecast.files.libraries import trust

OWNERS = {"mine": os.geteuid(), "root": 0, "another": os.geteuid() + 12_345}
BITS = (0o700, 0o020, 0o002, 0o055, stat.S_ISVTX)


def modes() -> list[int]:
    return [sum(bits) for bits in product(*[(0, bit) for bit in BITS])]


def status(owner: str, mode: int, kind: int = stat.S_IFDIR) -> SimpleNamespace:
    return SimpleNamespace(st_uid=OWNERS[owner], st_mode=mode | kind)


@pytest.mark.parametrize("owner", OWNERS)
def test_own_files_are_those_that_nobody_else_can_write_to(owner: str) -> None:
    for mode in modes():
        letters = stat.filemode(mode)
        others_write = letters[5] == "w" or letters[8] == "w"
        expected = owner != "another" and not others_write
        assert trust._is_own(status(owner, mode)) == expected, letters


@pytest.mark.parametrize("owner", OWNERS)
def test_a_folder_above_keeps_others_from_renaming(owner: str) -> None:
    """In a sticky folder only the owner of an entry, or of the folder, can rename it."""
    for mode in modes():
        letters = stat.filemode(mode)
        sticky = letters[9] in "tT"
        others_write = letters[8] == "w"
        expected = sticky or (owner != "another" and not others_write)
        assert trust._is_safe_above(status(owner, mode)) == expected, letters


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def test_the_folder_is_made_for_this_user_alone(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "deep" / "er"))
    before = os.umask(0)
    try:
        for _ in range(2):  # the second time it is there
            with trust.library_folder() as (folder, reason):
                assert (folder, reason) == (base / "deep" / "er" / "bigru-forecast", "")
                assert list(folder.iterdir()) == []
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_private_folder_is_gone_afterwards(base: Path) -> None:
    (base / "bigru-forecast").write_text("mine")
    with trust.library_folder() as (folder, reason):
        assert folder.is_dir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert "bigru-forecast" not in folder.parts
    assert reason
    assert not folder.exists()


@pytest.mark.parametrize(
    ("mode", "above", "words"),
    [
        (0o700, 0o700, ""),
        (0o755, 0o755, ""),
        (0o700, 0o1777, ""),
        (0o770, 0o700, "others can write to"),
        (0o702, 0o700, "others can write to"),
        (0o700, 0o777, "others can write to"),
    ],
)
def test_modes_of_the_folder_and_of_that_above(
    base: Path, mode: int, above: int, words: str
) -> None:
    (base / "bigru-forecast").mkdir()
    (base / "bigru-forecast").chmod(mode)
    base.chmod(above)
    with trust.library_folder() as (folder, reason):
        assert words in reason
        assert (folder == base / "bigru-forecast") == (not words)
    assert bool(reason) == bool(words)


def test_a_link_is_no_folder_of_its_own(base: Path) -> None:
    (base / "elsewhere").mkdir(mode=0o700)
    (base / "bigru-forecast").symlink_to(base / "elsewhere")
    with trust.library_folder() as (_, reason):
        assert "a link or a file" in reason


def test_a_folder_from_which_nothing_runs(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mounted(flag: int) -> None:
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flag))

    mounted(os.ST_NOEXEC | os.ST_NOSUID)
    assert not trust.may_execute(base)
    with trust.library_folder() as (_, reason):
        assert "may not be executed" in reason
    mounted(os.ST_NOSUID)
    assert trust.may_execute(base)

    def refuse(_: object) -> None:
        raise OSError("no such call")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert trust.may_execute(base)


def test_a_folder_that_takes_no_file(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trust.tempfile, "TemporaryFile", refuse)
    with trust.library_folder() as (folder, reason):
        assert folder != base / "bigru-forecast"
    assert "cannot be written to" in reason


@pytest.mark.parametrize("given", ["", "relative/cache"])
def test_without_a_whole_path_the_home_folder_counts(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with trust.library_folder() as (folder, _):
        assert folder == tmp_path / ".cache" / "bigru-forecast"


def test_files_are_read_where_they_are_own_and_plain(tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(b"library")
    path.chmod(0o644)
    assert trust.read_own(path) == b"library"
    for mode in (0o664, 0o646, 0o666):
        path.chmod(mode)
        with pytest.raises(PermissionError, match="may have been written by others"):
            trust.read_own(path)
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "nothing", "."):
        with pytest.raises(OSError, match=r"symbolic|others|No such|Is a directory"):
            trust.read_own(tmp_path / name)


def test_a_file_of_another_user_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(b"library")
    path.chmod(0o600)
    monkeypatch.setattr(trust, "_own_ids", lambda: {os.geteuid() + 1})
    with pytest.raises(PermissionError, match="written by others"):
        trust.read_own(path)


def test_own_is_of_this_user_or_root() -> None:
    assert trust._own_ids() == {os.geteuid(), 0}
