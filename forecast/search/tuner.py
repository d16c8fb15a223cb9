"""keras-tuner's loop over trials, with a trial run by us."""

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

from forecast.search.journal import FAILED, FoldScore, Outcome, Task, by_fold
from forecast.search.oracles import SCORE
from forecast.search.ordered import DONE, OUTCOME, TASK
from forecast.search.trial import TRAINING, drop_checkpoints
from forecast.search.workers import Runner

Tell = Callable[[int, FoldScore], None]


BEAT_SECONDS = 5.0
"""Between two signs of life to an oracle elsewhere."""


class HaltedError(keras_tuner.errors.FatalError):
    """Ends keras-tuner's loop, which goes on after any other error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class SearchTuner(BaseTuner):
    """Asks the oracle for a trial, runs it, reports how it ended, until the search is over.

    Args:
        oracle: gives out trials.
        runner: runs one at a time.
        folder: of the search.
        objective: the score that is brought down.
        tell: is given every score of a training as soon as it is known; None where the oracle is
            elsewhere, which is then given a sign of life now and again, and all scores at the end.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        runner: Runner,
        folder: Path,
        *,
        objective: str,
        tell: Tell | None,
    ) -> None:
        super().__init__(oracle, directory=str(folder), project_name=TRAINING)
        self.runner, self.folder, self.objective, self.tell = runner, folder, objective, tell

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Judge a trial on all folds; its outcome goes to the oracle among its values.

        Raises:
            HaltedError: the search cannot go on; its trial is given out again when it does.
        """
        values = trial.hyperparameters.values
        task = Task(**json.loads(values[TASK]))
        done = [FoldScore(**one) for one in json.loads(values[DONE])]

        def tell(score: FoldScore) -> None:
            if self.tell is not None:
                self.tell(task.number, score)
                drop_checkpoints(self.folder, f"{task.name}-{score.fold}-{score.execution}")

        try:
            with self._signs_of_life(trial.trial_id):
                outcome: Outcome = self.runner.run(task, done, tell)
        except Exception as error:  # a trial that fails has an outcome
            raise HaltedError(error) from error
        values[OUTCOME] = json.dumps(asdict(outcome))
        if (
            outcome.status == FAILED
        ):  # keras-tuner would print where in the code, which the reason spares its reader
            return {SCORE: math.nan}
        scores = by_fold(outcome.folds, self.objective)
        return {SCORE: sum(scores) / len(scores)}

    def on_trial_end(self, trial: Any) -> None:
        """Report the end of a trial, and remove what is left of its trainings.

        Raises:
            HaltedError: it cannot be recorded.
        """
        try:
            self.oracle.end_trial(trial)
        except Exception as error:
            raise HaltedError(error) from error
        drop_checkpoints(self.folder, f"{int(trial.trial_id):04d}-*")

    @contextmanager
    def _signs_of_life(self, trial_id: str) -> Iterator[None]:
        """Tell an oracle elsewhere that the trial is still run."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(BEAT_SECONDS):
                with suppress(
                    Exception
                ):  # a chief that is down for a moment is missed at the end of the trial
                    self.oracle.update_trial(trial_id, {})

        if self.tell is None:
            threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def save(self) -> None:
        """Write nothing: the journal is the state."""
