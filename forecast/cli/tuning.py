"""The command `tune`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_mlflow,
    add_table,
    positive_integer,
    read_experiment,
)
from forecast.cli.scale.executors import add_ray, executor_of
from forecast.cli.terminal import make_voice, print_path, print_reading
from forecast.errors import ConfigError

if TYPE_CHECKING:
    from forecast.search.roles import Role
    from forecast.search.workers import Resources
    from forecast.training.voice import Voice


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
    add_mlflow(parser)
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
        metavar="N",
        help="number of trials that run at the same time; default: 1, or with --ray one for each "
        "processor of the cluster",
    )
    add_ray(parser)
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
    from forecast.export.tracking.tracked import Work, run_tracked
    from forecast.search.roles import tune_in_role

    role = _role(options)
    if options.mlflow is not None and options.worker:
        raise ConfigError("--mlflow is read by the chief of a search: leave it out with --worker")
    if role is not None and options.ray is not None:
        raise ConfigError(
            f"--{role} and --ray are two ways to several machines: leave --{role} out"
        )

    def tune(voice: Voice) -> Path:
        with search_resources(options) as resources:
            return tune_in_role(
                config,
                options.table,
                role=role,
                address=options.address,
                resources=resources,
                out=options.out,
                resume=options.resume,
                replace=options.replace,
                voice=voice,
            )

    work = Work.of("tune", config, options.table, options.out)
    folder = run_tracked(options.mlflow, work, make_voice(options.tensorboard), tune)
    print_path(folder)
    return SUCCESS


@contextmanager
def search_resources(options: argparse.Namespace) -> Iterator[Resources]:
    """Yield where the trials of a search run, and their limits."""
    from forecast.search.workers import Resources

    limits = Resources(options.workers or 1, options.trial_timeout, options.trial_memory)
    if options.ray is None:
        yield limits
        return
    with executor_of(options) as executor:
        yield replace(limits, workers=1, executor=executor)


def _role(options: argparse.Namespace) -> Role | None:
    if options.chief:
        return "chief"
    if options.worker:
        return "worker"
    return None
