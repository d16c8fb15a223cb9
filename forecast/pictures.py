"""Pictures and report of a run or a backtest, and the stored evaluation they are made from again without the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.coverage import central_levels, coverage_table
from forecast.data.extend import shown_stamps
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns, Panel
from forecast.errors import DataError, OutputError
from forecast.files import write_file
from forecast.outputs import Content, check_file, check_folder, read_record
from forecast.plots import (
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
from forecast.plots.style import is_picture
from forecast.report import RunRecord, is_report, report_page
from forecast.results import BacktestResult, Forecast, History, column_names, level_name, levels_of, plain_stamps
from forecast.scores import Scores
from forecast.strict_yaml import parse_yaml

RESULT_TABLE, RESULT_ABOUT, HISTORY = "test_forecasts.parquet", "test_forecasts.json", "history.json"
BACKTEST_TABLE, BACKTEST_ABOUT = "forecasts.parquet", "forecasts.json"
OBSERVED, COVERAGE, FORECAST, REPORT = "observed.parquet", "coverage.csv", "forecast.csv", "report.html"
MAX_STORED_ROWS = 500_000
"""Rows of test forecasts that are stored; of larger evaluations evenly spaced windows are kept."""

NUM_EXAMPLES = 9

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
    folder: Path, histories: Mapping[str, History], result: BacktestResult | None, observed: pd.DataFrame | None
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
    after = panel.timestamps[rows] >= panel.freq.stamps(panel.freq.positions(np.array([first])) - reach)[0]
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
        "columns": asdict(result.columns),
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
        raise OutputError(f"{folder} holds no {ENVIRONMENT} of a run or a backtest: name another folder with --out")
    target.mkdir(parents=True, exist_ok=True)
    return draw_pictures(target, histories, read_result(folder), _table_in(folder, OBSERVED))


def report_run(run: str | Path, *, out: str | Path | None = None) -> Path:
    """Write `report.html` of a run or a backtest, from what its folder holds alone.

    Args:
        run: the folder.
        out: the file; `report.html` in the folder if left out. One that is there is replaced in one piece.

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
            f"{folder}: its records cannot be read ({type(error).__name__}: {error}): make them again with forecast fit"
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


def is_backtest(folder: Path) -> bool:
    """Whether a folder holds a backtest that has come to its end."""
    return (folder / BACKTEST_ABOUT).is_file()


def _record(folder: Path, histories: Mapping[str, History], result: BacktestResult | None) -> RunRecord:
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


def _read_forecast(path: Path, settings: Mapping[str, Any], data: Mapping[str, Any]) -> Forecast | None:
    """The steps after the end of the table, or None where nobody could forecast them."""
    if not path.is_file():
        return None
    roles = settings["data"]
    columns = Columns(roles["id_col"], roles["time_col"], tuple(roles["target_cols"]))
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
            f"{folder}: no {HISTORY} here; expected a run folder written by forecast fit, or a backtest that has ended"
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
    roles: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about["columns"].items()}
    columns = Columns(**roles)
    freq, horizon, targets = Frequency(**about["freq"]), about["horizon"], len(columns.target_cols)
    firsts = table.iloc[::horizon]
    series, judged = pd.factorize(firsts[columns.id_col])
    unjudged = np.array([*about.get("unjudged", []), None], object)[:-1]  # an array of objects whatever the ids are

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
        forecasts={alias: block(column_names(alias, columns.target_cols)) for alias in about["models"]},
        scale=np.where(scale > 0, scale, np.nan),
        season_length=about["season_length"],
        columns=columns,
        freq=freq,
        quantile_levels=levels,
        quantiles=np.stack(spread, axis=-1) if spread else None,
        notes=tuple(about.get("notes", ())),
    )
