"""State of a search: its trials, their scores and ends, summed up from journal records."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from forecast.search.believed import StoredOutcome, check, check_order, check_record

Record = dict[str, Any]
"""One line of the journal."""


COMPLETED = "completed"
PRUNED = "pruned"
FAILED = "failed"
"""Ends of a trial: evaluated on all folds, stopped after some of them, or without a score."""


BEST = "best"
WRITTEN = "written"
RETRAINED = "again"
"""Trainings after the trials, by their names in the journal: the best settings and those of the
file, both trained on all rows before the test set, and the best trial once more."""


_MIN_TRIALS_FOR_MEDIAN = 3
"""Earlier trials with a score on a fold that pruning needs before it compares with their median."""


def derived_seed(*keys: object) -> int:
    """Return a 32-bit seed hashed from its keys: the seed of the search, a trial, a fold ..."""
    text = "/".join(map(str, keys))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Task:
    """One trial to run.

    Attributes:
        number: of the trial, from 0.
        proposal: hyperparameters as keras-tuner proposed them, in its own form.
        values: the same as settings.
        epochs: most epochs, where hyperband assigns them; None for those of the experiment.
        limits: after each fold, the largest mean score that is not pruned; None for no limit.
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
    """Result of one training of a trial.

    Attributes:
        fold: from 0, the earliest.
        execution: from 0.
        scores: by name, in the unit of the data, on the test set of the fold.
        epochs: trained.
        seconds: wall-clock time.
        parameters: number of weights of the network.
    """

    fold: int
    execution: int
    scores: dict[str, float]
    epochs: int
    seconds: float
    parameters: int


@dataclass(frozen=True)
class Outcome:
    """Result of a trial.

    Attributes:
        status: `COMPLETED`, `PRUNED` or `FAILED`.
        reason: why it was not completed, in one line.
        folds: results of its trainings.
    """

    status: str
    reason: str = ""
    folds: tuple[FoldScore, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        """Rebuild an outcome from its `asdict`.

        Raises:
            ValueError: it is none, or has values that no training gives.
        """
        check(StoredOutcome, record)
        folds = tuple(FoldScore(**fold) for fold in record["folds"])
        return cls(status=record["status"], reason=record["reason"], folds=folds)


def by_fold(folds: Iterable[FoldScore], objective: str) -> list[float]:
    """Return the objective on every fold, averaged over executions."""
    scores: dict[int, list[float]] = {}
    for fold in folds:
        scores.setdefault(fold.fold, []).append(fold.scores[objective])
    return [statistics.fmean(scores[number]) for number in sorted(scores)]


@dataclass
class State:
    """The sum of all records of a journal.

    Attributes:
        identity: settings, data and packages of the search; empty before the first record.
        tasks: by number, every trial that was started.
        folds: by number, results of its trainings so far.
        ends: by number, results of the trials that have ended.
        finals: by name, results of the trainings after the trials.
        left_out: by number, why a trial of the journal counts as failed: a record is damaged.
    """

    identity: dict[str, str] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    folds: dict[int, list[FoldScore]] = field(default_factory=dict)
    ends: dict[int, Outcome] = field(default_factory=dict)
    finals: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)

    def take_stored(self, record: Record) -> str:
        """Add a record of a journal, if it is one; else its trial ends without a score.

        Args:
            record: as it was read.

        Returns:
            Why it is left out; empty where it counts.
        """
        try:
            check_record(record)
            self._check_given_out(record)
        except ValueError as error:
            number = record.get("number") if isinstance(record, dict) else None
            if type(number) is int and 0 <= number <= len(self.tasks):
                reason = f"its record in the journal is damaged ({error})"
                self.tasks.setdefault(number, Task(number, {}, {}))
                self.ends[number] = Outcome(FAILED, reason)
                self.left_out[number] = reason
            return f"{error}"
        if record.get("number", -1) not in self.left_out:
            self.take(record)
        return ""

    def _check_given_out(self, record: Record) -> None:
        """Raise unless a record is of a trial that was given out and has not ended.

        Raises:
            ValueError: it is not.
        """
        event = record["event"]
        number = record.get("number", -1)
        if number in self.left_out or event in ("search", "final"):
            return
        if event == "start":
            if number != len(self.tasks):
                raise ValueError(f"trial {number} starts after {len(self.tasks)} others")
            return
        if number not in self.tasks or number in self.ends:
            raise ValueError(f"trial {number} was not running")
        if event == "fold":
            score = record["score"]
            done = [(each.fold, each.execution) for each in self.folds[number]]
            check_order([*done, (score["fold"], score["execution"])])
        elif not self.folds[number] and record["status"] != FAILED:
            raise ValueError(f"trial {number} is {record['status']} without a score")

    def take(self, record: Record) -> None:
        """Add a record."""
        values = {name: value for name, value in record.items() if name != "event"}
        number = values.get("number", -1)

        if record["event"] == "search":
            self.identity = values["identity"]
        elif record["event"] == "start":
            values["limits"] = tuple(values["limits"])
            self.tasks[number] = Task(**values)
            self.folds[number] = []
        elif record["event"] == "fold":
            self.folds[number].append(FoldScore(**values["score"]))
        elif record["event"] == "end":
            folds = tuple(self.folds[number])
            self.ends[number] = Outcome(values["status"], values["reason"], folds)
        elif record["event"] == "final":
            self.finals[values["name"]] = values["result"]

    def score(self, number: int, objective: str) -> float | None:
        """Return the mean over the folds a trial was evaluated on; None without a score."""
        end = self.ends.get(number)
        if end is None or end.status == FAILED:
            return None
        return statistics.fmean(by_fold(end.folds, objective))

    def best(self, objective: str) -> int | None:
        """Return the completed trial with the lowest score, the earliest of equals."""
        best: int | None = None
        lowest = float("inf")
        for number in sorted(self.ends):
            if self.ends[number].status != COMPLETED:
                continue
            score = self.score(number, objective)
            if score is not None and (best is None or score < lowest):
                best = number
                lowest = score
        return best

    def limits(self, decided: int, num_folds: int, objective: str) -> tuple[float | None, ...]:
        """Return for each fold the median of the mean scores up to it, which pruning compares with.

        Args:
            decided: number of trials to look at, the first ones.
            num_folds: of the search.
            objective: the score.

        Returns:
            One limit per fold; None where fewer than three trials have a score there.
        """
        ends = [self.ends[number] for number in range(decided)]
        scores_of_trials = [by_fold(end.folds, objective) for end in ends if end.status != FAILED]

        limits: list[float | None] = []
        for count in range(1, num_folds + 1):
            means = [
                statistics.fmean(scores[:count])
                for scores in scores_of_trials
                if len(scores) >= count
            ]
            if len(means) >= _MIN_TRIALS_FOR_MEDIAN:
                limits.append(statistics.median(means))
            else:
                limits.append(None)
        return tuple(limits)


def missing_finals(state: State, *, has_test_set: bool) -> list[str]:
    """Return the names of the trainings after the trials that are not recorded yet."""
    names = [RETRAINED]
    if has_test_set:
        names += [BEST, WRITTEN]
    return [name for name in names if name not in state.finals]


def search_record(identity: Mapping[str, str]) -> Record:
    """Return the first record: what is searched."""
    return {"event": "search", "format": 1, "identity": dict(identity)}


def start_record(task: Task) -> Record:
    """Return the record of a trial that starts."""
    return {"event": "start", **asdict(task)}


def fold_record(number: int, score: FoldScore) -> Record:
    """Return the record of a training that has ended."""
    return {"event": "fold", "number": number, "score": asdict(score)}


def end_record(number: int, outcome: Outcome) -> Record:
    """Return the record of a trial that has ended; its folds have their own records."""
    return {"event": "end", "number": number, "status": outcome.status, "reason": outcome.reason}


def final_record(name: str, result: Mapping[str, Any]) -> Record:
    """Return the record of a training after the trials."""
    return {"event": "final", "name": name, "result": dict(result)}
