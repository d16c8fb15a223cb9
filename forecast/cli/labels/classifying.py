"""The command `classify`, with `check`, `fit`, `predict`, `evaluate`, `tune` and `leak-check`."""

from __future__ import annotations

import argparse
import json
from functools import partial
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
    BAD_INPUT,
    FAILURE,
    SUCCESS,
    Commands,
    Shortcut,
    add_command,
    to_list,
)
from forecast.cli.proposals import command_with, lines_to_try
from forecast.cli.terminal import (
    make_voice,
    print_path,
    print_reading,
    print_result,
    start_without_keras,
)
from forecast.cli.tuning import add_search_options

if TYPE_CHECKING:
    from forecast.classification.class_settings import Classification

CLASS_SHORTCUTS = (
    Shortcut("--label", "data.label_col", "COLUMN", "column with the label", json.dumps),
    Shortcut(
        "--label-separator",
        "data.label_separator",
        "MARK",
        "mark between the labels of a cell, such as |: any number of labels for each sequence",
        json.dumps,
    ),
    Shortcut(
        "--labels",
        "data.label_cols",
        "COLUMN,...",
        "columns of 0 and 1, one per label: any number of labels for each sequence",
        to_list,
    ),
    Shortcut(
        "--id",
        "data.id_col",
        "COLUMN",
        "column that names the sequence of each row; default: unique_id, id or series",
        json.dumps,
    ),
    Shortcut(
        "--step",
        "data.step_col",
        "COLUMN",
        "column that orders the rows of a sequence; default: ds, step or time",
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
        "--categorical", "data.categorical", "COLUMN,...", "columns of categories to read", to_list
    ),
    Shortcut(
        "--text",
        "data.text_col",
        "COLUMN",
        "column of texts: each row is a document, its words are the steps",
        json.dumps,
    ),
    Shortcut(
        "--group",
        "data.group_col",
        "COLUMN",
        "column of groups, such as machines; a group is in one set only",
        json.dumps,
    ),
    Shortcut(
        "--split",
        "data.split_col",
        "COLUMN",
        "column with train, validation or test; default: the sets are drawn",
        json.dumps,
    ),
    Shortcut("--alias", "alias", "NAME", "name of the column of classes", json.dumps),
)
"""Options of `classify fit` that stand for settings."""


def add_classify(commands: Commands) -> None:
    """Add the command `classify` with its own commands."""
    parser = commands.add_parser(
        "classify",
        help="learn the labels of whole sequences, and give new ones a label",
        description="Learn the labels of whole sequences, and give new ones a label.",
    )
    inner: Commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_check(inner)
    _add_fit(inner)
    _add_predict(inner)
    _add_evaluate(inner)
    _add_tune(inner)
    _add_leak_check(inner)


def _add_check(commands: Commands) -> None:
    parser = add_command(
        commands, "check", _check, "report problems in a table of sequences and how to fix them"
    )
    _add_labelled(parser)


def _check(options: argparse.Namespace) -> int:
    from forecast.classification.check_sequences import check_sequences
    from forecast.experiment.check_table import proposals_by

    config = _settings(options)
    diagnosis = check_sequences(config, options.table)
    print_result(diagnosis.text())
    typed = options.typed
    if not diagnosis.errors:
        print_result(f"next: {command_with(['classify', 'fit', *typed[2:]], {}, CLASS_SHORTCUTS)}")
        return SUCCESS
    check = partial(check_sequences, source=options.table)
    for line in lines_to_try(proposals_by(config, check, diagnosis), typed, CLASS_SHORTCUTS):
        print_result(line)
    return BAD_INPUT


def _add_fit(commands: Commands) -> None:
    parser = add_command(
        commands, "fit", _fit, "train a classifier, evaluate it and write a run folder"
    )
    _add_labelled(parser)
    add_run_to_write(parser, "classes")


def _add_labelled(parser: argparse.ArgumentParser) -> None:
    """Add a table of labelled sequences and the settings of a classification."""
    add_learned(parser, CLASS_SHORTCUTS, "one row per sequence and step, or per text")


def _settings(options: argparse.Namespace) -> Classification:
    from forecast.classification.class_settings import Classification

    return settings_of(Classification, options, CLASS_SHORTCUTS)


def _fit(options: argparse.Namespace) -> int:
    print_reading(options.table)
    from forecast.runs.classified import classify_run

    config = _settings(options)
    folder = classify_run(
        config, options.table, out=options.out, replace=options.replace, voice=make_voice()
    )
    print_path(folder)
    return SUCCESS


def _add_predict(commands: Commands) -> None:
    parser = add_command(commands, "predict", _predict, "give the sequences of a table a class")
    add_run_and_table(parser, CLASS_SHORTCUTS, "sequences to classify; no labels are needed")
    add_output(parser)


def _predict(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.classified import predict_classes

    predicted = predict_classes(options.run_folder, options.table, options.output)
    print_predicted(predicted, options.output)
    return SUCCESS


def _add_evaluate(commands: Commands) -> None:
    parser = add_command(commands, "evaluate", _evaluate, "compare predictions with true labels")
    add_run_and_table(parser, CLASS_SHORTCUTS, "sequences with labels that were not learned from")


def _evaluate(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.classified import load_run

    return evaluate_labels(load_run(options.run_folder), options.table)


def _add_tune(commands: Commands) -> None:
    parser = add_command(
        commands,
        "tune",
        _tune,
        "search for better settings of a classifier",
        "The section `search` of the settings names the ranges and the number of trials; folds are "
        "drawn by sequence.",
    )
    _add_labelled(parser)
    add_search_options(parser, "runs/NAME-classes-search")


def _tune(options: argparse.Namespace) -> int:
    return tune_labels(options, _settings)


def _add_leak_check(commands: Commands) -> None:
    parser = add_command(
        commands,
        "leak-check",
        _leak_check,
        "look for labels and words of the test set in what is learned from",
        "Test sequences are changed; everything that is fitted must stay the same. Documents in "
        "two sets and columns that tell the label are named.",
    )
    _add_labelled(parser)
    parser.add_argument(
        "--train", action="store_true", help="also train on every changed table (slow)"
    )


def _leak_check(options: argparse.Namespace) -> int:
    config = _settings(options)
    start_without_keras()
    from forecast.leakage.label_leaks import check_labels

    report = check_labels(config, options.table, train=options.train)
    print_result(report.text())
    if report.ok:
        return SUCCESS
    return FAILURE
