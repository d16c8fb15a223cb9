"""Read back the records of a run or a backtest, without its model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.axes import FloatArray
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.data.per_series.keys import as_ids, ids_in
from forecast.errors import DataError
from forecast.report.totals import COLUMNS as TOTAL_COLUMNS
from forecast.report.totals import SERIES
from forecast.runs.records import BACKTEST_RESULT, HISTORY, RUN_RESULT
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast, column_names, level_name, levels_of, plain_stamps
from forecast.scores.history import History


def is_backtest(folder: Path) -> bool:
    """Return whether a folder contains a finished backtest."""
    return (folder / BACKTEST_RESULT.about).is_file()


def read_result(folder: Path) -> BacktestResult | None:
    """Read the evaluation of a run or a backtest; None if there is none.

    Raises:
        DataError: the files are damaged or do not belong together.
    """
    files = RUN_RESULT
    command = "fit"
    if is_backtest(folder):
        files = BACKTEST_RESULT
        command = "backtest --resume"
    if not (folder / files.about).exists():
        return None
    try:
        about = json.loads((folder / files.about).read_text(encoding="utf-8"))
        return _rebuild(pd.read_parquet(folder / files.table), about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder}: {files.table} and {files.about} cannot be read ({error}): write them again "
            f"with forecast {command}"
        ) from error


def read_histories(folder: Path) -> dict[str, History]:
    """Read the losses of each network by name; none for a backtest.

    Folders of version 0.1 contain the losses of one network, without a name.
    """
    if is_backtest(folder):
        return {}
    path = folder / HISTORY
    if not path.is_file():
        raise DataError(
            f"{folder}: no {HISTORY} here; expected a run folder written by forecast fit, or a "
            f"finished backtest"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        networks = content.get("networks", {"network": content})
        return {name: History.from_dict(history) for name, history in networks.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read ({error}): train again") from error


def read_forecast(
    path: Path, settings: Mapping[str, Any], data: Mapping[str, Any], baseline: str = ""
) -> Forecast | None:
    """Read the forecast of a run; None if it needs covariates that were not known.

    Args:
        path: the CSV file.
        settings: of the run, as in `config.yaml`.
        data: content of `data.json` of the run.
        baseline: a baseline in the file, if there is one.
    """
    if not path.is_file():
        return None
    columns = _columns_of(settings)
    text = dict.fromkeys(columns.id_cols, str)
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    written = table.columns[len(columns.id_cols)]  # pandas names a column that has no name
    table = table.rename(columns={written: columns.time_col})
    freq = Frequency.parse(data["frequency"], tz=data["time_zone"])
    if freq.tz is not None:  # offsets differ where clocks change
        for name in (columns.time_col, "cutoff"):
            table[name] = pd.to_datetime(table[name], utc=True)
    baselines = (baseline,) * bool(baseline)
    return Forecast.from_frame(
        table, settings["name"], columns=columns, freq=freq, baselines=baselines
    )


def read_totals(path: Path, settings: Mapping[str, Any]) -> pd.DataFrame | None:
    """Read the totals of a forecast, with ids as text; None if there are none.

    Args:
        path: the CSV file; its first columns are the id, whatever their names are.
        settings: of the run, as in `config.yaml`.
    """
    if not path.is_file():
        return None
    columns = _columns_of(settings)
    id_names = [f"id {place}" for place in range(len(columns.id_cols))]
    table = pd.read_csv(
        path,
        header=0,
        names=[*id_names, *TOTAL_COLUMNS],
        dtype=dict.fromkeys([*id_names, "target"], str),
        parse_dates=["start"],
        keep_default_na=False,
        na_values={"year_before": [""]},
    )
    ids = as_ids(table[id_names].to_numpy(object).tolist())
    if len(id_names) == 1:
        ids = table[id_names[0]].to_numpy(object)
    return table.drop(columns=id_names).assign(**{SERIES: ids})


def _columns_of(settings: Mapping[str, Any]) -> Columns:
    """Return the columns of id, time and targets of a run."""
    roles = settings["data"]
    columns = Columns(**{name: roles[name] for name in ("id_col", "time_col", "target_cols")})
    return columns.of_series(roles.get("layout", "long"))  # earlier versions may lack it


def read_table(path: Path) -> pd.DataFrame | None:
    """Read a CSV or Parquet table of a run folder; None if it does not exist."""
    if not path.is_file():
        return None
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path)


def steps_of(coverage: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows of `coverage.csv` that are about single steps."""
    if coverage is None:
        return None
    rows = coverage[coverage["by"] == "step"].rename(columns={"group": "step"})
    return rows.astype({"step": int})


def _rebuild(table: pd.DataFrame, about: Mapping[str, Any]) -> BacktestResult:
    """Turn the long table, whose rows are ordered window by window, into arrays again."""
    columns = Columns.model_validate(about["columns"])
    freq = Frequency(**about["freq"])
    horizon = about["horizon"]
    targets = len(columns.target_cols)

    def block(names: tuple[str, ...]) -> FloatArray:
        """Return columns of the table as (W, H, D)."""
        return table[list(names)].to_numpy(np.float64).reshape(-1, horizon, targets)

    names = column_names(about["alias"], columns.target_cols)
    levels = levels_of(table, names[0])
    quantiles = None
    if levels:
        per_level = [
            block(tuple(f"{name}-{level_name(level)}" for name in names)) for level in levels
        ]
        quantiles = np.stack(per_level, axis=-1)  # (W, H, D, Q)

    first_rows = table.iloc[::horizon]  # of each window
    series, judged_ids = pd.factorize(ids_in(first_rows, columns))
    scale = np.array(about["scale"], np.float64).reshape(-1, targets)
    return BacktestResult(
        alias=about["alias"],
        baselines=tuple(about["baselines"]),
        series_ids=np.concatenate([judged_ids, as_ids(about.get("unjudged", []))]),
        series=series,
        cutoffs=plain_stamps(first_rows["cutoff"], freq),
        stamps=plain_stamps(table[columns.time_col], freq).reshape(-1, horizon),
        actual=block(columns.target_cols),
        forecasts={
            alias: block(column_names(alias, columns.target_cols)) for alias in about["models"]
        },
        scale=np.where(scale > 0, scale, np.nan),  # NaN is stored as 0
        season_length=about["season_length"],
        columns=columns,
        freq=freq,
        quantile_levels=levels,
        quantiles=quantiles,
        notes=tuple(about.get("notes", ())),
        members=about.get("members", {}),
        judged_by=about.get("judged_by", "MAE"),
    )
