"""The command line: `forecast check | fit | predict | evaluate | plot | report | backtest | tune | leak-check | ...`.

Each command parses its arguments, calls one function of the library and prints what it returns.
Heavy imports happen inside the commands, so that `--help` and wrong arguments answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NoReturn

from forecast.errors import FileError, ForecastError, ForecastWarning, SkillError, TrainingError

if TYPE_CHECKING:
    from forecast.experiment.settings import Experiment

SUCCESS, FAILURE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
FAILURES = (TrainingError, SkillError, FileError, OSError, MemoryError)
"""What is no fault of the input."""

Shortcuts = dict[str, tuple[str, Callable[[str], str], str, str]]

SHORTCUTS: Shortcuts = {
    "id": ("data.id_col", json.dumps, "COLUMN", "column that names the series"),
    "time": ("data.time_col", json.dumps, "COLUMN", "column of time stamps"),
    "target": (
        "data.target_cols",
        lambda text: json.dumps(text.split(",")),
        "COLUMN,...",
        "columns to forecast",
    ),
    "freq": (
        "data.freq",
        json.dumps,
        "ALIAS",
        "step between stamps: h, D, ME, 15min ...; inferred if left out",
    ),
    "horizon": ("windows.horizon", str, "STEPS", "steps to forecast"),
}
"""Options that stand for `--set`: name -> (setting, how its value is written in YAML, what it
takes, help)."""

BACKTEST_SHORTCUTS: Shortcuts = {
    "num_windows": (
        "backtest.num_windows",
        str,
        "COUNT",
        "cutoffs to forecast from; 5 if left out",
    ),
    "step": ("backtest.step", str, "STEPS", "from one cutoff to the next; the horizon if left out"),
    "refit": (
        "backtest.refit",
        str,
        "never|each|K",
        "when to fit anew; never after the first cutoff if left out",
    ),
    "history": (
        "backtest.history",
        str,
        "ROWS",
        "rows of each series to learn from; all before the cutoff if left out",
    ),
    "models": (
        "backtest.models",
        lambda text: json.dumps(text.split(",")),
        "NAME,...",
        "what forecasts",
    ),
}
"""The same for `backtest`."""

EXAMPLES = """examples:
  forecast check sales.csv --time date --target sales
  forecast fit sales.csv --time date --target sales --horizon 14 --out runs/sales
  forecast fit --config configs/demo.yaml --set model.units=32
  forecast predict runs/sales --output next.csv
  forecast evaluate runs/sales newer.csv
  forecast plot runs/sales
  forecast report runs/sales
  forecast backtest --config configs/demo.yaml --num-windows 8 --refit each
  forecast tune --config configs/tune_bigru.yaml --workers 2
  forecast leak-check sales.csv --time date --target sales --horizon 14
  forecast show-config --schema > experiment.schema.json
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and leave with the exit code for bad input."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; those of the process if left out.

    Returns:
        0 for success, 1 for failure, 2 for bad input, 130 when interrupted.
    """
    options = build_parser().parse_args(arguments)
    try:
        with _warnings_on_one_line():
            return int(options.run(options))
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away; nothing more can be said to it
        return SUCCESS
    except KeyboardInterrupt:
        print(
            "forecast: interrupted; `fit`, `backtest` and `tune` go on where they stopped with "
            "--resume",
            file=sys.stderr,
        )
        return INTERRUPTED
    except (ForecastError, OSError, MemoryError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"forecast: error: {_one_line(error)}", file=sys.stderr)
        return FAILURE if isinstance(error, FAILURES) else BAD_INPUT


def build_parser() -> Parser:
    """Describe every command and option."""
    parser = Parser(
        prog="forecast",
        description="Forecast time series with a bidirectional GRU, beside the baselines it has to beat.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_table(
        _command(
            commands, "check", check_command, "say what is wrong with a table, and how to mend it"
        )
    )

    fit = _command(commands, "fit", fit_command, "train a model, judge it and write a run folder")
    _add_table(fit)
    fit.add_argument(
        "--out",
        metavar="FOLDER",
        help="run folder to write: new, empty or an earlier run; runs/NAME if left out",
    )
    fit.add_argument("--resume", action="store_true", help="go on with interrupted training")
    fit.add_argument("--tensorboard", metavar="FOLDER", help="write TensorBoard logs")
    _add_gate(fit)

    _add_predict(
        _command(
            commands, "predict", predict_command, "forecast the steps after the end of a table"
        )
    )

    evaluate = _command(
        commands, "evaluate", evaluate_command, "judge a trained model on rows it has not seen"
    )
    _add_run(evaluate, "table to judge on; the table of the run if left out")
    _add_gate(evaluate)

    plot = _command(
        commands, "plot", plot_command, "draw the pictures of a run or a backtest again"
    )
    plot.add_argument("run_folder", metavar="RUN", help="run folder, or the folder of a backtest")
    plot.add_argument(
        "--out",
        metavar="FOLDER",
        help="new or empty folder for the pictures, or one of pictures; RUN if left out",
    )

    report = _command(
        commands, "report", report_command, "write the page of a run or a backtest again"
    )
    report.add_argument("run_folder", metavar="RUN", help="run folder, or the folder of a backtest")
    report.add_argument(
        "--out", metavar="FILE", help="the page; report.html in that folder if left out"
    )

    backtest = _command(
        commands, "backtest", backtest_command, "forecast from many cutoffs, each as it was then"
    )
    _add_table(backtest)
    _add_shortcuts(backtest, BACKTEST_SHORTCUTS)
    backtest.add_argument(
        "--out", metavar="FOLDER", help="folder to write; runs/NAME-backtest if left out"
    )
    backtest.add_argument(
        "--resume", action="store_true", help="go on with the backtest in the folder"
    )

    _add_tune(
        _command(
            commands,
            "tune",
            tune_command,
            "search for better settings, as `search` in the file says",
        )
    )

    leak = _command(
        commands,
        "leak-check",
        leak_command,
        "prove that no value after a cutoff reaches what was before",
    )
    _add_table(leak)
    leak.add_argument(
        "--train",
        action="store_true",
        help="fit a model on every changed table too, which takes long",
    )

    text = "print every setting; with a table, what auto becomes for it and why"
    show = _command(commands, "show-config", show_command, text)
    _add_table(show)
    show.add_argument("--schema", action="store_true", help="print the JSON schema, for editors")
    return parser


def check_command(options: argparse.Namespace) -> int:
    """Diagnose a table."""
    from forecast.experiment.prepare import diagnose_table

    config = _experiment(options)
    horizon_given = "horizon" in config.windows.model_fields_set
    diagnosis = diagnose_table(config, options.table, for_windows=horizon_given)
    print(diagnosis.text())
    if diagnosis.panel is not None:
        return SUCCESS
    print(
        "settings are given as --set data.NAME=VALUE, or under `data:` in a file named with "
        "--config"
    )
    return BAD_INPUT


def fit_command(options: argparse.Namespace) -> int:
    """Train, judge, write the run folder."""
    config = _experiment(options)
    with _quiet_start():
        from forecast.runs.run import fit_run
    place = {"out": options.out, "resume": options.resume, "tensorboard": options.tensorboard}
    fit_run(config, options.table, require_skill=options.require_skill, say=_say, **place)
    return SUCCESS


def predict_command(options: argparse.Namespace) -> int:
    """Forecast from a run folder."""
    with _quiet_start():
        from forecast.runs.run import future_run, predict_run
    if options.template:
        future_run(
            options.run_folder, options.table, horizon=options.horizon, output=options.template
        )
        _say(f"wrote {options.template}: fill in the empty cells and pass it with --known")
        return SUCCESS
    asked = {
        "known": options.known,
        "horizon": options.horizon,
        "level": options.level,
        "output": options.output,
    }
    result = predict_run(options.run_folder, options.table, **asked)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if options.output:
        _say(f"wrote {options.output}")
    else:
        print(result.frame().to_csv(index=False), end="")
    return SUCCESS


def evaluate_command(options: argparse.Namespace) -> int:
    """Judge a run on a table."""
    with _quiet_start():
        from forecast.intervals.coverage import coverage_text
        from forecast.runs.run import evaluate_run
    result = evaluate_run(options.run_folder, options.table)
    scores = result.scores()
    print("\n".join(filter(None, [scores.text(), coverage_text(result)])), flush=True)
    if options.require_skill:
        scores.require_skill()
    return SUCCESS


def plot_command(options: argparse.Namespace) -> int:
    """Draw the pictures of a run again."""
    from forecast.runs.pictures import plot_run

    for path in plot_run(options.run_folder, out=options.out):
        print(path)
    return SUCCESS


def report_command(options: argparse.Namespace) -> int:
    """Write the report of a run again."""
    from forecast.runs.pictures import report_run

    print(report_run(options.run_folder, out=options.out))
    return SUCCESS


def backtest_command(options: argparse.Namespace) -> int:
    """Evaluate from many cutoffs and write the folder."""
    config = _experiment(options)
    with _quiet_start():
        from forecast.backtest.folder import backtest_run
        from forecast.training.progress import terminal_reporter
    backtest_run(
        config,
        options.table,
        out=options.out,
        resume=options.resume,
        reporter=terminal_reporter(),
        say=_say,
    )
    return SUCCESS


def tune_command(options: argparse.Namespace) -> int:
    """Search, judge the best, write the folder of the search."""
    config = _experiment(options)
    with _quiet_start():
        from forecast.search.roles import Role, tune_in_role
        from forecast.search.workers import Resources
    resources = Resources(options.workers, options.trial_timeout, options.trial_memory)
    role: Role | None = "chief" if options.chief else "worker" if options.worker else None
    place = {"out": options.out, "resume": options.resume, "tensorboard": options.tensorboard}
    tune_in_role(
        config,
        options.table,
        role=role,
        address=options.address,
        resources=resources,
        say=_say,
        **place,
    )
    return SUCCESS


def leak_command(options: argparse.Namespace) -> int:
    """Change later values, and look for what changes before."""
    config = _experiment(options)
    with _quiet_start():
        from forecast.leakage.own import check_experiment
    report = check_experiment(config, options.table, train=options.train)
    print(report.text())
    return SUCCESS if report.ok else FAILURE


def show_command(options: argparse.Namespace) -> int:
    """Print the resolved settings or their schema."""
    from forecast.experiment.explain import explained
    from forecast.experiment.file import dump_experiment, json_schema

    if options.schema:
        text = json.dumps(json_schema(), indent=2)
    elif options.table:
        text = explained(_experiment(options).with_source(options.table))
    else:
        text = dump_experiment(_experiment(options), full=True)
    print(text.rstrip("\n"))
    return SUCCESS


def _command(
    commands: argparse._SubParsersAction[Parser], name: str, run: object, summary: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.set_defaults(run=run)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table", nargs="?", metavar="TABLE", help="CSV or parquet file, or dataset:NAME"
    )
    _add_settings(parser)
    _add_shortcuts(parser, SHORTCUTS)


def _add_shortcuts(parser: argparse.ArgumentParser, shortcuts: Shortcuts) -> None:
    for name, (_, _, takes, text) in shortcuts.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=takes, help=text)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_run(parser, "history to forecast from; the table of the run if left out")
    parser.add_argument("--known", metavar="FILE", help="known covariates of the steps ahead")
    parser.add_argument(
        "--template", metavar="FILE", help="write the rows --known needs, to be filled in, and stop"
    )
    parser.add_argument(
        "--horizon", type=int, metavar="STEPS", help="steps to forecast; as trained if left out"
    )
    text = "add intervals of so many per cent, such as 80,95"
    parser.add_argument("--level", type=_levels, default=(), metavar="PERCENT,...", help=text)
    parser.add_argument(
        "--output", metavar="FILE", help="CSV or parquet file to write; printed if left out"
    )


def _add_tune(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    parser.add_argument(
        "--out", metavar="FOLDER", help="folder of the search; runs/NAME-search if left out"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the search in the folder")
    parser.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="trials at a time; 1 if left out"
    )
    roles = parser.add_mutually_exclusive_group()
    roles.add_argument(
        "--chief", action="store_true", help="give out trials to workers on this or other machines"
    )
    roles.add_argument("--worker", action="store_true", help="run trials that a chief gives out")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of the chief; 127.0.0.1:8000 if left out"
    )
    parser.add_argument(
        "--tensorboard", metavar="FOLDER", help="write logs for TensorBoard's hyper-parameters"
    )
    parser.add_argument(
        "--trial-timeout", type=_positive, metavar="SECONDS", help="longest time for one trial"
    )
    parser.add_argument(
        "--trial-memory",
        type=_positive,
        metavar="MIB",
        help="most memory for the process of a trial",
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1")
    return number


def _levels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected per cent, such as 80 or 80,95"
        ) from None


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one setting, such as model.units=64",
    )


def _add_run(parser: argparse.ArgumentParser, table: str) -> None:
    parser.add_argument(
        "run_folder", metavar="RUN", help="run folder, or the folder of a saved model"
    )
    parser.add_argument("table", nargs="?", metavar="TABLE", help=table)


def _add_gate(parser: argparse.ArgumentParser) -> None:
    text = "leave with exit code 1 unless the model beats the best baseline beyond chance: 95 %% interval above 0"
    parser.add_argument("--require-skill", action="store_true", help=text)


def _experiment(options: argparse.Namespace) -> Experiment:
    """Read the settings: file, then `--set`, then the shortcuts."""
    from forecast.experiment.file import load_experiment

    overrides = list(options.set)
    for name, (setting, written, _, _) in (SHORTCUTS | BACKTEST_SHORTCUTS).items():
        value = getattr(options, name, None)
        if value is not None:
            overrides.append(f"{setting}={written(value)}")
    return load_experiment(options.config, overrides)


def _quiet_start() -> AbstractContextManager[None]:
    from forecast.layers.runtime import BACKEND, quiet_start

    named = os.environ.get(BACKEND) or "tensorflow"
    if named != "tensorflow" and "keras" not in sys.modules:
        print(
            f"note: {BACKEND} is {named!r}; this command runs Keras on tensorflow", file=sys.stderr
        )
    return quiet_start()


@contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Show warnings of this package without the line of code that they come from."""
    usual = warnings.formatwarning

    def on_one_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        ours = issubclass(category, ForecastWarning)
        return f"warning: {message}\n" if ours else usual(message, category, filename, lineno, line)

    warnings.formatwarning = on_one_line
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _say(line: str) -> None:
    print(line, flush=True)


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory: use fewer series, a shorter context or a smaller batch"
    return " ".join(str(error).split()) or type(error).__name__
