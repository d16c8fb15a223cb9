"""Shared parts of the commands' parsers: exit codes, common options, and the settings they give.

Each command's file adds its own parser with `add_command` and then the options it needs.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from forecast.cli.arguments import GivenOnce
from forecast.errors import nearest

if TYPE_CHECKING:
    from forecast.experiment.settings import Experiment

SUCCESS = 0
FAILURE = 1
BAD_INPUT = 2
INTERRUPTED = 130
"""Exit codes; 130 is what shells use for Ctrl-C (128 + SIGINT)."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with the code for bad input."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments, and refuse unknown ones: argparse would pass those of a command on."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._of_unknown(unknown))
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """See `argparse`; the nearest choice stands first."""
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action,
                f"there is no {value!r}{nearest(str(value), choices)}; expected one of "
                f"{', '.join(choices)}",
            )

    def _of_unknown(self, words: Sequence[str]) -> str:
        """Return a sentence on arguments that are none; an option among them comes first."""
        word = next((word for word in words if word.startswith("-")), words[0])
        if not word.startswith("-"):
            return f"{word!r} is one argument too many"
        name = word.partition("=")[0]
        options = [option for action in self._actions for option in action.option_strings]
        hint = nearest(name, options) if name.startswith("--") else ""
        return f"there is no option {name}{hint}"


Command = Callable[[argparse.Namespace], int]
"""Runs a command and returns its exit code."""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""The parsers of all commands."""


@dataclass(frozen=True)
class Shortcut:
    """An option that stands for `--set SETTING=VALUE`.

    Attributes:
        option: name on the command line.
        setting: path of the setting.
        metavar: name of the value in the help.
        help: one line.
        to_yaml: writes the text of the option as a YAML value.
        has_null: whether null, which `--set` gives, is another value than that without the option.
    """

    option: str
    setting: str
    metavar: str
    help: str
    to_yaml: Callable[[str], str]
    has_null: bool = False


def to_list(text: str) -> str:
    """Write `a,b` as the YAML list `["a", "b"]`; quotes are as in CSV: `"a, b",c` is two names."""
    names = text.split(",")
    if '"' in text:
        from forecast.data.names import split_names  # loads NumPy, which --help does without

        names = split_names(text)
    return json.dumps(names)


SHORTCUTS = (
    # `json.dumps` quotes a name, so that YAML does not take `1` or `null` for something else
    Shortcut(
        "--id",
        "data.id_col",
        "COLUMN,...",
        "column with the series id, several as store,item; auto: unique_id, or the columns that "
        "tell repeated timestamps apart; default: auto",
        json.dumps,
    ),
    Shortcut(
        "--time",
        "data.time_col",
        "COLUMN",
        "column with the timestamps, several as date,time, or none to count the rows; auto: ds, or "
        "the only column of dates; default: auto",
        json.dumps,
    ),
    Shortcut(
        "--target",
        "data.target_cols",
        "COLUMN,...",
        "columns to forecast, a name with a comma as '\"a, b\"'; auto: y, or the only column of "
        "numbers; default: auto",
        to_list,
    ),
    Shortcut(
        "--known",
        "data.known_covariates",
        "COLUMN,...",
        "columns whose values are known for the steps to forecast too; predict reads these values "
        "from the table or from its --known FILE",
        to_list,
    ),
    Shortcut(
        "--past",
        "data.past_covariates",
        "COLUMN,...",
        "columns known up to the last row only",
        to_list,
    ),
    Shortcut(
        "--static",
        "data.static_covariates",
        "COLUMN,...",
        "columns with one value per series",
        to_list,
    ),
    Shortcut(
        "--categorical",
        "data.categorical",
        "COLUMN,...",
        "those of the covariates above whose values are categories",
        to_list,
    ),
    Shortcut(
        "--weights",
        "data.weight_col",
        "COLUMN",
        "column with the weight of each row, or of each series: how much its errors count in what "
        "is learned; 0: not at all",
        json.dumps,
        has_null=True,
    ),
    Shortcut(
        "--sheet",
        "data.sheet",
        "NAME",
        "sheet of an Excel workbook; default: the only one that is not empty",
        json.dumps,
    ),
    Shortcut(
        "--freq",
        "data.freq",
        "ALIAS",
        "step between timestamps, such as h, D, ME or 15min; default: inferred",
        json.dumps,
    ),
    Shortcut(
        "--stamps",
        "data.stamps",
        "NAMES",
        "start or end: whether a timestamp names the start or the end of its step; default: start, "
        "but end where the hours are 01:00 to 24:00",
        json.dumps,
    ),
    Shortcut("--horizon", "windows.horizon", "STEPS", "steps to forecast; default: 24", str),
    Shortcut(
        "--holidays",
        "data.holidays",
        "COUNTRY,...",
        "public holidays of countries or their parts, such as US or DE-BY, and the days beside "
        "them as known covariates",
        to_list,
    ),
    Shortcut(
        "--point",
        "training.point",
        "POINT",
        "median or mean: which number of its distribution is forecast for a step; default: median, "
        "but mean where most values are 0",
        json.dumps,
    ),
    Shortcut(
        "--alias",
        "name",
        "NAME",
        "name of the forecast column; default: ensemble, or the architecture of a single network",
        json.dumps,
    ),
)
"""Shortcuts of every command that reads a table."""


def add_command(
    commands: Commands, name: str, run: Command, summary: str, details: str = ""
) -> Parser:
    """Add the parser of one command.

    Args:
        commands: the parsers of all commands.
        name: of the command.
        run: runs the command and returns its exit code.
        summary: one line for the list of commands, in lower case and without a full stop.
        details: sentences that follow the summary in the help of the command.
    """
    description = f"{summary[0].upper()}{summary[1:]}. {details}".strip()
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=28),
    )
    parser.set_defaults(run=run)
    _add_output(parser)
    return parser


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide what is printed; `terminal.output_of` reads them."""
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--quiet", action="store_true", help="print only errors and the result, or its place"
    )
    amount.add_argument(
        "--verbose", action="store_true", help="print each epoch, and the cost of training"
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="append everything, with times and each epoch, to this file",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the table to read and the options that describe it."""
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="CSV, Parquet, Excel, JSON lines or Arrow file, - for CSV from standard input, "
        "or dataset:NAME; default: the setting data.source",
    )
    add_settings(parser)
    add_shortcuts(parser, SHORTCUTS)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that give settings."""
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a setting, such as model.units=64; can be repeated",
    )


def add_shortcuts(parser: argparse.ArgumentParser, shortcuts: Sequence[Shortcut]) -> None:
    """Add options that stand for settings; messages of the command name them."""
    parser.set_defaults(shortcuts=(*(parser.get_default("shortcuts") or ()), *shortcuts))
    for shortcut in shortcuts:
        parser.add_argument(
            shortcut.option,
            action=GivenOnce,
            dest=shortcut.setting,
            metavar=shortcut.metavar,
            help=shortcut.help,
        )


def overrides_of(options: argparse.Namespace, shortcuts: Sequence[Shortcut]) -> list[str]:
    """Return the settings of `--set`, then those of options that stand for some."""
    overrides = list(options.set)
    for shortcut in shortcuts:
        value = getattr(options, shortcut.setting, None)
        if value is not None:
            overrides.append(f"{shortcut.setting}={shortcut.to_yaml(value)}")
    return overrides


def add_run(parser: argparse.ArgumentParser, table: str, *, needs_table: bool = False) -> None:
    """Add a run folder and a table, whose help is `table`; without one that of the run is read."""
    add_run_folder(parser)
    parser.add_argument("table", nargs=None if needs_table else "?", metavar="TABLE", help=table)


def add_run_folder(parser: argparse.ArgumentParser) -> None:
    """Add a run folder that is read."""
    parser.add_argument(
        "run_folder", metavar="RUN", help="run folder, or the folder of a saved model"
    )
    add_require_signature(parser)


def add_require_signature(parser: argparse.ArgumentParser) -> None:
    """Add the option by which only signed models are read."""
    parser.add_argument(
        "--require-signature",
        metavar="KEY",
        help="read the model only if the owner of this public key has signed it; see forecast sign",
    )


def add_format(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the format of a forecast."""
    formats = ("csv", "xlsx", "parquet")
    parser.add_argument("--format", choices=formats, metavar="FORMAT", help=help_text)


def add_mlflow(parser: argparse.ArgumentParser) -> None:
    """Add the option that logs the work in MLflow."""
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        help="also log a run in MLflow: http:// address of a tracking server, or a database such "
        "as sqlite:///mlflow.db (pip install 'bigru-forecast[mlflow]')",
    )


def add_require_skill(parser: argparse.ArgumentParser) -> None:
    """Add the option that turns a model without skill into a failure."""
    parser.add_argument(
        "--require-skill",
        action="store_true",
        help="exit with code 1 unless the model is significantly better than the best baseline: "
        "95 %% confidence interval of its skill above 0",
    )


def positive_integer(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1")
    return int(text)


def read_experiment(
    options: argparse.Namespace, shortcuts: Sequence[Shortcut] = SHORTCUTS
) -> Experiment:
    """Read the settings: those of the file, then `--set`, then the shortcuts; later ones win.

    They are kept in the options, for the advice on a table that is refused.
    """
    from forecast.experiment.file import load_experiment

    overrides = list(options.set)
    typed = {}
    for shortcut in shortcuts:
        value = getattr(options, shortcut.setting, None)
        if value is not None:
            override = f"{shortcut.setting}={shortcut.to_yaml(value)}"
            overrides.append(override)
            typed[override] = f"{shortcut.option} {shlex.quote(value)}"
    options.experiment = load_experiment(options.config, overrides, typed=typed)
    return options.experiment
