"""The command `symbols`, with `fit`, `evaluate` and `generate`."""

from __future__ import annotations

import argparse
import json

from forecast.cli.labels.label_parts import (
    add_learned,
    add_run_and_table,
    add_run_to_write,
    evaluate_labels,
    settings_of,
)
from forecast.cli.parser import (
    SUCCESS,
    Commands,
    Shortcut,
    add_command,
    add_run_folder,
    positive_integer,
)
from forecast.cli.terminal import (
    make_voice,
    print_path,
    print_reading,
    print_table,
    start_without_keras,
)

SYMBOL_SHORTCUTS = (
    Shortcut("--symbol", "data.symbol_col", "COLUMN", "column with the symbols", json.dumps),
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
    Shortcut("--text", "data.text_col", "COLUMN", "column of texts, one per row", json.dumps),
    Shortcut(
        "--unit", "data.unit", "UNIT", "characters or words of a text are the symbols", json.dumps
    ),
    Shortcut("--seconds", "training.seconds", "SECONDS", "time after which training stops", str),
)
"""Options of `symbols fit` that stand for settings."""


def add_symbols(commands: Commands) -> None:
    """Add the command `symbols` with its own commands."""
    parser = commands.add_parser(
        "symbols",
        help="predict the next character, word or state, and go on from a prompt",
        description="Predict the next character, word or state, and go on from a prompt.",
    )
    inner: Commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_fit(inner)
    _add_evaluate(inner)
    _add_generate(inner)


def _add_fit(commands: Commands) -> None:
    parser = add_command(
        commands, "fit", _fit, "train a model of the next symbol and write a run folder"
    )
    add_learned(parser, SYMBOL_SHORTCUTS, "a .txt file, or one row per symbol, or per text")
    add_run_to_write(parser, "symbols")


def _fit(options: argparse.Namespace) -> int:
    print_reading(options.table)
    from forecast.classification.symbols.symbol_settings import NextSymbolSettings
    from forecast.runs.symbol_run import run_symbols

    settings = settings_of(NextSymbolSettings, options, SYMBOL_SHORTCUTS)
    folder = run_symbols(
        settings, options.table, out=options.out, replace=options.replace, voice=make_voice()
    )
    print_path(folder)
    return SUCCESS


def _add_evaluate(commands: Commands) -> None:
    parser = add_command(
        commands, "evaluate", _evaluate, "compare predictions with the symbols that came"
    )
    add_run_and_table(parser, SYMBOL_SHORTCUTS, "symbols that were not learned from")


def _evaluate(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.symbol_run import load_symbol_run

    return evaluate_labels(load_symbol_run(options.run_folder), options.table)


def _add_generate(commands: Commands) -> None:
    parser = add_command(commands, "generate", _generate, "go on from a prompt, symbol by symbol")
    add_run_folder(parser)
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--prompt", metavar="TEXT", help="the text before")
    prompt.add_argument(
        "--symbols", nargs="+", metavar="SYMBOL", help="the symbols before, of a table of symbols"
    )
    parser.add_argument(
        "--length", type=positive_integer, default=200, help="symbols to add; default: 200"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="above 1 for more surprise, 0 for the most probable symbol; default: 1",
    )
    parser.add_argument("--seed", type=int, default=0, help="start of the draw; default: 0")


def _generate(options: argparse.Namespace) -> int:
    start_without_keras()
    from forecast.runs.symbol_run import load_symbol_run

    model = load_symbol_run(options.run_folder)
    given = options.prompt if options.symbols is None else options.symbols
    added = model.generate(
        given, options.length, temperature=options.temperature, seed=options.seed
    )
    is_text = options.symbols is None and model.settings.data.unit == "characters"
    between = "" if is_text else " "
    before = given if isinstance(given, str) else between.join(given)
    print_table(before + between + between.join(added))
    return SUCCESS
