"""The command `backtest`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.parser import (
    SHORTCUTS,
    SUCCESS,
    Commands,
    Shortcut,
    add_command,
    add_mlflow,
    add_shortcuts,
    add_table,
    positive_integer,
    read_experiment,
    to_list,
)
from forecast.cli.scale.executors import add_ray, executor_of
from forecast.cli.terminal import make_voice, print_path, print_reading

if TYPE_CHECKING:
    from forecast.backtest.block_work import RunBlocks
    from forecast.training.voice import Voice

BACKTEST_SHORTCUTS = (
    Shortcut(
        "--num-windows", "backtest.num_windows", "COUNT", "number of cutoffs; default: 5", str
    ),
    Shortcut(
        "--step",
        "backtest.step",
        "STEPS",
        "steps from one cutoff to the next; default: the horizon",
        str,
    ),
    Shortcut(
        "--refit",
        "backtest.refit",
        "never|each|K",
        "refit never after the first cutoff, at each, or at every Kth; default: never",
        str,
    ),
    Shortcut(
        "--history",
        "backtest.history",
        "ROWS",
        "latest rows of each series to train on; default: all up to the cutoff",
        str,
    ),
    Shortcut(
        "--models",
        "backtest.models",
        "NAME,...",
        "models to compare; default: the model of the settings and all baselines",
        to_list,
    ),
)
"""Further shortcuts of `backtest`."""


def add_backtest(commands: Commands) -> None:
    """Add the command `backtest`."""
    parser = add_command(
        commands,
        "backtest",
        backtest_command,
        "evaluate on rolling cutoffs",
        "At each cutoff, the models see the rows up to it and forecast the horizon after it.",
    )
    add_table(parser)
    add_shortcuts(parser, BACKTEST_SHORTCUTS)
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder to write: new, empty, or a finished backtest of the same data and settings; "
        "default: runs/NAME-backtest, with the alias or the name of the table",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="begin again in the folder of an earlier backtest, also of other data or with other "
        "settings",
    )
    parser.add_argument("--resume", action="store_true", help="resume the backtest in the folder")
    parser.add_argument(
        "--workers",
        type=positive_integer,
        metavar="N",
        help="number of fits that run at the same time, where --refit asks for several; default: "
        "1, or with --ray one for each processor of the cluster",
    )
    add_ray(parser)
    add_mlflow(parser)


def backtest_command(options: argparse.Namespace) -> int:
    """Evaluate on rolling cutoffs and write the folder."""
    print_reading(options.table)
    config = read_experiment(options, (*SHORTCUTS, *BACKTEST_SHORTCUTS))
    from forecast.backtest.folder import backtest_run
    from forecast.export.tracking.tracked import Work, run_tracked

    def backtest(voice: Voice) -> Path:
        with _blocks_elsewhere(options) as elsewhere:
            return backtest_run(
                config,
                options.table,
                out=options.out,
                resume=options.resume,
                replace=options.replace,
                elsewhere=elsewhere,
                voice=voice,
            )

    work = Work.of("backtest", config, options.table, options.out)
    folder = run_tracked(options.mlflow, work, make_voice(), backtest)
    print_path(folder)
    return SUCCESS


@contextmanager
def _blocks_elsewhere(options: argparse.Namespace) -> Iterator[RunBlocks | None]:
    """Yield what runs the fits in other processes; None for this one."""
    if options.ray is None and (options.workers or 1) == 1:
        yield None
        return
    from forecast.cluster.backtest_blocks import blocks_with

    with executor_of(options) as executor:
        yield blocks_with(executor)
