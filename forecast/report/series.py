"""Prediction against actual: one chart per chosen series and target, and a selector."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, evenly_spaced
from forecast.data.findings import counted, listed
from forecast.data.frequency import Frequency
from forecast.intervals.levels import central_levels, central_pairs
from forecast.report.chart import MAX_POINTS, Band, Chart, Line, baseline_looks, draw_chart
from forecast.report.plots.fan import last_windows
from forecast.report.record import RunRecord
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast, plain_stamps

MAX_CHARTS = 48
"""Charts of series and targets; of more, evenly spaced ones in the order of the table are shown."""

SHOWN_WINDOWS = 3
CONTEXT_HORIZONS = 2
"""Horizons of measured values that are drawn before the first forecast, where the run folder has
them."""


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
        words = "<p>There was no test part, so no forecast can be shown beside what came.</p>"
        return words if record.forecast is None else _ahead_section(record.forecast)
    chosen, total = _chosen(result)
    targets = result.columns.target_cols
    names = [_name(one.series_id, targets, one.target) for one in chosen]
    judged = "test part" if record.command == "fit" else "backtest"
    every = total + len(result.unjudged_ids) * len(targets)
    about = (
        f"<p>Shown are {len(chosen):,} of {every:,} {_things(targets)}{_which(names, total)}: of "
        f"each the last "
        f"{SHOWN_WINDOWS} forecasts of the {judged} that do not overlap, or fewer. "
        f"{_thinned(result)}</p>"
    )
    charts = [_chart(record, result, one, name) for one, name in zip(chosen, names, strict=True)]
    unjudged = _unjudged(record, result, MAX_CHARTS - len(chosen))
    about += _about_unjudged(result, judged, len(unjudged))
    return about + _selector([*names, *unjudged], [*charts, *unjudged.values()])


def _about_unjudged(result: BacktestResult, judged: str, shown: int) -> str:
    """Name the series without a window, and say what is shown of them."""
    ids = result.unjudged_ids
    if not len(ids):
        return ""
    number = f"{len(ids):,} of {len(result.series_ids):,} series"
    verb = "has" if len(ids) == 1 else "have"
    charts = "; the charts at the end of the list show their next steps alone" if shown else ""
    return f"<p>{number} {verb} no window in the {judged}: {escape(listed(ids, 5))}{charts}.</p>"


def _unjudged(record: RunRecord, result: BacktestResult, most: int) -> dict[str, Chart]:
    """Charts of the next steps of the first series without a window, by name."""
    if record.forecast is None:
        return {}
    row_of = {series_id: row for row, series_id in enumerate(record.forecast.series_ids)}
    rows = [row_of[str(one)] for one in result.unjudged_ids if str(one) in row_of]
    picks = [(row, target) for row in rows for target in range(len(result.columns.target_cols))]
    return dict(_ahead_chart(record.forecast, row, target) for row, target in picks[:most])


def _thinned(result: BacktestResult) -> str:
    """Say so where lines have more steps than are drawn."""
    if (CONTEXT_HORIZONS + SHOWN_WINDOWS) * result.actual.shape[1] <= MAX_POINTS:
        return ""
    return f"Lines of more than {MAX_POINTS} steps are drawn through the lowest and highest value of every stretch."


def _chosen(result: BacktestResult) -> tuple[list[_Shown], int]:
    """Pairs of series and target, chosen without a look at errors, and how many there are."""
    targets, present = len(result.columns.target_cols), np.unique(result.series)
    chosen = []
    for pick in evenly_spaced(len(present) * targets, MAX_CHARTS):
        series = present[pick // targets]
        windows = last_windows(result, int(series), SHOWN_WINDOWS)
        chosen.append(_Shown(result.series_ids[series], windows, int(pick % targets)))
    return chosen, len(present) * targets


def _name(series_id: object, targets: tuple[str, ...], target: int) -> str:
    return f"{series_id}" if len(targets) == 1 else f"{series_id} · {targets[target]}"


def _chart(record: RunRecord, result: BacktestResult, shown: _Shown, name: str) -> Chart:
    actual = _actual(record, result, shown)
    stamps = result.stamps[shown.windows]
    x = stamps.astype(np.int64).astype(np.float64)
    best = record.scores.best_baseline if record.scores else None
    alias, target, bands = result.alias, shown.target, []
    lines = [Line("actual", "actual", *actual)]
    for label, look in [(best, baseline_looks(result, best).get(best or "", "")), (alias, "model")]:
        if label is not None:
            made = result.forecasts[label][shown.windows, :, target]
            lines.append(Line(label, look, *_joined(x, made)))
    for depth, (level, (low, high)) in enumerate(
        sorted(central_levels(result).items(), reverse=True)
    ):
        if result.quantiles is not None:
            for place, window in enumerate(shown.windows):
                ends = result.quantiles[window, :, target]
                bands.append(
                    Band(
                        f"{level:g} % interval",
                        f"fan fan-{min(depth, 2)}",
                        x[place],
                        ends[:, low],
                        ends[:, high],
                    )
                )
    future = _future(record.forecast, shown.series_id, shown.target)
    bands += [band for band in future if isinstance(band, Band)]
    lines += [line for line in future if isinstance(line, Line)]
    everywhere = np.unique(np.concatenate([line.x[np.isfinite(line.x)] for line in lines])).astype(
        np.int64
    )
    readings = list(
        zip(everywhere.astype(np.float64).tolist(), _labels(everywhere, result.freq), strict=True)
    )
    forecasts = counted(len(shown.windows), "forecast")
    return Chart(
        title=f"{name}: {forecasts} of {alias} beside what was measured",
        x_title=result.columns.time_col,
        y_title=result.columns.target_cols[target],
        lines=lines,
        bands=bands,
        ticks=_dates(readings),
        readings=readings,
    )


def _actual(
    record: RunRecord, result: BacktestResult, shown: _Shown
) -> tuple[FloatArray, FloatArray]:
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
    stamps, values = (
        result.stamps[own].astype(np.int64).ravel(),
        result.actual[own, :, shown.target].ravel(),
    )
    if record.observed is not None:
        rows = record.observed[record.observed[columns.id_col] == shown.series_id]
        stamps = np.concatenate(
            [plain_stamps(rows[columns.time_col], result.freq).astype(np.int64), stamps]
        )
        values = np.concatenate([rows[column].to_numpy(np.float64), values])
    start, end = (
        int(result.freq.stamps(first)[0].astype(np.int64)),
        int(result.stamps[windows].astype(np.int64).max()),
    )
    inside = (stamps >= start) & (stamps <= end)
    found = dict(zip(stamps[inside].tolist(), values[inside].tolist(), strict=True)) | found
    x = np.array(sorted(found), np.float64)
    return x, np.array([found[one] for one in sorted(found)], np.float64)


def _future(ahead: Forecast | None, series_id: object, target: int) -> list[Line | Band]:
    """The forecast of the steps after the end of the table: a line, and the intervals around it."""
    rows = (
        np.zeros(0, np.int64)
        if ahead is None
        else np.flatnonzero(ahead.series_ids == str(series_id))
    )
    if ahead is None or not len(rows):
        return []
    row = rows[0]
    x = ahead.stamps[row].astype(np.int64).astype(np.float64)
    found: list[Line | Band] = [Line("next steps", "model next", x, ahead.values[row, :, target])]
    if ahead.quantiles is not None:
        ends, pairs = ahead.quantiles[row, :, target], central_pairs(ahead.quantile_levels)
        for depth, (share, (low, high)) in enumerate(reversed(pairs.items())):
            name = f"{100 * share:.8g} % interval"
            found.append(Band(name, f"fan fan-{min(depth, 2)}", x, ends[:, low], ends[:, high]))
    return found


def _ahead_section(ahead: Forecast) -> str:
    """Charts of the steps ahead alone, where nothing was judged."""
    targets = ahead.columns.target_cols
    total = len(ahead.series_ids) * len(targets)
    shown = [
        _ahead_chart(ahead, int(pick // len(targets)), int(pick % len(targets)))
        for pick in evenly_spaced(total, MAX_CHARTS)
    ]
    names, charts = [name for name, _ in shown], [chart for _, chart in shown]
    return (
        "<p>There was no test part, so no forecast can be shown beside what came. The charts show "
        "the steps after the "
        f"end of the table, of {len(names):,} of {total:,} "
        f"{_things(targets)}{_which(names, total)}.</p>" + _selector(names, charts)
    )


def _ahead_chart(ahead: Forecast, row: int, target: int) -> tuple[str, Chart]:
    """Name and chart of the steps ahead of one series and target."""
    name = _name(ahead.series_ids[row], ahead.columns.target_cols, target)
    future = _future(ahead, ahead.series_ids[row], target)
    x = np.unique(ahead.stamps[row].astype(np.int64))
    places = list(zip(x.astype(np.float64).tolist(), _labels(x, ahead.freq), strict=True))
    chart = Chart(
        title=f"{name}: forecast of the {len(x)} steps after the end of the table",
        x_title=ahead.columns.time_col,
        y_title=ahead.columns.target_cols[target],
        lines=[one for one in future if isinstance(one, Line)],
        bands=[one for one in future if isinstance(one, Band)],
        ticks=_dates(places),
        readings=places,
    )
    return name, chart


def _selector(names: list[str], charts: list[Chart]) -> str:
    """The list of names, and a chart for each; the script shows the chosen one."""
    options = [
        f'<option value="series-{place}">{escape(name)}</option>'
        for place, name in enumerate(names)
    ]
    shown = [
        f'<div class="choice" id="series-{place}">{draw_chart(chart)}</div>'
        for place, chart in enumerate(charts)
    ]
    select = (
        f'<p><label for="series">Series </label><select id="series">{"".join(options)}</select></p>'
    )
    return select + "".join(shown)


def _things(targets: tuple[str, ...]) -> str:
    return "series" if len(targets) == 1 else "series and targets"


def _which(names: list[str], total: int) -> str:
    return ", evenly spaced in the order of the table, whatever their errors" * (len(names) < total)


def _dates(places: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Five ticks at most: days, or days and times without the year where a day would stand twice."""
    chosen = [places[one] for one in evenly_spaced(len(places), 5)]
    days = [label.split(" ")[0] for _, label in chosen]
    short = days if len(set(days)) == len(days) else [label[5:] for _, label in chosen]
    return [(place, words) for (place, _), words in zip(chosen, short, strict=True)]


def _joined(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Windows one after another, broken between them."""
    gaps = (x[:, -1:] + 0.5, np.full((len(x), 1), np.nan))
    return tuple(
        np.concatenate([one, gap], axis=1).ravel()[:-1]
        for one, gap in zip((x, values), gaps, strict=True)
    )  # type: ignore[return-value]


def _labels(stamps: NDArray[np.int64], freq: Frequency) -> list[str]:
    if freq.is_integer:
        return [f"{one}" for one in stamps]
    local = freq.local(stamps.astype("datetime64[ns]"))
    return list(
        local.strftime("%Y-%m-%d" if (local == local.normalize()).all() else "%Y-%m-%d %H:%M")
    )
