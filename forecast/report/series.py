"""Forecasts and actual values: one chart per chosen series and target, and a selector."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.data.findings import listed
from forecast.data.per_series.ids import ONLY_SERIES
from forecast.data.per_series.keys import ids_in
from forecast.intervals.levels import central_levels
from forecast.report.chart import MAX_POINTS, Band, Chart, Line, baseline_looks, draw_chart
from forecast.report.plots.fan import last_windows
from forecast.report.record import RunRecord
from forecast.report.selector import axis_dates, in_steps, readings_of, selector
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import plain_stamps

MAX_CHARTS = 48
"""Charts at most; of more pairs of series and target, evenly spaced ones are shown."""

SHOWN_WINDOWS = 3
CONTEXT_HORIZONS = 2
"""Horizons of actual values before the first forecast, where the run folder has them."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """One series and target to draw.

    Attributes:
        series_id: the series.
        windows: (W,) index of its windows to draw, ascending in time.
        target: column of the target.
    """

    series_id: Any
    windows: IntArray
    target: int


def series_section(record: RunRecord) -> str:
    """Return the selector and its charts, or a sentence where there is no test set."""
    result = record.result
    if result is None:
        return "<p>There is no test set, so no forecast can be compared with actual values.</p>"
    targets = result.columns.target_cols
    pairs, total = _chosen(result)
    names = [_name(pair.series_id, targets, pair.target) for pair in pairs]
    charts = [_chart(record, result, pair, name) for pair, name in zip(pairs, names, strict=True)]
    evaluation = "test set" if record.command == "fit" else "backtest"
    all_pairs = total + len(result.unjudged_ids) * len(targets)
    about = (
        f"<p>Shown are {len(pairs):,} of {all_pairs:,} {_things(targets)}{_which(names, total)}: "
        f"of each the last {SHOWN_WINDOWS} forecasts of the {evaluation} that do not overlap, or "
        f"fewer. {_thinned(result)}</p>"
    )
    contents = [draw_chart(chart) for chart in charts]
    return _about_unevaluated(record, result) + about + selector("series", names, contents)


def _about_unevaluated(record: RunRecord, result: BacktestResult) -> str:
    """Return a sentence on the series without a window."""
    ids = result.unjudged_ids
    if not len(ids):
        return ""
    evaluation = "test windows" if record.command == "fit" else "windows in the backtest"
    total = len(result.series_ids)
    above = " Their forecasts are in the first section." * (record.forecast is not None)
    return (
        f"<p>{total - len(ids):,} of {total:,} series have {evaluation}; without: "
        f"{escape(listed(ids, 5))}.{above}</p>"
    )


def _thinned(result: BacktestResult) -> str:
    """Return a note where lines have more steps than are drawn."""
    if (CONTEXT_HORIZONS + SHOWN_WINDOWS) * result.actual.shape[1] <= MAX_POINTS:
        return ""
    return (
        f"Lines of more than {MAX_POINTS} steps are drawn through the lowest and highest value of "
        "each stretch."
    )


def _chosen(result: BacktestResult) -> tuple[list[_Shown], int]:
    """Return pairs of series and target, chosen regardless of errors, and their total."""
    num_targets = len(result.columns.target_cols)
    present = np.unique(result.series)
    pairs = []
    for pick in evenly_spaced(len(present) * num_targets, MAX_CHARTS):
        series = int(present[pick // num_targets])
        windows = last_windows(result, series, SHOWN_WINDOWS)
        pairs.append(_Shown(result.series_ids[series], windows, int(pick % num_targets)))
    return pairs, len(present) * num_targets


def _name(series_id: object, targets: tuple[str, ...], target: int) -> str:
    if len(targets) == 1:
        return f"{series_id}"
    if str(series_id) == ONLY_SERIES:
        return targets[target]
    return f"{series_id} · {targets[target]}"


def _chart(record: RunRecord, result: BacktestResult, shown: _Shown, name: str) -> Chart:
    """Return the chart of one series and target: actual values, forecasts and intervals."""
    lines = [
        Line("actual", "actual", *_actual(record, result, shown)),
        *_forecast_lines(record, result, shown),
    ]
    known_x = np.concatenate([line.x[np.isfinite(line.x)] for line in lines])
    stamps = np.unique(known_x).astype(np.int64)
    readings = readings_of(stamps, result.freq)
    counted = f"{len(shown.windows)} forecast{'s' * (len(shown.windows) > 1)}"
    chart = Chart(
        title=f"{name}: {counted} and the actual values",
        x_title=result.columns.time_col,
        y_title=result.columns.target_cols[shown.target],
        lines=lines,
        bands=_interval_bands(result, shown),
        ticks=axis_dates(readings),
        readings=readings,
    )
    return in_steps(chart, result.freq)


def _forecast_lines(record: RunRecord, result: BacktestResult, shown: _Shown) -> list[Line]:
    """Return the forecasts of the best baseline, if there is one, and of the model on top."""
    x = result.stamps[shown.windows].astype(np.int64).astype(np.float64)
    looks = {result.alias: "model"}
    if record.scores is not None and record.scores.best_baseline is not None:
        best = record.scores.best_baseline
        others = [name for name in result.forecasts if name != result.alias]
        looks = {best: baseline_looks(others, best)[best], **looks}
    lines = []
    for name, look in looks.items():
        values = result.forecasts[name][shown.windows, :, shown.target]
        lines.append(Line(name, look, *_joined(x, values)))
    return lines


def _interval_bands(result: BacktestResult, shown: _Shown) -> list[Band]:
    """Return the intervals around the forecasts of every window, the widest first."""
    if result.quantiles is None:
        return []
    bands = []
    levels = sorted(central_levels(result).items(), reverse=True)
    for depth, (level, (low, high)) in enumerate(levels):
        look = f"fan fan-{min(depth, 2)}"
        for window in shown.windows:
            x = result.stamps[window].astype(np.int64).astype(np.float64)
            ends = result.quantiles[window, :, shown.target]
            bands.append(Band(f"{level:g} % interval", look, x, ends[:, low], ends[:, high]))
    return bands


def _actual(
    record: RunRecord, result: BacktestResult, shown: _Shown
) -> tuple[FloatArray, FloatArray]:
    """Return stamps and actual values of the context and the windows, NaN in gaps."""
    windows = shown.windows
    columns = result.columns
    own = np.flatnonzero(result.series == result.series[windows[0]])
    stamps = result.stamps[own].astype(np.int64).ravel()
    values = result.actual[own, :, shown.target].ravel()
    if record.observed is not None:
        ids = ids_in(record.observed, columns)
        rows = record.observed[np.array([each == shown.series_id for each in ids], bool)]
        row_stamps = plain_stamps(rows[columns.time_col], result.freq).astype(np.int64)
        row_values = rows[columns.target_cols[shown.target]].to_numpy(np.float64)
        stamps = np.concatenate([row_stamps, stamps])
        values = np.concatenate([row_values, values])

    horizon = result.actual.shape[1]
    first = result.freq.positions(result.cutoffs[windows[:1]]) - CONTEXT_HORIZONS * horizon
    start = int(result.freq.stamps(first)[0].astype(np.int64))
    shown_stamps = result.stamps[windows].astype(np.int64)
    inside = (stamps >= start) & (stamps <= int(shown_stamps.max()))
    value_at = dict(zip(stamps[inside].tolist(), values[inside].tolist(), strict=True))
    # values of the windows that are shown take precedence over those of their neighbours
    window_values = result.actual[windows, :, shown.target]
    value_at |= dict(
        zip(shown_stamps.ravel().tolist(), window_values.ravel().tolist(), strict=True)
    )
    x = sorted(value_at)
    return np.array(x, np.float64), np.array([value_at[stamp] for stamp in x], np.float64)


def _things(targets: tuple[str, ...]) -> str:
    return "series" if len(targets) == 1 else "series and targets"


def _which(names: list[str], total: int) -> str:
    return ", evenly spaced in the order of the table, regardless of their errors" * (
        len(names) < total
    )


def _joined(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (W, H) windows one after another, (W * (H + 1) - 1,), broken between them."""
    gap_x = x[:, -1:] + 0.5
    gap_values = np.full((len(x), 1), np.nan)
    joined_x = np.concatenate([x, gap_x], axis=1).ravel()[:-1]
    joined_values = np.concatenate([values, gap_values], axis=1).ravel()[:-1]
    return joined_x, joined_values
