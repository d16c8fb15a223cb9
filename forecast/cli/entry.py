"""The command `forecast`: its parser, its exit codes, and errors in one line.

Each command parses its arguments, calls one function of the library and prints the result.
Heavy imports happen inside the commands, so that `--help` and wrong arguments return at once.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from forecast.cli.arguments import CommandsFormatter, PrintVersion
from forecast.cli.backtesting import add_backtest
from forecast.cli.checking import add_check, add_leak_check, add_show_config
from forecast.cli.completion import add_completion
from forecast.cli.database_options import typed_words
from forecast.cli.ending import Ended, end_in_order, stop_looking
from forecast.cli.evaluating import add_evaluate
from forecast.cli.explaining import add_explain
from forecast.cli.exporting import add_export
from forecast.cli.fitting import add_fit
from forecast.cli.labels.category_commands import add_categories
from forecast.cli.labels.classifying import add_classify
from forecast.cli.labels.symbol_commands import add_symbols
from forecast.cli.monitoring import add_monitor
from forecast.cli.parser import (
    BAD_INPUT,
    FAILURE,
    INTERRUPTED,
    SHORTCUTS,
    SUCCESS,
    Parser,
)
from forecast.cli.predicting import add_predict
from forecast.cli.proposals import command_line, refusal
from forecast.cli.redrawing import add_plot, add_report
from forecast.cli.scale.part_commands import add_split
from forecast.cli.serve_command import add_serve
from forecast.cli.signing import add_sign, requiring
from forecast.cli.terminal import output_of, print_error
from forecast.cli.tuning import add_tune
from forecast.cli.updating import add_rollback, add_update
from forecast.errors import (
    DataError,
    FileError,
    ForecastError,
    OutputError,
    SkillError,
    TrainingError,
)
from forecast.errors.interface import using
from forecast.files.plain import check_plain

_FAILURES = (TrainingError, SkillError, FileError, OSError, MemoryError)
"""Errors with exit code 1: the input is not to blame. Other errors of the package have code 2."""

_AGAIN = "run the same command again"

_EXAMPLES = """examples:
  forecast check sales.csv --time date --target sales
  forecast fit sales.csv --time date --target sales --horizon 14 --out runs/sales
  forecast fit --config configs/demo.yaml --set model.units=32
  forecast fit sales.csv --by region --out runs/regions --workers 4
  forecast predict runs/sales --output next.csv
  forecast split sales.parquet --parts 64 --output parts
  forecast predict runs/sales --parts parts --output forecasts --workers 4
  forecast evaluate runs/sales newer.csv
  forecast export runs/sales --format onnx --output sales.onnx
  forecast serve runs/sales --port 8000
  forecast update runs/sales newer.csv
  forecast sign runs/sales --key private.pem
  forecast monitor runs/sales newer.csv
  forecast plot runs/sales
  forecast report runs/sales
  forecast backtest --config configs/demo.yaml --num-windows 8 --refit each
  forecast tune --config configs/tune_bigru.yaml --workers 2
  forecast classify fit machines.csv --id machine --label state --out runs/state
  forecast categories fit machines.csv --id machine --target state --horizon 3 --out runs/next
  forecast symbols fit shakespeare.txt --seconds 180 --out runs/shakespeare
  forecast leak-check sales.csv --time date --target sales --horizon 14
  forecast show-config --schema > experiment.schema.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; default: those of the process.

    Returns:
        0 for success, 1 for failure, 2 for bad input, 130 when interrupted, 128 and the number
        of a signal that ended the command.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        end_in_order()
    try:
        return _started(arguments)
    except (Ended, KeyboardInterrupt) as ended:  # before the command has begun
        stop_looking()
        print_error(f"forecast: {str(ended) or 'interrupted'}; {_AGAIN}")
        return getattr(ended, "code", INTERRUPTED)


def _started(arguments: Sequence[str]) -> int:
    """Parse the words and run the command; return its exit code."""
    options = build_parser().parse_args(arguments)
    options.typed = typed_words(arguments)  # to write the command again with other settings
    with using(command_line(getattr(options, "shortcuts", SHORTCUTS))):
        try:
            with output_of(options):
                return _run(options)
        except OutputError as error:  # about the log
            return _report(error, options)


def _run(options: argparse.Namespace) -> int:
    """Run the command and turn errors into exit codes."""
    try:
        if getattr(options, "run_folder", None):
            check_plain(options.run_folder)
        with requiring(getattr(options, "require_signature", None)):
            return int(options.run(options))
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, has gone: nothing more can be printed
        return SUCCESS
    except KeyboardInterrupt:
        print_error(f"forecast: interrupted; {_way_on(options)}")
        return INTERRUPTED
    except Ended as ended:
        stop_looking()
        print_error(f"forecast: {ended}; {_way_on(options)}")
        return ended.code
    except (ForecastError, OSError, MemoryError) as error:
        return _report(error, options)


def _way_on(options: argparse.Namespace) -> str:
    """Return how a command that was ended goes on; files are old or new as a whole."""
    if hasattr(options, "resume"):
        return "go on by the same command with --resume"
    return _AGAIN


def _report(error: BaseException, options: argparse.Namespace) -> int:
    """Print an error and return the exit code."""
    if options.debug:
        traceback.print_exc()
    for line in _lines(error, options):
        print_error(line)
    if isinstance(error, _FAILURES):
        return FAILURE
    return BAD_INPUT


def build_parser() -> Parser:
    """Return the parser of every command and option."""
    parser = Parser(
        prog="forecast",
        description="Forecast time series with a bidirectional GRU, next to simple baselines.",
        epilog=_EXAMPLES,
        formatter_class=CommandsFormatter,
    )
    parser.add_argument("--version", action=PrintVersion, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    # in the order of `forecast --help`
    add_check(commands)
    add_fit(commands)
    add_split(commands)
    add_predict(commands)
    add_evaluate(commands)
    add_export(commands)
    add_serve(commands)
    add_explain(commands)
    add_update(commands)
    add_rollback(commands)
    add_sign(commands)
    add_monitor(commands)
    add_plot(commands)
    add_report(commands)
    add_backtest(commands)
    add_tune(commands)
    add_classify(commands)
    add_categories(commands)
    add_symbols(commands)
    add_leak_check(commands)
    add_show_config(commands)
    add_completion(commands, parser)
    return parser


def _lines(error: BaseException, options: argparse.Namespace) -> list[str]:
    """Write an error in one line; of a table that is refused, every error and what to try."""
    if isinstance(error, DataError) and getattr(options, "experiment", None) is not None:
        texts, proposed = refusal(error, options)
        return [*(f"forecast: error: {_on_one_line(text)}" for text in texts), *proposed]
    text = _on_one_line(str(error)) or type(error).__name__
    if isinstance(error, MemoryError):
        text = "not enough memory: use fewer series, a shorter context or a smaller batch"
    elif isinstance(error, FileNotFoundError) and error.filename is None:  # of `os.getcwd`
        text = "the working folder is not there any more: change into another one"
    return [f"forecast: error: {text}"]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
