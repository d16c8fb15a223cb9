"""The command `evaluate`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import SUCCESS, Commands, add_command, add_require_skill, add_run
from forecast.cli.terminal import print_result, start_without_keras


def add_evaluate(commands: Commands) -> None:
    """Add the command `evaluate`."""
    parser = add_command(
        commands, "evaluate", evaluate_command, "evaluate a trained model on unseen rows"
    )
    add_run(parser, "table to evaluate on; default: the table of the run")
    add_require_skill(parser)


def evaluate_command(options: argparse.Namespace) -> int:
    """Print the scores of a run on a table."""
    start_without_keras()
    from forecast.intervals.coverage import coverage_text
    from forecast.runs.use import evaluate_run

    result = evaluate_run(options.run_folder, options.table)
    scores = result.scores()
    print_result(scores.text())
    coverage = coverage_text(result)
    if coverage:
        print_result(coverage)
    if options.require_skill:
        scores.require_skill()
    return SUCCESS
