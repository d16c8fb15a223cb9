"""Environments in which compiled code is looked for, and what runs in each.

A library of others is never opened: neither from a folder that they can write to, nor through a
link, nor by a checksum that they have written as well.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from layers.test_build import calls, compiler

from forecast.errors import ForecastWarning
from forecast.files.libraries import build, trust
from forecast.files.libraries.compiler import LOOPS, command
from forecast.layers.native import library

FOREIGN = b"foreign"
OURS = b"library"

Prepare = Callable[[Path, pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Environment:
    """A place to run in.

    Attributes:
        prepare: makes it, given an empty folder.
        runs: `kept`, `private` (compiled in every process), or `slow` (no compiled loops).
        said: words of the one warning; empty where there is none.
    """

    prepare: Prepare
    runs: str
    said: str = ""


def cache(place: Path) -> Path:
    return place / "cache" / "bigru-forecast"


def script(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CXX", compiler(place, text))


def library_name(place: Path) -> str:
    words = command(str(place / "cc.sh"), LOOPS, "-march=native")
    return f"{LOOPS.name}-{build._fingerprint(LOOPS, words)}"


def plant(place: Path, folder: Path) -> Path:
    """Put a library of others with a fitting checksum into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{library_name(place)}.so"
    path.write_bytes(FOREIGN)
    path.with_suffix(".sha256").write_text(hashlib.sha256(FOREIGN).hexdigest())
    for each in (path, path.with_suffix(".sha256")):
        each.chmod(0o600)
    return path


def empty(_: Path, __: pytest.MonkeyPatch) -> None:
    """A new machine."""


def of_another(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(place, cache(place))
    monkeypatch.setattr(trust, "_own_ids", lambda: {os.geteuid() + 12_345})


def with_mode(mode: int) -> Prepare:
    def prepare(place: Path, _: pytest.MonkeyPatch) -> None:
        plant(place, cache(place))
        cache(place).chmod(mode)

    return prepare


def file_with_mode(mode: int, ending: str) -> Prepare:
    def prepare(place: Path, _: pytest.MonkeyPatch) -> None:
        path = plant(place, cache(place))
        cache(place).chmod(0o700)
        path.with_suffix(ending).chmod(mode)

    return prepare


def parent_open(place: Path, _: pytest.MonkeyPatch) -> None:
    plant(place, cache(place))
    cache(place).chmod(0o700)
    (place / "cache").chmod(0o777)


def parent_sticky(place: Path, _: pytest.MonkeyPatch) -> None:
    (place / "cache").mkdir()
    (place / "cache").chmod(0o1777)


def linked_folder(place: Path, _: pytest.MonkeyPatch) -> None:
    plant(place, place / "elsewhere")
    (place / "cache").mkdir()
    cache(place).symlink_to(place / "elsewhere")


def linked_file(place: Path, _: pytest.MonkeyPatch) -> None:
    path = plant(place, place / "elsewhere")
    cache(place).mkdir(parents=True, mode=0o700)
    for ending in (".so", ".sha256"):
        (cache(place) / path.name).with_suffix(ending).symlink_to(path.with_suffix(ending))


def pipe(place: Path, _: pytest.MonkeyPatch) -> None:
    cache(place).mkdir(parents=True, mode=0o700)
    os.mkfifo(cache(place) / f"{library_name(place)}.so")


def pipe_for_checksum(place: Path, _: pytest.MonkeyPatch) -> None:
    path = plant(place, cache(place))
    cache(place).chmod(0o700)
    path.write_bytes(b"damaged")
    path.with_suffix(".sha256").unlink()
    os.mkfifo(path.with_suffix(".sha256"))


def folder_in_its_place(place: Path, _: pytest.MonkeyPatch) -> None:
    (cache(place) / f"{library_name(place)}.so").mkdir(parents=True)
    cache(place).chmod(0o700)


def damaged(place: Path, _: pytest.MonkeyPatch) -> None:
    plant(place, cache(place)).write_bytes(b"half")
    cache(place).chmod(0o700)


def file_for_folder(place: Path, _: pytest.MonkeyPatch) -> None:
    (place / "cache").mkdir()
    cache(place).write_text("a file")


def relative(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")


def relative_with_library(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(place, place / "relative" / "bigru-forecast")
    relative(place, monkeypatch)


def without_home(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(Path, "home", refuse)


def without_entry(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", refuse)


def noexec(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "may_execute", lambda folder: folder != cache(place))


def noexec_everywhere(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "may_execute", lambda _: False)
    monkeypatch.setattr(build, "may_execute", lambda _: False)


def compiler_that(text: str) -> Prepare:
    return lambda place, monkeypatch: script(place, monkeypatch, text)


def no_compiler(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(place))


def compiler_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(place / "nowhere" / "c++"))


def hangs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(place, monkeypatch, "sleep 77 & sleep 78")
    monkeypatch.setattr(build, "SECONDS", 1)


def does_not_open(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise OSError(f"{path.name}: undefined symbol: bigru_loops")

    monkeypatch.setattr(library, "Loops", refuse)


def strict_umask(_: Path, __: pytest.MonkeyPatch) -> None:
    os.umask(0o777)


def open_umask(_: Path, __: pytest.MonkeyPatch) -> None:
    os.umask(0)


NOT_KEPT = "each process compiles them"
NOT_COMPILED = "without their compiled loops"

ENVIRONMENTS: dict[str, Environment] = {
    "a new machine": Environment(empty, "kept"),
    "a damaged library": Environment(damaged, "kept"),
    "a sticky folder above": Environment(parent_sticky, "kept"),
    "a library of another user": Environment(of_another, "private", NOT_KEPT),
    "a folder that all can write to": Environment(with_mode(0o777), "private", NOT_KEPT),
    "a folder that a group can write to": Environment(with_mode(0o770), "private", NOT_KEPT),
    "a folder above that all can write to": Environment(parent_open, "private", NOT_KEPT),
    "a link for a folder": Environment(linked_folder, "private", NOT_KEPT),
    "a file for a folder": Environment(file_for_folder, "private", NOT_KEPT),
    "a library that all can write to": Environment(file_with_mode(0o666, ".so"), "kept"),
    "a checksum that all can write to": Environment(file_with_mode(0o666, ".sha256"), "kept"),
    "a link for a library": Environment(linked_file, "kept"),
    "a pipe for a library": Environment(pipe, "kept"),
    "a pipe for a checksum": Environment(pipe_for_checksum, "kept"),
    "a folder for a library": Environment(folder_in_its_place, "slow", NOT_COMPILED),
    "a relative XDG path": Environment(relative, "kept"),
    "a library at a relative XDG path": Environment(relative_with_library, "kept"),
    "no home": Environment(without_home, "private", NOT_KEPT),
    "no entry in passwd": Environment(without_entry, "private", NOT_KEPT),
    "noexec": Environment(noexec, "private", NOT_KEPT),
    "noexec everywhere": Environment(noexec_everywhere, "slow", "may not be executed"),
    "no compiler": Environment(no_compiler, "slow", "no C++ compiler"),
    "a compiler that is gone": Environment(compiler_gone, "slow", NOT_COMPILED),
    "a compiler that is damaged": Environment(compiler_that("kill -11 $$"), "slow", "died with"),
    "a compiler that writes nothing": Environment(compiler_that("true"), "slow", NOT_COMPILED),
    "a compiler that hangs": Environment(hangs, "slow", "timed out"),
    "a library that does not open": Environment(does_not_open, "slow", "undefined symbol"),
    "a strict umask": Environment(strict_umask, "kept"),
    "an open umask": Environment(open_umask, "kept"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, a compiler that works, and nothing loaded yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "COMPILED", "no wheel")
    monkeypatch.setattr(library, "Loops", Path.read_bytes)
    monkeypatch.setattr(build, "WARNED", [])
    script(tmp_path, monkeypatch, "printf library > $out")
    (tmp_path / "calls").touch()
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


def test_there_are_enough_environments() -> None:
    assert len(ENVIRONMENTS) >= 25


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_compiled_code_is_trusted_only_where_it_is_the_users_own(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = ENVIRONMENTS[name]
    environment.prepare(place, monkeypatch)
    start = time.monotonic()
    first, said = _opened()
    second, _ = _opened()
    assert time.monotonic() - start < 20
    assert FOREIGN not in (first, second)
    count = calls(place)
    if environment.runs == "slow":
        assert (first, second) == (None, None)
    else:
        assert (first, second) == (OURS, OURS)
        assert count == (1 if environment.runs == "kept" else 2)
    if environment.said:
        assert len(said) == 1
        assert environment.said in said[0]
    else:
        assert said == []


def _opened() -> tuple[bytes | None, list[str]]:
    """Return what a process gets, and the warnings."""
    library.loaded_loops.cache_clear()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = library.compiled_loops()
    library.loaded_loops.cache_clear()
    return found, [str(w.message) for w in heard if issubclass(w.category, ForecastWarning)]  # type: ignore[return-value]
