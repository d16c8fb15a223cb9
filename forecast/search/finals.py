"""Trainings after the trials: best settings on the test set, and the best trial retrained."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from forecast.search.results import best_settings
from forecast.search.space import search_of
from forecast.search.state import BEST, RETRAINED, Outcome, Task, final_record, missing_finals
from forecast.search.trial import drop_checkpoints
from forecast.search.workers import Runner

if TYPE_CHECKING:
    from forecast.search.start import Search


def finals_left(search: Search) -> SimpleQueue[str]:
    """Return a queue of the trainings that are missing, which several threads can take from."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in missing_finals(search.state, has_test_set=search.has_test_set):
        waiting.put(name)
    return waiting


def run_finals(search: Search, runner: Runner, waiting: SimpleQueue[str]) -> None:
    """Train what waits in a queue, one after another, and record the results."""
    while True:
        try:
            name = waiting.get_nowait()
        except Empty:
            return
        if name == RETRAINED:
            result = _retrain_best(search, runner)
            checkpoints = f"{result['trial']:04d}-*"
        else:
            result = _score_test_set(search, runner, name)
            checkpoints = name
        search.oracle.record(final_record(name, result))
        drop_checkpoints(search.folder, checkpoints)


def _score_test_set(search: Search, runner: Runner, name: str) -> dict[str, Any]:
    values = {}
    if name == BEST:
        values = best_settings(search.config, search.state)
    return runner.final(name, values)


def _retrain_best(search: Search, runner: Runner) -> dict[str, Any]:
    """Run the best trial from the start and compare its scores, bit for bit."""
    number = search.state.best(search_of(search.config).objective) or 0
    task = search.state.tasks[number]
    unlimited = Task(number, task.proposal, task.values, task.epochs)
    outcome: Outcome = runner.run(unlimited, (), lambda _: None)

    scores = [fold.scores for fold in outcome.folds]
    expected = [fold.scores for fold in search.state.ends[number].folds]
    return {"trial": number, "same": scores == expected, "reason": outcome.reason}
