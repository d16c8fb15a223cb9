"""Parts that the commands for classes, categories and symbols have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from forecast.cli.parser import (
    SUCCESS,
    Shortcut,
    add_run,
    add_settings,
    add_shortcuts,
    overrides_of,
)
from forecast.cli.terminal import (
    make_voice,
    print_line,
    print_note,
    print_path,
    print_reading,
    print_result,
    print_table,
)

if TYPE_CHECKING:
    from forecast.runs.label_records import Judged, Predicted
    from forecast.search.kinds import Searched
    from forecast.section import AnySection


def add_learned(parser: argparse.ArgumentParser, shortcuts: Sequence[Shortcut], table: str) -> None:
    """Add a table to learn from, whose help is `table`, and the settings."""
    parser.add_argument("table", metavar="TABLE", help=table)
    add_settings(parser)
    add_shortcuts(parser, shortcuts)


def add_run_and_table(
    parser: argparse.ArgumentParser, shortcuts: Sequence[Shortcut], table: str
) -> None:
    """Add a run folder and a table of the same kind; advice to fit again has the shortcuts."""
    parser.set_defaults(shortcuts=shortcuts)
    add_run(parser, table, needs_table=True)


def settings_of(
    kind: type[AnySection], options: argparse.Namespace, shortcuts: Sequence[Shortcut]
) -> AnySection:
    """Return the settings of a file, of `--set` and of the options that stand for some."""
    from forecast.experiment.file import load_settings

    return load_settings(kind, options.config, overrides_of(options, shortcuts))


def add_run_to_write(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the run folder to write, whose default ends in a name, and the leave to replace one."""
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="run folder to write: new, empty, or an earlier run of the same table and settings; "
        f"default: runs/NAME-{name}",
    )
    parser.add_argument("--replace", action="store_true", help="also replace another earlier run")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the file for predictions."""
    parser.add_argument("--output", metavar="FILE", help="CSV file to write; default: print as CSV")


def print_predicted(predicted: Predicted, output: str | None) -> None:
    """Print how the table was read, and predictions as CSV or the name of the file with them."""
    for note in predicted.notes:
        print_note(note)
    if output:
        print_line(f"wrote {output}")
    else:
        print_table(predicted.frame.to_csv(index=False).rstrip("\n"))


def evaluate_labels(model: Evaluates, table: str) -> int:
    """Print how a table was read, the scores and the verdict.

    Args:
        model: fitted.
        table: a file.
    """
    result = model.evaluate(table)
    for note in model.notes:
        print_note(note)
    print_result(result.scores().round(3).to_string())
    print_result(result.verdict())
    return SUCCESS


class Evaluates(Protocol):
    """A fitted model."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the last table that was read, a sentence each."""

    def evaluate(self, table: str) -> Judged:
        """Return predictions beside what is true."""


def tune_labels(
    options: argparse.Namespace, settings: Callable[[argparse.Namespace], Searched]
) -> int:
    """Search for better settings, and write the folder of the search.

    Args:
        options: of the command.
        settings: reads them.
    """
    print_reading(options.table)
    config = settings(options)
    from forecast.cli.tuning import search_resources
    from forecast.search.search import tune_run

    with search_resources(options) as resources:
        folder = tune_run(
            config,
            options.table,
            out=options.out,
            resume=options.resume,
            replace=options.replace,
            voice=make_voice(options.tensorboard),
            resources=resources,
        )
    print_path(folder)
    return SUCCESS
