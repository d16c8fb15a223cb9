"""Kept forecasts of a run against what came: errors, coverage and inputs beside what was promised.

What was promised are the errors and intervals on the test set of the current version. An alarm is
one sentence on a difference that chance does not explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.axes import FloatArray
from forecast.data.findings import counted
from forecast.data.load import load_requested
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.data.shown import stamp_at
from forecast.errors import DataError, OutputError
from forecast.experiment.prepare import table_of
from forecast.files.atomic import write_file
from forecast.files.outputs import check_file
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.learned_table import reading_for
from forecast.intervals.coverage import coverage_by
from forecast.report.monitor_page import MONITOR, Watched, is_monitor_page, monitor_page
from forecast.runs.input_drift import drift_of
from forecast.runs.kept_forecasts import read_kept
from forecast.runs.run import RUN
from forecast.runs.stored import read_result
from forecast.runs.update import load_version
from forecast.runs.versions import version_folder
from forecast.scores.breakdown import scores_by
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.skill import diebold_mariano, num_overlapping

SIGNIFICANCE = 0.05
"""Share of false alarms on errors, two-sided: one in forty weeks or nights on the bad side."""


class NothingYetError(DataError):
    """All steps that were forecast lie after the rows that came: the first night of a run."""


@dataclass(frozen=True, eq=False)
class Monitored:
    """Result of monitoring.

    Attributes:
        watched: what is on the page.
        page: the file.
    """

    watched: Watched
    page: Path

    @property
    def alarms(self) -> tuple[str, ...]:
        """One sentence per alarm."""
        return self.watched.alarms


def monitor_run(run: str | Path, actuals: Source, *, out: str | Path | None = None) -> Monitored:
    """Compare the kept forecasts of a run with what came, and write a page.

    Args:
        run: the folder of a run.
        actuals: a table in the form of the one that `fit` read, with the rows that came.
        out: HTML file to write; default: `RUN/monitor.html`.

    Raises:
        OutputError: the folder is no run, or `out` is something else.
        NothingYetError: all steps of the kept forecasts are still to come.
        DataError: no forecast was kept, or none of its steps is in the table.
    """
    folder = Path(run)
    if not RUN.is_own(folder):
        raise OutputError(f"{run} is no run of fit, which alone keeps forecasts: name its folder")
    page = folder / MONITOR
    if out is not None:
        page = Path(out)
    check_file(page, is_monitor_page, "page of forecast monitor", (actuals,))
    fitted = load_version(folder).fitted
    with reading_for(fitted):
        panel = load_requested(table_of(fitted.config.data, actuals), fitted.request)
    result = kept_result(folder, fitted, panel)
    watched = watch(fitted, read_result(version_folder(folder)), result, panel)
    write_file(page, monitor_page(watched).encode())
    return Monitored(watched, page)


def watch(
    fitted: Fitted, promised: BacktestResult | None, result: BacktestResult, panel: Panel
) -> Watched:
    """Compare forecasts that were made with what came and with what was promised.

    Args:
        fitted: the current model.
        promised: its evaluation; None without a test set.
        result: the forecasts that were made beside what came.
        panel: what came.
    """
    drift = drift_of(fitted, panel, int(result.freq.positions(result.cutoffs).min()))
    alarms = [*_error_alarms(promised, result), *_coverage_alarms(result)]
    alarms += [row.alarm for row in drift if row.alarm]
    coverage = None
    by_level = pd.DataFrame()
    if result.quantiles is not None:
        coverage = coverage_by(result, "step")
        by_level = coverage_by(result, "overall")
    return Watched(
        name=fitted.config.name,
        span=_span(result),
        by_step=_beside(promised, result, "step"),
        by_series=_beside(promised, result, "series"),
        coverage=coverage,
        by_level=by_level,
        drift=pd.DataFrame([row.columns() for row in drift]),
        overall=(_mae(result, result.alias), _mae(promised, None)),
        alarms=tuple(alarms),
    )


def kept_result(run: Path, fitted: Fitted, panel: Panel) -> BacktestResult:
    """Return the kept forecasts beside what came, as an evaluation; of steps that are no more.

    Of several forecasts of a series from one cutoff, the one made last counts.

    Args:
        run: the folder.
        fitted: the current model.
        panel: what came.

    Raises:
        NothingYetError: all kept steps come after the table.
        DataError: nothing was kept, or nothing of it came.
    """
    columns = panel.columns
    alias = fitted.config.name
    forecasts = [forecast for _, forecast in read_kept(run, alias, columns, panel.freq)]
    if not forecasts:
        raise DataError(
            f"{run} has no kept forecasts: forecast predict {run} keeps those that it makes, so "
            f"run it before the rows come"
        )
    windows: dict[tuple[str, int], tuple[Forecast, int]] = {}
    for forecast in forecasts:
        positions = panel.freq.positions(forecast.cutoffs).tolist()
        for number, series_id in enumerate(forecast.series_ids):
            windows[name_of(series_id), positions[number]] = (forecast, number)
    series_of = {name_of(each): number for number, each in enumerate(panel.series_ids)}
    chosen = [(key, *window) for key, window in sorted(windows.items()) if key[0] in series_of]
    if not chosen:
        raise DataError(
            f"the table has none of the series that were forecast: it has "
            f"{panel.series_ids[0]!r}, and {next(iter(windows))[0]!r} was forecast; name the table "
            f"of this run's series"
        )
    levels = _common_levels([forecast for _, forecast, _ in chosen])
    result = _assembled(fitted, panel, chosen, series_of, levels)
    has_any = np.isfinite(result.actual).any(axis=(1, 2))
    if not has_any.any():
        first = min(forecast.stamps.min() for forecast in forecasts)
        last = panel.timestamps.max()
        places = (
            f"they begin at {stamp_at(panel.freq, first)}, and the table ends at "
            f"{stamp_at(panel.freq, last)}; run it again when they have come"
        )
        if first > last:
            raise NothingYetError(f"there is nothing to compare with the forecasts yet: {places}")
        raise DataError(f"none of the steps that were forecast is in the table: {places}")
    return result.take(np.flatnonzero(has_any))


def _assembled(
    fitted: Fitted,
    panel: Panel,
    chosen: list[tuple[tuple[str, int], Forecast, int]],
    series_of: dict[str, int],
    levels: tuple[float, ...],
) -> BacktestResult:
    """Return windows as one result; steps that were not forecast have no actual value."""
    horizon = fitted.shape.horizon
    num_targets = fitted.shape.num_targets
    shape = (len(chosen), horizon, num_targets)
    values = np.zeros(shape)
    actual = np.full(shape, np.nan)
    quantiles = np.zeros((*shape, len(levels)))
    series = np.array([series_of[name] for (name, _), _, _ in chosen], np.int64)
    cutoffs = np.array([forecast.cutoffs[row] for _, forecast, row in chosen])
    positions = panel.freq.positions(cutoffs)[:, None] + np.arange(1, horizon + 1)
    for number, (_, forecast, row) in enumerate(chosen):
        steps = panel.freq.positions(forecast.stamps[row]) - positions[number, 0]
        is_shown = (steps >= 0) & (steps < horizon)
        place = steps[is_shown]
        values[number, place] = forecast.values[row, is_shown]
        actual[number, place] = _values_at(panel, series[number], positions[number, place])
        if levels and forecast.quantiles is not None:
            own = [forecast.quantile_levels.index(level) for level in levels]
            quantiles[number, place] = forecast.quantiles[row, is_shown][..., own]
    return BacktestResult(
        alias=fitted.config.name,
        baselines=(),
        series_ids=panel.series_ids,
        series=series,
        cutoffs=cutoffs,
        stamps=panel.freq.stamps(positions.ravel()).reshape(positions.shape),
        actual=actual,
        forecasts={fitted.config.name: values},
        scale=np.full((len(chosen), num_targets), np.nan),
        season_length=fitted.season_length,
        columns=panel.columns,
        freq=panel.freq,
        quantile_levels=levels,
        quantiles=quantiles if levels else None,
    )


def _values_at(panel: Panel, series: int, positions: FloatArray) -> FloatArray:
    """Return (K, D) targets of a series at some positions, NaN where it has no row."""
    start, stop = panel.offsets[series : series + 2]
    own = panel.positions[start:stop]
    rows = np.searchsorted(own, positions)
    is_there = (rows < len(own)) & (own[np.minimum(rows, len(own) - 1)] == positions)
    values = np.full((len(positions), panel.targets.shape[1]), np.nan)
    values[is_there] = panel.targets[start:stop][rows[is_there]]
    return values


def _common_levels(forecasts: list[Forecast]) -> tuple[float, ...]:
    """Return the quantile levels that all forecasts have."""
    common: set[float] = set(forecasts[0].quantile_levels)
    for forecast in forecasts:
        common &= set(forecast.quantile_levels)
    return tuple(sorted(common))


def _error_alarms(promised: BacktestResult | None, result: BacktestResult) -> list[str]:
    """Return a sentence where errors are larger than promised, beyond chance."""
    if promised is None:
        return []
    now = _error_by_cutoff(result)
    before = _error_by_cutoff(promised)
    mean = float(before["error"].mean())
    positions = now["position"].to_numpy(np.int64)
    overlap = num_overlapping(positions, result.actual.shape[1])
    differences = now["error"].to_numpy(np.float64) - mean
    statistic, p_value = diebold_mariano(differences, overlap)
    if math.isnan(p_value) or statistic <= 0 or p_value >= SIGNIFICANCE:
        return []
    return [
        f"the mean absolute error of {len(now):,} cutoffs is {now['error'].mean():.4g}, and "
        f"{mean:.4g} was promised by the test set: more than chance explains (p = {p_value:.2g})"
    ]


def _error_by_cutoff(result: BacktestResult) -> pd.DataFrame:
    """Return position and mean absolute error of each cutoff."""
    errors = np.abs(result.actual - result.forecasts[result.alias])
    positions = result.freq.positions(result.cutoffs)
    table = pd.DataFrame(
        {
            "position": np.repeat(positions, errors[0].size),
            "error": errors.ravel(),
        }
    ).dropna()
    return table.groupby("position")[["error"]].mean().reset_index()


def _coverage_alarms(result: BacktestResult) -> list[str]:
    """Return a sentence for each level of which too few values were covered."""
    if result.quantiles is None:
        return []
    alarms = []
    for row in coverage_by(result, "overall").to_dict("records"):
        if row["covered"] < row["low"]:
            alarms.append(
                f"{row['level']:g} % intervals covered {100 * row['covered']:.1f} % of "
                f"{row['values']:,} values; if they are right, 95 % of samples lie between "
                f"{100 * row['low']:.1f} and {100 * row['high']:.1f} %"
            )
    return alarms


def _beside(promised: BacktestResult | None, result: BacktestResult, by: str) -> pd.DataFrame:
    """Return the mean absolute error by step or series, beside the promised one."""
    table = _mae_by(result, by).rename(columns={"MAE": "error"})
    if promised is None:
        return table.assign(promised=np.nan)
    names = [name for name in table if name != "error"]
    before = _mae_by(promised, by).rename(columns={"MAE": "promised"})
    return table.merge(before, on=names, how="left")


def _mae_by(result: BacktestResult, by: str) -> pd.DataFrame:
    table = scores_by(result, "step" if by == "step" else "series")
    table = table[table["model"] == result.alias]
    kept = ["step"] if by == "step" else list(result.columns.id_cols)
    return table[[*kept, "MAE"]].reset_index(drop=True)


def _mae(result: BacktestResult | None, alias: str | None) -> float:
    if result is None:
        return math.nan
    return float(np.nanmean(np.abs(result.actual - result.forecasts[alias or result.alias])))


def _span(result: BacktestResult) -> str:
    """Return the forecasts that are compared, in words."""
    first = stamp_at(result.freq, result.cutoffs.min())
    last = stamp_at(result.freq, result.cutoffs.max())
    num_cutoffs = len(np.unique(result.cutoffs))
    span = f"{first} to {last}" if num_cutoffs > 1 else first
    series = counted(len(np.unique(result.series)), "series")
    values = counted(int(np.isfinite(result.actual).sum()), "value")
    return f"forecasts from {counted(num_cutoffs, 'cutoff')}, {span}, of {series}: {values} came"
