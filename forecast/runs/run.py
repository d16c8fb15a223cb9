"""One experiment and its run folder, which contains all outputs and is written atomically.

- `config.yaml`: settings, those chosen from the data included
- `environment.json`: package versions, platform, seed
- `data.json`: description of the table: fingerprint, size, span, notes
- `history.json`: losses per epoch of every network
- `scores.json`, `scores.txt`: scores of the model and the baselines on the test set
- `test_forecasts.parquet`: actual values and every forecast, window by window
- `test_forecasts.json`: what that table does not contain, such as scales and units of time
- `coverage.csv`: share of actual values inside the intervals, by step and series, if there are any
- `observed.parquet`: actual values around the windows that figures show
- `forecast.csv`: the steps after the end of the data, if all their covariates are known
- `model/`: the saved model
- `*.png`: figures, see `forecast.runs.pictures.draw_pictures`
- `report.html`: all of this on one page

A figure or a report that fails is left out: the trained model is kept.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from forecast.data.known import covers
from forecast.errors import ConfigError, OutputError
from forecast.experiment.prepare import Prepared, prepare, refuse_no_forecast
from forecast.experiment.settings import Experiment
from forecast.files.atomic import replace_folder
from forecast.files.outputs import Content, check_folder, check_writable
from forecast.forecasting.artifact import SAVED_MODEL
from forecast.forecasting.forecaster import Forecaster
from forecast.intervals.coverage import coverage_text
from forecast.runs.pictures import PICTURES, show_run
from forecast.runs.records import (
    CONFIG,
    COVERAGE,
    DATA,
    ENVIRONMENT,
    FORECAST,
    HISTORY,
    MODEL,
    OBSERVED,
    REPORT,
    RUN_RESULT,
    SCORES,
    SCORES_TEXT,
    has_environment,
    span_text,
    write_evaluation,
    write_histories,
    write_records,
)
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.training import Reporter
from forecast.training.checkpoint import check_place_for_checkpoint, is_checkpoint
from forecast.training.ensemble import weights_text
from forecast.training.fit import member_checkpoint
from forecast.training.progress import both, tensorboard_reporter, terminal_reporter

Say = Callable[[str], None]
"""Prints one line."""

RUN_FILES = (
    CONFIG,
    ENVIRONMENT,
    DATA,
    HISTORY,
    SCORES,
    SCORES_TEXT,
    RUN_RESULT.table,
    RUN_RESULT.about,
    COVERAGE,
    OBSERVED,
    FORECAST,
    REPORT,
    *PICTURES,
    *(f"{MODEL}/{name}" for name in SAVED_MODEL.names or ()),
)
"""Every file of a run folder."""

RUN = Content(
    "run of fit",
    "run",
    lambda folder: has_environment(folder) and (folder / HISTORY).is_file(),
    RUN_FILES,
)
"""Content that `fit_run` writes into its folder."""

_NOTE_WIDTH = 150
"""Printed characters of a note; `data.json` and `forecast check` contain all of it."""


def fit_run(
    config: Experiment,
    table: str | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    tensorboard: str | None = None,
    require_skill: bool = False,
    say: Say,
) -> Path:
    """Train on a table, evaluate, forecast, and write the run folder.

    Args:
        config: the experiment.
        table: a file or `dataset:NAME`; default: `config.data.source`.
        out: the folder; default: `runs/NAME`. It is new, empty, or an earlier run, which is
            replaced when the new one is complete.
        resume: resume interrupted training.
        tensorboard: folder for TensorBoard logs.
        require_skill: raise at the end, when everything is written, unless the model is
            significantly better than the best baseline.
        say: prints one line.

    Returns:
        The folder.

    Raises:
        ConfigError: skill is required and there is no test set to measure it on.
        OutputError: the folder contains something else, or cannot be written.
        SkillError: the model is not shown to have the required skill.
    """
    folder = Path(out or Path("runs") / config.name)
    config = config.with_source(table)
    check = partial(check_folder, folder, RUN, config.data.source)
    check()
    checkpoint = folder.with_name(f".{folder.name}.checkpoint")
    if not resume:  # otherwise the checkpoint is checked when it is read
        _check_checkpoints(checkpoint)
    if tensorboard:
        check_writable(tensorboard)

    prepared = prepare(config)
    refuse_no_forecast(config, prepared)
    if require_skill and not len(prepared.test):
        raise ConfigError(
            "skill is required but there is no test set to measure it on: set evaluation.test_size "
            "above 0"
        )
    for line in describe(prepared):
        say(line)

    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    forecaster = Forecaster(config).fit_prepared(
        prepared, checkpoint=checkpoint, resume=resume, reporter=_reporter(tensorboard)
    )
    result = None
    if len(prepared.test):
        result = forecaster.evaluate()
    future = None
    if covers(prepared.panel, config.windows.horizon):
        future = forecaster.predict()

    with _training_kept(), replace_folder(folder, check) as temporary:
        written, failures = _write_run(temporary, prepared, forecaster, result, future)
    _remove_checkpoints(checkpoint, prepared.config.ensemble.num_members)

    for line in _conclusions(prepared, forecaster, result, future):
        say(line)
    say(f"wrote {folder}: {_listed(written)}")
    for line in failures:
        say(line)
    if require_skill and result is not None:
        result.scores().require_skill()
    return folder


def describe(prepared: Prepared) -> list[str]:
    """Describe the table and its division into sets, in a few lines."""
    panel = prepared.panel
    windows = prepared.config.windows
    lines = [
        f"data: {panel.num_series:,} series, {panel.num_rows:,} rows, "
        f"frequency {panel.freq.alias}, {span_text(panel)}",
        f"windows: context {windows.context_length}, horizon {windows.horizon}; "
        f"{len(prepared.training):,} for training, {len(prepared.validation):,} for validation, "
        f"{len(prepared.test):,} for testing",
    ]
    for note in prepared.notes:
        # a shorter note about missing values comes from the policy that fills them
        if " is missing in " not in note:
            lines.append(f"note: {textwrap.shorten(note, _NOTE_WIDTH, placeholder=' ...')}")
    return lines


def _conclusions(
    prepared: Prepared,
    forecaster: Forecaster,
    result: BacktestResult | None,
    future: Forecast | None,
) -> Iterator[str]:
    """Yield what is printed after training: new notes, weights, scores, coverage."""
    if future is not None:
        for note in future.notes:
            if note not in prepared.notes:
                yield f"note: {note}"
    weights = forecaster.fitted.training.weights
    if len(weights) > 1:
        yield f"ensemble: {weights_text(weights)}"
    if result is None:
        yield "no test set (evaluation.test_size: 0): the model is not evaluated"
        return
    yield result.scores().text()
    coverage = coverage_text(result)
    if coverage:
        yield coverage


def _reporter(tensorboard: str | None) -> Reporter:
    """Return a reporter to the terminal, and to a folder of TensorBoard logs if one is given."""
    terminal = terminal_reporter()
    if not tensorboard:
        return terminal
    return both(terminal, tensorboard_reporter(tensorboard))


def _check_checkpoints(checkpoint: Path) -> None:
    """Raise if the checkpoint of any member would overwrite a file of another kind."""
    if not checkpoint.parent.is_dir():
        return
    names = re.compile(re.escape(checkpoint.name) + r"(-\d+)?")
    for path in sorted(checkpoint.parent.iterdir()):
        if names.fullmatch(path.name):
            check_place_for_checkpoint(path)


def _remove_checkpoints(checkpoint: Path, num_members: int) -> None:
    """Delete the checkpoints of all members, and of as many again if they were refitted."""
    for number in range(2 * num_members):
        path = member_checkpoint(checkpoint, number)
        if is_checkpoint(path):
            path.unlink()


@contextmanager
def _training_kept() -> Iterator[None]:
    """Add how to resume to the error about files that appeared in the folder during training."""
    try:
        yield
    except OutputError as error:
        raise OutputError(
            f"{error}; the training is kept: move them away and resume with --resume"
        ) from error


def _write_run(
    folder: Path,
    prepared: Prepared,
    forecaster: Forecaster,
    result: BacktestResult | None,
    future: Forecast | None,
) -> tuple[list[str], list[str]]:
    """Write all files of a run; return names of what was written, and a sentence per failure."""
    histories = forecaster.fitted.training.histories
    write_records(folder, prepared.config, prepared.panel)
    write_histories(histories, folder)
    forecaster.save(folder / MODEL)
    written = ["model"]
    if future is not None:
        future.frame().to_csv(folder / FORECAST, index=False)
    if future is not None or result is not None:
        written.append("forecasts")
    observed = None
    if result is not None:
        observed = write_evaluation(folder, result, prepared.panel, scores=result.scores())
        written.append("scores")
    shown, failures = show_run(folder, histories, result, observed)
    return [*written, *shown], failures


def _listed(names: list[str]) -> str:
    """Join names as `a, b and c`."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"
