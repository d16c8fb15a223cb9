"""Runners of trials: each has a worker of an executor, and a trial for it at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forecast.errors import ConfigError, SearchError, TrainingError
from forecast.layers.machine import core_count
from forecast.search.bench import AnyBench, open_bench
from forecast.search.journal import JOURNAL
from forecast.search.kinds import Searched
from forecast.search.processes import (
    Executor,
    Limits,
    Opening,
    Tell,
    Unanswered,
    Worker,
    ask_twice,
    used_memory,
)
from forecast.search.space import Values
from forecast.search.state import FAILED, FoldScore, Outcome, Task
from forecast.search.trial import Bench, OnScore

if TYPE_CHECKING:
    import pandas as pd

    from forecast.training.events import Event, Reporter


_TRIALS_PER_PROCESS = 10
"""Trials after which a worker is replaced: TensorFlow keeps the traced graphs of every model until
its process ends."""


@dataclass(frozen=True)
class Resources:
    """Limits of trials.

    Attributes:
        workers: processes at a time.
        timeout: most seconds of one trial; None for no limit.
        memory: most MiB of the process of a trial; None for no limit.
        executor: makes workers elsewhere, such as on a cluster; None: processes of this machine.
    """

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        """Refuse a limit that this system cannot keep.

        Raises:
            ConfigError: there is a limit of memory, and the system does not tell the memory.
        """
        is_blind = self.executor is None and not used_memory(os.getpid())
        if self.memory is not None and is_blind:
            raise ConfigError(
                f"--trial-memory is {self.memory:g}, and this system does not tell how much memory "
                f"a process has: leave the option out"
            )

    @property
    def threads(self) -> int | None:
        """Threads of each of several processes; None to leave TensorFlow's default for one."""
        if self.workers <= 1:
            return None
        return max(1, core_count() // self.workers)

    @property
    def limits(self) -> Limits:
        """Limits of each request to a worker."""
        return Limits(self.timeout, self.memory)


class Runner(Protocol):
    """Runs one trial at a time."""

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial.

        Raises:
            ForecastError: the search cannot continue, for a reason outside the trial.
        """
        ...

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test set, and score that."""
        ...

    def stop(self) -> None:
        """Abort the current trial, from another thread."""
        ...

    def close(self) -> None:
        """Free all resources."""
        ...


@dataclass(frozen=True)
class BenchArguments:
    """Arguments of `open_bench`, as a worker needs them.

    Attributes:
        config: settings with their search.
        table: its rows; None for the experiment's own table.
        folder: of the search.
        reporter: takes the epochs of trainings, those of all workers; None: nobody.
        bench: that of the driver, for workers on other machines, where no table is read.
    """

    config: Searched
    table: str | pd.DataFrame | None
    folder: Path
    reporter: Reporter | None = None
    bench: AnyBench | None = None


@dataclass(frozen=True)
class TrialStation:
    """Station of a worker that runs trials.

    Attributes:
        bench: data and settings.
    """

    bench: AnyBench

    def answer(self, kind: str, content: tuple[Any, ...], tell: Tell) -> Any:
        """Run a trial, or train and score on all rows before the test set."""
        if kind == "run":
            task, done = content
            return self.bench.run(task, done, tell)
        name, values = content
        return self.bench.final(name, values)


def open_trials(arguments: tuple[BenchArguments, bool], tell: Tell) -> TrialStation:
    """Open the station of a worker that runs trials.

    Args:
        arguments: of `open_bench`, and whether the driver wants to know of each epoch.
        tell: sends scores and epochs.
    """
    given, sends_epochs = arguments

    def send(event: Event) -> None:
        from forecast.training.events import EpochDone  # this loads TensorFlow

        if isinstance(event, EpochDone):
            tell(event)

    reporter = send if sends_epochs else None
    if given.bench is not None:
        return TrialStation(_moved(given.bench, _folder_here(given.folder), reporter))
    return TrialStation(open_bench(given.config, given.table, given.folder, reporter=reporter))


def _moved(bench: AnyBench, folder: Path, reporter: Reporter | None) -> AnyBench:
    """Return the bench of the driver as one of this process."""
    changes: dict[str, Any] = {"folder": folder}
    if isinstance(bench, Bench):
        changes["reporter"] = reporter
    return replace(bench, **changes)  # type: ignore[type-var]


def _folder_here(folder: Path) -> Path:
    """Return the folder of a search, or another for checkpoints where this machine has none."""
    if (folder / JOURNAL).is_file():
        return folder
    return Path(tempfile.mkdtemp(prefix="forecast-search-"))


def make_runners(
    executor: Executor, arguments: BenchArguments, resources: Resources
) -> list[TrialRunner]:
    """Return a runner for each worker of an executor.

    Args:
        executor: makes the workers.
        arguments: of `open_bench`.
        resources: limits of each trial.
    """
    # a reporter stays here: it may draw on this terminal
    given = (replace(arguments, reporter=None), arguments.reporter is not None)
    opening = Opening("trials", open_trials, given, threads=resources.threads)
    return [
        TrialRunner(executor.open(opening, resources.limits), arguments.reporter)
        for _ in range(executor.num_workers)
    ]


class TrialRunner:
    """Runs trials in a worker, which is replaced after some of them."""

    def __init__(self, worker: Worker, reporter: Reporter | None = None) -> None:
        self.worker = worker
        self._reporter = reporter
        self._is_stopped = False
        self._num_trials = 0

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial; there is an outcome even if the worker is lost.

        A trial whose worker is lost continues in another; if that is lost too, it has failed.

        Raises:
            ForecastError: the search cannot continue, for a reason outside the trial.
        """
        folds = list(done)

        def keep(told: FoldScore | Event) -> None:
            if not isinstance(told, FoldScore):
                self._report(told)
                return
            folds.append(told)
            on_score(told)

        answer = ask_twice(self.worker, "run", lambda: (task, tuple(folds)), keep)
        self._refuse_stopped(answer)
        self._num_trials += 1
        if self._num_trials >= _TRIALS_PER_PROCESS:
            self.close()
        if isinstance(answer, Unanswered):
            return Outcome(FAILED, str(answer), tuple(folds))
        return answer

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test set, and score that.

        Raises:
            TrainingError: the worker ended before.
        """
        answer = ask_twice(self.worker, "final", lambda: (name, values), self._report)
        self._refuse_stopped(answer)
        if isinstance(answer, Unanswered):
            raise TrainingError(str(answer))
        return answer

    def stop(self) -> None:
        """End the worker, from another thread, without a failure of its trial."""
        self._is_stopped = True
        self.worker.stop()

    def close(self) -> None:
        """End the worker at once."""
        self.worker.close()
        self._num_trials = 0

    def _report(self, event: Event) -> None:
        if self._reporter is not None:
            self._reporter(event)

    def _refuse_stopped(self, answer: object) -> None:
        if self._is_stopped and isinstance(answer, Unanswered):
            raise SearchError("the search was stopped; resume it with `resume=true`")
