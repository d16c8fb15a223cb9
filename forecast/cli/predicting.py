"""The command `predict`."""

from __future__ import annotations

import argparse
from typing import Literal

from forecast.cli.parser import SUCCESS, Commands, add_command, add_format, add_run
from forecast.cli.terminal import print_line, print_note, print_table, start_without_keras


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
        help="CSV, Parquet or Excel file to write; default: print as CSV",
    )
    add_format(parser, "format of --output; default: by the ending of its name")


def predict_command(options: argparse.Namespace) -> int:
    """Forecast from a run folder, or write the template of its known covariates."""
    start_without_keras()
    from forecast.runs.table_files import with_format
    from forecast.runs.use import future_run, predict_run

    if options.template:
        future_run(
            options.run_folder, options.table, horizon=options.horizon, output=options.template
        )
        print_line(f"wrote {options.template}: fill in the empty cells and pass it with --known")
        return SUCCESS

    output = with_format(options.output, options.format)
    forecast = predict_run(
        options.run_folder,
        options.table,
        known=options.known,
        horizon=options.horizon,
        level=options.level,
        output=output,
    )
    for note in forecast.notes:
        print_note(note)
    if output:
        print_line(f"wrote {output}")
    else:
        print_table(forecast.frame().to_csv(index=False).rstrip("\n"))
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
