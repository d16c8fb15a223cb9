"""A run folder: everything one experiment leaves behind, written in one piece.

config.yaml             settings with what the data decided filled in
environment.json        package versions, seed, when
data.json               what the table was: fingerprint, size, span, notes
history.json            losses per epoch of every network
scores.json, .txt       model and baselines on the test windows
test_forecasts.parquet  actual values and every forecast, window by window
coverage.csv            share of actual values that the intervals cover, by step and series, where
there are any observed.parquet        what was measured around the windows shown in the pictures
forecast.csv            the steps after the end of the data, where the table holds what must be
known of them model/                  the saved model
*.png                   pictures, see `forecast.runs.pictures.draw_pictures`
report.html             all of this on one page

Pictures and report are left out where they cannot be made: no trained model is lost for them.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.data.known import covers
from forecast.data.number_dates import write_stamps
from forecast.errors import ConfigError, DataError, OutputError
from forecast.experiment.file import dump_experiment
from forecast.experiment.prepare import Prepared, prepare
from forecast.experiment.settings import Experiment
from forecast.files.atomic import replace_folder
from forecast.files.outputs import Content, check_file, check_folder, check_place
from forecast.forecasting.artifact import SAVED_MODEL
from forecast.forecasting.forecaster import Forecaster
from forecast.intervals.coverage import coverage_text
from forecast.runs.pictures import ENVIRONMENT, PICTURES, is_recorded, show_run
from forecast.runs.records import (
    COVERAGE,
    FORECAST,
    HISTORY,
    OBSERVED,
    REPORT,
    RESULT_ABOUT,
    RESULT_TABLE,
    _span,
    data_record,
    environment_record,
    read_result,
    write_histories,
    write_judgement,
)
from forecast.runs.table_files import check_ending, is_forecast, is_template, write_table
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.training.checkpoint import check_place_for_checkpoint, is_checkpoint
from forecast.training.ensemble import weights_text
from forecast.training.fit import member_checkpoint
from forecast.training.progress import both, tensorboard_reporter, terminal_reporter

if TYPE_CHECKING:
    import pandas as pd


Say = Callable[[str], None]


RUN_FILES = (
    "config.yaml",
    ENVIRONMENT,
    "data.json",
    HISTORY,
    "scores.json",
    "scores.txt",
    RESULT_TABLE,
    RESULT_ABOUT,
    COVERAGE,
    OBSERVED,
    FORECAST,
    REPORT,
    *PICTURES,
    *(f"model/{name}" for name in SAVED_MODEL.names or ()),
)
"""Every file of a run folder."""


RUN = Content(
    "run of fit",
    "run",
    lambda folder: is_recorded(folder) and (folder / HISTORY).is_file(),
    RUN_FILES,
)
"""What `fit_run` writes into its folder."""


NOTE_WIDTH = 150
"""Characters of a note that are printed; `data.json` and `forecast check` hold the whole of it."""


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
    """Prepare, train, judge, forecast, and write the run folder.

    Args:
        config: the experiment.
        table: a file or `dataset:NAME`; `config.data.source` if left out.
        out: the folder; `runs/NAME` if left out. New, empty, or an earlier run, which is replaced
            when the new one is whole.
        resume: go on with training that was interrupted.
        tensorboard: folder for TensorBoard logs.
        require_skill: complain, when all is written, if the model does not beat the best baseline
            beyond chance.
        say: prints one line.

    Returns:
        The folder.

    Raises:
        ConfigError: skill is required and there is no test part to show it on.
        OutputError: the folder holds something else, or cannot be written.
        SkillError: the required skill was not shown.
    """
    folder = Path(out or Path("runs") / config.name)
    config = config.with_source(table)
    check = partial(check_folder, folder, RUN, config.data.source)
    check()
    checkpoint = folder.with_name(f".{folder.name}.checkpoint")
    if not resume:  # a checkpoint that is read is checked then
        _check_checkpoints(checkpoint)
    if tensorboard:
        check_place(tensorboard)
    prepared = prepare(config)
    if require_skill and not len(prepared.test):
        raise ConfigError(
            "skill is required and there is no test part to show it on: set evaluation.test_size "
            "above 0"
        )
    for line in describe(prepared):
        say(line)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    reporter = (
        both(terminal_reporter(), tensorboard_reporter(tensorboard))
        if tensorboard
        else terminal_reporter()
    )
    forecaster = Forecaster(config).fit_prepared(
        prepared, checkpoint=checkpoint, resume=resume, reporter=reporter
    )
    result = forecaster.evaluate() if len(prepared.test) else None
    future = forecaster.predict() if covers(prepared.panel, config.windows.horizon) else None
    with _kept_where_refused(), replace_folder(folder, check) as temporary:
        _write_records(temporary, prepared, forecaster, future)
        observed = write_judgement(temporary, result, prepared.panel)
        made, failures = show_run(temporary, forecaster.fitted.training.histories, result, observed)
    for place in range(
        2 * prepared.config.ensemble.num_members
    ):  # as many again where they were fitted anew
        path = member_checkpoint(checkpoint, place)
        if is_checkpoint(path):
            path.unlink()
    new = [note for note in future.notes if note not in prepared.notes] if future else []
    for note in new:
        say(f"note: {note}")
    if len(forecaster.fitted.training.weights) > 1:
        say(f"blend: {weights_text(forecaster.fitted.training.weights)}")
    say(
        result.scores().text()
        if result
        else "no test part (evaluation.test_size: 0): this model was not judged"
    )
    if result and (text := coverage_text(result)):
        say(text)
    *first, last = ["model", "forecasts", "scores", *made]
    say(f"wrote {folder}: {', '.join(first)} and {last}")
    for line in failures:
        say(line)
    if require_skill and result:
        result.scores().require_skill()
    return folder


def predict_run(
    run: str | Path,
    table: str | None = None,
    *,
    known: str | None = None,
    horizon: int | None = None,
    level: Sequence[float] = (),
    output: str | Path | None = None,
) -> Forecast:
    """Forecast from a run folder or a saved model.

    Args:
        run: the folder.
        table: history to forecast from; the table of the run if left out.
        known: file with known covariates of the steps ahead.
        horizon: steps to forecast; as trained if left out.
        level: of intervals, in per cent.
        output: CSV or parquet file to write; new, or an earlier forecast of the run.

    Raises:
        OutputError: `output` is read here, or holds something else.
    """
    forecaster, table = _opened(run, table, output)
    fitted = forecaster.fitted
    if output is not None:
        is_own = partial(is_forecast, fitted.config.name, fitted.feature_map.columns)
        check_file(output, is_own, "forecast of this run", (table, known))
    forecast = forecaster.predict(table, known=known, horizon=horizon, level=level)
    if output is not None:
        write_table(forecast.frame(), output)
    return forecast


def future_run(
    run: str | Path,
    table: str | None = None,
    *,
    horizon: int | None = None,
    output: str | Path | None = None,
) -> pd.DataFrame:
    """Return the rows of known covariates that `predict_run` needs, to be filled in.

    Args:
        run: the folder.
        table: the history; the table of the run if left out.
        horizon: steps to forecast; as trained if left out.
        output: CSV or parquet file to write; new, or such rows of which nothing was filled in.

    Raises:
        OutputError: `output` is read here, or holds something else.
    """
    forecaster, table = _opened(run, table, output)
    data = forecaster.fitted.config.data
    if output is not None:
        is_own = partial(is_template, forecaster.fitted.feature_map.columns)
        check_file(output, is_own, "template of this run that is still empty", (table,))
    frame = forecaster.make_future_frame(table, horizon=horizon)
    if data.time_format:  # the rows are read back in the format of the table
        frame[data.time_col] = write_stamps(frame[data.time_col], data.time_format)
    if output is not None:
        write_table(frame, output)
    return frame


def evaluate_run(run: str | Path, table: str | None = None) -> BacktestResult:
    """Judge a run folder or a saved model on the unseen rows of a table, the run's own if left out.

    A model that was trained once more on all rows of its table was judged on that before; the run
    folder holds how.
    """
    forecaster = load_run(run)
    if (
        table is None
        and forecaster.config.training.refit
        and (stored := read_result(Path(run))) is not None
    ):
        return stored
    return forecaster.evaluate(table or _table_of(forecaster))


def load_run(run: str | Path) -> Forecaster:
    """Load the model of a run folder, or a saved model."""
    inside = Path(run) / "model"
    return Forecaster.load(inside if inside.is_dir() else run)


def describe(prepared: Prepared) -> list[str]:
    """Say in a few lines what was read and how it is divided."""
    panel, config = prepared.panel, prepared.config
    # what was missing is said again, and shorter, by the policy that fills it
    notes = [note for note in prepared.notes if " is missing in " not in note]
    counts = [f"{len(part):,}" for part in (prepared.training, prepared.validation, prepared.test)]
    return [
        f"data: {panel.num_series:,} series, {panel.num_rows:,} rows, frequency "
        f"{panel.freq.alias}, {_span(panel)}",
        f"windows: context {config.windows.context_length}, horizon {config.windows.horizon}; "
        f"{counts[0]} to learn from, {counts[1]} for validation, {counts[2]} for the test",
        *(f"note: {textwrap.shorten(note, NOTE_WIDTH, placeholder=' ...')}" for note in notes),
    ]


def _check_checkpoints(checkpoint: Path) -> None:
    """Raise where the state of training, of whatever member, would overwrite a file of another kind."""
    names = re.compile(re.escape(checkpoint.name) + r"(-\d+)?")
    there = sorted(checkpoint.parent.iterdir()) if checkpoint.parent.is_dir() else []
    for path in there:
        if names.fullmatch(path.name):
            check_place_for_checkpoint(path)


@contextmanager
def _kept_where_refused() -> Iterator[None]:
    """Say how to go on where somebody has put files into the folder while the model was trained."""
    try:
        yield
    except OutputError as error:
        raise OutputError(
            f"{error}; the training is kept, and goes on with --resume once they are away"
        ) from error


def _write_records(
    folder: Path, prepared: Prepared, forecaster: Forecaster, future: Forecast | None
) -> None:
    config = prepared.config
    (folder / "config.yaml").write_text(dump_experiment(config, full=True), encoding="utf-8")
    environment = json.dumps(environment_record(config.training.seed), indent=2)
    (folder / ENVIRONMENT).write_text(environment + "\n", encoding="utf-8")
    (folder / "data.json").write_text(
        json.dumps(data_record(prepared.panel), indent=2) + "\n", encoding="utf-8"
    )
    write_histories(forecaster.fitted.training.histories, folder)
    if future is not None:
        future.frame().to_csv(folder / FORECAST, index=False)
    forecaster.save(folder / "model")


def _opened(
    run: str | Path, table: str | None, output: str | Path | None
) -> tuple[Forecaster, str]:
    """The model and the table it is to read, once the name of the file to write is known to be one."""
    if output is not None:
        check_ending(output)
    forecaster = load_run(run)
    return forecaster, table or _table_of(forecaster)


def _table_of(forecaster: Forecaster) -> str:
    source = forecaster.config.data.source
    if source is None:
        raise DataError("this model was trained on a frame: name the table to read")
    return source
