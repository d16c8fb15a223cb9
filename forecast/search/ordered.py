"""The oracle behind all workers, which shows results to the algorithm in a fixed order.

Trials end in any order, and a search may be interrupted anywhere. The algorithm sees the same
nevertheless:

    before trial k is proposed: the results of trials 0 to k - `in_flight`, in order of number

so a proposal depends on results and on nothing else: not on which worker was faster, on the number
of workers, or on where the search was interrupted. Algorithms that look at no result propose
without waiting.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as trial_module

from forecast.errors import SearchError
from forecast.search.journal import Journal
from forecast.search.kinds import Searched
from forecast.search.oracles import EPOCHS, SCORE, make_oracle
from forecast.search.space import hyper_parameters, looks_at_results, search_of, values_of
from forecast.search.state import (
    FAILED,
    FoldScore,
    Outcome,
    State,
    Task,
    end_record,
    fold_record,
    start_record,
)
from forecast.section import AUTO

TASK = "forecast/task"
DONE = "forecast/done"
IDENTITY = "forecast/identity"
"""Names under which a trial carries to its worker the task, the folds done so far and the identity
of the search ..."""


OUTCOME = "forecast/outcome"
"""... and carries back the outcome, as JSON among its values: keras-tuner's messages between
processes round numbers and omit reasons."""


_RUNNING = "RUNNING"
_IDLE = "IDLE"
_STOPPED = "STOPPED"


_WAIT_SECONDS = 1.0
"""Longest wait for a trial before a worker must ask again."""


_MAX_REASON = 400
"""Characters of an error message that are recorded, its last ones."""


class OrderedOracle(keras_tuner.Oracle):
    """An oracle that gives out trials and takes their results; calls are thread-safe.

    Args:
        config: settings with their search.
        journal: the state so far; all that follows is appended.
        lease: seconds without a heartbeat after which a trial is given out again; None where no
            worker can be lost without this process.

    Attributes:
        on_record: optional; called with the state after every record.
        say: optional; prints one line.
        complaints: of records of the journal that do not count, a line each.

    Raises:
        SearchError: the journal has other proposals than the algorithm makes.
    """

    def __init__(self, config: Searched, journal: Journal, *, lease: float | None = None) -> None:
        search = search_of(config)
        super().__init__(
            objective=keras_tuner.Objective(SCORE, "min"),
            max_trials=search.max_trials,
            hyperparameters=hyper_parameters(search),
            seed=1,
        )
        self.search = search
        self.journal = journal
        self.lease = lease
        self.on_record: Callable[[State], None] | None = None
        self.say: Callable[[str], None] | None = None
        self.state = State()
        self.complaints = [
            f"{journal.name}, line {line}: left out, since {complaint}"
            for line, record in enumerate(journal.records, 1)
            if (complaint := self.state.take_stored(record))
        ]

        self._changed = threading.Condition(threading.RLock())
        self._leases: dict[int, float] = {}  # number -> when it is given out again
        self._holders: dict[int, str] = {}  # number -> its worker
        self._num_proposed = 0
        self._num_shown = 0  # results the algorithm has seen
        self._wants_more = False  # the algorithm waits for another result
        self._is_exhausted = False  # the algorithm has nothing more to propose
        self._is_halted = False

        known = {self._id_of(number): task.proposal for number, task in self.state.tasks.items()}
        epochs = config.training.epochs
        if epochs == AUTO:
            epochs = 1  # read by hyperband alone, which `check_space` refuses then
        self._algorithm = make_oracle(search, epochs=epochs, known=known)
        while self._num_proposed < len(self.state.tasks):
            self._propose_again()

        if lease is not None:  # workers may still run what an earlier process gave out
            for number in self.state.tasks.keys() - self.state.ends.keys():
                self._renew_lease(number)

    @property
    def is_over(self) -> bool:
        """Whether all trials have ended and nothing is left to propose."""
        all_proposed = self._is_exhausted or self._num_proposed >= self.search.max_trials
        return all_proposed and len(self.state.ends) == self._num_proposed

    @property
    def is_finished(self) -> bool:
        """Whether the search is over or halted, as seen from another thread."""
        with self._changed:
            return self.is_over or self._is_halted

    def create_trial(self, tuner_id: str) -> Any:
        """Give out a trial: one whose worker was interrupted, or the next proposal.

        Args:
            tuner_id: name of the worker.

        Returns:
            A trial of keras-tuner with status RUNNING, or an empty one: IDLE to ask again, STOPPED
            at the end.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            while not (self.is_over or self._is_halted):
                number = self._next_trial()
                if number is not None:
                    self._give_out(number, tuner_id)
                    return self._trial(number, _RUNNING)
                left = deadline - time.monotonic()
                if left <= 0:
                    return self._trial(None, _IDLE)
                self._changed.wait(left)
            return self._trial(None, _STOPPED)

    def record_fold(self, number: int, score: FoldScore) -> None:
        """Record the score of one training of a trial."""
        self.record(fold_record(number, score))

    def record(self, record: dict[str, Any]) -> None:
        """Append a record to the journal."""
        with self._changed:
            self._append(record)

    def halt(self) -> None:
        """Give out no more trials."""
        with self._changed:
            self._is_halted = True
            self._changed.notify_all()

    def end_trial(self, trial: Any) -> None:
        """Record the end of a trial; a second end of the same trial is ignored."""
        number = int(trial.trial_id)
        with self._changed:
            self._leases.pop(number, None)
            if number not in self.state.ends:
                outcome = _outcome_of(trial)
                num_recorded = len(self.state.folds[number])
                for score in outcome.folds[num_recorded:]:
                    self._append(fold_record(number, score))
                self._append(end_record(number, outcome))
            self._changed.notify_all()

    def update_trial(
        self,
        trial_id: str,
        metrics: Any,  # noqa: ARG002 - keras-tuner's
        step: int = 0,  # noqa: ARG002 - keras-tuner's
    ) -> Any:
        """Take a heartbeat; results come with the end of a trial."""
        number = int(trial_id)
        with self._changed:
            if number in self._leases:
                self._renew_lease(number)
        return self._trial(number, _RUNNING)

    def get_trial(self, trial_id: str) -> Any:
        """Return the trial without results."""
        return self._trial(int(trial_id), _RUNNING)

    def save(self) -> None:
        """Write nothing: the journal is the state."""

    def reload(self) -> None:
        """Read nothing: the journal was read by the constructor."""

    def _append(self, record: dict[str, Any]) -> None:
        self.journal.append(record)
        self.state.take(record)
        if self.on_record is not None:
            self.on_record(self.state)

    def _give_out(self, number: int, worker: str) -> None:
        if number in self._leases and self.say is not None:
            lost = self._holders.get(number, "its worker")
            self.say(
                f"trial {number} is given out again: no heartbeat from {lost} for {self.lease:g} s"
            )
        self._renew_lease(number)
        self._holders[number] = worker

    def _renew_lease(self, number: int) -> None:
        self._leases[number] = math.inf
        if self.lease is not None:
            self._leases[number] = time.monotonic() + self.lease

    def _next_trial(self) -> int | None:
        now = time.monotonic()
        leased = {number for number, until in self._leases.items() if until > now}
        free = self.state.tasks.keys() - self.state.ends.keys() - leased
        if free:
            return min(free)
        return self._propose()

    def _propose(self) -> int | None:
        """Record the algorithm's next proposal; None where it still waits for results."""
        number = self._num_proposed
        if self._is_exhausted or number >= self.search.max_trials:
            return None
        trial = self._ask(number)
        if trial is None:
            return None

        limits: tuple[float | None, ...] = ()
        if self.search.pruning == "median":
            decided = self._num_needed(number)
            limits = self.state.limits(decided, self.search.folds, self.search.objective)
        proposal = dict(trial.hyperparameters.values)
        task = Task(
            number=number,
            proposal=proposal,
            values=values_of(self.search, proposal),
            epochs=proposal.get(EPOCHS),
            limits=limits,
        )
        self._append(start_record(task))
        return number

    def _propose_again(self) -> None:
        """Let the algorithm repeat a proposal of the journal, and compare."""
        number = self._num_proposed
        trial = self._ask(number)
        if self.state.left_out and trial is not None:
            # what came after a trial without its score depends on it
            if number in self.state.left_out:
                values = dict(trial.hyperparameters.values)
                self.state.tasks[number] = Task(number, values, values_of(self.search, values))
            return
        if trial is None or dict(trial.hyperparameters.values) != self.state.tasks[number].proposal:
            raise SearchError(
                f"trial {number} of the journal is not what {self.search.algorithm} proposes: "
                f"other versions of its packages? Search again in another folder"
            )

    def _ask(self, number: int) -> Any:
        """Return the algorithm's proposal for a trial, after the results it needs.

        Returns:
            A trial of keras-tuner; None where a result is missing or nothing is left to propose.
        """
        while not self._is_exhausted:
            wanted = self._num_needed(number)
            if self._wants_more:
                wanted = max(wanted, self._num_shown + 1)
            if wanted > number:  # it waits although all results have been shown
                self._is_exhausted = True
                return None

            while self._num_shown < wanted:
                if self._num_shown not in self.state.ends:
                    return None
                self._show(self._num_shown)
                self._wants_more = False

            trial = self._algorithm.create_trial(str(number))
            if trial.status == _RUNNING:
                self._num_proposed += 1
                return trial
            self._wants_more = trial.status == _IDLE
            self._is_exhausted = trial.status == _STOPPED
        return None

    def _num_needed(self, number: int) -> int:
        """Return how many results must be known before a trial is proposed."""
        if not looks_at_results(self.search):
            return 0
        return max(0, number - self.search.in_flight + 1)

    def _show(self, number: int) -> None:
        """Pass the result of a trial to the algorithm."""
        trial = self._algorithm.get_trial(self._id_of(number))
        score = self.state.score(number, self.search.objective)
        status = "FAILED"
        if score is not None:
            status = "COMPLETED"
            self._algorithm.update_trial(trial.trial_id, {SCORE: score})
        trial.status = status
        self._algorithm.end_trial(trial)
        self._num_shown += 1

    def _id_of(self, number: int) -> str:
        """Return keras-tuner's name of a trial."""
        return str(number).zfill(len(str(self.search.max_trials)))

    def _trial(self, number: int | None, status: str) -> Any:
        space = self.get_space()
        space.values = {}
        if number is None:
            return trial_module.Trial(hyperparameters=space, trial_id=None, status=status)

        done = [asdict(score) for score in self.state.folds[number]]
        space.values[TASK] = json.dumps(asdict(self.state.tasks[number]))
        space.values[IDENTITY] = json.dumps(self.state.identity)
        space.values[DONE] = json.dumps(done)
        name = self._id_of(number)
        return trial_module.Trial(hyperparameters=space, trial_id=name, status=status)


def _outcome_of(trial: Any) -> Outcome:
    """Return the outcome among the values of a trial, or a failure where there is none."""
    values = trial.hyperparameters.values
    if OUTCOME in values:
        try:
            return Outcome.from_record(json.loads(values[OUTCOME]))
        except (ValueError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())
            return Outcome(FAILED, f"its worker sent no outcome ({reason[:_MAX_REASON]})")
    message = " ".join((trial.message or "its process ended").split())
    return Outcome(FAILED, message[-_MAX_REASON:])
