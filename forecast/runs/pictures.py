"""Figures and report of a run or a backtest, from its records and without its model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from forecast.data.findings import counted
from forecast.data.names import name_of
from forecast.data.per_series.keys import ids_in
from forecast.errors import DataError, OutputError
from forecast.files.atomic import write_file
from forecast.files.outputs import ENVIRONMENT, Content, check_file, check_folder, read_record
from forecast.files.yaml import parse_yaml
from forecast.intervals.levels import central_levels
from forecast.report import RunRecord, is_report, report_page
from forecast.report.plots import (
    plot_bias_by_step,
    plot_coverage,
    plot_error_by_cutoff,
    plot_error_by_step,
    plot_fan,
    plot_forecasts,
    plot_loss,
    plot_next_steps,
    plot_residuals,
    save_figure,
)
from forecast.report.plots.fan import last_windows
from forecast.report.plots.style import is_picture, write_caption
from forecast.report.words import subject_of_run, title_of
from forecast.runs.next_steps import read_about
from forecast.runs.records import (
    BACKTEST_RESULT,
    CONFIG,
    COVERAGE,
    DATA,
    FORECAST,
    NUM_EXAMPLES,
    OBSERVED,
    RECENT,
    REPORT,
    SCORES,
    TOTALS,
    has_environment,
)
from forecast.runs.stored import (
    is_backtest,
    read_forecast,
    read_histories,
    read_result,
    read_table,
    read_totals,
    steps_of,
)
from forecast.scores.evaluation import BacktestResult
from forecast.scores.history import History
from forecast.scores.verdict import Scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (
    "forecast.png",
    "loss.png",
    "forecasts.png",
    "error_by_step.png",
    "error_by_cutoff.png",
    "bias_by_step.png",
    "residuals.png",
    "coverage.png",
    "fan.png",
)
"""Files of all figures of a run or a backtest."""


def draw_pictures(
    folder: Path,
    histories: Mapping[str, History],
    result: BacktestResult | None,
    observed: pd.DataFrame | None,
    run: Path | None = None,
) -> list[Path]:
    """Draw every figure of a run or a backtest.

    Args:
        folder: where the files go.
        histories: losses per epoch of each network by name; none for a backtest.
        result: the evaluation on the test set or in a backtest, if there is one.
        observed: long table of the actual values around the windows shown.
        run: the folder of the records; default: `folder`.

    Returns:
        The files.
    """
    run = run or folder
    figures: dict[str, Figure] = {}
    if (run / FORECAST).is_file():
        figures["forecast"] = _next_steps_figure(run)
    elif not is_backtest(run) and result is not None and observed is not None:
        figures["forecast"] = _last_window_figure(result, observed, run)
    subject = _subject(run)
    if histories:
        figures["loss"] = plot_loss(histories, subject=subject)
    if result is not None and observed is not None:
        figures |= _result_figures(result, observed, subject)

    caption = _model_of(run)
    rows = "in a backtest" if is_backtest(run) else "on the test set"
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        if caption and name != "forecast":  # which names its lines
            write_caption(figure, caption if name == "loss" else f"{caption}, {rows}")
        save_figure(figure, path)
        paths.append(path)
    return paths


def plot_run(run: str | Path, *, out: str | Path | None = None) -> list[Path]:
    """Draw the figures of a run or a backtest again, without the model.

    Args:
        run: the folder.
        out: folder for the figures; default: `run`.

    Returns:
        The files.

    Raises:
        DataError: `run` is neither a run nor a backtest, or its files are damaged.
        OutputError: the figures would lie among files of another origin, or replace them.
    """
    folder = Path(run)
    target = Path(out or folder)
    histories = read_histories(folder)
    if os.path.realpath(target) != os.path.realpath(folder):
        check_folder(target, _PICTURE_FOLDER)
    elif not has_environment(folder):
        raise OutputError(
            f"{folder} contains no {ENVIRONMENT} of a run or a backtest: name another folder with "
            f"`out=`"
        )
    target.mkdir(parents=True, exist_ok=True)
    result = read_result(folder)
    return draw_pictures(target, histories, result, read_table(folder / OBSERVED), folder)


def report_run(run: str | Path, *, out: str | Path | None = None) -> Path:
    """Write the HTML report of a run or a backtest from its records alone.

    Args:
        run: the folder.
        out: the file; default: `report.html` in `run`. An existing report is replaced.

    Returns:
        The file.

    Raises:
        DataError: `run` is neither a run nor a backtest, or its files are damaged.
        OutputError: the file exists and is not such a report.
    """
    folder = Path(run)
    target = Path(out or folder / REPORT)
    check_file(target, is_report, "report")
    histories = read_histories(folder)
    result = read_result(folder)
    try:
        page = report_page(_record(folder, histories, result))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder}: its records cannot be read ({type(error).__name__}: {error}): write them "
            f"again with forecast fit"
        ) from error
    write_file(target, page.encode())
    return target


def show_run(
    folder: Path,
    histories: Mapping[str, History],
    result: BacktestResult | None,
    observed: pd.DataFrame | None,
) -> tuple[list[str], list[str]]:
    """Draw the figures and write the report of a folder that contains all other records.

    A failure is reported and not raised: a trained model must not be lost over a figure.

    Args:
        folder: of the run or the backtest.
        histories: losses per epoch of each network by name.
        result: the evaluation, if there is one.
        observed: as returned by `write_evaluation`.

    Returns:
        The names of what was written, and one sentence per failure.
    """
    written = []
    failures = []
    try:
        paths = draw_pictures(folder, histories, result, observed)
        written.append(counted(len(paths), "figure"))
    except Exception as error:
        failures.append(
            f"the figures could not be drawn ({_reason(error)}): try forecast plot on the folder"
        )
    try:
        written.append(report_run(folder).name)
    except Exception as error:
        failures.append(
            f"the report could not be written ({_reason(error)}): try forecast report on the folder"
        )
    return written, failures


def _next_steps_figure(run: Path) -> Figure:
    """Return the figure of the steps after the end of the table of a run."""
    settings = _settings(run)
    baseline = read_about(run).get("baseline", "")
    forecast = read_forecast(run / FORECAST, settings, _read_json(run / DATA), baseline)
    if forecast is None:
        raise DataError(f"{run / FORECAST} is missing: write it again with forecast fit")
    return plot_next_steps(forecast, _recent(run), title=title_of(settings))


def _last_window_figure(result: BacktestResult, observed: pd.DataFrame, run: Path) -> Figure:
    """Return the figure of the last test window of each series whose actual values are stored.

    It stands for that of the next steps, which need covariates that nobody has given yet.
    """
    stored = {name_of(series_id) for series_id in ids_in(observed, result.columns)}
    present = np.unique(result.series)
    series = [number for number in present if name_of(result.series_ids[number]) in stored]
    windows = [last_windows(result, int(number), 1) for number in series or present]
    title = f"{_subject(run) or result.alias}: the last window of the test set"
    forecast = result.forecast(result.alias, np.concatenate(windows))
    return plot_next_steps(forecast, observed, title=title)


def _subject(run: Path) -> str:
    """Return the targets and the table of a run, "" where its settings are not there."""
    if not (run / CONFIG).is_file():
        return ""
    return subject_of_run(_settings(run))


def _model_of(run: Path) -> str:
    """Return the line that names the model of a run, "" where its settings are not there."""
    if not (run / CONFIG).is_file():
        return ""
    return f"model: {_settings(run).get('name')}"


def _settings(run: Path) -> dict[str, Any]:
    """Read the settings; the columns of a backtest are those it had, where each fit chose them."""
    settings = parse_yaml((run / CONFIG).read_text(encoding="utf-8"), str(run / CONFIG)).value
    if not isinstance(settings, dict):
        raise DataError(f"{run / CONFIG} holds no settings: write it again with forecast fit")
    columns = read_record(run / BACKTEST_RESULT.about).get("columns", {})
    return {**settings, "data": {**settings.get("data", {}), **columns}}


def _recent(run: Path) -> pd.DataFrame | None:
    """Read the actual values before the forecast; folders of earlier versions have only others."""
    recent = read_table(run / RECENT)
    if recent is None:
        return read_table(run / OBSERVED)
    return recent


def _result_figures(
    result: BacktestResult, observed: pd.DataFrame, subject: str
) -> dict[str, Figure]:
    """Return the figures of an evaluation by name; `subject` begins their titles."""
    windows = result.examples(NUM_EXAMPLES)
    # without repeats, since the best baseline may be the seasonal naive one
    candidates = dict.fromkeys(("seasonal_naive", result.scores().best_baseline))
    baselines = [result.forecast(name, windows) for name in candidates if name in result.baselines]
    figures = {
        "forecasts": plot_forecasts(
            result.forecast(result.alias, windows), observed, baselines=baselines, subject=subject
        ),
        "error_by_step": plot_error_by_step(result, subject=subject),
        "error_by_cutoff": plot_error_by_cutoff(result, subject=subject),
        "bias_by_step": plot_bias_by_step(result, subject=subject),
        "residuals": plot_residuals(result, subject=subject),
    }
    if central_levels(result):
        figures["coverage"] = plot_coverage(result, subject=subject)
        figures["fan"] = plot_fan(result, subject=subject)
    return figures


def _is_picture_folder(folder: Path) -> bool:
    """Return whether a folder outside a run contains our figures, under their names only ours."""
    paths = [folder / name for name in PICTURES if os.path.lexists(folder / name)]
    if not paths or has_environment(folder):
        return False
    return all(is_picture(path) for path in paths)


_PICTURE_FOLDER = Content("figures of plot", "figures", _is_picture_folder)
"""Content that `plot_run` writes into a folder other than the run."""


def _record(
    folder: Path, histories: Mapping[str, History], result: BacktestResult | None
) -> RunRecord:
    """Read everything that a report shows."""
    config = (folder / CONFIG).read_text(encoding="utf-8")
    settings = _settings(folder)
    data = _read_json(folder / DATA)
    about = read_about(folder)
    scores = None
    if result is not None:
        scores = Scores.from_dict(_read_json(folder / SCORES))
    command: Literal["fit", "backtest"] = "fit"
    if is_backtest(folder):
        command = "backtest"
    return RunRecord(
        config=config,
        settings=settings,
        data=data,
        environment=_read_json(folder / ENVIRONMENT),
        histories=histories,
        scores=scores,
        result=result,
        observed=read_table(folder / OBSERVED),
        forecast=read_forecast(folder / FORECAST, settings, data, about.get("baseline", "")),
        about=about,
        recent=_recent(folder),
        totals=read_totals(folder / TOTALS, settings),
        coverage=steps_of(read_table(folder / COVERAGE)),
        command=command,
    )


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _reason(error: Exception) -> str:
    """Return type and message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
