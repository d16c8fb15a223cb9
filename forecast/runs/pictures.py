"""Pictures and report of a run or a backtest, and the stored evaluation they are made from again without the model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.errors import DataError, OutputError
from forecast.files.atomic import write_file
from forecast.files.outputs import Content, check_file, check_folder, read_record
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
    plot_residuals,
    save_figure,
)
from forecast.report.plots.style import is_picture
from forecast.runs.records import (
    COVERAGE,
    FORECAST,
    NUM_EXAMPLES,
    OBSERVED,
    REPORT,
    _read_forecast,
    _read_histories,
    _steps_of,
    _table_in,
    is_backtest,
    read_result,
)
from forecast.scores.evaluation import BacktestResult
from forecast.scores.history import History
from forecast.scores.verdict import Scores

PICTURES = tuple(
    f"{name}.png"
    for name in (
        "loss",
        "forecasts",
        "error_by_step",
        "error_by_cutoff",
        "bias_by_step",
        "residuals",
        "coverage",
        "fan",
    )
)
"""Every picture that is drawn of a run or a backtest."""


ENVIRONMENT = "environment.json"


ENVIRONMENT_KEYS = {"python", "platform", "packages", "seed"}
"""Entries by which the record of a run or a backtest is known."""


def draw_pictures(
    folder: Path,
    histories: Mapping[str, History],
    result: BacktestResult | None,
    observed: pd.DataFrame | None,
) -> list[Path]:
    """Draw every picture of a run.

    Args:
        folder: where they go.
        histories: losses per epoch of each network by name; none for a backtest.
        result: the evaluation on the test part or in a backtest, if there was one.
        observed: long table of what was measured around the windows shown.

    Returns:
        The files.
    """
    figures = {"loss": plot_loss(histories)} if histories else {}
    if result is not None and observed is not None:
        windows = result.examples(NUM_EXAMPLES)
        best = result.scores().best_baseline
        figures["forecasts"] = plot_forecasts(
            result.forecast(result.alias, windows),
            observed,
            baselines=[
                result.forecast(name, windows)
                for name in dict.fromkeys(("seasonal_naive", best))
                if name in result.baselines
            ],
        )
        figures["error_by_step"] = plot_error_by_step(result)
        figures["error_by_cutoff"] = plot_error_by_cutoff(result)
        figures["bias_by_step"] = plot_bias_by_step(result)
        figures["residuals"] = plot_residuals(result)
        if central_levels(result):
            figures["coverage"] = plot_coverage(result)
            figures["fan"] = plot_fan(result)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def plot_run(run: str | Path, *, out: str | Path | None = None) -> list[Path]:
    """Draw the pictures of a run or a backtest again, without the model.

    Args:
        run: the folder.
        out: where the pictures go; into the folder if left out.

    Raises:
        DataError: the folder is neither, or its files are damaged.
        OutputError: the pictures would go among, or over, files that are not of this command.
    """
    folder = Path(run)
    target = Path(out or folder)
    histories = _read_histories(folder)
    if os.path.realpath(target) != os.path.realpath(folder):
        check_folder(target, PICTURE_FOLDER)
    elif not is_recorded(folder):
        raise OutputError(
            f"{folder} holds no {ENVIRONMENT} of a run or a backtest: name another folder with "
            f"--out"
        )
    target.mkdir(parents=True, exist_ok=True)
    return draw_pictures(target, histories, read_result(folder), _table_in(folder, OBSERVED))


def report_run(run: str | Path, *, out: str | Path | None = None) -> Path:
    """Write `report.html` of a run or a backtest, from what its folder holds alone.

    Args:
        run: the folder.
        out: the file; `report.html` in the folder if left out. One that is there is replaced in one
            piece.

    Returns:
        The file.

    Raises:
        DataError: the folder is neither, or its files are damaged.
        OutputError: the file is there and is no such page.
    """
    folder = Path(run)
    target = Path(out or folder / REPORT)
    check_file(target, is_report, "report")
    histories, result = _read_histories(folder), read_result(folder)
    try:
        page = report_page(_record(folder, histories, result))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder}: its records cannot be read ({type(error).__name__}: {error}): make them "
            f"again with forecast fit"
        ) from error
    write_file(target, page.encode())
    return target


def is_recorded(folder: Path) -> bool:
    """Whether a folder holds the record of packages that a run and a backtest leave."""
    return read_record(folder / ENVIRONMENT).keys() == ENVIRONMENT_KEYS


def _holds_pictures(folder: Path) -> bool:
    """Whether a folder outside a run holds our pictures, and under their names nothing else."""
    there = [folder / name for name in PICTURES if os.path.lexists(folder / name)]
    return bool(there) and all(is_picture(path) for path in there) and not is_recorded(folder)


PICTURE_FOLDER = Content("pictures of plot", "pictures", _holds_pictures)
"""What `plot_run` writes into a folder that is no run."""


def _record(
    folder: Path, histories: Mapping[str, History], result: BacktestResult | None
) -> RunRecord:
    """Read what a report shows beside losses and evaluation."""
    config = (folder / "config.yaml").read_text(encoding="utf-8")

    def values(name: str) -> dict[str, Any]:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))

    settings, data = parse_yaml(config, str(folder / "config.yaml")).value, values("data.json")
    return RunRecord(
        config=config,
        settings=settings,
        data=data,
        environment=values(ENVIRONMENT),
        histories=histories,
        scores=Scores.from_dict(values("scores.json")) if result else None,
        result=result,
        observed=_table_in(folder, OBSERVED),
        forecast=_read_forecast(folder / FORECAST, settings, data),
        coverage=_steps_of(_table_in(folder, COVERAGE)),
        command="backtest" if is_backtest(folder) else "fit",
    )


def show_run(
    folder: Path,
    histories: Mapping[str, History],
    result: BacktestResult | None,
    observed: pd.DataFrame | None,
) -> tuple[list[str], list[str]]:
    """Draw the pictures and write the report of a run folder that holds everything else.

    Args:
        folder: where they go.
        histories: losses per epoch of each network by name.
        result: the evaluation on the test part, if there was one.
        observed: what `write_judgement` returned.

    Returns:
        What was made, and a line for what could not be made.
    """
    steps: dict[str, Callable[[], str]] = {
        "plot": lambda: f"{len(draw_pictures(folder, histories, result, observed))} pictures",
        "report": lambda: report_run(folder).name,
    }
    made: list[str] = []
    failures: list[str] = []
    for command, make in steps.items():
        try:
            made.append(make())
        except Exception as error:  # whatever it is, a trained model is worth more
            what = {"plot": "the pictures", "report": "the report"}[command]
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            failures.append(
                f"without {what}, which failed ({reason}): try forecast {command} on the folder"
            )
    return made, failures
