"""The command `fit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cli.database_options import add_database, settle_source
from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_format,
    add_mlflow,
    add_require_skill,
    add_table,
    read_experiment,
)
from forecast.cli.scale.executors import networks_elsewhere
from forecast.cli.scale.segment_commands import (
    add_segments,
    fit_segments_command,
    refuse_segment_options,
)
from forecast.cli.terminal import make_voice, print_line, print_path, print_reading

if TYPE_CHECKING:
    from forecast.training.voice import Voice


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
    add_mlflow(parser)
    add_format(parser, "also write the forecast in this format, beside forecast.csv")
    add_require_skill(parser)
    add_segments(parser)
    add_database(parser)


def fit_command(options: argparse.Namespace) -> int:
    """Train, evaluate, and write the run folder."""
    settle_source(options)
    if options.by is not None:
        return fit_segments_command(options)
    refuse_segment_options(options)
    print_reading(options.table)
    config = read_experiment(options)
    from forecast.export.tracking.tracked import Work, run_tracked
    from forecast.runs.run import fit_run
    from forecast.runs.table_files import check_ending, export_forecast

    if options.format not in (None, "csv"):
        check_ending(f"forecast.{options.format}")

    def fit(voice: Voice) -> Path:
        return fit_run(
            config,
            options.table,
            out=options.out,
            resume=options.resume,
            replace=options.replace,
            require_skill=options.require_skill,
            voice=voice,
        )

    work = Work.of("fit", config, options.table, options.out)
    with networks_elsewhere(options, config):
        folder = run_tracked(options.mlflow, work, make_voice(options.tensorboard), fit)
    print_path(folder)
    if options.format not in (None, "csv"):
        print_line(f"wrote {export_forecast(folder, options.format)}")
    return SUCCESS
