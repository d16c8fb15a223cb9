"""The command `explain`."""

from __future__ import annotations

import argparse
import math

from forecast.cli.parser import SUCCESS, Commands, add_command, add_run, positive_integer
from forecast.cli.terminal import print_line, print_result, print_table, start_without_keras
from forecast.errors import ConfigError


def add_explain(commands: Commands) -> None:
    """Add the command `explain`."""
    parser = add_command(
        commands,
        "explain",
        explain_command,
        "show what a model takes from each column",
        "The values of one column at a time are exchanged between test windows of the same series, "
        "in the calendar and in the series' own past as well; the more the error grows, the more "
        "the model takes from them. Columns that tell the same are each worth little.",
    )
    add_run(parser, "table with rows that training has not seen; default: the test set of the run")
    parser.add_argument(
        "--what-if",
        metavar="FILE",
        help="forecast with these known covariates instead, and write the difference",
    )
    parser.add_argument(
        "--known",
        metavar="FILE",
        help="with --what-if: the known covariates as planned; default: those in the table",
    )
    parser.add_argument(
        "--repeats",
        type=positive_integer,
        default=5,
        metavar="N",
        help="exchanges of each column; default: 5",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="NUMBER", help="of the exchanges; default: 0"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="CSV, Parquet or Excel file with the whole table"
    )
    parser.add_argument("--picture", metavar="FILE", help="PNG file to draw")


def explain_command(options: argparse.Namespace) -> int:
    """Print the importance of each group of columns, or the difference of two forecasts."""
    start_without_keras()
    from forecast.runs.explained import explain_run, what_if

    if options.what_if is None and options.known is not None:
        raise ConfigError(
            "--known is read with --what-if alone: leave it out, or name a file with --what-if"
        )
    if options.what_if is not None:
        frame = what_if(
            options.run_folder,
            options.table,
            known=options.known,
            changed=options.what_if,
            output=options.output,
        )
        if options.output is None:
            print_table(frame.to_csv(index=False).rstrip("\n"))
    else:
        frame = explain_run(
            options.run_folder,
            options.table,
            repeats=options.repeats,
            seed=options.seed,
            output=options.output,
            picture=options.picture,
        )
        overall = frame[frame["step"] == "all"].sort_values("increase", ascending=False)
        for row in overall.to_dict("records"):
            interval = "too few cutoffs for an interval"
            if not math.isnan(row["low"]):
                interval = f"95 % interval {row['low']:+.1f} to {row['high']:+.1f}"
            print_result(f"{row['group']}: error {row['increase']:+.1f} % without it ({interval})")
    for path in (options.output, options.picture):
        if path is not None:
            print_line(f"wrote {path}")
    return SUCCESS
