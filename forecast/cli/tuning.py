"""The command `tune`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_table,
    positive_integer,
    read_experiment,
)
from forecast.cli.terminal import make_voice, print_path, print_reading

if TYPE_CHECKING:
    from forecast.search.roles import Role


def add_tune(commands: Commands) -> None:
    """Add the command `tune`."""
    parser = add_command(
        commands,
        "tune",
        tune_command,
        "search for the best hyperparameters",
        "The section `search` of the settings names the ranges and the number of trials.",
    )
    add_table(parser)
    add_search_options(parser, "runs/NAME-search, with the alias or the name of the table")
    _add_roles(parser)


def add_search_options(parser: argparse.ArgumentParser, folder: str) -> None:
    """Add the options of every search.

    Args:
        parser: of the command.
        folder: the default folder in words.
    """
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder of the search: new, empty, or a finished search of the same data and "
        f"settings; default: {folder}",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="begin again in the folder of an earlier search, also of other data or with other "
        "settings",
    )
    parser.add_argument("--resume", action="store_true", help="resume the search in the folder")
    parser.add_argument(
        "--workers",
        type=positive_integer,
        default=1,
        metavar="N",
        help="number of trials that run at the same time; default: 1",
    )
    parser.add_argument(
        "--tensorboard", metavar="FOLDER", help="also write logs for TensorBoard's HParams page"
    )
    parser.add_argument(
        "--trial-timeout",
        type=positive_integer,
        metavar="SECONDS",
        help="time limit of one trial; default: none",
    )
    parser.add_argument(
        "--trial-memory",
        type=positive_integer,
        metavar="MIB",
        help="memory limit of the process of one trial; default: none",
    )


def _add_roles(parser: argparse.ArgumentParser) -> None:
    roles = parser.add_mutually_exclusive_group()
    roles.add_argument(
        "--chief",
        action="store_true",
        help="hand out the trials to workers, on this or other machines",
    )
    roles.add_argument(
        "--worker", action="store_true", help="run trials that a chief hands out, see --address"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="address of the chief; default: 127.0.0.1:8000"
    )


def tune_command(options: argparse.Namespace) -> int:
    """Search, evaluate the best trial, and write the folder of the search."""
    print_reading(options.table)
    config = read_experiment(options)
    from forecast.search.roles import tune_in_role
    from forecast.search.workers import Resources

    folder = tune_in_role(
        config,
        options.table,
        role=_role(options),
        address=options.address,
        resources=Resources(options.workers, options.trial_timeout, options.trial_memory),
        out=options.out,
        resume=options.resume,
        replace=options.replace,
        voice=make_voice(options.tensorboard),
    )
    print_path(folder)
    return SUCCESS


def _role(options: argparse.Namespace) -> Role | None:
    if options.chief:
        return "chief"
    if options.worker:
        return "worker"
    return None
