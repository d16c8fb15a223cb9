"""The options that decide where work runs: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forecast.cli.terminal import print_line
from forecast.errors import ConfigError

if TYPE_CHECKING:
    from forecast.experiment.settings import Experiment
    from forecast.search.processes import Executor


def add_ray(parser: argparse._ActionsContainer) -> None:
    """Add the option `--ray`."""
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="HOST:PORT",
        help="run on the Ray cluster with this address that this machine is a node of, or auto for "
        "the one that runs here; without an address, one of this machine is started and ended",
    )


@contextmanager
def executor_of(options: argparse.Namespace) -> Iterator[Executor]:
    """Yield the executor that `--workers` and `--ray` ask for.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    if options.ray is None:
        from forecast.search.processes import LocalProcesses

        yield LocalProcesses(options.workers or 1)
        return
    from forecast.cluster.ray_session import ray_executor

    with ray_executor(options.ray, options.workers) as executor:
        print_line(f"Ray cluster: {executor.num_workers} workers")
        yield executor


@contextmanager
def networks_elsewhere(options: argparse.Namespace, config: Experiment) -> Iterator[None]:
    """Train the networks of an ensemble on the Ray cluster that `--ray` asks for, if it does.

    Raises:
        ConfigError: the settings have one network or none; or as `executor_of`.
    """
    if options.ray is None:
        yield
        return
    _refuse_one_network(config)
    with executor_of(options) as executor:
        from forecast.cluster.ensemble_members import members_with
        from forecast.training.members import training_elsewhere

        with training_elsewhere(members_with(executor, config)):
            yield


def _refuse_one_network(config: Experiment) -> None:
    """Raise where the settings, whatever the data, have no two networks to train side by side."""
    from forecast.section import AUTO

    seeds = config.ensemble.seeds
    lengths = config.ensemble.context_lengths
    if seeds == AUTO or (seeds and lengths == AUTO):  # the data decide
        return
    if seeds > 1 or (seeds == 1 and len(lengths) > 1):
        return
    raise ConfigError(
        f"--ray trains the networks of an ensemble on several machines, and ensemble.seeds is "
        f"{seeds}: Keras 3 cannot train one network over several machines. Set ensemble.seeds to 2 "
        f"or more; or name --by COLUMN for a model per segment, or run forecast backtest --ray for "
        f"the fits of many cutoffs, forecast tune --ray for trials"
    )
