"""Commands that check before a fit: `check`, `leak-check` and `show-config`."""

from __future__ import annotations

import argparse
import json

from forecast.cli.database_options import add_database, settle_source
from forecast.cli.next_step import fit_command, role_lines
from forecast.cli.parser import (
    BAD_INPUT,
    FAILURE,
    SUCCESS,
    Commands,
    add_command,
    add_table,
    read_experiment,
)
from forecast.cli.proposals import proposed_commands
from forecast.cli.terminal import print_result, start_without_keras


def add_check(commands: Commands) -> None:
    """Add the command `check`."""
    parser = add_command(
        commands, "check", check_command, "report problems in a table and how to fix them"
    )
    add_table(parser)
    add_database(parser)


def check_command(options: argparse.Namespace) -> int:
    """Report the problems of a table."""
    from forecast.experiment.check_table import check_table

    config = read_experiment(options)
    settle_source(options)
    is_free = "horizon" not in config.windows.model_fields_set  # `next:` has one that suits
    diagnosis = check_table(config, options.table, free_horizon=is_free)
    print_result(diagnosis.text())
    if diagnosis.panel is not None:
        for line in role_lines(diagnosis.panel, config.data.layout):
            print_result(line)
        print_result(f"next: {fit_command(options.typed, diagnosis.panel, config)}")
        return SUCCESS
    for line in proposed_commands(config, diagnosis, options, free_horizon=is_free):
        print_result(line)
    return BAD_INPUT


def add_leak_check(commands: Commands) -> None:
    """Add the command `leak-check`."""
    parser = add_command(
        commands,
        "leak-check",
        leak_command,
        "check that values after a cutoff do not leak into earlier stages",
        "Values after a cutoff are changed; every stage up to the cutoff must stay the same.",
    )
    add_table(parser)
    parser.add_argument(
        "--train", action="store_true", help="also fit a model on every changed table (slow)"
    )


def leak_command(options: argparse.Namespace) -> int:
    """Change values after cutoffs and compare what comes before."""
    config = read_experiment(options)
    start_without_keras()
    from forecast.leakage.own import check_experiment

    report = check_experiment(config, options.table, train=options.train)
    print_result(report.text())
    if report.ok:
        return SUCCESS
    return FAILURE


def add_show_config(commands: Commands) -> None:
    """Add the command `show-config`."""
    parser = add_command(
        commands,
        "show-config",
        show_command,
        "print every setting; with a table, what auto becomes for it and why",
    )
    add_table(parser)
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON schema of the settings, for editors"
    )


def show_command(options: argparse.Namespace) -> int:
    """Print the resolved settings, or their JSON schema."""
    from forecast.experiment.explain import explained
    from forecast.experiment.file import dump_experiment, json_schema

    if options.schema:
        text = json.dumps(json_schema(), indent=2)
    elif options.table:
        text = explained(read_experiment(options).with_source(options.table))
    else:
        text = dump_experiment(read_experiment(options), full=True)
    print_result(text.rstrip("\n"))
    return SUCCESS
