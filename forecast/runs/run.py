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
- `forecast.csv`: the steps after the end of the data, if all their covariates are known, with
  intervals and the best baseline
- `forecast.json`: the models and levels in it, the weights of an ensemble
- `recent.parquet`: the last actual values before them
- `totals.csv`: the same steps added up per week, month or year, beside those of the year before
- `model/`: the saved model
- `*.png`: figures, see `forecast.runs.pictures.draw_pictures`
- `report.html`: all of this on one page
- `forecasts/`: forecasts that `predict` made from the run, see `runs.kept_forecasts`
- `monitor.html`: these beside what came, see `runs.monitor`

A figure or a report that fails is left out: the trained model is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from forecast.data.known import covers
from forecast.data.read import Source
from forecast.errors import ConfigError, OutputError
from forecast.experiment.held_back import no_test_set
from forecast.experiment.prepare import Prepared, prepare, refuse_no_forecast
from forecast.experiment.settings import Experiment
from forecast.files.atomic import replace_folder
from forecast.files.outputs import ENVIRONMENT, Content, check_folder, check_writable, free_name
from forecast.forecasting.artifact import SAVED_MODEL, SIGNATURE_ENDING
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.reference import best_on_validation
from forecast.intervals.coverage import coverage_text
from forecast.report.monitor_page import MONITOR
from forecast.runs.earlier import difference_from
from forecast.runs.heading import describe
from forecast.runs.kept_forecasts import FORECASTS, carry_forecasts
from forecast.runs.next_steps import ABOUT_FORECAST, about_forecast, write_about
from forecast.runs.pictures import PICTURES, show_run
from forecast.runs.records import (
    CONFIG,
    COVERAGE,
    DATA,
    FORECAST,
    HISTORY,
    MODEL,
    OBSERVED,
    RECENT,
    REPORT,
    RUN_RESULT,
    SCORES,
    SCORES_TEXT,
    TOTALS,
    has_environment,
    write_evaluation,
    write_histories,
    write_past,
    write_records,
)
from forecast.runs.table_files import OTHER_FORECASTS
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.member_weights import member_notes, members_text
from forecast.training.checkpoint import check_place_for_checkpoint, is_checkpoint
from forecast.training.fit import member_checkpoint
from forecast.training.voice import Say, Voice

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
    *OTHER_FORECASTS,
    ABOUT_FORECAST,
    RECENT,
    TOTALS,
    REPORT,
    *PICTURES,
    *(f"{MODEL}/{name}" for name in SAVED_MODEL.names or ()),
    f"{MODEL}{SIGNATURE_ENDING}",
    f"{FORECASTS}/*.parquet",
    MONITOR,
)
"""Every file of a run folder."""

RUN = Content(
    "run of fit",
    "run",
    lambda folder: has_environment(folder) and (folder / HISTORY).is_file(),
    RUN_FILES,
)
"""Content that `fit_run` writes into its folder."""


def fit_run(
    config: Experiment,
    table: Source | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    require_skill: bool = False,
    voice: Voice,
) -> Path:
    """Train on a table, evaluate, forecast, and write the run folder.

    Args:
        config: the experiment.
        table: a file or `dataset:NAME`, or an object such as a frame or a `Query`, which the run
            does not name; default: `config.data.source`.
        out: the folder; default: `runs/NAME`, see `Experiment.folder_name`. It is new, empty, or
            an earlier run of the same data with the same settings, which is replaced when the new
            one is complete.
        resume: resume interrupted training.
        replace: also replace an earlier run of other data or with other settings.
        require_skill: raise at the end, when everything is written, unless the model is
            significantly better than the best baseline.
        voice: where lines, progress and TensorBoard logs go.

    Returns:
        The folder.

    Raises:
        ConfigError: skill is required and there is no test set to measure it on.
        OutputError: the folder contains something else, or a run that is not to be replaced, or
            cannot be written.
        SkillError: the model is not shown to have the required skill.
    """
    config = config.with_source(table)
    folder = Path(out or Path("runs") / config.folder_name)
    check = partial(check_folder, folder, RUN, config.data.source)
    check()
    checkpoint = folder.with_name(f".{folder.name}.checkpoint")
    if not resume:  # otherwise the checkpoint is checked when it is read
        _check_checkpoints(checkpoint)
    if voice.tensorboard:
        _check_logs(voice.tensorboard, folder)

    prepared = prepare(config, table)
    refuse_no_forecast(config, prepared)
    if require_skill and not len(prepared.test):
        raise ConfigError(
            "skill is required but there is no test set to measure it on: give "
            "`evaluation.test_size` above 0"
        )
    for line in describe(prepared):
        voice.say(line)
    # the replacement by a training that is resumed was allowed when it began
    if not resume or not any(map(is_checkpoint, _checkpoint_paths(checkpoint))):
        _check_earlier(folder, prepared, replace, voice.say)

    voice.wake()
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    forecaster = Forecaster(config).fit_prepared(
        prepared, checkpoint=checkpoint, resume=resume, reporter=voice.for_training()
    )
    result = forecaster.own_result()
    baseline = best_baseline(forecaster, prepared, result)
    future = None
    if covers(prepared.panel, config.windows.horizon, config.data.ended_series):
        future = forecaster.predict(level="auto", baseline=baseline)

    with _training_kept(), replace_folder(folder, check) as temporary:
        about = about_forecast(
            forecaster, future, baseline=baseline, not_tested=_not_tested(prepared)
        )
        write_about(about, temporary)
        written, failures = write_run(temporary, prepared, forecaster, result, future)
        carry_forecasts(folder, temporary)
    _remove_checkpoints(checkpoint, prepared.config.ensemble.num_members)

    for line in _conclusions(prepared, forecaster, result, future):
        voice.say(line)
    voice.say(f"wrote {folder}: {_listed(written)}")
    for line in failures:
        voice.warn(line)
    if require_skill and result is not None:
        result.scores().require_skill()
    return folder


def _conclusions(
    prepared: Prepared,
    forecaster: Forecaster,
    result: BacktestResult | None,
    future: Forecast | None,
) -> Iterator[str]:
    """Yield what is printed after training: new notes, weights, scores, coverage."""
    if future is None:
        missing = ", ".join(prepared.panel.columns.known_covariates)
        yield (
            f"note: no forecast was written, since {missing} of its steps is not in the table: "
            f"forecast predict --template writes the rows to fill in, and --known reads them"
        )
    if future is not None:
        for note in future.notes:
            if note not in prepared.notes:
                yield f"note: {note}"
    if forecaster.fitted.training.cuts:
        yield f"note: {forecaster.fitted.training.cuts}"
    if result is None:
        fitted = forecaster.fitted
        text = members_text(fitted.members)
        if text:
            yield f"{fitted.config.name}: {text}"
        for note in member_notes(fitted.members):
            yield f"note: {note}"
        yield _not_tested(prepared)
        return
    yield result.scores().text()
    if not len(prepared.test):
        yield _not_tested(prepared)
    coverage = coverage_text(result)
    if coverage:
        yield coverage


def _not_tested(prepared: Prepared) -> str:
    """Return one line on why there is no test set; nothing where there is one."""
    return no_test_set(prepared.config, prepared.reasons.get("evaluation.test_size"))


def _check_earlier(folder: Path, prepared: Prepared, replace: bool, say: Say) -> None:
    """Raise if an earlier run of other work would be replaced unasked; else say what is replaced.

    Raises:
        OutputError: the folder contains a run of other data or with other settings.
    """
    difference = difference_from(folder, prepared)
    if not difference:
        return
    if not replace:
        raise OutputError(
            f"{folder} contains {difference}: replace it with `replace=true`, or name another "
            f"folder with `out=`, such as {free_name(folder)}"
        )
    say(f"note: {folder} contains {difference}; it is replaced at the end")


def _check_logs(logs: str, folder: Path) -> None:
    """Raise if the folder of TensorBoard logs cannot be written, or is in that of the run."""
    check_writable(logs)
    if Path(os.path.realpath(logs)).is_relative_to(os.path.realpath(folder)):
        beside = free_name(folder.with_name(f"{folder.name}-logs"))
        raise OutputError(
            f"the TensorBoard logs {logs} would be in {folder}, the run folder, which has no other "
            f"files: name a folder beside it, such as {beside}"
        )


def best_baseline(forecaster: Forecaster, prepared: Prepared, result: BacktestResult | None) -> str:
    """Return the best baseline on the test set, or on the validation set where there is none."""
    best = None
    if result is not None:
        best = result.scores().best_baseline
    return best or best_on_validation(forecaster.fitted, prepared)


def _check_checkpoints(checkpoint: Path) -> None:
    """Raise if the checkpoint of any member would overwrite a file of another kind."""
    for path in _checkpoint_paths(checkpoint):
        check_place_for_checkpoint(path)


def _checkpoint_paths(checkpoint: Path) -> list[Path]:
    """Return the existing files that have the name of the checkpoint of a member."""
    if not checkpoint.parent.is_dir():
        return []
    names = re.compile(re.escape(checkpoint.name) + r"(-\d+)?")
    return sorted(path for path in checkpoint.parent.iterdir() if names.fullmatch(path.name))


def _remove_checkpoints(checkpoint: Path, num_members: int) -> None:
    """Delete the checkpoints of all members, and of as many again if they were refitted."""
    for number in range(2 * num_members + 1):  # the last is the plan of a budget
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
            f"{error}; the training is kept: move them away and resume with `resume=true`"
        ) from error


def write_run(
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
        write_past(folder, future, prepared.panel)
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
