"""Networks of a blend trained side by side: in threads of one process, which share the rows and the cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.experiment.settings import TrainingConfig
from forecast.layers.runtime import core_count, free_bytes
from forecast.section import decided
from forecast.training import Ended, Event, Reporter, TrainingResult, train
from forecast.training.batches import WindowSource

if TYPE_CHECKING:
    import keras


COPIES = 6
"""Times that training holds what the layers put out: with gradients, gates, and what is still to be
freed."""


SPARE = 0.5
"""Share of the free memory that networks beside the first may take."""


@dataclass(frozen=True, eq=False)
class Job:
    """A network to train; the fields are those of `forecast.training.train`, `name` is for people."""

    name: str
    model: keras.Model
    training: WindowSource
    validation: WindowSource | None
    config: TrainingConfig
    checkpoint: Path | None


class _GivenUpError(Exception):
    """Raised inside a training that is given up because another failed."""


def train_members(
    jobs: Sequence[Job], *, resume: bool = False, reporter: Reporter | None = None
) -> dict[str, TrainingResult]:
    """Train networks, as many at a time as cores and memory allow; the bits are those of one after the other.

    Args:
        jobs: the networks.
        resume: go on from the checkpoints where they exist.
        reporter: is told of each step and epoch, by one thread at a time; the events name their
            network where there are several.

    Returns:
        What each training went through, by name, in the order of the jobs.

    Raises:
        TrainingError: a training failed; the others were given up.
    """
    listening, given_up = threading.Lock(), threading.Event()

    def run(job: Job) -> TrainingResult:
        def report(event: Event) -> None:
            if given_up.is_set() and not isinstance(event, Ended):
                raise _GivenUpError
            if reporter is not None:
                with listening:
                    reporter(replace(event, name=job.name if len(jobs) > 1 else ""))

        return train(
            job.model,
            job.training,
            job.validation,
            job.config,
            checkpoint=job.checkpoint,
            resume=resume,
            reporter=report,
        )

    most = side_by_side(jobs)
    if most <= 1:
        return {job.name: run(job) for job in jobs}
    with ThreadPoolExecutor(most) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # after a failure, and after Ctrl-C
            given_up.set()
            for future in futures:
                future.cancel()
    failures = [error for one in futures if not one.cancelled() and (error := one.exception())]
    for error in failures:
        if not isinstance(error, _GivenUpError):
            raise error
    return {job.name: future.result() for job, future in zip(jobs, futures, strict=True)}


def side_by_side(jobs: Sequence[Job]) -> int:
    """How many of the networks are trained at a time: one for each core, as long as there is memory for them.

    One at a time where there is a GPU, which one network keeps busy, and where one takes all
    devices.
    """
    import tensorflow as tf  # TensorFlow starts when training does, not before

    if any(job.config.strategy == "mirrored" for job in jobs) or tf.config.list_logical_devices(
        "GPU"
    ):
        return 1
    fits, room = 1, SPARE * free_bytes()
    sizes = [decided(job.config.batch_size, "training.batch_size") for job in jobs]
    needs = [training_bytes(job.model, size) for job, size in zip(jobs, sizes, strict=True)]
    needs.sort(reverse=True)
    for need in needs[1:]:
        room -= need
        fits += room >= 0
    return min(len(jobs), core_count(), fits)


def training_bytes(model: keras.Model, batch_size: int) -> int:
    """About what training takes beside the rows: the weights four times, the outputs of the layers `COPIES` times."""
    weights = sum(int(np.prod(one.shape)) for one in model.weights)
    return 4 * (4 * weights + COPIES * batch_size * sum(output_sizes(model)))


def output_sizes(layer: Any) -> Iterator[int]:
    """Numbers that each layer of a model puts out for one window."""
    for one in getattr(layer, "layers", ()):
        yield from output_sizes(one)
    if not hasattr(layer, "layers"):
        outputs = layer.output if isinstance(layer.output, (list, tuple)) else [layer.output]
        yield from (int(np.prod(one.shape[1:])) for one in outputs)
