"""The command `export`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import SUCCESS, Commands, add_command, add_run
from forecast.cli.terminal import print_line, start_without_keras


def add_export(commands: Commands) -> None:
    """Add the command `export`."""
    parser = add_command(
        commands,
        "export",
        export_command,
        "write the forecast of a run as a file that other programs run",
        "The file reads values and writes forecasts in the unit of the table. It is held against "
        "the forecaster on windows of the table before it is put in its place.",
    )
    add_run(parser, "table to check the file on; default: the table of the run")
    parser.add_argument(
        "--format",
        required=True,
        metavar="FORMAT",
        help="onnx (pip install 'bigru-forecast[onnx]'), savedmodel, a folder for TensorFlow, "
        "litert (pip install 'bigru-forecast[litert]'), or mlflow, a folder that MLflow loads with "
        "this package (pip install 'bigru-forecast[mlflow]')",
    )
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="file in .onnx or .tflite, or folder"
    )
    parser.add_argument(
        "--members",
        metavar="NAME,...",
        help="members of the forecast to write, such as model for the networks and their "
        "regressions; their weights are scaled to a sum of 1; default: all",
    )


def export_command(options: argparse.Namespace) -> int:
    """Export a run."""
    start_without_keras()
    from forecast.export.writing import export_run

    members = None
    if options.members is not None:
        members = options.members.split(",")
    written = export_run(
        options.run_folder,
        options.table,
        format=options.format,
        output=options.output,
        members=members,
    )
    named = ", ".join(f"{name} {weight:.0%}" for name, weight in written.members.items())
    print_line(f"members: {named}")
    print_line(
        f"checked on {written.num_windows} windows: it differs by at most "
        f"{written.difference:.1e} of the values"
    )
    print_line(f"wrote {written.path}")
    return SUCCESS
