"""The command `split`, and `predict` for every file of a folder."""

from __future__ import annotations

import argparse
from dataclasses import replace

from forecast.cli.parser import (
    FAILURE,
    SHORTCUTS,
    SUCCESS,
    Commands,
    add_command,
    add_settings,
    add_shortcuts,
    positive_integer,
    read_experiment,
)
from forecast.cli.scale.executors import add_ray, executor_of
from forecast.cli.terminal import print_error, print_line, print_path, print_reading
from forecast.errors import ConfigError

_ID = tuple(
    replace(
        shortcut,
        help="column with the series id, several as store,item; default: unique_id",
    )
    for shortcut in SHORTCUTS
    if shortcut.option == "--id"
)

_NOT_WITH_PARTS = ("query", "table", "known", "template", "total", "above", "by", "paths")
"""Arguments of `predict` that one table alone takes."""


def add_split(commands: Commands) -> None:
    """Add the command `split`."""
    parser = add_command(
        commands,
        "split",
        split_command,
        "split a large table into files of whole series",
        "The rows of a series go to the file that a hash of its id names, so other tables of the "
        "same series are split alike. The table is read in pieces, and may be larger than memory.",
    )
    parser.add_argument("table", metavar="TABLE", help="CSV or Parquet file")
    add_settings(parser)
    add_shortcuts(parser, _ID)
    parser.add_argument(
        "--known",
        metavar="FILE",
        help="CSV or Parquet file with known covariates of the steps to forecast, split alike",
    )
    parser.add_argument(
        "--parts",
        type=positive_integer,
        default=64,
        metavar="N",
        help="most files; default: 64. Files of some 10,000 series are large enough",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="folder to write: new, empty, or of an earlier split",
    )


def split_command(options: argparse.Namespace) -> int:
    """Split a table."""
    config = read_experiment(options, _ID)
    options.experiment = None  # advice on settings is for tables that are learned from
    print_reading(options.table)
    from forecast.cluster.split_table import split_table
    from forecast.data.findings import counted

    files = split_table(
        options.table,
        config.data,
        num_parts=options.parts,
        output=options.output,
        known=options.known,
    )
    rows = sum(file.num_rows for file in files)
    print_line(f"wrote {options.output}: {counted(rows, 'row')} in {counted(len(files), 'part')}")
    print_path(options.output)
    return SUCCESS


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict` for a folder."""
    parts = parser.add_argument_group(
        "parts of a large table",
        "Each file of a folder is forecast into a file of its own in the folder --output. What is "
        "there is kept where model, options and file are the same, so the command that was "
        "interrupted goes on when it is run again.",
    )
    parts.add_argument(
        "--parts",
        metavar="FOLDER",
        help="folder that forecast split wrote, or one with CSV or Parquet files of whole series",
    )
    parts.add_argument(
        "--workers",
        type=positive_integer,
        metavar="N",
        help="files that are forecast at the same time; default: 1, or with --ray one for each "
        "processor of the cluster",
    )
    add_ray(parts)


def refuse_part_options(options: argparse.Namespace) -> None:
    """Raise where an option is given that is read with `--parts` alone."""
    for name in ("workers", "ray"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name} is read with --parts alone: one table is one task")


def predict_parts_command(options: argparse.Namespace) -> int:
    """Forecast every file of a folder."""
    for name in _NOT_WITH_PARTS:
        given = getattr(options, name)
        if given is not None:
            word = f"--{name}"
            if name == "table":
                word = f"the table {given}"
            raise ConfigError(
                f"{word} is not read with --parts, where each file is a table: leave it out"
            )
    if options.output is None:
        raise ConfigError("--parts needs a folder for the forecasts: name it with --output FOLDER")
    if options.format == "xlsx":
        raise ConfigError("--format xlsx is not written with --parts: ask for parquet or csv")
    from forecast.cluster.part_station import ForecastOptions
    from forecast.cluster.predict_parts import error_lines, predict_parts
    from forecast.data.findings import counted

    with executor_of(options) as executor:
        end = predict_parts(
            options.run_folder,
            options.parts,
            options.output,
            options=ForecastOptions(options.horizon, options.level, options.format or "parquet"),
            executor=executor,
            say=print_line,
        )
    line = f"wrote {options.output}: forecasts of {counted(end.num_series, 'series')} in "
    line += counted(end.num_parts, "part")
    if end.num_kept:
        line += f", {end.num_kept:,} of them from before"
    print_line(line)
    for error in error_lines(end, options.output):
        print_error(f"forecast: error: {error}")
    if end.errors:
        return FAILURE
    print_path(options.output)
    return SUCCESS
