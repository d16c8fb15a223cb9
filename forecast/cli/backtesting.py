"""The command `backtest`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import (
    SHORTCUTS,
    SUCCESS,
    Commands,
    Shortcut,
    add_command,
    add_shortcuts,
    add_table,
    read_experiment,
    to_list,
)
from forecast.cli.terminal import make_voice, print_path, print_reading

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


def backtest_command(options: argparse.Namespace) -> int:
    """Evaluate on rolling cutoffs and write the folder."""
    print_reading(options.table)
    config = read_experiment(options, (*SHORTCUTS, *BACKTEST_SHORTCUTS))
    from forecast.backtest.folder import backtest_run

    folder = backtest_run(
        config,
        options.table,
        out=options.out,
        resume=options.resume,
        replace=options.replace,
        voice=make_voice(),
    )
    print_path(folder)
    return SUCCESS
