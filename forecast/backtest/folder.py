"""A backtest from the experiment to its folder. Every finished block is kept, so that it goes on where it stopped.

backtest.json       what is evaluated: settings, data, packages
config.yaml         the settings, as `forecast backtest --config` takes them
environment.json    package versions, platform, seed
data.json           what the table was: fingerprint, size, span, notes
blocks/             what the models said after each fit
training/           state of a training under way; gone at the end
forecasts.parquet   actual values and all forecasts: one row per series, cutoff and step;
forecasts.json says the rest scores.json, .txt   every model over all windows
coverage.csv        share of actual values that the intervals cover, by step and series, where there
are any observed.parquet    what was measured around the windows shown in the pictures
*.png, report.html  pictures, and all of this on one page
.lock               empty; held by the process that works on the folder
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.backtest.blocks import decode_block, encode_block
from forecast.backtest.entrants import BASELINE_NAMES, make_models, names_of
from forecast.backtest.peers import STATISTICAL, find_python, version_of
from forecast.backtest.rolling import (
    Block,
    Model,
    Plan,
    RollingResult,
    gather,
    make_plan,
    run_block,
)
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import BacktestError
from forecast.experiment.file import dump_experiment
from forecast.experiment.identity import PACKAGES, describe, differences
from forecast.experiment.prepare import open_panel, resolve
from forecast.experiment.settings import Experiment
from forecast.files.atomic import open_alone, write_file
from forecast.files.outputs import Content, check_folder, read_record, remove_own, strangers
from forecast.intervals.coverage import coverage_table, coverage_text
from forecast.intervals.levels import central_levels
from forecast.runs.pictures import show_run
from forecast.runs.records import (
    BACKTEST_ABOUT,
    BACKTEST_TABLE,
    COVERAGE,
    OBSERVED,
    data_record,
    environment_record,
    observed_table,
    result_about,
)
from forecast.section import decided
from forecast.training import Reporter
from forecast.transforms.missing import fill_missing

if TYPE_CHECKING:
    import pandas as pd


Say = Callable[[str], None]


ABOUT, BLOCKS, TRAINING, LOCK = "backtest.json", "blocks", "training", ".lock"


CHECKPOINTS = re.compile(r"[0-9a-f]{16}\.checkpoint(-\d+)?")
"""Names of files in `training/`, as `backtest.entrants.NetworkModel` gives them."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """What is to be forecast, and by whom.

    Attributes:
        config: the experiment.
        panel: all rows.
        plan: the cutoffs.
        models: by alias.
    """

    config: Experiment
    panel: Panel
    plan: Plan
    models: Mapping[str, Model]

    def block(self, number: int) -> Block:
        """Fit, and forecast the windows of one block."""
        return run_block(self.panel, self.plan, number, self.models)

    def result(self, blocks: list[Block]) -> RollingResult:
        """Put all blocks together."""
        filled = fill_missing(self.panel, self.config.data.missing)[0]
        return gather(
            self.panel,
            self.plan,
            blocks,
            measured=filled.measured(len(self.panel.columns.target_cols)),
            baselines=BASELINE_NAMES,
            season_length=self.config.data.season_length or self.panel.freq.season_length,
        )


def backtest_table(
    config: Experiment, table: Source | None = None, *, models: Mapping[str, Model] | None = None
) -> RollingResult:
    """Forecast from every cutoff and keep it in memory.

    Args:
        config: the experiment; `config.backtest` says from where.
        table: a frame or a file; `config.data.source` if left out.
        models: by alias, anything with `fit` and `predict` (`backtest.rolling.Model`); those that
            `config.backtest.models` names if left out.

    Returns:
        The forecasts of every model at every cutoff, beside the actual values.

    Raises:
        DataError: the table is refused, or too short for the cutoffs.
        ConfigError: a model is not known.
    """
    panel = open_panel(config.data, table)
    backtest = Backtest(config, panel, plan_of(config, panel), models or make_models(config))
    return backtest.result([backtest.block(number) for number in range(backtest.plan.num_blocks)])


def backtest_run(
    config: Experiment,
    table: str | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
    say: Say,
) -> Path:
    """Forecast from every cutoff and write the folder.

    Args:
        config: the experiment; `config.backtest` says from where.
        table: a file or `dataset:NAME`; `config.data.source` if left out.
        out: the folder; `runs/NAME-backtest` if left out.
        resume: go on with the backtest that is there.
        reporter: is told of the progress of trainings.
        say: prints one line.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
        BacktestError: the folder holds a backtest, or another process is at it.
    """
    config = config.with_source(table)
    folder = Path(out or Path("runs") / f"{config.name}-backtest")
    _check_folder(folder, resume, config.data.source)
    panel = open_panel(config.data)
    plan = plan_of(config, panel)
    models = make_models(config, checkpoints=folder / TRAINING, reporter=reporter)
    identity = identity_of(
        config, panel
    )  # before anything is written: a model may lack its package
    busy = BacktestError(
        f"{folder}: another process is evaluating there; wait for it, or name another folder with "
        f"--out"
    )
    with open_alone(folder / LOCK, busy):
        _check_folder(
            folder, resume, config.data.source
        )  # again: another process may have begun and ended since
        _begin(folder, identity)
        result = _run(Backtest(config, panel, plan, models), folder, say)
        _write_records(config, panel, folder)
        observed = _write_result(result, panel, folder)
        made, failures = show_run(folder, {}, result.result, observed)
        remove_own(folder / TRAINING, CHECKPOINTS)
    for text in filter(None, (result.scores().text(), coverage_text(result.result))):
        say(text)
    say(
        f"wrote {folder}: forecasts and scores of {len(models)} models from {plan.num_windows} "
        f"cutoffs"
        f"{''.join(f', {one}' for one in made)}"
    )
    for line in failures:
        say(line)
    return folder


def plan_of(config: Experiment, panel: Panel) -> Plan:
    """Place the cutoffs of an experiment.

    Raises:
        DataError: the series are too short.
    """
    backtest, horizon = config.backtest, config.windows.horizon
    refits = {"never": backtest.num_windows, "each": 1}
    return make_plan(
        panel,
        horizon,
        num_windows=backtest.num_windows,
        step=backtest.step or horizon,
        each=refits.get(str(backtest.refit)) or int(backtest.refit),
        history=backtest.history,
        by=decided(resolve(config, panel).evaluation.split_by, "evaluation.split_by"),
    )


def identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a backtest; see `experiment.identity.describe`."""
    peers = set(names_of(config)) & set(STATISTICAL)
    found = describe(config, panel, without=("search",))
    return found | ({"statsforecast": version_of(find_python())} if peers else {})


def _is_backtest(folder: Path) -> bool:
    """Whether a folder holds a backtest that was begun, or what one leaves that was killed before."""
    if not (folder / ABOUT).exists():
        return not strangers(folder, (LOCK,)) and not (folder / LOCK).stat().st_size
    return {"the data", "Python", *PACKAGES} <= read_record(folder / ABOUT).keys()


BACKTEST = Content("backtest", "backtest", _is_backtest)
"""What `backtest_run` writes into its folder."""


def _check_folder(folder: Path, resume: bool, table: str | None) -> None:
    """Raise where something stands in the way."""
    check_folder(folder, BACKTEST, table)
    if (folder / ABOUT).is_file() and not resume:
        raise BacktestError(
            f"{folder} holds a backtest: go on with it by --resume, or name another folder with "
            f"--out"
        )


def _begin(folder: Path, identity: dict[str, str]) -> None:
    """Write down what is evaluated, or compare it with what was.

    Raises:
        BacktestError: settings, data or packages differ.
    """
    path = folder / ABOUT
    if not path.is_file():
        write_file(path, _json(identity))
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BacktestError(
            f"{path}: cannot be read ({error}): evaluate again in another folder"
        ) from error
    found = differences(stored, identity)
    if found:
        raise BacktestError(
            f"cannot go on with the backtest in {folder}: {found}: restore what it was, or "
            f"evaluate again in another "
            "folder"
        )


def _run(backtest: Backtest, folder: Path, say: Say) -> RollingResult:
    """Run the blocks that are missing, and keep each."""
    plan, paths = (
        backtest.plan,
        [folder / BLOCKS / f"{number:05d}.npz" for number in range(backtest.plan.num_blocks)],
    )
    waiting = [number for number, path in enumerate(paths) if not path.is_file()]
    if len(waiting) < len(paths):
        say(f"{len(paths) - len(waiting)} of {len(paths)} fits are done")
    (folder / TRAINING).mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for done, number in enumerate(waiting, 1):
        block = backtest.block(number)
        write_file(paths[number], encode_block(block))
        remove_own(folder / TRAINING, CHECKPOINTS)
        left = round((time.monotonic() - start) / done * (len(waiting) - done))
        say(
            f"cutoff {plan.cutoffs(number)[-1] + 1} of {plan.num_windows}: {len(block.last):,} "
            f"more windows are "
            f"forecast; about {left // 60}:{left % 60:02d} left"
        )
    return backtest.result([decode_block(path) for path in paths])


def _write_result(result: RollingResult, panel: Panel, folder: Path) -> pd.DataFrame:
    """Write forecasts, scores and coverage; return what was measured around the windows in the pictures."""
    scores, observed = result.scores(), observed_table(panel, result.result)
    write_file(folder / BACKTEST_TABLE, result.frame().to_parquet(index=False))
    write_file(folder / OBSERVED, observed.to_parquet(index=False))
    write_file(folder / "scores.json", _json(scores.to_dict()))
    write_file(folder / "scores.txt", (scores.text() + "\n").encode())
    if central_levels(result.result):
        write_file(folder / COVERAGE, coverage_table(result.result).to_csv(index=False).encode())
    about = result_about(result.result, result.result.unjudged_ids)
    write_file(folder / BACKTEST_ABOUT, about.encode())  # last: it says that all is there
    return observed


def _write_records(config: Experiment, panel: Panel, folder: Path) -> None:
    """Write settings, packages, and what the table was."""
    write_file(folder / "config.yaml", dump_experiment(config, full=True).encode())
    write_file(folder / "environment.json", _json(environment_record(config.training.seed)))
    write_file(folder / "data.json", _json(data_record(panel)))


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
