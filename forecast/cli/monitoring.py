"""The command `monitor`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import FAILURE, SUCCESS, Commands, add_command, add_run_folder
from forecast.cli.terminal import print_line, print_path, print_result, start_without_keras


def add_monitor(commands: Commands) -> None:
    """Add the command `monitor`."""
    parser = add_command(
        commands,
        "monitor",
        monitor_command,
        "compare the forecasts of a run with what came",
        "Forecasts that predict made from a run are kept in its folder. Their errors, the coverage "
        "of their intervals and the values that came are put beside those of the test set. The "
        "exit code is 1 where they differ by more than chance explains, with a sentence for each "
        "alarm.",
    )
    add_run_folder(parser)
    parser.add_argument(
        "table",
        metavar="ACTUALS",
        help="table with the values that came, in the form of the one that fit read",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="HTML page to write; default: RUN/monitor.html"
    )


def monitor_command(options: argparse.Namespace) -> int:
    """Compare, write the page, and print a sentence for each alarm."""
    start_without_keras()
    from forecast.runs.monitor import NothingYetError, monitor_run

    try:
        done = monitor_run(options.run_folder, options.table, out=options.out)
    except NothingYetError as early:  # the first night of a run
        print_result(str(early))
        return SUCCESS
    for line in done.watched.lines():
        print_line(line)
    for alarm in done.alarms:
        print_result(f"alarm: {alarm}")
    print_line(f"wrote {done.page}")
    print_path(done.page)
    if done.alarms:
        return FAILURE
    return SUCCESS
