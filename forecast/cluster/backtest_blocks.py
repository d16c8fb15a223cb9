"""The fits of a backtest in the workers of an executor: each block is a task."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecast.backtest.block_work import BlockWork, RunBlocks
from forecast.backtest.entrants import make_models
from forecast.backtest.rolling import Block, Model, run_block
from forecast.cluster.tasks import run_tasks
from forecast.errors import ForecastError, TrainingError
from forecast.search.processes import Executor, Opening, Tell, Unanswered
from forecast.search.workers import Resources


@dataclass(frozen=True)
class BlockStation:
    """Station of a worker that fits the models of blocks.

    Attributes:
        work: table and cutoffs.
        models: by alias.
    """

    work: BlockWork
    models: Mapping[str, Model]

    def answer(self, _kind: str, content: tuple[Any, ...], _tell: Tell) -> Block | ForecastError:
        """Return one block, or the error that ends the backtest, as in one process."""
        (number,) = content
        try:
            return run_block(self.work.panel, self.work.plan, number, self.models)
        except ForecastError as error:
            return error


def open_blocks(work: BlockWork, _tell: Tell) -> BlockStation:
    """Open the station of a worker that fits the models of blocks."""
    checkpoints = work.checkpoints
    if not checkpoints.is_dir():  # on a machine that does not see the folder of the backtest
        checkpoints = Path(tempfile.mkdtemp(prefix="forecast-backtest-"))
    return BlockStation(work, make_models(work.config, checkpoints=checkpoints))


def blocks_with(executor: Executor) -> RunBlocks:
    """Return a function that runs blocks in the workers of an executor."""

    def run(work: BlockWork, numbers: Sequence[int]) -> Iterator[tuple[int, Block]]:
        threads = Resources(executor.num_workers).threads
        opening = Opening("fits of a backtest", open_blocks, work, threads=threads)
        for answered in run_tasks(executor, opening, "block", [(number,) for number in numbers]):
            number = numbers[answered.number]
            answer = answered.answer
            if isinstance(answer, ForecastError):
                raise answer
            if isinstance(answer, Unanswered):
                cutoff = work.plan.cutoffs(number)[0] + 1
                raise TrainingError(
                    f"the fit at cutoff {cutoff} has failed ({answer}); the others are stored: "
                    f"resume with `resume=true`"
                )
            yield number, answer

    return run
