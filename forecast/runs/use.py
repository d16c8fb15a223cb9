"""Uses of a run folder or a saved model: predict, evaluate, and the template of covariates."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from forecast.data.dates.number_dates import write_stamps
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import DataError, ForecastWarning, OutputError
from forecast.files.outputs import check_file, free_name
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.kept_forecasts import keep_forecast
from forecast.runs.next_steps import read_about
from forecast.runs.records import FORECAST, MODEL, has_environment
from forecast.runs.run import RUN
from forecast.runs.stored import read_result
from forecast.runs.table_files import (
    OTHER_FORECASTS,
    check_ending,
    is_forecast,
    is_template,
    write_table,
)
from forecast.runs.update import load_version, panel_of_run
from forecast.runs.versions import table_path, version_folder
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.own_metrics import is_registered

if TYPE_CHECKING:
    import pandas as pd


def predict_run(
    run: str | Path,
    table: Source | None = None,
    *,
    known: str | None = None,
    horizon: int | None = None,
    level: Sequence[float] | Literal["auto"] = "auto",
    output: str | Path | None = None,
    keep: bool = True,
) -> Forecast:
    """Forecast from a run folder or a saved model.

    Args:
        run: the folder.
        table: history to forecast from; default: the table of the run.
        known: file with the known covariates of the steps to forecast.
        horizon: steps to forecast; default: as trained.
        level: levels of intervals in %, or `auto`, as in `Forecaster.predict`.
        output: CSV, Parquet or Excel file to write; new, or an earlier forecast of the run.
        keep: whether the folder of a run keeps the forecast as it was made, for `monitor_run`.

    Returns:
        The forecast, with that of the baseline that was best when the run was written.

    Raises:
        OutputError: `output` is read here, belongs to the run, or is something else.
    """
    forecaster, history = open_run(run, table, output)
    fitted = forecaster.fitted
    if output is not None:
        check_outside(run, output)
        is_own = partial(is_forecast, fitted.config.name, fitted.feature_map.columns)
        check_file(output, is_own, "forecast of this run", (history, known))
    baseline = read_about(version_folder(run)).get("baseline")
    forecast = forecaster.predict(
        history, known=known, horizon=horizon, level=level, baseline=baseline
    )
    if output is not None:
        write_table(forecast.frame(), output)
    if keep and RUN.is_own(Path(run)):
        failure = keep_forecast(Path(run), forecast)
        if failure:
            forecast = replace(forecast, notes=(*forecast.notes, failure))
    return forecast


def future_run(
    run: str | Path,
    table: Source | None = None,
    *,
    horizon: int | None = None,
    output: str | Path | None = None,
) -> pd.DataFrame:
    """Return the rows of known covariates that `predict_run` needs, to be filled in.

    Args:
        run: the folder.
        table: the history; default: the table of the run.
        horizon: steps to forecast; default: as trained.
        output: CSV, Parquet or Excel file to write; new, or such rows that are still empty.

    Returns:
        Long table: id, time, and the known covariates, which are empty.

    Raises:
        OutputError: `output` is read here, or is something else.
    """
    forecaster, history = open_run(run, table, output)
    data = forecaster.fitted.config.data
    if output is not None:
        check_outside(run, output)
        is_own = partial(is_template, forecaster.fitted.feature_map.columns)
        check_file(output, is_own, "template of this run that is still empty", (history,))
    frame = forecaster.make_future_frame(history, horizon=horizon)
    if data.time_format:  # the rows are read back in the format of the table
        frame[data.time_col] = write_stamps(frame[data.time_col], data.time_format)
    if output is not None:
        write_table(frame, output)
    return frame


def evaluate_run(run: str | Path, table: str | None = None) -> BacktestResult:
    """Evaluate a run folder or a saved model on the unseen rows of a table.

    Args:
        run: the folder.
        table: default: the table of the run. A model that was refitted on all its rows cannot be
            evaluated on it again: the evaluation before the refit is read from the folder.

    Returns:
        Forecasts of the model and the baselines beside the actual values.
    """
    forecaster = load_run(run)
    own = [path for path in forecaster.config.evaluation.metrics if not is_registered(path)]
    if own:
        warnings.warn(
            f"{', '.join(own)} of evaluation.metrics is left out: a run is evaluated without "
            f"importing code that it names; in Python, "
            f"forecast.scores.own_metrics.register_metrics enters it",
            ForecastWarning,
            stacklevel=2,
        )
    if table is None and forecaster.config.training.refit:
        stored = read_result(version_folder(run))
        if stored is not None:
            return stored
    return forecaster.evaluate(table or table_of_run(run, forecaster))


def load_run(run: str | Path) -> Forecaster:
    """Load the model of a run folder, or a saved model."""
    return load_version(run)


def model_folder(run: str | Path) -> Path:
    """Return the folder of the current model of a run; a saved model is its own folder."""
    version = version_folder(run)
    folder = version / MODEL
    if folder.is_dir():
        return folder
    return version


def open_run(
    run: str | Path, table: Source | None, output: str | Path | None
) -> tuple[Forecaster, Source | Panel]:
    """Return the model and the name of its table, after a check of the name of the output."""
    if output is not None:
        check_ending(output)
    forecaster = load_run(run)
    if table is None:
        return forecaster, table_of_run(run, forecaster)
    return forecaster, table


def check_outside(run: str | Path, output: str | Path) -> None:
    """Raise if a forecast would replace the one that `fit` wrote into this or another run."""
    target = Path(os.path.realpath(output))
    is_in_run = target.parent == Path(os.path.realpath(run)) or has_environment(target.parent)
    if is_in_run and target.name in (FORECAST, *OTHER_FORECASTS):
        raise OutputError(
            f"{output} is a file of a run, written by fit: name another file, such as "
            f"{free_name(Path(output).name)}"
        )


def table_of_run(run: str | Path, forecaster: Forecaster) -> str | Panel:
    """Return the rows of a run: the name of the table that `fit` read, or what updates made of it.

    Raises:
        DataError: the table is in no file.
    """
    if table_path(run) is not None:
        return panel_of_run(run, forecaster)
    source = forecaster.config.data.source
    if source is None:
        raise DataError("this model was trained on a table in memory: name the table to read")
    return source
