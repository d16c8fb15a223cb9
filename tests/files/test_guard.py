"""The guard of outputs, function by function: what is ours, what is of others, what is removed."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from forecast.errors import OutputError
from forecast.files.atomic import reason_for, replace_folder
from forecast.files.outputs import (
    Content,
    check_file,
    check_folder,
    check_writable,
    foreign_paths,
    free_name,
    read_record,
    remove_files,
    remove_own,
)
from forecast.files.traces import clean_start

UNFINISHED = ".a.csv.writer-999999999.0123abcd.tmp"


def has_mark(folder: Path) -> bool:
    return (folder / "mark").is_file()


WHOLE = Content("thing", "thing", has_mark, ("mark", "part/*"))
"""A folder that is replaced as a whole."""

PIECES = Content("thing", "thing", has_mark)
"""One whose files are written one by one."""


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# ------------------------------------------------------------------------------------ foreign paths


def test_files_that_fit_no_pattern_are_of_others(tmp_path: Path) -> None:
    put(tmp_path, "mark", "part/a", "part/deep/b", "else/c", "note.txt", "part.txt")
    others = ["else", "note.txt", "part.txt", "part/deep"]
    assert foreign_paths(tmp_path, ("mark", "part/*")) == others
    assert foreign_paths(tmp_path, ("mark", "part/b")) == sorted([*others, "part/a"])
    assert foreign_paths(tmp_path, ()) == ["else", "mark", "note.txt", "part", "part.txt"]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", UNFINISHED])
def test_litter_and_unfinished_files_are_nobodys(name: str, tmp_path: Path) -> None:
    put(tmp_path, name)
    assert foreign_paths(tmp_path, ()) == []
    check_folder(tmp_path, WHOLE)
    for other in (f"x{name}", f"{name}x"):
        put(tmp_path, other)
        assert foreign_paths(tmp_path, ()) == [other]
        (tmp_path / other).unlink()
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()  # a folder of that name is of others
    assert foreign_paths(tmp_path, ()) == [name]


def test_links_are_of_others_whatever_they_are_called(tmp_path: Path) -> None:
    folder = put(tmp_path / "folder", "mark")
    put(tmp_path, "real/a")
    (folder / "part").symlink_to(tmp_path / "real")
    assert foreign_paths(folder, ("mark", "part/*")) == ["part"]
    (folder / "mark").unlink()
    (folder / "mark").symlink_to(tmp_path / "real" / "a")
    assert foreign_paths(folder, ("mark",)) == ["mark", "part"]


# ------------------------------------------------------------------------------------------ folders


def refused(words: str, check: Callable[[], None]) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [WHOLE, PIECES])
def test_folders_that_are_new_empty_or_own_are_taken(content: Content, tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "deep", content)
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty", content)
    check_folder(put(tmp_path / "own", "mark", "part/a"), content)
    folder = put(tmp_path / "others", "a", "b", "c", "d")
    refused(
        r"contains files but no thing \('a', 'b', 'c' and 1 more\): .*such as .*others/thing",
        lambda: check_folder(folder, content),
    )


def test_files_of_others_stay_in_the_way_of_a_folder_that_is_replaced(tmp_path: Path) -> None:
    folder = put(tmp_path / "own", "mark", "note.txt")
    check_folder(folder, PIECES)
    refused(
        r"contains a thing and other files \('note.txt'\): .*such as .*own-2$",
        lambda: check_folder(folder, WHOLE),
    )


def test_the_name_of_the_old_version_is_free_or_ours(tmp_path: Path) -> None:
    old = tmp_path / ".out.old"
    folder = tmp_path / "out"
    check_folder(put(folder, "mark"), WHOLE)
    put(old, "mark")
    check_folder(folder, WHOLE)
    put(old, "note.txt")
    check_folder(folder, PIECES)
    refused(r"\.out\.old is in the way and is not a thing", lambda: check_folder(folder, WHOLE))
    for name in ("note.txt", "mark"):
        (old / name).unlink()
    old.rmdir()
    old.symlink_to(folder)
    refused(r"\.out\.old is in the way", lambda: check_folder(folder, WHOLE))
    old.unlink()
    old.write_text("mine")
    refused(r"\.out\.old is in the way", lambda: check_folder(folder, WHOLE))


def test_the_table_that_is_read_is_not_in_the_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "own", "mark", "part/table.csv")
    other = put(tmp_path, "table.csv") / "table.csv"
    for table in (other, str(other), None, 3, "dataset:air", folder / "part" / "none.csv"):
        check_folder(folder, WHOLE, table)
    (tmp_path / "link.csv").symlink_to(folder / "part" / "table.csv")
    for table in (folder / "part" / "table.csv", str(tmp_path / "link.csv")):
        refused("contains the table that is read", lambda t=table: check_folder(folder, WHOLE, t))


def test_a_working_or_mounted_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "own", "mark", "part/a")
    monkeypatch.chdir(folder / "part")
    check_folder(folder, PIECES)
    refused("is the working folder or contains it", lambda: check_folder(folder, WHOLE))
    monkeypatch.chdir(tmp_path)
    check_folder(folder, WHOLE)
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)
    check_folder(folder, PIECES)
    refused("is a mounted folder", lambda: check_folder(folder, WHOLE))


def test_places_that_cannot_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "file.csv")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "deep")
    refused(
        r"file\.csv is a file; .*such as .*/file$", lambda: check_writable(tmp_path / "file.csv")
    )
    refused("since .*file.csv is a file", lambda: check_writable(tmp_path / "file.csv" / "in"))
    refused("leads back to itself", lambda: check_writable(tmp_path / "loop"))
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    refused("no permission to write", lambda: check_writable(tmp_path / "new"))
    (tmp_path / "own").mkdir()
    check_writable(tmp_path / "own")
    check_folder(tmp_path / "own", PIECES)
    # to be replaced it is renamed, in the folder above
    refused("no permission to write", lambda: check_folder(tmp_path / "own", WHOLE))


# -------------------------------------------------------------------------------------------- files


def is_ours(path: Path) -> bool:
    return path.read_text() == "ours"


def test_files_that_are_new_empty_or_own_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    check_file(tmp_path / "new" / "out.csv", is_ours, "forecast")
    for text in ("", "ours"):
        path.write_text(text)
        check_file(path, is_ours, "forecast")
    path.write_text("theirs")
    refused(
        r"out\.csv exists and is not a forecast: name another file, such as .*out-2\.csv, or move",
        lambda: check_file(path, is_ours, "forecast"),
    )
    refused("is a folder: name a file in it", lambda: check_file(tmp_path, is_ours, "forecast"))
    refused("since .*out.csv is one", lambda: check_file(path / "in.csv", is_ours, "forecast"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused("no permission", lambda: check_file(tmp_path / "b.csv", is_ours, "forecast"))


def test_pipes_are_of_others(tmp_path: Path) -> None:
    """A reader of theirs would get the forecast, and `is_own` would wait for a writer for ever."""
    os.mkfifo(tmp_path / "pipe")
    refused(
        "exists and is not a", lambda: check_file(tmp_path / "pipe", lambda _: True, "forecast")
    )


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("ours")
    (tmp_path / "link.csv").symlink_to(path)
    os.link(path, tmp_path / "hard.csv")
    put(tmp_path, "other.csv")
    inputs = (None, 3, "dataset:air", tmp_path / "none.csv", tmp_path / "other.csv")
    check_file(path, is_ours, "forecast", inputs)
    for source in (path, str(path), tmp_path / "link.csv", tmp_path / "hard.csv"):
        refused(
            "is read by this command and would be lost",
            lambda s=source: check_file(path, is_ours, "forecast", (*inputs, s)),
        )


def test_free_names_are_numbered_beside_the_first(tmp_path: Path) -> None:
    assert free_name(tmp_path / "a") == tmp_path / "a"
    put(tmp_path, "a/x", "a-2/x")
    (tmp_path / "a-3").symlink_to(tmp_path / "nowhere")
    assert free_name(tmp_path / "a") == tmp_path / "a-4"
    assert free_name(tmp_path / "a" / "..").name == f"{tmp_path.name}-2"


def test_a_record_is_a_mapping_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("[1]", "3", "{", "[" * 100_000, "null"):
        path.write_text(text)
        assert read_record(path) == {}
    path.write_text('{"a": 1}')
    assert read_record(path) == {"a": 1}
    assert read_record(tmp_path) == {}


@pytest.mark.timeout(20)
def test_a_record_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "record.json")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    assert read_record(tmp_path / "record.json") == {}
    assert read_record(tmp_path / "endless.json") == {}


# ------------------------------------------------------------------------------------------ removal


def test_files_are_removed_by_name_where_they_are_ours(tmp_path: Path) -> None:
    put(tmp_path, "a", "b", "c/x", "kept")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    remove_files(tmp_path, ("a", "b", "c", "link", "none"), lambda path: path.name != "b")
    assert names_in(tmp_path) == {"b", "c", "c/x", "kept", "link"}


def test_files_are_removed_by_form_with_unfinished_ones(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", "1.state", UNFINISHED, "1.state.bak", "2.state/x")
    (folder / "3.state").symlink_to(folder / "1.state.bak")
    remove_own(folder, re.compile(r"\d\.state"))
    assert names_in(folder) == {"1.state.bak", "2.state", "2.state/x", "3.state"}
    for name in ("1.state", UNFINISHED):
        remove_own(put(tmp_path / "g", name), re.compile(r"\d\.state"))
        assert not (tmp_path / "g").exists()
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    remove_own(tmp_path / "linked", re.compile(r"\d\.state"))
    assert (tmp_path / "linked").is_dir()


@pytest.mark.parametrize("before", ["missing", "empty", "with a file"])
def test_a_failed_start_leaves_the_folder_as_it_was(before: str, tmp_path: Path) -> None:
    folder = tmp_path / "above" / "folder"
    if before != "missing":
        folder.mkdir(parents=True)
    if before == "with a file":
        put(folder, "note.txt")
    found = names_in(tmp_path)
    with pytest.raises(KeyError), clean_start(folder) as on_failure:  # noqa: PT012
        put(folder, "ours")
        on_failure((folder / "ours").unlink)
        raise KeyError
    expected = found | ({"above/folder/ours"} if before == "with a file" else set())
    assert names_in(tmp_path) == expected


def test_a_start_that_goes_well_keeps_its_files(tmp_path: Path) -> None:
    with clean_start(tmp_path / "folder") as on_failure:
        put(tmp_path / "folder", "ours")
        on_failure((tmp_path / "folder" / "ours").unlink)
    assert names_in(tmp_path) == {"folder", "folder/ours"}


def test_a_folder_is_checked_again_before_it_is_replaced(tmp_path: Path) -> None:
    """Others may have written into it while a model was trained."""
    folder = put(tmp_path / "own", "mark")
    with (  # noqa: PT012
        pytest.raises(OutputError, match="and other files"),
        replace_folder(folder, lambda: check_folder(folder, WHOLE)) as new,
    ):
        put(new, "mark", "part/new")
        put(folder, "note.txt")
    assert names_in(tmp_path) == {"own", "own/mark", "own/note.txt"}


# ------------------------------------------------------------------------------------------ reasons


def test_reasons_are_those_of_the_system_where_no_remedy_is_known() -> None:
    assert reason_for(OSError(errno.ENOSPC, "x")).startswith("the disk is full; free some space")
    assert reason_for(OSError(errno.EIO, "Input/output error")) == "Input/output error"
    assert reason_for(OSError("only words")) == "only words"
