"""The command `fit`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_format,
    add_require_skill,
    add_table,
    read_experiment,
)
from forecast.cli.terminal import make_voice, print_line, print_path, print_reading


def add_fit(commands: Commands) -> None:
    """Add the command `fit`."""
    parser = add_command(
        commands, "fit", fit_command, "train a model, evaluate it and write a run folder"
    )
    add_table(parser)
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="run folder to write: new, empty, or an earlier run of the same data and settings, "
        "which is replaced; default: runs/NAME, with the alias or the name of the table",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="also replace an earlier run of other data or with other settings",
    )
    parser.add_argument("--resume", action="store_true", help="resume interrupted training")
    parser.add_argument(
        "--tensorboard", metavar="FOLDER", help="also write TensorBoard logs to this folder"
    )
    add_format(parser, "also write the forecast in this format, beside forecast.csv")
    add_require_skill(parser)


def fit_command(options: argparse.Namespace) -> int:
    """Train, evaluate, and write the run folder."""
    print_reading(options.table)
    config = read_experiment(options)
    from forecast.runs.run import fit_run
    from forecast.runs.table_files import check_ending, export_forecast

    if options.format not in (None, "csv"):
        check_ending(f"forecast.{options.format}")
    folder = fit_run(
        config,
        options.table,
        out=options.out,
        resume=options.resume,
        replace=options.replace,
        require_skill=options.require_skill,
        voice=make_voice(options.tensorboard),
    )
    print_path(folder)
    if options.format not in (None, "csv"):
        print_line(f"wrote {export_forecast(folder, options.format)}")
    return SUCCESS
