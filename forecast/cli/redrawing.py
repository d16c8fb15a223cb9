"""The commands `plot` and `report`, which read the records of a run and not its model."""

from __future__ import annotations

import argparse

from forecast.cli.parser import SUCCESS, Commands, Parser, add_command
from forecast.cli.terminal import print_result


def add_plot(commands: Commands) -> None:
    """Add the command `plot`."""
    parser = add_command(
        commands, "plot", plot_command, "redraw the figures of a run or a backtest"
    )
    _add_folder(parser)
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder for the figures: new, empty, or with earlier figures; default: RUN",
    )


def plot_command(options: argparse.Namespace) -> int:
    """Draw the figures and print their paths."""
    from forecast.runs.pictures import plot_run
    from forecast.runs.versions import version_folder

    for path in plot_run(version_folder(options.run_folder), out=options.out):
        print_result(str(path))
    return SUCCESS


def add_report(commands: Commands) -> None:
    """Add the command `report`."""
    parser = add_command(
        commands, "report", report_command, "rewrite the HTML report of a run or a backtest"
    )
    _add_folder(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="HTML file to write; default: RUN/report.html"
    )


def report_command(options: argparse.Namespace) -> int:
    """Write the report and print its path."""
    from forecast.runs.pictures import report_run
    from forecast.runs.versions import version_folder

    print_result(str(report_run(version_folder(options.run_folder), out=options.out)))
    return SUCCESS


def _add_folder(parser: Parser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="run folder, or the folder of a backtest")
