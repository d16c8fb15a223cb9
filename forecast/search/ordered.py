"""The oracle that tuners talk to: keeps the journal, and shows results to keras-tuner's algorithm in a fixed order.

Trials end in any order, and a search may be interrupted anywhere. What the algorithm sees is the
same all the same:

    trial 0, trial 1, ..., then before trial k is proposed the results of trials 0 to k -
    `in_flight`, in order

so that a proposal depends on results and on nothing else: not on which worker was faster, how many
there were, or where the search was interrupted. Algorithms that look at no result are asked without
waiting.
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
from forecast.experiment.settings import Experiment
from forecast.search.journal import (
    FAILED,
    LOOKS_AT_RESULTS,
    FoldScore,
    Journal,
    Outcome,
    State,
    Task,
    end_record,
    fold_record,
    start_record,
)
from forecast.search.oracles import EPOCHS, SCORE, make_oracle
from forecast.search.space import hyper_parameters, search_of, values_of
from forecast.section import AUTO

TASK, DONE, IDENTITY = "forecast/task", "forecast/done", "forecast/identity"
"""Under these names a trial carries to the tuner its task, the folds done so far and what is
searched ..."""


OUTCOME = "forecast/outcome"
"""... and back its outcome, as JSON among its values: keras-tuner's messages between processes
round numbers and leave out reasons."""


RUNNING, IDLE, STOPPED = "RUNNING", "IDLE", "STOPPED"


WAIT_SECONDS = 1.0
"""A tuner waits so long for a trial before it asks again."""


Listen = Callable[[State], None]


Say = Callable[[str], None]


class OrderedOracle(keras_tuner.Oracle):
    """Gives out trials and takes their results; safe to be called from several threads.

    Args:
        config: the experiment with its search.
        journal: the state so far; all that follows is appended.
        lease: seconds after which a trial is given out again unless its tuner gives a sign of life;
            None where tuners cannot be lost without this process.

    Raises:
        SearchError: the journal does not hold what the algorithm proposes.
    """

    def __init__(self, config: Experiment, journal: Journal, *, lease: float | None = None) -> None:
        search = search_of(config)
        super().__init__(
            objective=keras_tuner.Objective(SCORE, "min"),
            max_trials=search.max_trials,
            hyperparameters=hyper_parameters(search),
            seed=1,
        )
        self.search, self.journal, self.lease = search, journal, lease
        self.listen: Listen | None = None
        self.say: Say | None = None
        self.state = State()
        for record in journal.records:
            self.state.take(record)
        self._changed = threading.Condition(threading.RLock())
        self._taken: dict[int, float] = {}  # number -> when it is given out again
        self._holders: dict[int, str] = {}  # number -> who has it
        self._proposed = self._shown = 0
        self._wants_more = self._exhausted = self._is_halted = False
        known = {self._id_of(number): task.proposal for number, task in self.state.tasks.items()}
        epochs = config.training.epochs
        if epochs == AUTO:
            epochs = 1  # read by hyperband alone, which `check_space` refuses then
        self._algorithm = make_oracle(search, epochs=epochs, known=known)
        while self._proposed < len(self.state.tasks):
            self._propose_again()
        if lease is not None:  # tuners may still be at what an earlier process gave out
            for number in self.state.tasks.keys() - self.state.ends.keys():
                self._take(number)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to propose and all that was proposed has ended."""
        done = self._exhausted or self._proposed >= self.search.max_trials
        return done and len(self.state.ends) == self._proposed

    @property
    def is_finished(self) -> bool:
        """Whether the search is over or given up; for those who wait in another thread."""
        with self._changed:
            return self.is_over or self._is_halted

    def create_trial(self, tuner_id: str) -> Any:
        """Give out a trial: one whose tuner was interrupted, or the next the algorithm proposes.

        Args:
            tuner_id: who asks.

        Returns:
            A trial of keras-tuner with status RUNNING, or an empty one: IDLE to ask again, STOPPED
            at the end.
        """
        until = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while not (self.is_over or self._is_halted):
                number = self._next_trial()
                if number is not None:
                    if number in self._taken and self.say is not None:
                        lost = self._holders.get(number, "its worker")
                        self.say(
                            f"trial {number} is given out again: {lost} was silent for "
                            f"{self.lease:g} s"
                        )
                    self._take(number)
                    self._holders[number] = tuner_id
                    return self._trial(number, RUNNING)
                left = until - time.monotonic()
                if left <= 0:
                    return self._trial(None, IDLE)
                self._changed.wait(left)
            return self._trial(None, STOPPED)

    def record_fold(self, number: int, score: FoldScore) -> None:
        """Note what a training of a trial left."""
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
        """Note how a trial ended; a second end of the same trial is left out."""
        number = int(trial.trial_id)
        with self._changed:
            self._taken.pop(number, None)
            if number not in self.state.ends:
                values = trial.hyperparameters.values
                crashed = Outcome(
                    FAILED, " ".join((trial.message or "its process ended").split())[-400:]
                )
                outcome = (
                    Outcome.from_record(json.loads(values[OUTCOME]))
                    if OUTCOME in values
                    else crashed
                )
                for score in outcome.folds[len(self.state.folds[number]) :]:
                    self._append(fold_record(number, score))
                self._append(end_record(number, outcome))
            self._changed.notify_all()

    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Any:  # noqa: ARG002 - keras-tuner's
        """Take a sign of life; results come with the end of a trial."""
        with self._changed:
            if int(trial_id) in self._taken:
                self._take(int(trial_id))
        return self._trial(int(trial_id), RUNNING)

    def get_trial(self, trial_id: str) -> Any:
        """The trial without results."""
        return self._trial(int(trial_id), RUNNING)

    def save(self) -> None:
        """Write nothing: the journal is the state."""

    def reload(self) -> None:
        """Read nothing: the journal was read when this was made."""

    def _append(self, record: dict[str, Any]) -> None:
        self.journal.append(record)
        self.state.take(record)
        if self.listen is not None:
            self.listen(self.state)

    def _take(self, number: int) -> None:
        self._taken[number] = math.inf if self.lease is None else time.monotonic() + self.lease

    def _next_trial(self) -> int | None:
        now = time.monotonic()
        taken = {number for number, until in self._taken.items() if until > now}
        open_ = sorted(self.state.tasks.keys() - self.state.ends.keys() - taken)
        return open_[0] if open_ else self._propose()

    def _propose(self) -> int | None:
        """Ask the algorithm for the next trial and record it; None where results it must see are not there yet."""
        number = self._proposed
        if self._exhausted or number >= self.search.max_trials:
            return None
        trial = self._ask(number)
        if trial is None:
            return None
        limits = self.state.limits(self._needed(number), self.search.folds, self.search.objective)
        proposal = dict(trial.hyperparameters.values)
        task = Task(
            number=number,
            proposal=proposal,
            values=values_of(self.search, proposal),
            epochs=proposal.get(EPOCHS),
            limits=limits if self.search.pruning == "median" else (),
        )
        self._append(start_record(task))
        return number

    def _propose_again(self) -> None:
        """Let the algorithm propose what the journal holds, and compare."""
        number = self._proposed
        trial = self._ask(number)
        if trial is None or dict(trial.hyperparameters.values) != self.state.tasks[number].proposal:
            raise SearchError(
                f"the journal does not hold what {self.search.algorithm} proposes for trial "
                f"{number}: other versions "
                "of its packages? Search again in another folder"
            )

    def _ask(self, number: int) -> Any:
        """The algorithm's trial of this number, after it was shown the results it waits for; None if one is missing."""
        while not self._exhausted:
            wanted = max(self._needed(number), self._shown + 1 if self._wants_more else 0)
            if wanted > number:  # it waits, and all has been shown
                self._exhausted = True
                return None
            while self._shown < wanted:
                if self._shown not in self.state.ends:
                    return None
                self._show(self._shown)
                self._wants_more = False
            trial = self._algorithm.create_trial(str(number))
            if trial.status == RUNNING:
                self._proposed += 1
                return trial
            self._wants_more = trial.status == IDLE
            self._exhausted = trial.status == STOPPED
        return None

    def _needed(self, number: int) -> int:
        """How many results must be there before a trial is proposed."""
        waits = self.search.algorithm in LOOKS_AT_RESULTS or self.search.pruning == "median"
        return max(0, number - self.search.in_flight + 1) if waits else 0

    def _show(self, number: int) -> None:
        """Tell the algorithm how a trial ended."""
        trial = self._algorithm.get_trial(self._id_of(number))
        score = self.state.score(number, self.search.objective)
        if score is not None:
            self._algorithm.update_trial(trial.trial_id, {SCORE: score})
        trial.status = "FAILED" if score is None else "COMPLETED"
        self._algorithm.end_trial(trial)
        self._shown += 1

    def _id_of(self, number: int) -> str:
        """What keras-tuner calls a trial."""
        return str(number).zfill(len(str(self.search.max_trials)))

    def _trial(self, number: int | None, status: str) -> Any:
        space = self.get_space()
        space.values = {}
        if number is not None:
            space.values[TASK] = json.dumps(asdict(self.state.tasks[number]))
            space.values[IDENTITY] = json.dumps(self.state.identity)
            space.values[DONE] = json.dumps([asdict(one) for one in self.state.folds[number]])
        name = None if number is None else self._id_of(number)
        return trial_module.Trial(hyperparameters=space, trial_id=name, status=status)
