"""The state of a search: a file that is only ever appended to, one record a line, each with a checksum.

A line is `SHA-256 of all lines before and of this record, first 16 digits`, a space, and the record
as JSON. A record is on the disk before anything is done that rests on it. A process that is killed,
or a disk that is full, in the midst of a record leaves a last line without its end; the next writer
takes it off. A whole line that does not fit its checksum is refused, since what follows rests on
it.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from forecast.errors import FileError, SearchError
from forecast.files.atomic import reason_for
from forecast.files.lock import open_locked

COMPLETED, PRUNED, FAILED = "completed", "pruned", "failed"
"""How a trial ends: judged on all folds; given up after some; without a score."""


LEAST_TO_PRUNE = 3
"""Earlier trials that a median is taken of, at least."""


LOOKS_AT_RESULTS = ("hyperband", "bayesian")
"""Algorithms whose proposals depend on results."""


Record = dict[str, Any]


DIGITS = 16


class Journal:
    """An open journal; one process has it at a time.

    Attributes:
        records: all that were written, in order.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.records, self._digest, self._size = _read(path, descriptor)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record and force it to the disk.

        Raises:
            FileError: it cannot be written; the journal is as it was before.
        """
        text = json.dumps(record, allow_nan=False)
        digest = _next_digest(self._digest, text)
        line = f"{digest[:DIGITS]} {text}\n".encode()
        try:
            if (
                os.fstat(self._descriptor).st_size != self._size
            ):  # a torn line, of a killed process or a full disk
                os.ftruncate(self._descriptor, self._size)
            _write(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            raise FileError(
                f"cannot write {self._path}: {reason_for(error)}; the search goes on from here "
                f"with --resume"
            ) from error
        self._digest, self._size = digest, self._size + len(line)
        self.records.append(json.loads(text))


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal, or begin one, and keep other processes out until the block ends.

    Args:
        path: the file.

    Raises:
        SearchError: another process has it, or a record is damaged.
        FileError: it cannot be opened.
    """
    busy = SearchError(
        f"{path.parent}: another process is searching there; wait for it, or name another folder "
        f"with --out"
    )
    with open_locked(path, busy) as descriptor:
        yield Journal(path, descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a single write stops early on a nearly full disk
        rest = rest[os.write(descriptor, rest) :]


def _next_digest(digest: str, text: str) -> str:
    return hashlib.sha256(f"{digest} {text}".encode()).hexdigest()


def _read(path: Path, descriptor: int) -> tuple[list[Record], str, int]:
    """All whole records, the digest after them and the bytes they take."""
    with open(descriptor, "rb", closefd=False) as file:
        lines = file.read().splitlines(keepends=True)
    records: list[Record] = []
    digest, size = "", 0
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):  # torn; only the last can be
            break
        record, following = _parse(line, digest)
        if record is None:
            raise SearchError(
                f"{path}, line {number}: the record does not fit its checksum: restore the file "
                f"from a copy, or search "
                "again in another folder"
            )
        records.append(record)
        digest, size = following, size + len(line)
    return records, digest, size


def _parse(line: bytes, digest: str) -> tuple[Record | None, str]:
    """The record of a line and the digest after it, or None where it is damaged."""
    try:
        checksum, text = line.decode().rstrip("\n").split(" ", maxsplit=1)
    except ValueError:  # no text, or no space
        return None, digest
    following = _next_digest(digest, text)
    return (json.loads(text), following) if checksum == following[:DIGITS] else (None, digest)


def derived_seed(*parts: object) -> int:
    """A seed of 32 bits that depends on every part: the search's own seed, a trial, one of its trainings."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Task:
    """What a trial is given.

    Attributes:
        number: of the trial, from 0.
        proposal: what keras-tuner proposed, in its own form.
        values: the same as settings.
        epochs: the most that hyperband gives it; None for those of the experiment.
        limits: after each fold the largest mean score with which it goes on; None for any.
    """

    number: int
    proposal: dict[str, Any]
    values: dict[str, Any]
    epochs: int | None = None
    limits: tuple[float | None, ...] = ()

    @property
    def name(self) -> str:
        """The trial's name in files and tables."""
        return f"{self.number:04d}"


@dataclass(frozen=True)
class FoldScore:
    """What one training left.

    Attributes:
        fold: from 0, the earliest.
        execution: from 0.
        scores: by name, in the unit of the data, on the stretch the fold is judged on.
        epochs: trained.
        seconds: taken.
        parameters: of the network.
    """

    fold: int
    execution: int
    scores: dict[str, float]
    epochs: int
    seconds: float
    parameters: int


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: `COMPLETED`, `PRUNED` or `FAILED`.
        reason: why it was not completed, in one line.
        folds: what its trainings left.
    """

    status: str
    reason: str = ""
    folds: tuple[FoldScore, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        """Read back what `asdict` made."""
        folds = tuple(FoldScore(**one) for one in record["folds"])
        return cls(status=record["status"], reason=record["reason"], folds=folds)


def by_fold(folds: Iterable[FoldScore], objective: str) -> list[float]:
    """The objective on every fold, the mean over its executions."""
    scores: dict[int, list[float]] = {}
    for one in folds:
        scores.setdefault(one.fold, []).append(one.scores[objective])
    return [statistics.fmean(scores[fold]) for fold in sorted(scores)]


@dataclass
class State:
    """What a journal adds up to.

    Attributes:
        identity: what is searched, on what and with which packages; empty before it is recorded.
        tasks: by number, every trial that was begun.
        folds: by number, what its trainings left so far.
        ends: by number, how it ended.
        finals: by name, the scores of what is trained after the trials, by model.
    """

    identity: dict[str, str] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    folds: dict[int, list[FoldScore]] = field(default_factory=dict)
    ends: dict[int, Outcome] = field(default_factory=dict)
    finals: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Add a record."""
        about = {name: value for name, value in record.items() if name != "event"}
        number = about.get("number", -1)
        if record["event"] == "search":
            self.identity = about["identity"]
        elif record["event"] == "start":
            self.tasks[number] = Task(**{**about, "limits": tuple(about["limits"])})
            self.folds[number] = []
        elif record["event"] == "fold":
            self.folds[number].append(FoldScore(**about["score"]))
        elif record["event"] == "end":
            self.ends[number] = Outcome(about["status"], about["reason"], tuple(self.folds[number]))
        elif record["event"] == "final":
            self.finals[about["name"]] = about["result"]

    def score(self, number: int, objective: str) -> float | None:
        """The mean over the folds a trial was judged on; None where it failed or has not ended."""
        end = self.ends.get(number)
        if end is None or end.status == FAILED:
            return None
        return statistics.fmean(by_fold(end.folds, objective))

    def best(self, objective: str) -> int | None:
        """The completed trial with the lowest score, the earliest of equals."""
        completed = [
            number for number in sorted(self.ends) if self.ends[number].status == COMPLETED
        ]
        return min(completed, key=lambda number: self.score(number, objective), default=None)  # type: ignore[arg-type,return-value]

    def limits(self, decided: int, num_folds: int, objective: str) -> tuple[float | None, ...]:
        """After each fold the median of what the first `decided` trials had reached there, None for too few."""
        found: list[float | None] = []
        sound = [
            self.ends[number].folds
            for number in range(decided)
            if self.ends[number].status != FAILED
        ]
        ended = [by_fold(folds, objective) for folds in sound]
        for place in range(1, num_folds + 1):
            means = [statistics.fmean(scores[:place]) for scores in ended if len(scores) >= place]
            found.append(statistics.median(means) if len(means) >= LEAST_TO_PRUNE else None)
        return tuple(found)


def search_record(identity: Mapping[str, str]) -> Record:
    """The first record: what is searched."""
    return {"event": "search", "format": 1, "identity": dict(identity)}


def start_record(task: Task) -> Record:
    """A trial begins."""
    return {"event": "start", **asdict(task)}


def fold_record(number: int, score: FoldScore) -> Record:
    """A training of a trial has ended."""
    return {"event": "fold", "number": number, "score": asdict(score)}


def end_record(number: int, outcome: Outcome) -> Record:
    """A trial has ended; its folds have records of their own."""
    return {"event": "end", "number": number, "status": outcome.status, "reason": outcome.reason}


def final_record(name: str, result: Mapping[str, Any]) -> Record:
    """Something that is trained after the trials has ended."""
    return {"event": "final", "name": name, "result": dict(result)}
