"""Prediction against actual: one chart per chosen series and target, and a selector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.coverage import central_levels
from forecast.data.frequency import Frequency
from forecast.report.chart import MAX_POINTS, Band, Chart, Line, draw_chart
from forecast.report.record import RunRecord
from forecast.results import BacktestResult, column_names, level_name, plain_stamps

Array = NDArray[np.float64]

MAX_CHARTS = 48
"""Charts of series and targets; of more, evenly spaced ones in the order of the table are shown."""

SHOWN_WINDOWS = 3
CONTEXT_HORIZONS = 2
"""Horizons of measured values that are drawn before the first forecast, where the run folder has them."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """What the charts of one series need: windows (ascending) and the values measured around them."""

    series_id: Any
    windows: NDArray[np.int64]
    target: int


def series_section(record: RunRecord) -> str:
    """Return the selector and its charts, or a sentence where nothing was judged."""
    result = record.result
    if result is None:
        return "<p>There was no test part, so no forecast can be shown beside what came.</p>"
    chosen, total = _chosen(result)
    names = [_name(result, one) for one in chosen]
    options = [f'<option value="series-{place}">{escape(name)}</option>' for place, name in enumerate(names)]
    charts = [
        f'<div class="choice" id="series-{place}">{draw_chart(_chart(record, result, one, name))}</div>'
        for place, (one, name) in enumerate(zip(chosen, names, strict=True))
    ]
    which = ", evenly spaced in the order of the table, whatever their errors" * (len(chosen) < total)
    things = "series" if len(result.columns.target_cols) == 1 else "series and targets"
    about = (
        f"<p>Shown are {len(chosen):,} of {total:,} {things}{which}: of each the last {SHOWN_WINDOWS} forecasts "
        f"of the test part that do not overlap, or fewer. {_thinned(result)}</p>"
    )
    select = f'<p><label for="series">Series </label><select id="series">{"".join(options)}</select></p>'
    return about + select + "".join(charts)


def _thinned(result: BacktestResult) -> str:
    """Say so where lines have more steps than are drawn."""
    if (CONTEXT_HORIZONS + SHOWN_WINDOWS) * result.actual.shape[1] <= MAX_POINTS:
        return ""
    return f"Lines of more than {MAX_POINTS} steps are drawn through the lowest and highest value of every stretch."


def _chosen(result: BacktestResult) -> tuple[list[_Shown], int]:
    """Pairs of series and target, chosen without a look at errors, and how many there are."""
    targets, present = len(result.columns.target_cols), np.unique(result.series)
    total = len(present) * targets
    picks = np.unique(np.linspace(0, total - 1, min(total, MAX_CHARTS)).round().astype(np.int64))
    positions = result.freq.positions(result.cutoffs)
    chosen = []
    for pick in picks:
        series = present[pick // targets]
        own = np.flatnonzero(result.series == series)
        windows = _apart(own, positions[own], result.actual.shape[1])
        chosen.append(_Shown(result.series_ids[series], windows, int(pick % targets)))
    return chosen, total


def _apart(windows: NDArray[np.int64], positions: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """The last window and those before it that do not overlap, ascending."""
    kept: list[int] = []
    limit = None
    for place in np.argsort(positions)[::-1]:
        if limit is None or positions[place] <= limit:
            kept.append(int(windows[place]))
            limit = int(positions[place]) - horizon
        if len(kept) == SHOWN_WINDOWS:
            break
    return np.array(kept[::-1], np.int64)


def _name(result: BacktestResult, shown: _Shown) -> str:
    targets = result.columns.target_cols
    return f"{shown.series_id}" if len(targets) == 1 else f"{shown.series_id} · {targets[shown.target]}"


def _chart(record: RunRecord, result: BacktestResult, shown: _Shown, name: str) -> Chart:
    actual = _actual(record, result, shown)
    stamps = result.stamps[shown.windows]
    x = stamps.astype(np.int64).astype(np.float64)
    best = record.scores.best_baseline if record.scores else None
    alias, target, bands = result.alias, shown.target, []
    lines = [Line("actual", "actual", *actual)]
    for label, look in [(best, "base base-0"), (alias, "model")]:
        if label is not None:
            made = result.forecasts[label][shown.windows, :, target]
            lines.append(Line(label, look, *_joined(x, made)))
    for depth, (level, (low, high)) in enumerate(sorted(central_levels(result).items(), reverse=True)):
        if result.quantiles is not None:
            for place, window in enumerate(shown.windows):
                ends = result.quantiles[window, :, target]
                bands.append(
                    Band(f"{level:g} % interval", f"fan fan-{min(depth, 2)}", x[place], ends[:, low], ends[:, high])
                )
    future = list(_future(record, result, shown))
    bands += [band for band in future if isinstance(band, Band)]
    lines += [line for line in future if isinstance(line, Line)]
    everywhere = np.unique(np.concatenate([line.x[np.isfinite(line.x)] for line in lines])).astype(np.int64)
    readings = list(zip(everywhere.astype(np.float64).tolist(), _labels(everywhere, result.freq), strict=True))
    ticks = [readings[one] for one in np.unique(np.linspace(0, len(readings) - 1, 5).astype(int))]
    dates = [(place, label.split(" ")[0]) for place, label in ticks]
    counted = f"{len(shown.windows)} forecast{'s' * (len(shown.windows) > 1)}"
    return Chart(
        title=f"{name}: {counted} of {alias} beside what was measured",
        x_title=result.columns.time_col,
        y_title=result.columns.target_cols[target],
        lines=lines,
        bands=bands,
        ticks=dates,
        readings=readings,
    )


def _actual(record: RunRecord, result: BacktestResult, shown: _Shown) -> tuple[Array, Array]:
    """Stamps and measured values, from a little before the first forecast to the end of the last; NaN in gaps."""
    windows, columns = shown.windows, result.columns
    column = columns.target_cols[shown.target]
    found = dict(
        zip(
            result.stamps[windows].astype(np.int64).ravel(),
            result.actual[windows, :, shown.target].ravel(),
            strict=True,
        )
    )
    horizon = result.actual.shape[1]
    first = result.freq.positions(result.cutoffs[windows[:1]]) - CONTEXT_HORIZONS * horizon
    own = np.flatnonzero(result.series == result.series[windows[0]])
    stamps, values = result.stamps[own].astype(np.int64).ravel(), result.actual[own, :, shown.target].ravel()
    if record.observed is not None:
        rows = record.observed[record.observed[columns.id_col] == shown.series_id]
        stamps = np.concatenate([plain_stamps(rows[columns.time_col], result.freq).astype(np.int64), stamps])
        values = np.concatenate([rows[column].to_numpy(np.float64), values])
    start, end = int(result.freq.stamps(first)[0].astype(np.int64)), int(result.stamps[windows].astype(np.int64).max())
    inside = (stamps >= start) & (stamps <= end)
    found = dict(zip(stamps[inside].tolist(), values[inside].tolist(), strict=True)) | found
    x = np.array(sorted(found), np.float64)
    return x, np.array([found[one] for one in sorted(found)], np.float64)


def _future(record: RunRecord, result: BacktestResult, shown: _Shown) -> Iterator[Line | Band]:
    """The forecast of the steps after the end of the table."""
    table, columns = record.forecast, result.columns
    if table is None:
        return
    name = column_names(result.alias, columns.target_cols)[shown.target]
    rows = table[table[columns.id_col].astype(str) == str(shown.series_id)]
    if not len(rows):
        return
    x = plain_stamps(rows[columns.time_col], result.freq).astype(np.int64).astype(np.float64)
    yield Line("next steps", "model next", x, rows[name].to_numpy(np.float64))
    for depth, level in enumerate(sorted(one for one in result.quantile_levels if one < 0.5)):
        low, high = (f"{name}-{level_name(one)}" for one in (level, round(1.0 - level, 10)))
        if low in rows and high in rows:
            label = f"{100 - 200 * level:g} % interval"
            look = f"fan fan-{min(depth, 2)}"
            yield Band(label, look, x, rows[low].to_numpy(np.float64), rows[high].to_numpy(np.float64))


def _joined(x: Array, values: Array) -> tuple[Array, Array]:
    """Windows one after another, broken between them."""
    gaps = (x[:, -1:] + 0.5, np.full((len(x), 1), np.nan))
    return tuple(np.concatenate([one, gap], axis=1).ravel()[:-1] for one, gap in zip((x, values), gaps, strict=True))  # type: ignore[return-value]


def _labels(stamps: NDArray[np.int64], freq: Frequency) -> list[str]:
    if freq.is_integer:
        return [f"{one}" for one in stamps]
    local = freq.local(stamps.astype("datetime64[ns]"))
    return list(local.strftime("%Y-%m-%d" if (local == local.normalize()).all() else "%Y-%m-%d %H:%M"))
