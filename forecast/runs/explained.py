"""The share of each column in the forecasts of a run, and other known covariates tried out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from forecast.errors import DataError
from forecast.experiment.prepare import open_panel
from forecast.files.outputs import check_file
from forecast.forecasting.importance import importance
from forecast.forecasting.learned_table import reading_for
from forecast.report.plots.column_importance import plot_column_importance
from forecast.report.plots.style import is_picture, save_figure
from forecast.runs.table_files import columns_in, write_table
from forecast.runs.update import panel_of_run
from forecast.runs.use import check_outside, open_run
from forecast.scores.forecast import column_names

INCREASE = {"group", "step", "exchanged", "increase"}
"""Columns of a table of importance, by which it is recognised."""

DIFFERENCE = "difference"


def explain_run(
    run: str | Path,
    table: str | None = None,
    *,
    repeats: int = 5,
    seed: int = 0,
    output: str | Path | None = None,
    picture: str | Path | None = None,
) -> pd.DataFrame:
    """Return how much the error of a run grows where a column is exchanged.

    Args:
        run: the folder of a run or a saved model.
        table: a table with rows that training has not seen; default: the test set of the run, which
            a model that was trained on all rows has learned from too.
        repeats: exchanges of each group.
        seed: of the exchanges.
        output: CSV, Parquet or Excel file to write; optional.
        picture: PNG file to draw; optional.

    Returns:
        As `forecasting.importance.importance`.

    Raises:
        DataError: no window of unseen rows is there.
        OutputError: `output` or `picture` is something else.
    """
    forecaster, history = open_run(run, table, output)
    if output is not None:
        check_outside(run, output)
        check_file(output, is_importance, "table of forecast explain", (history,))
    if picture is not None:
        check_file(picture, is_picture, "picture of this package", (history,))
    fitted = forecaster.fitted
    panel = panel_of_run(run, forecaster)
    if table is not None:
        with reading_for(fitted):
            panel = open_panel(fitted.config.data, table, freq=fitted.freq)
    found = importance(fitted, panel, repeats=repeats, seed=seed, seen=table is None)
    if output is not None:
        write_table(found, output)
    if picture is not None:
        save_figure(plot_column_importance(found, subject=fitted.config.name), picture)
    return found


def what_if(
    run: str | Path,
    table: str | None = None,
    *,
    known: str | None = None,
    changed: str,
    output: str | Path | None = None,
) -> pd.DataFrame:
    """Forecast with two tables of known covariates, and return the difference.

    Args:
        run: the folder of a run or a saved model.
        table: the history; default: the rows of the run.
        known: the known covariates as planned; default: those in the table.
        changed: the known covariates to try out.
        output: CSV, Parquet or Excel file to write; optional.

    Returns:
        The table of `predict`, with `<alias>-what-if` and `difference` of each target behind.

    Raises:
        DataError: the model reads no known covariates, or values are missing.
    """
    forecaster, history = open_run(run, table, output)
    columns = forecaster.fitted.feature_map.columns
    if not columns.known_covariates:
        raise DataError(
            "this model reads no known covariates, so that there is nothing to change: train one "
            "with `data.known_covariates`"
        )
    if output is not None:
        check_outside(run, output)
        check_file(output, _is_difference, "table of forecast explain", (history, known, changed))
    planned = forecaster.predict(history, known=known)
    other = forecaster.predict(history, known=changed)
    frame = planned.frame()
    for target, name in enumerate(column_names(planned.alias, planned.columns.target_cols)):
        with_change = other.values[:, :, target].ravel()
        frame[f"{name}-what-if"] = with_change
        frame[f"{name}-{DIFFERENCE}"] = with_change - planned.values[:, :, target].ravel()
    if output is not None:
        write_table(frame, output)
    return frame


def is_importance(path: Path) -> bool:
    """Return whether a file has the columns of a table of importance."""
    return set(columns_in(path)) >= INCREASE


def _is_difference(path: Path) -> bool:
    return any(name.endswith(f"-{DIFFERENCE}") for name in columns_in(path))
