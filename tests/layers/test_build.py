"""The compiled loops are found, compiled once, or done without, with one warning."""

from __future__ import annotations

import _ctypes
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from window_arrays import learnable_source

from forecast.errors import ForecastWarning
from forecast.experiment.settings import TrainingConfig
from forecast.files.libraries import build
from forecast.files.libraries.compiler import LOOPS
from forecast.layers.native import library, operations, registered
from forecast.layers.native.library import Loops
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.training import train
from forecast.windows.index import WindowShape


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, no wheel, and nothing loaded yet; libraries are not really loaded, as
    that cannot be undone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "COMPILED", "no wheel")
    monkeypatch.setattr(library, "Loops", Path.read_bytes)
    monkeypatch.setattr(registered, "_register", lambda path, _: path.read_bytes())
    monkeypatch.setattr(build, "WARNED", [])
    forget()
    yield tmp_path / "bigru-forecast"
    forget()
    monkeypatch.undo()


def forget() -> None:
    """Nothing is loaded."""
    library.loaded_loops.cache_clear()
    registered.loaded_operations.cache_clear()


def compiler(folder: Path, script: str) -> str:
    """A compiler that runs `script`, in which `$out` is the file to write."""
    path = folder / "cc.sh"
    path.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nout=$2\necho x >> '
        f"{folder}/calls\n{script}\n"
    )
    path.chmod(0o755)
    return str(path)


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_it_is_compiled_once_and_again_when_damaged(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, "printf library > $out"))
    for _ in range(2):
        forget()
        assert operations() == b"library"
        assert calls(tmp_path) == 2  # the loops and the operations
    for count, path in enumerate(sorted(fresh.glob("*.so")), start=3):
        path.write_bytes(b"libr")
        forget()
        assert (operations(), calls(tmp_path)) == (b"library", count)
    monkeypatch.setattr(build, "processor", lambda: "another")
    forget()
    assert (operations(), calls(tmp_path)) == (b"library", 6)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no such header >&2; exit 1", "no such header"),
        ("true", "No such file"),
        ("kill -9 $$", "died with"),
        ("echo half > $out; printf 'No space left \\377' >&2; exit 1", "No space left"),
        ("echo so far >&2; exec sleep 60", "timed out"),
    ],
    ids=["fails", "writes nothing", "killed", "disk full", "hangs"],
)
def test_a_compiler_that_fails_is_named_and_leaves_nothing(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, script))
    monkeypatch.setattr(build, "SECONDS", 1 if "sleep" in script else 60)
    with pytest.warns(
        ForecastWarning, match=f"without their compiled loops.*{said}.*{build.SWITCH}=0"
    ) as heard:
        assert [operations(), operations()] == [None, None]
    assert len(heard) == 1
    assert list(fresh.iterdir()) == []


REFUSALS = {
    "noexec or of another system": tf.errors.NotFoundError(
        None, None, "failed to map segment from shared object"
    ),
    "permission": PermissionError(13, "Permission denied"),
    "anything": RuntimeError("the registry is closed"),
}


def refuse_to_load(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler succeed, and loading what it wrote fail."""

    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setenv("CXX", compiler(folder, "printf library > $out"))
    monkeypatch.setattr(registered, "_register", refuse)


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("fresh")
def test_a_library_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Threads that ask at the same time are told once."""
    refuse_to_load(error, tmp_path, monkeypatch)
    with (
        ThreadPoolExecutor(4) as pool,
        pytest.warns(
            ForecastWarning, match="set XDG_CACHE_HOME to a folder whose files may be executed"
        ) as heard,
    ):
        assert list(pool.map(lambda _: operations(), range(4))) == [None] * 4
    assert len(heard) == 1


@pytest.mark.usefixtures("fresh")
def test_training_goes_on_without_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_load(REFUSALS["permission"], tmp_path, monkeypatch)
    with pytest.warns(ForecastWarning, match="set XDG_CACHE_HOME"):
        assert operations() is None
    shape = WindowShape(context_length=4, horizon=2)
    model = build_model(BiGRUConfig(units=2, bidirectional=False, decoder="direct"), shape)
    settings = TrainingConfig(
        loss="mse", schedule="constant", epochs=1, batch_size=64, windows_per_epoch=None
    )
    history = train(model, learnable_source(shape, 16), None, settings).history
    assert np.isfinite(history.loss[0])
    assert not history.native


@pytest.mark.usefixtures("fresh")
def test_a_warning_that_is_an_error_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, "exit 1"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ForecastWarning):
            operations()
        assert operations() is None


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", refuse)


def test_no_compiler_and_the_switch(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.warns(
        ForecastWarning, match=r"no C\+\+ compiler was found .*; install one, or name it in CXX"
    ):
        assert operations() is None
    monkeypatch.setenv("CXX", compiler(tmp_path, "exit 1"))
    monkeypatch.setenv(build.SWITCH, "0")
    monkeypatch.setattr(build, "WARNED", [])
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert operations() is None
    assert not (tmp_path / "calls").exists()
    assert not fresh.exists()


def test_a_folder_that_cannot_be_written_to(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.write_text("a file in its place")
    monkeypatch.setenv("CXX", compiler(tmp_path, "printf library > $out"))
    with pytest.warns(ForecastWarning, match="each process compiles them"):
        assert operations() == b"library"


@pytest.mark.usefixtures("fresh")
def test_no_home_and_no_place_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home the library goes into the folder of temporary files; without that as well
    there is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", compiler(tmp_path, "printf library > $out"))
    without_home(monkeypatch)
    with pytest.warns(ForecastWarning, match="each process compiles them"):
        assert operations() == b"library"
    assert [
        one.name for one in tmp_path.iterdir() if not one.name.startswith(("cc.sh", "calls"))
    ] == []
    forget()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.warns(ForecastWarning, match="No such file or directory"):
        assert operations() is None


@pytest.mark.usefixtures("fresh")
def test_processes_that_compile_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "CXX", compiler(tmp_path, "printf lib > $out; sleep 0.3; printf rary >> $out")
    )
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: build.load(LOOPS, Path.read_bytes, []), range(4)))
    assert found == [b"library"] * 4


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("printf library > $out", "invalid ELF header|file too short"),
        (f"cp {_ctypes.__file__} $out", "undefined symbol: bigru_loops"),
    ],
    ids=["no library", "a foreign library"],
)
def test_files_that_are_really_opened(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path, script))
    monkeypatch.setattr(library, "Loops", Loops)
    with pytest.warns(ForecastWarning, match=f"({said}): delete {fresh}") as heard:
        assert [library.compiled_loops(), library.compiled_loops()] == [None, None]
    assert len(heard) == 1
