"""A backtest from the experiment to its folder; finished blocks are stored, so it can resume.

backtest.json       identity of the backtest: settings, data, packages
config.yaml         the settings, as `forecast backtest --config` takes them
environment.json    package versions, platform, seed
data.json           facts of the table: fingerprint, size, span, notes
blocks/             forecasts of all models, one file per fit
training/           checkpoints of a training under way; removed at the end
forecasts.parquet   actual values and all forecasts, one row per series, cutoff and step
forecasts.json      metadata of that table
scores.json, .txt   scores of every model over all windows
coverage.csv        coverage of the intervals by step and series, where there are any
observed.parquet    measured values around the windows that the figures show
*.png, report.html  figures, and all of this on one page
.lock               empty; locked by the process that works on the folder
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from forecast.backtest.block_work import (
    BLOCKS,
    CHECKPOINTS,
    TRAINING,
    BlockWork,
    RunBlocks,
    run_blocks,
)
from forecast.backtest.entrants import descriptions, make_models, named, names_of
from forecast.backtest.gather import RollingResult, gather
from forecast.backtest.peers import STATISTICAL, find_python, version_of
from forecast.backtest.rolling import Block, Model, Plan, make_plan, run_block
from forecast.backtest.started import opening
from forecast.baselines.simple import BASELINE_NAMES
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import BacktestError, OutputError, check_kind
from forecast.experiment.identity import PACKAGES, describe, differences
from forecast.experiment.named_functions import load_functions
from forecast.experiment.prepare import open_panel, resolve
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.files.lock import open_locked
from forecast.files.outputs import (
    ENVIRONMENT,
    Content,
    check_folder,
    foreign_paths,
    free_name,
    read_record,
    remove_files,
    remove_own,
)
from forecast.files.traces import clean_start
from forecast.intervals.coverage import coverage_text
from forecast.report.plots.style import is_our_output
from forecast.runs.pictures import PICTURES, show_run
from forecast.runs.records import (
    BACKTEST_RESULT,
    CONFIG,
    COVERAGE,
    DATA,
    OBSERVED,
    REPORT,
    SCORES,
    SCORES_TEXT,
    to_json,
    write_evaluation,
    write_records,
)
from forecast.section import decided
from forecast.training.voice import Voice
from forecast.transforms.missing import fill_missing

_ABOUT = "backtest.json"
LOCK = ".lock"


_BLOCK = re.compile(r"[0-9]{5}\.npz")
"""Names of files in `blocks/`."""

_RESULTS = (
    BACKTEST_RESULT.about,
    BACKTEST_RESULT.table,
    CONFIG,
    ENVIRONMENT,
    DATA,
    SCORES,
    SCORES_TEXT,
    COVERAGE,
    OBSERVED,
    REPORT,
    *PICTURES,
)
"""Files that are written at the end."""


@dataclass(frozen=True, eq=False)
class _Backtest:
    """Data, cutoffs and models of a backtest.

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
        """Fit all models, and forecast the windows of one block."""
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
    """Evaluate models on rolling cutoffs, in memory.

    Args:
        config: the experiment; `config.backtest` places the cutoffs.
        table: a frame or a file; default: `config.data.source`.
        models: by alias, any objects with `fit` and `predict` (`backtest.rolling.Model`); default:
            those that `config.backtest.models` names.

    Returns:
        The forecasts of every model at every cutoff, beside the actual values.

    Raises:
        DataError: the table is refused, or too short for the cutoffs.
        ConfigError: a model is not known.

    Example:
        >>> import pandas as pd
        >>> from forecast import BacktestConfig, Experiment, WindowsConfig, backtest_table
        >>> table = pd.DataFrame({"ds": pd.date_range("2025-01-01", periods=60), "y": range(60)})
        >>> config = Experiment(
        ...     windows=WindowsConfig(context_length=14, horizon=2),
        ...     backtest=BacktestConfig(num_windows=2, step=7, models=("last_value", "drift")),
        ... )
        >>> result = backtest_table(config, table)
        >>> result.frame()[["cutoff", "ds", "y", "last_value", "drift"]]
              cutoff         ds     y  last_value  drift
        0 2025-02-20 2025-02-21  51.0        50.0   51.0
        1 2025-02-20 2025-02-22  52.0        50.0   52.0
        2 2025-02-27 2025-02-28  58.0        57.0   58.0
        3 2025-02-27 2025-03-01  59.0        57.0   59.0
    """
    check_kind("config", config, Experiment, "an Experiment")
    panel = open_panel(config.data, table)
    config = named(config, panel)
    plan = plan_of(config, panel)
    backtest = _Backtest(config, panel, plan, models or make_models(config))
    return backtest.result([backtest.block(number) for number in range(plan.num_blocks)])


def backtest_run(
    config: Experiment,
    table: str | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    elsewhere: RunBlocks | None = None,
    voice: Voice,
) -> Path:
    """Evaluate models on rolling cutoffs and write the folder.

    Args:
        config: the experiment; `config.backtest` places the cutoffs.
        table: a file or `dataset:NAME`; default: `config.data.source`.
        out: the folder; default: `runs/NAME-backtest`, see `Experiment.folder_name`.
        resume: whether to continue a backtest in the folder. A finished one of the same data and
            settings needs no permission: its forecasts are used again.
        replace: whether to begin again in the folder of an earlier backtest, also one of other data
            or with other settings. Files of others stay.
        elsewhere: runs the blocks in other processes; default: in this one, in order.
        voice: where lines and the progress of trainings go.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds something else, or a backtest of other work that is not to be
            replaced, or cannot be written.
        BacktestError: the folder holds an unfinished backtest, or another process works on it.
    """
    config = config.with_source(table)
    folder = Path(out or Path("runs") / f"{config.folder_name}-backtest")
    check_folder(folder, _BACKTEST, config.data.source)
    load_functions(config)
    panel = open_panel(config.data)
    config = named(config, panel)
    plan = plan_of(config, panel)
    if set(names_of(config)) & set(STATISTICAL):
        find_python()  # before anything is said, because it may be missing
    for line in opening(panel, plan, names_of(config), config.data.source):
        voice.say(line)
    voice.wake()
    models = make_models(config, checkpoints=folder / TRAINING, reporter=voice.for_training())
    # Before anything is written, because the package of a model may be missing.
    identity = _identity_of(config, panel)
    busy = BacktestError(
        f"{folder}: another process is evaluating there; wait for it, or name another folder with "
        f"`out=`"
    )
    with clean_start(folder) as on_failure, open_locked(folder / LOCK, busy):
        on_failure(partial(_remove_start, folder))
        # Again, because another process may have started and ended since the first check.
        check_folder(folder, _BACKTEST, config.data.source)
        _begin(folder, identity, resume=resume, replace=replace)
        for name, text in descriptions(config, panel).items():
            voice.say(f"{name}: {text}")
        backtest = _Backtest(config, panel, plan, models)
        work = BlockWork(config, panel, plan, (folder / TRAINING).resolve())
        blocks = run_blocks(work, folder, backtest.block, voice.say, elsewhere)
        result = backtest.result(blocks)
        write_records(folder, config, panel, write_file)
        observed = write_evaluation(
            folder,
            result.result,
            panel,
            scores=result.scores(),
            table=result.frame(),
            files=BACKTEST_RESULT,
            write=write_file,
        )
        figures, failures = show_run(folder, {}, result.result, observed)
        remove_own(folder / TRAINING, CHECKPOINTS)

    for text in (result.scores().text(), coverage_text(result.result)):
        if text:
            voice.say(text)
    written = ", ".join(["forecasts and scores", *figures])
    cutoffs = counted(plan.num_windows, "cutoff")
    voice.say(f"wrote {folder}: {written} of {counted(len(models), 'model')} from {cutoffs}")
    for line in failures:
        voice.warn(line)
    return folder


def plan_of(config: Experiment, panel: Panel) -> Plan:
    """Place the cutoffs of an experiment.

    Raises:
        DataError: the series are too short.
    """
    backtest = config.backtest
    horizon = config.windows.horizon
    if backtest.refit == "never":
        cutoffs_per_fit = backtest.num_windows
    elif backtest.refit == "each":
        cutoffs_per_fit = 1
    else:
        cutoffs_per_fit = int(backtest.refit)
    return make_plan(
        panel,
        horizon,
        num_windows=backtest.num_windows,
        step=backtest.step or horizon,
        each=cutoffs_per_fit,
        history=backtest.history,
        by=decided(resolve(config, panel).evaluation.split_by, "evaluation.split_by"),
    )


def _identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a backtest; see `experiment.identity.describe`."""
    identity = describe(config, panel, without=("search",))
    if set(names_of(config)) & set(STATISTICAL):
        identity["statsforecast"] = version_of(find_python())
    return identity


def _is_backtest(folder: Path) -> bool:
    """Return whether a folder holds a backtest, or nothing but the empty lock of a killed one."""
    if not (folder / _ABOUT).exists():
        return not foreign_paths(folder, (LOCK,)) and not (folder / LOCK).stat().st_size
    return {"the data", "Python", *PACKAGES} <= read_record(folder / _ABOUT).keys()


_BACKTEST = Content("backtest", "backtest", _is_backtest)
"""Content of the folder of a backtest."""


def _begin(folder: Path, identity: dict[str, str], *, resume: bool, replace: bool) -> None:
    """Write the identity of a new backtest, or compare it with the stored one.

    Raises:
        BacktestError: settings, data or packages differ from those to be resumed, or the backtest
            is unfinished and neither to be resumed nor replaced.
        OutputError: they differ, and the backtest is not to be replaced.
    """
    path = folder / _ABOUT
    if not path.is_file():
        write_file(path, to_json(identity))
        return
    difference = differences(_stored_identity(path), identity)
    if replace and (difference or not resume):
        _remove_all(folder)
        write_file(path, to_json(identity))
    elif difference and resume:
        raise BacktestError(
            f"cannot resume the backtest in {folder}: {difference}: undo the change, or evaluate "
            f"again in another folder"
        )
    elif difference:
        raise OutputError(
            f"{folder} contains a backtest of other work ({difference}): replace it with "
            f"`replace=true`, or name another folder with `out=`, such as {free_name(folder)}"
        )
    elif not resume and not (folder / BACKTEST_RESULT.about).is_file():
        raise BacktestError(
            f"{folder} holds an unfinished backtest: resume it with `resume=true`, begin again "
            f"with `replace=true`, or name another folder with `out=`"
        )


def _stored_identity(path: Path) -> dict[str, str]:
    try:
        stored: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BacktestError(
            f"{path}: cannot be read ({error}): evaluate again in another folder"
        ) from error
    return stored


def _remove_all(folder: Path) -> None:
    """Remove the files of a backtest, its identity last, so that a kill leaves a backtest."""
    remove_own(folder / BLOCKS, _BLOCK)
    remove_own(folder / TRAINING, CHECKPOINTS)
    remove_files(folder, _RESULTS, is_our_output)
    (folder / _ABOUT).unlink(missing_ok=True)


def _remove_start(folder: Path) -> None:
    """Remove the files of a backtest that has neither a fit nor a checkpoint to resume from."""
    training = folder / TRAINING
    if (folder / BLOCKS).is_dir() or (training.is_dir() and os.listdir(training)):
        return
    remove_own(training, CHECKPOINTS)
    for name in (_ABOUT, LOCK):
        with suppress(OSError):  # on Windows a locked file stays
            (folder / name).unlink(missing_ok=True)
