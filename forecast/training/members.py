"""Members of an ensemble trained in parallel, in threads that share the rows and the cores.

Inside `training_elsewhere` another function trains them, such as one with the workers of a cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from forecast.experiment.settings import TrainingConfig
from forecast.layers.machine import core_count, free_bytes
from forecast.section import decided
from forecast.training import Ended, Event, Reporter, TrainingResult, train
from forecast.training.batches import WindowSource
from forecast.training.events import follows_one_network

if TYPE_CHECKING:
    import keras


COPIES = 6
"""Copies of the outputs of all layers in training: gradients, gates, and memory not yet freed."""


SPARE = 0.5
"""Fraction of the free memory for the networks after the first."""


@dataclass(frozen=True, eq=False)
class Job:
    """A network to train: its name, and the arguments of `forecast.training.train`.

    Attributes:
        build: returns the network anew, with other weights; picklable.
    """

    name: str
    build: Callable[[], keras.Model]
    model: keras.Model
    training: WindowSource
    validation: WindowSource | None
    config: TrainingConfig
    checkpoint: Path | None


TrainElsewhere: TypeAlias = Callable[
    [Sequence[Job], bool, Callable[[Job, Event], None]], dict[str, TrainingResult]
]
"""Function that trains networks: it gets the jobs, whether to resume, and a function that takes
each event; when it returns, the networks have their weights."""

_elsewhere: ContextVar[TrainElsewhere | None] = ContextVar("elsewhere", default=None)


@contextmanager
def training_elsewhere(train_jobs: TrainElsewhere) -> Iterator[None]:
    """Let another function train the networks of all fits inside this block.

    Args:
        train_jobs: the function.
    """
    token = _elsewhere.set(train_jobs)
    try:
        yield
    finally:
        _elsewhere.reset(token)


class _StoppedError(Exception):
    """Raised inside a training that is stopped because another failed."""


def train_members(
    jobs: Sequence[Job],
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    are_named: bool | None = None,
) -> dict[str, TrainingResult]:
    """Train networks in parallel; results are bitwise identical to sequential training.

    Args:
        jobs: the networks.
        resume: whether to resume from the checkpoints where they exist.
        reporter: gets each event, from one thread at a time; optional.
        are_named: whether the events name their network; default: where there are several.

    Returns:
        The result of each training by name, in the order of the jobs.

    Raises:
        TrainingError: a training failed; the others were stopped.
    """
    if are_named is None:
        are_named = len(jobs) > 1
    lock = threading.Lock()
    is_stopped = threading.Event()

    def tell(job: Job, event: Event) -> None:
        if are_named:
            event = replace(event, name=job.name)
        if reporter is not None:
            with lock:
                reporter(event)

    def run(job: Job) -> TrainingResult:
        def report(event: Event) -> None:
            if is_stopped.is_set() and not isinstance(event, Ended):
                raise _StoppedError
            tell(job, event)

        return train(
            job.model,
            job.training,
            job.validation,
            job.config,
            checkpoint=job.checkpoint,
            resume=resume,
            reporter=report,
        )

    train_jobs = _elsewhere.get()
    # callbacks of Keras change the network itself, which is here
    if train_jobs is not None and jobs and not follows_one_network(reporter):
        return train_jobs(jobs, resume, tell)
    num_parallel = count_parallel(jobs)
    if follows_one_network(reporter):
        num_parallel = 1
    if num_parallel <= 1:
        return {job.name: run(job) for job in jobs}
    with ThreadPoolExecutor(num_parallel) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # after a failure, and after Ctrl-C
            is_stopped.set()
            for future in futures:
                future.cancel()
    for future in futures:
        if future.cancelled():
            continue
        error = future.exception()
        if error is not None and not isinstance(error, _StoppedError):
            raise error
    return {job.name: future.result() for job, future in zip(jobs, futures, strict=True)}


def count_parallel(jobs: Sequence[Job]) -> int:
    """Return how many networks are trained at a time: one for each core, as memory allows.

    It is one on a GPU, which one network keeps busy, and with `strategy: mirrored`, which takes all
    devices.
    """
    import tensorflow as tf  # TensorFlow starts when training does, not before

    if any(job.config.strategy == "mirrored" for job in jobs):
        return 1
    if tf.config.list_logical_devices("GPU"):
        return 1
    sizes = []
    for job in jobs:
        batch_size = decided(job.config.batch_size, "training.batch_size")
        sizes.append(training_bytes(job.model, batch_size))
    free = SPARE * free_bytes()
    num_fitting = 1
    for size in sorted(sizes, reverse=True)[1:]:
        free -= size
        if free >= 0:
            num_fitting += 1
    return min(len(jobs), core_count(), num_fitting)


def training_bytes(model: keras.Model, batch_size: int) -> int:
    """Return an estimate of the memory of training, in bytes, without the rows.

    It counts the weights four times and the outputs of the layers `COPIES` times.
    """
    weights = sum(int(np.prod(variable.shape)) for variable in model.weights)
    return 4 * (4 * weights + COPIES * batch_size * sum(_output_sizes(model)))


def _output_sizes(layer: Any) -> Iterator[int]:
    """Yield the number of outputs of each layer of a model for one window."""
    if hasattr(layer, "layers"):
        for inner in layer.layers:
            yield from _output_sizes(inner)
        return
    outputs = layer.output
    if not isinstance(outputs, (list, tuple)):
        outputs = [outputs]
    for tensor in outputs:
        yield int(np.prod(tensor.shape[1:]))
