"""Folders with pipes, names in older encodings, and a working folder that is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from operating import FIT, EndedCommand, forked, make_state

from forecast.errors import DataError
from forecast.files.plain import check_plain


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("places") / "state")


def refused(words: tuple[str, ...], folder: Path) -> EndedCommand:
    """Run a command that has to be refused in a line."""
    ended = forked(words, folder)
    assert "Traceback" not in ended.said, ended.said
    assert len(ended.errors) == 1, ended.said
    return ended


READERS = {
    "report": ("report", "run", "--out=page.html"),
    "predict": ("predict", "run"),
    "update": ("update", "run", "newer.csv"),
    "monitor": ("monitor", "run", "newer.csv"),
}


@pytest.mark.timeout(280)  # the fixture counts too
@pytest.mark.parametrize("name", ["data.json", "model/config.json", "versions/2/pipe"])
@pytest.mark.parametrize("command", READERS)
def test_a_run_with_a_pipe_is_not_waited_for(command: str, name: str, state: Path) -> None:
    path = state / "run" / name
    kept = path.read_bytes() if path.is_file() else None
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    try:
        ended = refused(READERS[command], state)
    finally:
        path.unlink()
        if kept is not None:
            path.write_bytes(kept)
    assert ended.code == 2
    assert f"run/{name} is a pipe or a device" in ended.said


@pytest.mark.timeout(280)  # the fixture counts too
def test_a_folder_with_a_pipe_is_of_others(state: Path) -> None:
    (state / "mine").mkdir()
    os.mkfifo(state / "mine" / "environment.json")
    assert refused((*FIT, "--out=mine"), state).code == 2
    assert os.listdir(state / "mine") == ["environment.json"]


def test_links_are_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "a" / "link").symlink_to("file")
    (tmp_path / "a" / "nowhere").symlink_to("none")
    check_plain(tmp_path)
    check_plain(tmp_path / "none")
    (tmp_path / "a" / "null").symlink_to("/dev/null")
    with pytest.raises(DataError, match="a/null is a pipe or a device; expected a file: remove it"):
        check_plain(tmp_path)


def test_a_working_folder_that_is_gone(state: Path) -> None:
    gone = state / "gone"
    gone.mkdir()
    words = ("fit", str(state / "sales.csv"), *FIT[2:], "--out=out")
    ended = forked(words, gone, gone.rmdir)
    assert ended.code == 1
    assert ended.errors == [
        "forecast: error: the working folder is not there any more: change into another one"
    ]


def test_a_table_under_a_name_that_is_no_utf_8(state: Path) -> None:
    name = os.fsdecode(b"Ums\xe4tze.csv")
    (state / name).write_bytes((state / "sales.csv").read_bytes())
    assert forked(("check", name, "--horizon=3"), state).code == 0
    ended = refused(("fit", name, *FIT[2:], "--out=out"), state)
    assert ended.code == 2
    assert (
        "'Ums\\udce4tze.csv' is not UTF-8, in which a run keeps it: rename the file" in ended.said
    )
    assert not (state / "out").exists()
