"""The files of a run folder: what is written into each of them, and how they are read back."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns, Panel, panel_digest, shown_stamps
from forecast.errors import DataError
from forecast.intervals.coverage import coverage_table
from forecast.intervals.levels import central_levels
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast, column_names, level_name, levels_of, plain_stamps
from forecast.scores.history import History

RESULT_TABLE, RESULT_ABOUT, HISTORY = (
    "test_forecasts.parquet",
    "test_forecasts.json",
    "history.json",
)


BACKTEST_TABLE, BACKTEST_ABOUT = "forecasts.parquet", "forecasts.json"


OBSERVED, COVERAGE, FORECAST, REPORT = (
    "observed.parquet",
    "coverage.csv",
    "forecast.csv",
    "report.html",
)


MAX_STORED_ROWS = 500_000
"""Rows of test forecasts that are stored; of larger evaluations evenly spaced windows are kept."""


NUM_EXAMPLES = 9


RECORDED_PACKAGES = (
    "bigru-forecast",
    "tensorflow",
    "keras",
    "keras-tuner",
    "numpy",
    "pandas",
    "pyarrow",
)


def observed_table(panel: Panel, result: BacktestResult) -> pd.DataFrame:
    """The measured targets of the series that `draw_pictures` shows, from two contexts before their first window.

    Args:
        panel: the series that were judged.
        result: the evaluation.
    """
    windows = result.examples(NUM_EXAMPLES)
    shown = np.unique(result.series[windows])
    first = result.cutoffs[windows].min()
    rows = np.concatenate([np.arange(panel.offsets[one], panel.offsets[one + 1]) for one in shown])
    reach = max(3 * result.actual.shape[1], 60)
    after = (
        panel.timestamps[rows]
        >= panel.freq.stamps(panel.freq.positions(np.array([first])) - reach)[0]
    )
    rows = rows[after]
    stamps = panel.timestamps[rows]
    table = pd.DataFrame(
        {
            panel.columns.id_col: panel.series_ids[panel.series_of_rows()[rows]],
            panel.columns.time_col: shown_stamps(panel, stamps),
        }
    )
    return table.assign(**{name: panel.column(name)[rows] for name in panel.columns.target_cols})


def write_histories(histories: Mapping[str, History], folder: Path) -> None:
    """Store the losses per epoch: of the first network as they always were, and of each under `networks`."""
    networks = {name: one.to_dict() for name, one in histories.items()}
    content = {**next(iter(networks.values())), "networks": networks}
    (folder / HISTORY).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_result(result: BacktestResult, observed: pd.DataFrame, folder: Path) -> None:
    """Store an evaluation as a long table and a small description, and what was measured around its examples."""
    observed.to_parquet(folder / OBSERVED, index=False)
    unjudged = result.unjudged_ids
    kept = max(MAX_STORED_ROWS // result.actual.shape[1], 1)
    if len(result.series) > kept:
        # every so many, so that those of one series stay equally far apart
        result = result.take(np.arange(0, len(result.series), -(-len(result.series) // kept)))
    result.frame().to_parquet(folder / RESULT_TABLE, index=False)
    if central_levels(result):
        coverage_table(result).to_csv(folder / COVERAGE, index=False)
    (folder / RESULT_ABOUT).write_text(result_about(result, unjudged), encoding="utf-8")


def result_about(result: BacktestResult, unjudged: NDArray[np.object_]) -> str:
    """What the long table of an evaluation does not say, as JSON.

    Args:
        result: the windows in that table.
        unjudged: ids of the series of which no window was judged.
    """
    about = {
        "alias": result.alias,
        "baselines": list(result.baselines),
        "models": list(result.forecasts),
        "horizon": result.actual.shape[1],
        "season_length": result.season_length,
        "scale": np.nan_to_num(result.scale, nan=0.0).tolist(),
        "columns": result.columns.model_dump(),
        "freq": asdict(result.freq),
        "unjudged": unjudged.tolist(),
        "notes": list(result.notes),
    }
    return json.dumps(about) + "\n"


def read_result(folder: Path) -> BacktestResult | None:
    """Read back the evaluation of a run or a backtest; None where there is none.

    Raises:
        DataError: the files are damaged or do not belong together.
    """
    backtest = is_backtest(folder)
    name, table = (BACKTEST_ABOUT, BACKTEST_TABLE) if backtest else (RESULT_ABOUT, RESULT_TABLE)
    if not (folder / name).exists():
        return None
    try:
        about = json.loads((folder / name).read_text(encoding="utf-8"))
        return _rebuild(pd.read_parquet(folder / table), about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder}: {table} and {name} cannot be read ({error}): make them again with forecast "
            + ("backtest --resume" if backtest else "fit")
        ) from error


def is_backtest(folder: Path) -> bool:
    """Whether a folder holds a backtest that has come to its end."""
    return (folder / BACKTEST_ABOUT).is_file()


def _read_forecast(
    path: Path, settings: Mapping[str, Any], data: Mapping[str, Any]
) -> Forecast | None:
    """The steps after the end of the table, or None where nobody could forecast them."""
    if not path.is_file():
        return None
    roles = settings["data"]
    names = ("id_col", "time_col", "target_cols")
    columns = Columns(**{name: roles[name] for name in names})
    table = pd.read_csv(path, dtype={columns.id_col: str}, keep_default_na=False, na_values=[""])
    freq = Frequency.parse(data["frequency"], tz=data["time_zone"])
    if freq.tz is not None:  # offsets differ where clocks change
        for name in (columns.time_col, "cutoff"):
            table[name] = pd.to_datetime(table[name], utc=True)
    return Forecast.from_frame(table, settings["name"], columns=columns, freq=freq)


def _steps_of(coverage: pd.DataFrame | None) -> pd.DataFrame | None:
    """The rows of `coverage.csv` that are of single steps."""
    if coverage is None:
        return None
    rows = coverage[coverage["by"] == "step"].rename(columns={"group": "step"})
    return rows.astype({"step": int})


def _read_histories(folder: Path) -> dict[str, History]:
    """Losses of each network by name, none of a backtest; files of earlier versions hold those of one."""
    if is_backtest(folder):
        return {}
    if not (folder / HISTORY).is_file():
        raise DataError(
            f"{folder}: no {HISTORY} here; expected a run folder written by forecast fit, or a "
            f"backtest that has ended"
        )
    try:
        content = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
        networks = content.get("networks") or {"network": content}
        return {name: History.from_dict(one) for name, one in networks.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{folder / HISTORY}: cannot be read ({error}): train again") from error


def _table_in(folder: Path, name: str) -> pd.DataFrame | None:
    """A table of the run folder, or None where it has none."""
    path = folder / name
    if not path.is_file():
        return None
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def _rebuild(table: pd.DataFrame, about: Mapping[str, Any]) -> BacktestResult:
    """Turn the long table, whose rows stand window after window, into arrays again."""
    columns = Columns.model_validate(about["columns"])
    freq, horizon, targets = Frequency(**about["freq"]), about["horizon"], len(columns.target_cols)
    firsts = table.iloc[::horizon]
    series, judged = pd.factorize(firsts[columns.id_col])
    unjudged = np.array([*about.get("unjudged", []), None], object)[
        :-1
    ]  # an array of objects whatever the ids are

    def block(names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return table[list(names)].to_numpy(np.float64).reshape(-1, horizon, targets)

    names = column_names(about["alias"], columns.target_cols)
    levels = levels_of(table, names[0])
    spread = [block(tuple(f"{name}-{level_name(level)}" for name in names)) for level in levels]
    scale = np.array(about["scale"], np.float64).reshape(-1, targets)
    return BacktestResult(
        alias=about["alias"],
        baselines=tuple(about["baselines"]),
        series_ids=np.concatenate([judged.to_numpy(object), unjudged]),
        series=series,
        cutoffs=plain_stamps(firsts["cutoff"], freq),
        stamps=plain_stamps(table[columns.time_col], freq).reshape(-1, horizon),
        actual=block(columns.target_cols),
        forecasts={
            alias: block(column_names(alias, columns.target_cols)) for alias in about["models"]
        },
        scale=np.where(scale > 0, scale, np.nan),
        season_length=about["season_length"],
        columns=columns,
        freq=freq,
        quantile_levels=levels,
        quantiles=np.stack(spread, axis=-1) if spread else None,
        notes=tuple(about.get("notes", ())),
    )


def data_record(panel: Panel) -> dict[str, Any]:
    """What a table was, as JSON values; two panels with the same fingerprint hold the same numbers."""
    return {
        "fingerprint": panel_digest(panel),
        "num_series": panel.num_series,
        "num_rows": panel.num_rows,
        "frequency": panel.freq.alias,
        "time_zone": panel.freq.tz,
        "span": _span(panel),
        "notes": list(panel.notes),
    }


def environment_record(seed: int) -> dict[str, Any]:
    """Package versions, platform and seed, as JSON values."""
    versions = {}
    for name in RECORDED_PACKAGES:
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


def write_judgement(
    folder: Path, result: BacktestResult | None, panel: Panel
) -> pd.DataFrame | None:
    """Write scores and test forecasts; return what was measured around the windows in the pictures."""
    if result is None:
        return None
    scores, observed = result.scores(), observed_table(panel, result)
    (folder / "scores.json").write_text(
        json.dumps(scores.to_dict(), indent=2) + "\n", encoding="utf-8"
    )
    (folder / "scores.txt").write_text(scores.text() + "\n", encoding="utf-8")
    write_result(result, observed, folder)
    return observed


def _span(panel: Panel) -> str:
    first, last = shown_stamps(
        panel, panel.timestamps[[panel.timestamps.argmin(), panel.timestamps.argmax()]]
    )
    return f"{first} to {last}"
