"""The commands `fit` and `predict` for a model of each segment."""

from __future__ import annotations

import argparse

from forecast.cli.parser import FAILURE, SUCCESS, positive_integer, read_experiment
from forecast.cli.scale.executors import add_ray, executor_of
from forecast.cli.terminal import (
    print_error,
    print_forecast,
    print_line,
    print_path,
    print_reading,
)
from forecast.errors import ConfigError

_ONE_RUN = ("tensorboard", "mlflow", "format", "require_skill")
"""Options of `fit` that one run alone takes."""

_ONE_MODEL = ("parts", "template", "total", "above", "by", "paths", "workers", "ray")
"""Options of `predict` that one model alone takes."""


def add_segments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `fit` for segments."""
    segments = parser.add_argument_group(
        "a model for each segment",
        "Each segment of the table, such as each region of its stores, gets a model and a run "
        "folder of its own below --out, and a page compares them. Runs of the same rows and "
        "settings are kept, so a command that was interrupted goes on when it is run again.",
    )
    segments.add_argument(
        "--by",
        metavar="COLUMN",
        help="column that names the segments: one value per series",
    )
    segments.add_argument(
        "--workers",
        type=positive_integer,
        metavar="N",
        help="segments that are fitted at the same time, or without --by networks of the ensemble; "
        "default: 1, or with --ray one for each processor of the cluster",
    )
    add_ray(segments)


def refuse_segment_options(options: argparse.Namespace) -> None:
    """Raise where an option for many models is given to the fit of one."""
    if options.workers is not None and options.ray is None:
        raise ConfigError(
            "--workers is read with --by or --ray alone: one model is trained in one process, by "
            "all its processors: leave it out, or name --by COLUMN for a model per segment"
        )


def fit_segments_command(options: argparse.Namespace) -> int:
    """Fit a model for each segment, and write the folder."""
    _refuse(options, _ONE_RUN, "--by, where each segment has a run of its own: leave it out")
    print_reading(options.table)
    config = read_experiment(options)
    from forecast.cluster.segments.fit_segments import error_lines, fit_segments
    from forecast.data.findings import counted

    with executor_of(options) as executor:
        end = fit_segments(
            config,
            options.by,
            options.table,
            out=options.out,
            replace=options.replace,
            executor=executor,
            say=print_line,
        )
    line = f"wrote {end.folder}: models of {counted(end.num_fitted, 'segment')}"
    if end.num_kept:
        line += f", {end.num_kept:,} of them from before"
    print_line(line)
    for error in error_lines(end):
        print_error(f"forecast: error: {error}")
    if end.errors:
        return FAILURE
    print_path(end.folder)
    return SUCCESS


def predict_segments_command(options: argparse.Namespace, output: str | None) -> int:
    """Forecast each series by the model of its segment."""
    _refuse(options, _ONE_MODEL, "the models of segments: name the run of one, or leave it out")
    from forecast.cluster.segments.predict_segments import predict_segments

    frame, notes = predict_segments(
        options.run_folder,
        options.table,
        known=options.known,
        horizon=options.horizon,
        level=options.level,
        output=output,
        keep=not options.no_keep,
    )
    print_forecast(lambda: frame, notes, output)
    return SUCCESS


def _refuse(options: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """Raise where an option is given that is not read here."""
    for name in names:
        if getattr(options, name) not in (None, False):
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} is not read with {why}")
