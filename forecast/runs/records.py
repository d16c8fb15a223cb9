"""The records of a run or a backtest: names of the files, and one function that writes each.

`stored` reads them back.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.names import name_of
from forecast.data.panel import Panel, panel_digest, shown_stamps
from forecast.data.per_series.keys import id_columns
from forecast.data.shown import span_of
from forecast.experiment.file import dump_experiment
from forecast.experiment.settings import Experiment
from forecast.files.outputs import ENVIRONMENT, read_record
from forecast.intervals.coverage import coverage_table
from forecast.intervals.levels import central_levels
from forecast.report.plots.steps_ahead import past_steps, shown_pairs
from forecast.report.totals import SERIES, period_totals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.history import History
from forecast.scores.verdict import Scores


@dataclass(frozen=True)
class ResultFiles:
    """Names of the two files of a stored evaluation.

    Attributes:
        table: the long table of actual values and forecasts.
        about: what the table does not contain; written last, so that all files exist if it does.
    """

    table: str
    about: str


RUN_RESULT = ResultFiles("test_forecasts.parquet", "test_forecasts.json")
BACKTEST_RESULT = ResultFiles("forecasts.parquet", "forecasts.json")

CONFIG = "config.yaml"
DATA = "data.json"
HISTORY = "history.json"
SCORES = "scores.json"
SCORES_TEXT = "scores.txt"
COVERAGE = "coverage.csv"
OBSERVED = "observed.parquet"
FORECAST = "forecast.csv"
RECENT = "recent.parquet"
TOTALS = "totals.csv"
REPORT = "report.html"
MODEL = "model"  # a folder

MAX_STORED_ROWS = 500_000
"""Rows of test forecasts that are stored; of larger evaluations evenly spaced windows."""

NUM_EXAMPLES = 9
"""Windows that the figure of forecasts shows."""

_RECORDED_PACKAGES = (
    "bigru-forecast",
    "tensorflow",
    "keras",
    "keras-tuner",
    "numpy",
    "pandas",
    "pyarrow",
)

Writer = Callable[[Path, bytes], object]
"""Writes one file: `Path.write_bytes` into a folder that is swapped in as a whole, else
`files.atomic.write_file`."""


def write_records(
    folder: Path, config: Experiment, panel: Panel, write: Writer = Path.write_bytes
) -> None:
    """Write settings, package versions, and the description of the table.

    Args:
        folder: of the run or the backtest.
        config: the experiment, with the settings that the data decided.
        panel: the series.
        write: writes one file.
    """
    write(folder / CONFIG, dump_experiment(config, full=True).encode())
    write(folder / ENVIRONMENT, to_json(environment_record(config.training.seed)))
    write(folder / DATA, to_json(_data_record(panel)))


def write_histories(histories: Mapping[str, History], folder: Path) -> None:
    """Write the losses per epoch of every network.

    The first network is also written at the top level, where readers of version 0.1 look for it.

    Args:
        histories: of each network by name.
        folder: of the run.
    """
    networks = {name: history.to_dict() for name, history in histories.items()}
    first = next(iter(networks.values()), History.of_nothing().to_dict())
    (folder / HISTORY).write_bytes(to_json({**first, "networks": networks}))


def write_evaluation(
    folder: Path,
    result: BacktestResult,
    panel: Panel,
    *,
    scores: Scores,
    table: pd.DataFrame | None = None,
    files: ResultFiles = RUN_RESULT,
    write: Writer = Path.write_bytes,
) -> pd.DataFrame:
    """Write the scores of an evaluation, and then the evaluation itself; see `write_result`.

    Args:
        folder: of the run or the backtest.
        result: the evaluation.
        panel: the series that were evaluated.
        scores: of `result`.
        table: as in `write_result`.
        files: as in `write_result`.
        write: writes one file.

    Returns:
        Long table of the actual values around the windows that figures show.
    """
    write(folder / SCORES, to_json(scores.to_dict()))
    write(folder / SCORES_TEXT, (scores.text() + "\n").encode())
    observed = _observed_table(panel, result)
    write_result(folder, result, observed, table=table, files=files, write=write)
    return observed


def write_result(
    folder: Path,
    result: BacktestResult,
    observed: pd.DataFrame,
    *,
    table: pd.DataFrame | None = None,
    files: ResultFiles = RUN_RESULT,
    write: Writer = Path.write_bytes,
) -> None:
    """Write an evaluation as a long table, the coverage of its intervals, and a description.

    Args:
        folder: of the run or the backtest.
        result: the evaluation.
        observed: actual values around the windows that figures show.
        table: the long table, one row per window and step; default: that of `result`, of evenly
            spaced windows if it has more than `MAX_STORED_ROWS` rows.
        files: names of table and description.
        write: writes one file.
    """
    unjudged = result.unjudged_ids  # before windows are left out
    if table is None:
        result = _evenly_spaced(result)
        table = result.frame()
    write(folder / files.table, table.to_parquet(index=False))
    write(folder / OBSERVED, observed.to_parquet(index=False))
    if central_levels(result):
        write(folder / COVERAGE, coverage_table(result).to_csv(index=False).encode())
    write(folder / files.about, _about(result, unjudged))


def _observed_table(panel: Panel, result: BacktestResult) -> pd.DataFrame:
    """Return the actual values of the series that figures show, from before their first window.

    Args:
        panel: the series that were evaluated.
        result: the evaluation.

    Returns:
        Long table: id, time and targets. It begins three horizons, or 60 steps if that is more,
        before the earliest cutoff shown.
    """
    windows = result.examples(NUM_EXAMPLES)
    series = np.unique(result.series[windows])
    rows = np.concatenate(
        [np.arange(panel.offsets[number], panel.offsets[number + 1]) for number in series]
    )
    cutoff = panel.freq.positions(np.array([result.cutoffs[windows].min()]))
    steps_before = max(3 * result.actual.shape[1], 60)
    first = panel.freq.stamps(cutoff - steps_before)[0]
    return _actual_table(panel, rows[panel.timestamps[rows] >= first])


def write_past(folder: Path, forecast: Forecast, panel: Panel) -> None:
    """Write what a forecast is shown beside: the rows before it, and the totals a year before.

    Args:
        folder: of the run.
        forecast: the steps after the end of the panel.
        panel: the series.
    """
    horizon, num_targets = forecast.values.shape[1:]
    shown = np.unique(shown_pairs(forecast) // num_targets)
    names = {name_of(name) for name in forecast.series_ids[shown]}
    steps = past_steps(horizon, panel.freq.season_length)
    rows = []
    for number, series_id in enumerate(panel.series_ids):
        if name_of(series_id) in names:
            first, end = panel.offsets[number : number + 2]
            own = np.arange(first, end)
            rows.append(own[panel.positions[own] > panel.positions[end - 1] - steps])
    recent = _actual_table(panel, np.concatenate(rows))
    (folder / RECENT).write_bytes(recent.to_parquet(index=False))
    totals = period_totals(forecast, panel)
    if len(totals):
        ids = pd.DataFrame(id_columns(panel.columns, totals[SERIES].to_numpy(object)))
        table = pd.concat([ids, totals.drop(columns=SERIES)], axis=1)
        (folder / TOTALS).write_bytes(table.to_csv(index=False).encode())


def _actual_table(panel: Panel, rows: IntArray) -> pd.DataFrame:
    """Return the actual values of some rows as a long table: id, time and targets."""
    columns = panel.columns
    table = pd.DataFrame(id_columns(columns, panel.series_ids[panel.series_of_rows()[rows]]))
    table[columns.time_col] = shown_stamps(panel, panel.timestamps[rows])
    return table.assign(**{name: panel.column(name)[rows] for name in columns.target_cols})


def _data_record(panel: Panel) -> dict[str, Any]:
    """Describe a table as JSON values; the fingerprint is equal if all values are."""
    return {
        "fingerprint": panel_digest(panel),
        "num_series": panel.num_series,
        "num_rows": panel.num_rows,
        "frequency": panel.freq.alias,
        "time_zone": panel.freq.tz,
        "span": span_of(panel),
        "notes": list(panel.notes),
    }


def environment_record(seed: int) -> dict[str, Any]:
    """Return package versions, platform and seed as JSON values."""
    versions = {}
    for name in _RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "seed": seed,
    }


def has_environment(folder: Path) -> bool:
    """Return whether a folder contains the record of packages that runs and backtests write."""
    keys = {"python", "platform", "packages", "seed"}
    return read_record(folder / ENVIRONMENT).keys() == keys


def to_json(values: Mapping[str, Any]) -> bytes:
    """Encode a record as indented JSON."""
    return (json.dumps(values, indent=2) + "\n").encode()


def _evenly_spaced(result: BacktestResult) -> BacktestResult:
    """Return a result of at most `MAX_STORED_ROWS` rows."""
    num_windows = len(result.series)
    most = max(MAX_STORED_ROWS // result.actual.shape[1], 1)
    if num_windows <= most:
        return result
    # every k-th window, so that those of one series stay equally far apart
    return result.take(np.arange(0, num_windows, math.ceil(num_windows / most)))


def _about(result: BacktestResult, unjudged: NDArray[np.object_]) -> bytes:
    """Encode what the long table of an evaluation does not contain.

    Args:
        result: the windows of the table.
        unjudged: ids of the series of which no window was evaluated.
    """
    about = {
        "alias": result.alias,
        "baselines": list(result.baselines),
        "models": list(result.forecasts),
        "horizon": result.actual.shape[1],
        "season_length": result.season_length,
        "scale": np.nan_to_num(result.scale, nan=0.0).tolist(),  # JSON has no NaN
        "columns": result.columns.model_dump(),
        "freq": asdict(result.freq),
        "unjudged": unjudged.tolist(),
        "notes": list(result.notes),
        "members": dict(result.members),
        "judged_by": result.judged_by,
    }
    return (json.dumps(about) + "\n").encode()
