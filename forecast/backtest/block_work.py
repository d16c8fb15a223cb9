"""The blocks of a backtest that are missing: fitted here or elsewhere, and stored one by one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forecast.backtest.blocks import decode_block, encode_block
from forecast.backtest.rolling import Block, Plan
from forecast.backtest.started import fit_line
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.files.outputs import remove_own
from forecast.training.voice import Say

BLOCKS = "blocks"
TRAINING = "training"
"""Folders of finished blocks, and of checkpoints."""

CHECKPOINTS = re.compile(r"[0-9a-f]{16}\.checkpoint(-\d+)?")
"""Names of files in `training/`, as `backtest.entrants.NetworkModel` gives them."""


@dataclass(frozen=True, eq=False)
class BlockWork:
    """Everything that a process elsewhere needs to fit the models of a block.

    Attributes:
        config: the experiment, with a name.
        panel: all rows.
        plan: the cutoffs.
        checkpoints: folder of checkpoints.
    """

    config: Experiment
    panel: Panel
    plan: Plan
    checkpoints: Path


RunBlocks = Callable[[BlockWork, Sequence[int]], Iterator[tuple[int, Block]]]
"""Function that yields numbers of blocks and these, as they end in other processes."""


def run_blocks(
    work: BlockWork,
    folder: Path,
    run_here: Callable[[int], Block],
    say: Say,
    elsewhere: RunBlocks | None = None,
) -> list[Block]:
    """Run the blocks that are missing, and store each.

    Args:
        work: table and cutoffs.
        folder: of the backtest.
        run_here: runs one block in this process.
        say: takes lines about progress.
        elsewhere: runs blocks in other processes; None: in this one, in order.

    Returns:
        All blocks, as they are stored.
    """
    plan = work.plan
    paths = [folder / BLOCKS / f"{number:05d}.npz" for number in range(plan.num_blocks)]
    waiting = [number for number, path in enumerate(paths) if not path.is_file()]
    if len(waiting) < len(paths):
        say(f"{len(paths) - len(waiting)} of {len(paths)} fits are done")

    work.checkpoints.mkdir(parents=True, exist_ok=True)
    blocks: Iterable[tuple[int, Block]]
    if elsewhere is not None:
        blocks = elsewhere(work, waiting)
    else:
        blocks = ((number, run_here(number)) for number in waiting)
        if waiting:  # later ones begin when the line of the last one is written
            say(fit_line(plan, waiting[0]))
    start = time.monotonic()
    for num_done, (number, block) in enumerate(blocks, 1):
        write_file(paths[number], encode_block(block))
        if elsewhere is None:  # else another block may be in the middle of its training
            remove_own(work.checkpoints, CHECKPOINTS)

        seconds_per_block = (time.monotonic() - start) / num_done
        minutes, seconds = divmod(round(seconds_per_block * (len(waiting) - num_done)), 60)
        say(
            f"cutoff {plan.cutoffs(number)[-1] + 1} of {plan.num_windows}: forecast "
            f"{counted(len(block.last), 'window')}; about {minutes}:{seconds:02d} left"
        )
    return [decode_block(path) for path in paths]
