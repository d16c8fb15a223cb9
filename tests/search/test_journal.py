"""The journal: every record whole or gone, nothing else accepted, one process at a time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forecast.errors import FileError, SearchError
from forecast.search.journal import open_journal

RECORDS: list[dict[str, Any]] = [
    {"event": "search"},
    {"number": 0, "rate": 0.1 + 0.2},
    {"text": "ü\n"},
    {"end": None},
]


def written(path: Path) -> bytes:
    with open_journal(path) as journal:
        for record in RECORDS:
            journal.append(record)
    return path.read_bytes()


def read(path: Path) -> list[dict[str, Any]]:
    with open_journal(path) as journal:
        return journal.records


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    written(tmp_path / "journal")
    assert read(tmp_path / "journal") == RECORDS


def test_checksums_are_those_of_an_independent_reader(tmp_path: Path) -> None:
    before = ""
    for line in written(tmp_path / "journal").decode().splitlines():
        checksum = line[:16]
        text = line[17:]
        before = hashlib.sha256((before + " " + text).encode()).hexdigest()
        assert before.startswith(checksum)
        json.loads(text)


def test_a_record_cut_anywhere_is_taken_off_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(tmp_path / "journal")
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole)):
        path.write_bytes(whole[:size])
        with open_journal(path) as journal:
            assert journal.records == RECORDS[:-1]
            journal.append(RECORDS[-1])
        assert path.read_bytes() == whole


def test_damage_before_the_last_record_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(tmp_path / "journal")
    lines = whole.splitlines(keepends=True)
    for number, line in enumerate(lines[:-1], 1):
        path.write_bytes(whole.replace(line, line.replace(b'"', b"'", 1)))
        with pytest.raises(
            SearchError, match=f"line {number}: .*checksum.*search again in another folder"
        ):
            read(path)
        path.write_bytes(whole.replace(line, b""))
        with pytest.raises(SearchError, match=f"line {number}: "):
            read(path)


def test_a_failed_write_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    whole = written(tmp_path / "journal")
    with open_journal(path) as journal:
        real = os.write

        def full(descriptor: int, data: Any) -> int:
            real(descriptor, bytes(data)[:7])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(
            FileError, match=r"the disk is full; .*; fix this, then resume with resume=True"
        ):
            journal.append({"more": 1})
        monkeypatch.undo()
        assert journal.records == RECORDS
        journal.append({"more": 1})
    assert path.read_bytes()[: len(whole)] == whole
    assert read(path) == [*RECORDS, {"more": 1}]


def test_a_journal_that_cannot_be_cleared_keeps_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    whole = written(path)
    with open_journal(path) as journal:

        def refuse(*_: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(FileError, match=r"cannot write .*journal: the disk is read-only"):
            journal.clear()
        monkeypatch.undo()
        assert journal.records == RECORDS
        assert path.read_bytes() == whole
        journal.clear()
        journal.append(RECORDS[0])
    assert read(path) == RECORDS[:1]


def test_a_second_process_is_kept_out_until_the_first_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    code = (
        "import sys; from pathlib import Path; from forecast.search.journal import open_journal\n"
    )
    code += "with open_journal(Path(sys.argv[1])): print('open')"
    root = Path(__file__).parents[2]
    with open_journal(path):
        with (
            pytest.raises(SearchError, match="another process is searching there"),
            open_journal(path),
        ):
            pass
        second = subprocess.run(
            [sys.executable, "-c", code, path],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "another process is searching there" in second.stderr
    assert subprocess.run(
        [sys.executable, "-c", code, path], cwd=root, check=True, capture_output=True
    ).stdout
