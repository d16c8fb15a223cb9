"""The command `predict`."""

from __future__ import annotations

import argparse
import json
from typing import Literal

from forecast.cli.database_options import add_database, settle_source
from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_format,
    add_run,
    positive_integer,
    to_list,
)
from forecast.cli.scale.part_commands import add_parts, predict_parts_command, refuse_part_options
from forecast.cli.scale.segment_commands import predict_segments_command
from forecast.cli.terminal import (
    print_forecast,
    print_line,
    print_note,
    print_table,
    start_without_keras,
)
from forecast.errors import ConfigError


def add_predict(commands: Commands) -> None:
    """Add the command `predict`."""
    parser = add_command(
        commands, "predict", predict_command, "forecast the steps after the end of a table"
    )
    add_run(parser, "history to forecast from; default: the table of the run")
    parser.add_argument(
        "--known",
        metavar="FILE",
        help="table with the values of the known covariates (the columns that fit was given as "
        "--known) for the steps to forecast",
    )
    parser.add_argument(
        "--template",
        metavar="FILE",
        help="write the rows that --known needs, to be filled in, and exit",
    )
    parser.add_argument(
        "--horizon", type=int, metavar="STEPS", help="steps to forecast; default: as trained"
    )
    parser.add_argument(
        "--level",
        type=_levels,
        default="auto",
        metavar="PERCENT,...",
        help="prediction intervals of these levels in %%, or none; default: 80,95, or the widest "
        "that the test set can calibrate",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="CSV, Parquet or Excel file to write, with --parts a folder; default: print as CSV",
    )
    parser.add_argument(
        "--no-keep",
        action="store_true",
        help="do not keep the forecast in the run folder for forecast monitor, as where --known "
        "has values to try out",
    )
    add_format(parser, "format of --output; default: by the ending of its name")
    _add_paths(parser)
    add_parts(parser)
    add_database(parser)


def _add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the options of sample paths."""
    paths = parser.add_argument_group(
        "sample paths",
        "Joint draws of all steps and series, from the errors of past windows as a whole. Each of "
        "these options writes a table of its own in place of the forecast.",
    )
    question = paths.add_mutually_exclusive_group()
    question.add_argument(
        "--total",
        choices=("day", "week", "month", "horizon"),
        metavar="PERIOD",
        help="totals and highest values per day, week, month or of the whole horizon, with "
        "intervals; the first level of --level, default: 80",
    )
    question.add_argument(
        "--above",
        type=float,
        metavar="VALUE",
        help="how likely, and when, each series first exceeds a value",
    )
    paths.add_argument(
        "--by",
        metavar="COLUMN,...",
        help="with --total: add up the series that share a value of this id column or static "
        "covariate; of several, as region,store, those of the first and of each further one in it",
    )
    paths.add_argument(
        "--paths",
        type=positive_integer,
        metavar="N",
        help="write N paths, or draw N for --total and --above; default: 1000",
    )
    paths.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="NUMBER",
        help="of the draw: equal seeds give equal paths; default: 0",
    )


def predict_command(options: argparse.Namespace) -> int:
    """Forecast from a run folder, or write the template of its known covariates."""
    start_without_keras()
    settle_source(options)
    from forecast.runs.segment_mark import is_segments

    if is_segments(options.run_folder):
        return predict_segments_command(options, _output_of(options))
    if options.parts is not None:
        return predict_parts_command(options)
    refuse_part_options(options)
    from forecast.runs.use import future_run, predict_run

    if options.template:
        future_run(
            options.run_folder, options.table, horizon=options.horizon, output=options.template
        )
        print_line(f"wrote {options.template}: fill in the empty cells and pass it with --known")
        return SUCCESS

    output = _output_of(options)
    if options.by is not None and options.total is None:
        raise ConfigError("--by is read with --total alone: name the period, as --total horizon")
    if any(value is not None for value in (options.total, options.above, options.paths)):
        return _write_paths(options, output)
    forecast = predict_run(
        options.run_folder,
        options.table,
        known=options.known,
        horizon=options.horizon,
        level=options.level,
        output=output,
        keep=not options.no_keep,
    )
    print_forecast(forecast.frame, forecast.notes, output)
    return SUCCESS


def _output_of(options: argparse.Namespace) -> str | None:
    """Return the name of the file to write."""
    from forecast.runs.table_files import with_format

    return with_format(options.output, options.format)


def _write_paths(options: argparse.Namespace, output: str | None) -> int:
    """Write the paths, totals or times of crossing."""
    from forecast.runs.path_tables import DEFAULT_PATHS, PathQuestion, path_table

    if options.horizon is not None:
        raise ConfigError(
            "--horizon is not read with sample paths, which are for the horizon of training: leave "
            "it out"
        )
    level = 80.0
    if options.level not in ("auto", ()):
        level = options.level[0]
    asked = PathQuestion(
        num_paths=options.paths or DEFAULT_PATHS,
        seed=options.seed,
        total=options.total,
        by=None if options.by is None else json.loads(to_list(options.by)),
        above=options.above,
        level=level,
    )
    frame, notes = path_table(
        options.run_folder, options.table, known=options.known, asked=asked, output=output
    )
    for note in notes:
        print_note(note)
    if output:
        print_line(f"wrote {output}")
    else:
        print_table(frame.to_csv(index=False).rstrip("\n"))
    return SUCCESS


def _levels(text: str) -> tuple[float, ...] | Literal["auto"]:
    if text == "auto":
        return "auto"
    if text == "none":
        return ()
    try:
        return tuple(float(level) for level in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected %, such as 80 or 80,95, or none"
        ) from None
