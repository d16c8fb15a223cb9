"""A bench whose trials are formulas, for searches in other processes, some of which are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.searches import FakeRunner, hourly

from forecast.experiment.settings import Experiment
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.processes import Executor
from forecast.search.search import run_search
from forecast.search.start import begin
from forecast.search.state import FoldScore, Outcome, Task
from forecast.search.trial import OnScore, make_bench
from forecast.search.workers import BenchArguments, Resources, make_runners


@dataclass(frozen=True)
class FormulaBench:
    """Stands for the bench of a search.

    Attributes:
        config: the experiment.
        folder: of the search.
        deaths: folder where each death of a process is noted; None: none dies.
    """

    config: Experiment
    folder: Path
    deaths: Path | None = None

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        def then_die(score: FoldScore) -> None:
            on_score(score)
            self._die(task, score.fold)

        return FakeRunner(self).run(task, done, then_die)  # type: ignore[arg-type]

    def final(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        return FakeRunner(self).final(name, values)  # type: ignore[arg-type]

    def _die(self, task: Task, fold: int) -> None:
        """Kill the process once in every third trial, after its first fold."""
        if self.deaths is None or task.number % 3 or fold:
            return
        note = self.deaths / str(task.number)
        if not note.exists():
            note.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)


def search_with(
    executor: Executor, folder: Path, config: Experiment, *, deaths: Path | None, most: int = 10**9
) -> None:
    """Search with an executor, from the start or from where it was left.

    Args:
        executor: makes the workers.
        folder: of the search.
        config: the experiment.
        deaths: as in `FormulaBench`.
        most: lines after which the driver gives up, as if it were killed.
    """
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) > most:
            raise KeyboardInterrupt

    bench = make_bench(config, hourly(), folder)
    with open_journal(folder / JOURNAL) as journal:
        search = begin(bench, journal, resume=True, say=say)
        arguments = BenchArguments(
            config,
            None,
            folder,
            bench=FormulaBench(config, folder, deaths),  # type: ignore[arg-type]
        )
        run_search(search, make_runners(executor, arguments, Resources()))
