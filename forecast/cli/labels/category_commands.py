"""The command `categories`, with `fit`, `predict`, `evaluate` and `tune`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from forecast.cli.labels.label_parts import (
    add_learned,
    add_output,
    add_run_and_table,
    add_run_to_write,
    evaluate_labels,
    print_predicted,
    settings_of,
    tune_labels,
)
from forecast.cli.parser import (
    SUCCESS,
    Commands,
    Shortcut,
    add_command,
    to_list,
)
from forecast.cli.terminal import (
    make_voice,
    print_path,
    print_reading,
    start_without_keras,
)
from forecast.cli.tuning import add_search_options

if TYPE_CHECKING:
    from forecast.classification.categories.category_settings import CategorySettings

CATEGORY_SHORTCUTS = (
    Shortcut(
        "--target", "data.target_col", "COLUMN", "column of categories to forecast", json.dumps
    ),
    Shortcut(
        "--id",
        "data.id_col",
        "COLUMN",
        "column that names the series of each row; default: unique_id, id or series",
        json.dumps,
    ),
    Shortcut(
        "--step",
        "data.step_col",
        "COLUMN",
        "column that orders the rows of a series; default: ds, step or time",
        json.dumps,
        has_null=True,
    ),
    Shortcut(
        "--features",
        "data.features",
        "COLUMN,...",
        "columns of numbers to read; default: all without another role",
        to_list,
    ),
    Shortcut(
        "--categorical", "data.categorical", "COLUMN,...", "other columns of categories", to_list
    ),
    Shortcut("--horizon", "windows.horizon", "STEPS", "steps to forecast", str),
    Shortcut("--context", "windows.context_length", "STEPS", "steps that the model reads", str),
    Shortcut("--alias", "alias", "NAME", "name of the column of forecasts", json.dumps),
)
"""Options of `categories fit` that stand for settings."""


def add_categories(commands: Commands) -> None:
    """Add the command `categories` with its own commands."""
    parser = commands.add_parser(
        "categories",
        help="forecast a column of categories, such as the state of a machine",
        description="Forecast a column of categories, such as the state of a machine.",
    )
    inner: Commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_fit(inner)
    _add_predict(inner)
    _add_evaluate(inner)
    _add_tune(inner)


def _add_fit(commands: Commands) -> None:
    parser = add_command(
        commands, "fit", _fit, "train a forecast of categories, evaluate it, write a run folder"
    )
    _add_series(parser)
    add_run_to_write(parser, "categories")


def _add_series(parser: argparse.ArgumentParser) -> None:
    """Add a table of series and the settings of a forecast of categories."""
    add_learned(parser, CATEGORY_SHORTCUTS, "one row per series and step")


def _settings(options: argparse.Namespace) -> CategorySettings:
    from forecast.classification.categories.category_settings import CategorySettings

    return settings_of(CategorySettings, options, CATEGORY_SHORTCUTS)


def _fit(options: argparse.Namespace) -> int:
    print_reading(options.table)
    from forecast.runs.category_run import run_categories

    settings = _settings(options)
    folder = run_categories(
        settings, options.table, out=options.out, replace=options.replace, voice=make_voice()
    )
    print_path(folder)
    return SUCCESS


def _add_predict(commands: Commands) -> None:
    parser = add_command(
        commands, "predict", _predict, "forecast the steps after the last row of each series"
    )
    add_run_and_table(parser, CATEGORY_SHORTCUTS, "the history of the series")
    add_output(parser)


def _predict(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.category_run import predict_categories

    predicted = predict_categories(options.run_folder, options.table, options.output)
    print_predicted(predicted, options.output)
    return SUCCESS


def _add_evaluate(commands: Commands) -> None:
    parser = add_command(commands, "evaluate", _evaluate, "compare forecasts with what came")
    add_run_and_table(parser, CATEGORY_SHORTCUTS, "series that were not learned from")


def _evaluate(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.category_run import load_category_run

    return evaluate_labels(load_category_run(options.run_folder), options.table)


def _add_tune(commands: Commands) -> None:
    parser = add_command(
        commands,
        "tune",
        _tune,
        "search for better settings of a forecast of categories",
        "The section `search` of the settings names the ranges and the number of trials; folds are "
        "stretches of time.",
    )
    _add_series(parser)
    add_search_options(parser, "runs/NAME-categories-search")


def _tune(options: argparse.Namespace) -> int:
    return tune_labels(options, _settings)
