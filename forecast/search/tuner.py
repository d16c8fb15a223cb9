"""keras-tuner's loop over trials, with our way to run a trial."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from forecast.search.oracles import SCORE
from forecast.search.ordered import DONE, OUTCOME, TASK
from forecast.search.state import FAILED, FoldScore, Outcome, Task, by_fold
from forecast.search.trial import TRAINING, drop_checkpoints
from forecast.search.workers import Runner

HEARTBEAT_SECONDS = 5.0
"""Time between two heartbeats to an oracle elsewhere."""


class HaltedError(keras_tuner.errors.FatalError):
    """Ends keras-tuner's loop, which continues after any other error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class SearchTuner(BaseTuner):
    """Asks the oracle for trials, runs them and reports their ends until the search is over.

    Args:
        oracle: gives out trials.
        runner: runs one at a time.
        folder: of the search.
        objective: the score that is minimised.
        on_score: called with trial number and score after every training; None where the oracle is
            elsewhere, which gets heartbeats instead and all scores at the end of the trial.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        runner: Runner,
        folder: Path,
        *,
        objective: str,
        on_score: Callable[[int, FoldScore], None] | None,
    ) -> None:
        super().__init__(oracle, directory=str(folder), project_name=TRAINING)
        self.runner = runner
        self.folder = folder
        self.objective = objective
        self.on_score = on_score

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Evaluate a trial on all folds; its outcome goes to the oracle among its values.

        Raises:
            HaltedError: the search cannot continue; resuming it gives the trial out again.
        """
        values = trial.hyperparameters.values
        task = Task(**json.loads(values[TASK]))
        done = [FoldScore(**score) for score in json.loads(values[DONE])]

        def on_score(score: FoldScore) -> None:
            if self.on_score is not None:
                self.on_score(task.number, score)
                drop_checkpoints(self.folder, f"{task.name}-{score.fold}-{score.execution}")

        try:
            with self._heartbeats(trial.trial_id):
                outcome: Outcome = self.runner.run(task, done, on_score)
        except Exception as error:  # a failed trial does not raise: it has an outcome
            raise HaltedError(error) from error

        values[OUTCOME] = json.dumps(asdict(outcome))
        if outcome.status == FAILED:  # raising would let keras-tuner print a traceback
            return {SCORE: math.nan}
        scores = by_fold(outcome.folds, self.objective)
        return {SCORE: sum(scores) / len(scores)}

    def on_trial_end(self, trial: Any) -> None:
        """Report the end of a trial, and remove the checkpoints of its trainings.

        Raises:
            HaltedError: it cannot be recorded.
        """
        try:
            self.oracle.end_trial(trial)
        except Exception as error:
            raise HaltedError(error) from error
        drop_checkpoints(self.folder, f"{int(trial.trial_id):04d}-*")

    @contextmanager
    def _heartbeats(self, trial_id: str) -> Iterator[None]:
        """Send heartbeats to an oracle elsewhere until the block ends."""
        is_over = threading.Event()

        def send() -> None:
            while not is_over.wait(HEARTBEAT_SECONDS):
                # A chief that is down does not matter before the end of the trial.
                with suppress(Exception):
                    self.oracle.update_trial(trial_id, {})

        if self.on_score is None:
            threading.Thread(target=send, daemon=True).start()
        try:
            yield
        finally:
            is_over.set()

    def save(self) -> None:
        """Write nothing: the journal is the state."""
