"""The networks of an ensemble in the workers of an executor: the training of each is a task."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cluster.tasks import run_tasks
from forecast.errors import ForecastError, TrainingError
from forecast.experiment.named_functions import load_functions
from forecast.experiment.settings import Experiment, TrainingConfig
from forecast.search.processes import Executor, Opening, Tell, Unanswered
from forecast.search.workers import Resources
from forecast.training import Event, TrainingResult, train
from forecast.training.batches import WindowSource
from forecast.training.events import Started, StepDone
from forecast.training.members import Job, TrainElsewhere

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class MembersWork:
    """The windows that all networks of an ensemble learn from; they travel to each node once.

    Attributes:
        config: the experiment, for the functions that it names.
        training: training windows.
        validation: windows for early stopping; None for none.
    """

    config: Experiment
    training: WindowSource
    validation: WindowSource | None


@dataclass(frozen=True, eq=False)
class MemberTask:
    """The training of one network.

    Attributes:
        build: returns the network.
        weights: that it starts from.
        config: the training settings, with its seed.
        checkpoint: file for the state of training after each epoch; optional.
        resume: whether to resume from it.
    """

    build: Callable[[], keras.Model]
    weights: list[NDArray[np.generic]]
    config: TrainingConfig
    checkpoint: Path | None
    resume: bool


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A trained network: its weights, and the result of its training."""

    weights: list[NDArray[np.generic]]
    result: TrainingResult


@dataclass(frozen=True)
class MemberStation:
    """Station of a worker that trains networks.

    Attributes:
        work: the windows.
    """

    work: MembersWork

    def answer(
        self, _kind: str, content: tuple[Any, ...], tell: Tell
    ) -> TrainedMember | ForecastError:
        """Return one trained network, or the error that ends the fit, as in one process."""
        task: MemberTask = content[0]
        checkpoint = task.checkpoint
        if checkpoint is not None and not checkpoint.parent.is_dir():
            # on a machine that does not see the folder of the run
            checkpoint = Path(tempfile.mkdtemp(prefix="forecast-fit-")) / checkpoint.name

        def report(event: Event) -> None:
            if isinstance(event, StepDone):  # one message per step is too many
                return
            if isinstance(event, Started):
                event = replace(event, live=None)  # the network, which stays here
            tell(event)

        model = task.build()
        model.set_weights(task.weights)
        try:
            result = train(
                model,
                self.work.training,
                self.work.validation,
                task.config,
                checkpoint=checkpoint,
                resume=task.resume,
                reporter=report,
            )
        except ForecastError as error:
            return error
        return TrainedMember(model.get_weights(), result)


def open_members(work: MembersWork, _tell: Tell) -> MemberStation:
    """Open the station of a worker that trains networks."""
    load_functions(work.config)
    return MemberStation(work)


def members_with(executor: Executor, config: Experiment) -> TrainElsewhere:
    """Return a function that trains the networks of an ensemble in the workers of an executor.

    Weights are bitwise those of a training in one process.

    Args:
        executor: makes the workers.
        config: the experiment, for the functions that it names.
    """

    def run(
        jobs: Sequence[Job], resume: bool, told: Callable[[Job, Event], None]
    ) -> dict[str, TrainingResult]:
        threads = Resources(executor.num_workers).threads
        work = MembersWork(config, jobs[0].training, jobs[0].validation)
        opening = Opening("networks", open_members, work, threads=threads)
        tasks = [
            (MemberTask(job.build, job.model.get_weights(), job.config, job.checkpoint, resume),)
            for job in jobs
        ]
        results = {}
        for answered in run_tasks(
            executor, opening, "network", tasks, lambda number, event: told(jobs[number], event)
        ):
            job = jobs[answered.number]
            trained = answered.answer
            if isinstance(trained, ForecastError):
                raise trained
            if isinstance(trained, Unanswered):
                raise TrainingError(
                    f"the training of {job.name} has failed ({trained}): run the command again "
                    f"with --resume, or without --ray"
                )
            job.model.set_weights(trained.weights)
            results[job.name] = trained.result
        return {job.name: results[job.name] for job in jobs}

    return run
