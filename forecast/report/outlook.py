"""The forecast of the steps after the table: per series a chart, its numbers and their totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.findings import counted
from forecast.data.names import name_of
from forecast.report.chart import Band, Chart, Line, baseline_looks, draw_chart
from forecast.report.plots.steps_ahead import joint_of, panel_name, past_values, shown_pairs
from forecast.report.readable import (
    MINUS,
    NO_VALUE,
    WEEKDAYS,
    month_words,
    number_style,
    number_words,
    stamp_words,
)
from forecast.report.record import RunRecord
from forecast.report.selector import axis_dates, in_steps, readings_of, selector
from forecast.report.totals import PERIODS, SERIES
from forecast.scores.forecast import Forecast
from forecast.scores.quantile_metrics import central_pairs

OPEN_ROWS = 31
"""Steps up to which their table is unfolded."""

MAX_ROWS = 168
"""Steps that a table shows."""

MOST_NAMED = 12
"""Series that end early and are named."""

NARROW = 3
"""Columns up to which a table is only as wide as it has to be."""

BAR = 0.35
"""Half the width of the interval of a single step, in steps."""

PERIOD_STYLES = {
    "minute": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:%M",
    "day": "%Y-%m-%d",
    "year": "%Y",
}
"""Style of the start of each kind of period."""


def outlook_section(record: RunRecord) -> str:
    """Return the steps after the end of the table, or how to get them where they are not there."""
    forecast = record.forecast
    if forecast is None:
        return _how_to_forecast(record) + _members(record)
    num_targets = forecast.values.shape[2]
    pairs = [divmod(int(pair), num_targets) for pair in shown_pairs(forecast)]
    past = past_values(forecast, record.recent)
    totals = _totals_by_pair(record.totals)
    names = []
    contents = []
    for row, target in pairs:
        name = panel_name(forecast, row, target)
        name_in_files = name_of(forecast.series_ids[row])
        known = past.get(name_in_files)
        own = totals.get((name_in_files, forecast.columns.target_cols[target]))
        chart = draw_chart(_chart(forecast, row, target, known))
        names.append(name)
        contents.append(chart + _steps(forecast, row, target) + _totals(own, name))
    return (
        f"{_about(forecast, len(pairs))}{_members(record)}{selector('ahead', names, contents)}"
        f"{_rule(record.totals)}{_notes(record)}"
    )


def _how_to_forecast(record: RunRecord) -> str:
    """Return the commands that forecast with covariates whose future the table does not contain."""
    known = record.settings.get("data", {}).get("known_covariates", [])
    if not known:
        return "<p>This folder has no forecast of the steps after the table.</p>"
    names = ", ".join(map(str, known))
    return (
        f"<p>The steps after the table need {escape(names)} ahead. Write the rows to fill in with "
        "the first command, and forecast with the second:</p>"
        '<pre tabindex="0">forecast predict RUN --template ahead.csv\n'
        "forecast predict RUN --known ahead.csv --output forecast.csv</pre>"
    )


def _about(forecast: Forecast, shown: int) -> str:
    """Return which steps of which series are shown, and which series end before the others."""
    num_series, horizon, num_targets = forecast.values.shape
    last = forecast.cutoffs.max()
    whole = np.flatnonzero(forecast.cutoffs == last)
    ends = forecast.stamps[whole[0], [0, -1]]
    first_step, last_step = stamp_words(ends, forecast.freq, weekday=True)
    targets = escape(", ".join(forecast.columns.target_cols))
    steps = f"The next {horizon:,} steps of {targets}, {first_step} to {last_step}"
    if horizon == 1:
        steps = f"The next step of {targets}, {first_step}"
    total = num_series * num_targets
    choice = ""
    if shown < total:
        things = "series" if num_targets == 1 else "series and targets"
        choice = (
            f" Shown are {shown} of {total:,} {things}, evenly spaced in the order of the table; "
            "forecast.csv has all."
        )
    series = f", for {num_series:,} series" * (num_series > 1)
    return f"<p>{steps}{series}.{choice}</p>{_ended(forecast)}"


def _ended(forecast: Forecast) -> str:
    """Return the series that end before the others, with their ends."""
    early = np.flatnonzero(forecast.cutoffs < forecast.cutoffs.max())
    if not len(early):
        return ""
    named = early[:MOST_NAMED]
    ends = stamp_words(forecast.cutoffs[named], forecast.freq)
    words = [f"{forecast.series_ids[row]} ({end})" for row, end in zip(named, ends, strict=True)]
    more = f" and {len(early) - len(named):,} more" * (len(early) > len(named))
    verb = "ends" if len(early) == 1 else "end"
    number = f"{len(early):,} of {len(forecast.series_ids):,} series"
    listed = escape(", ".join(words))
    return f"<p>{number} {verb} before the others: {listed}{more}.</p>"


def _members(record: RunRecord) -> str:
    """Return which members do the work; nothing in folders of earlier versions."""
    members = str(record.about.get("ensemble") or "")
    architecture = record.about.get("architecture")
    if not members and architecture:
        members = f"one network of the architecture {architecture}"
    if not members:
        return ""
    return f"<p>Made by {escape(members)}.</p>"


def _notes(record: RunRecord) -> str:
    """Return the notes on the forecast that are not on the table as well."""
    on_table = record.data.get("notes", [])
    notes = [note for note in record.about.get("notes", []) if note not in on_table]
    if not notes:
        return ""
    return f"<ul>{''.join(f'<li>{escape(str(note))}</li>' for note in notes)}</ul>"


def _chart(
    forecast: Forecast, row: int, target: int, known: tuple[NDArray[np.generic], FloatArray] | None
) -> Chart:
    """Return the last actual values and the forecast, joined to them, with its intervals."""
    x = forecast.stamps[row].astype(np.int64).astype(np.float64)
    values = forecast.values[row, :, target]
    lines = []
    if known is not None and len(known[0]):
        past_x = known[0].astype(np.int64).astype(np.float64)
        lines.append(Line("actual", "past", past_x, known[1][:, target]))
    last_stamp, last_value = joint_of(known, forecast, row, target)
    joint = np.array([last_stamp.astype(np.int64).astype(np.float64), last_value])
    joined_x = np.append(joint[0], x[:1])
    joined_y = np.append(joint[1], values[:1])
    lines.append(Line("joint", "model", joined_x, joined_y, listed=False))
    looks = baseline_looks(list(forecast.baselines), None)
    for baseline, others in forecast.baselines.items():
        name = f"{baseline}, baseline"
        lines.insert(1, Line(name, looks[baseline], x, others[row, :, target]))
    lines.append(Line("forecast", "model", x, values))
    stamps = np.unique(np.concatenate([line.x for line in lines])).astype(np.int64)
    readings = readings_of(stamps, forecast.freq)
    name = panel_name(forecast, row, target)
    chart = Chart(
        title=f"{name}: forecast of the {counted(len(x), 'step')} after the end of the table",
        x_title=forecast.columns.time_col,
        y_title=forecast.columns.target_cols[target],
        lines=lines,
        bands=_bands(forecast, row, target, joint),
        ticks=axis_dates(readings),
        readings=readings,
    )
    return in_steps(chart, forecast.freq)


def _bands(forecast: Forecast, row: int, target: int, joint: FloatArray) -> list[Band]:
    """Return the intervals, the widest first; that of a single step is a bar.

    Args:
        forecast: with or without quantiles.
        row: the series.
        target: the column of the target.
        joint: (2, 0 or 1) stamp and value of the last row of the table.
    """
    if forecast.quantiles is None:
        return []
    x = forecast.stamps[row].astype(np.int64).astype(np.float64)
    ends = forecast.quantiles[row, :, target]
    start = joint[1]
    if len(x) == 1:
        step = x[0] - float(forecast.cutoffs[row].astype(np.int64))
        x = np.array([x[0] - BAR * step, x[0] + BAR * step])
        ends = np.concatenate([ends, ends])
        start = joint[1, :0]
    else:
        x = np.concatenate([joint[0], x])
    bands = []
    levels = central_pairs(forecast.quantile_levels)
    for depth, (share, (low, high)) in enumerate(reversed(levels.items())):
        name = f"{100 * share:.8g} % interval"
        low_ends = np.concatenate([start, ends[:, low]])
        high_ends = np.concatenate([start, ends[:, high]])
        bands.append(Band(name, f"fan fan-{min(depth, 2)}", x, low_ends, high_ends))
    return bands


def _steps(forecast: Forecast, row: int, target: int) -> str:
    """Return the table of the steps of one series, folded where it is long."""
    stamps = stamp_words(forecast.stamps[row], forecast.freq, weekday=True)
    values = forecast.values[row, :, target]
    columns = {"Forecast": values}
    if forecast.quantiles is not None:
        ends = forecast.quantiles[row, :, target]
        for share, (low, high) in central_pairs(forecast.quantile_levels).items():
            columns[f"{100 * share:.8g} % from"] = ends[:, low]
            columns[f"{100 * share:.8g} % to"] = ends[:, high]
    for baseline, others in forecast.baselines.items():
        columns[f"{baseline}, baseline"] = others[row, :, target]
    style = number_style(np.stack(list(columns.values())))
    rows = []
    for step, stamp in enumerate(stamps[:MAX_ROWS]):
        rows.append([stamp, *(number_words(values[step], style) for values in columns.values())])
    name = panel_name(forecast, row, target)
    table = _table([forecast.columns.time_col, *columns], rows, f"Steps of {name}")
    if len(stamps) <= OPEN_ROWS:
        return table
    summary = f"The {len(stamps):,} steps"
    if len(stamps) > MAX_ROWS:
        summary = f"The first {MAX_ROWS} of {len(stamps):,} steps; forecast.csv has all"
    return _folded(summary, table)


def _totals_by_pair(totals: pd.DataFrame | None) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the totals of each series and target by their names."""
    if totals is None:
        return {}
    names = np.array([name_of(series_id) for series_id in totals[SERIES]], object)
    groups = totals.groupby([names, "target"], sort=False)
    return {(str(name), str(target)): rows for (name, target), rows in groups}


def _totals(own: pd.DataFrame | None, name: str) -> str:
    """Return the totals of one series and target, a table per kind of period."""
    if own is None:
        return ""
    kinds = own.groupby("period", sort=False)
    return "".join(_totals_table(str(kind), rows, name) for kind, rows in kinds)


def _totals_table(kind: str, rows: pd.DataFrame, name: str) -> str:
    """Return the totals of one series over one kind of period."""
    has_past = bool(rows["year_before"].notna().any())
    numbers = rows[["total", "year_before"]].to_numpy(np.float64)
    means = rows["total"] / (rows["actual_steps"] + rows["forecast_steps"])
    style = number_style(numbers)
    mean_style = number_style(means.to_numpy(np.float64))
    cells = []
    for row, mean in zip(rows.to_dict("records"), means, strict=True):
        line = [
            _period_words(kind, row["start"]),
            number_words(row["total"], style),
            number_words(mean, mean_style),
            _steps_words(row),
        ]
        if has_past:
            line += [number_words(row["year_before"], style), _change(row)]
        cells.append(line)
    heads = [kind.capitalize(), "Total", "Mean", "Actual + forecast"]
    heads += ["Year before", "Change"] * has_past
    partial = [_is_partial(row) for row in rows.to_dict("records")]
    table = _table(heads, cells, f"Totals of {name} by {kind}", partial)
    if len(cells) <= OPEN_ROWS:
        return table
    return _folded(f"The totals of {len(cells):,} {kind}s", table)


def _steps_words(row: Mapping[Any, Any]) -> str:
    """Return how many steps of a period are actual values and forecasts, and whether all are."""
    words = f"{row['actual_steps']:,} + {row['forecast_steps']:,}"
    if _is_partial(row):
        return f"{words} of {row['steps']:,}"
    return words


def _is_partial(row: Mapping[Any, Any]) -> bool:
    return bool(row["actual_steps"] + row["forecast_steps"] < row["steps"])


def _change(row: Mapping[Any, Any]) -> str:
    """Return the change from a year before in %, with its sign."""
    before = row["year_before"]
    if not np.isfinite(before) or before <= 0:  # a share of a total below 0 says nothing
        return NO_VALUE
    return f"{100 * (row['total'] / before - 1):+,.1f} %".replace("-", MINUS)


def _period_words(kind: str, start: pd.Timestamp) -> str:
    """Return a period in words: `Mar 2024`, or the first and the last day of a week."""
    if kind == "month":
        return month_words(start)
    if kind == "week":
        return f"{start:%Y-%m-%d} to {start + pd.Timedelta(days=6):%Y-%m-%d}"
    words = f"{start:{PERIOD_STYLES[kind]}}"
    if kind == "day":
        return f"{WEEKDAYS[start.day_of_week]} {words}"
    return words


def _rule(totals: pd.DataFrame | None) -> str:
    """Return how periods are added up and compared."""
    if totals is None or not len(totals):
        return ""
    kinds = [
        PERIODS[str(kind)] for kind in totals.loc[totals["year_before"].notna(), "period"].unique()
    ]
    compared = ""
    if kinds:
        pairs = "; ".join(f"{kind.article} {kind.name} with {kind.compared_with}" for kind in kinds)
        compared = f" Only complete periods are compared with the year before: {pairs}."
    return (
        "<p>Totals: steps that the table has count with their actual values, the others with their "
        f"forecasts. A period with other steps missing says of how many.{compared} Of amounts, "
        "such as sales, read the total; of levels, such as prices or temperatures, the mean.</p>"
    )


def _folded(summary: str, content: str) -> str:
    """Return a part of the page that its reader unfolds; it stays folded on paper."""
    return f'<details class="rest"><summary>{summary}</summary>{content}</details>'


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], label: str, muted: Sequence[bool] = ()
) -> str:
    """Return a table in a box of its own, which a narrow screen scrolls.

    Args:
        heads: names of the columns.
        rows: cells of each row, the first of them its name.
        label: what the table holds, for readers who cannot see it.
        muted: whether each row stands back; default: none does.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = ""
    for number, (first, *cells) in enumerate(rows):
        look = ' class="partial"' * any(muted[number : number + 1])
        numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body += f'<tr{look}><th scope="row">{escape(first)}</th>{numbers}</tr>'
    width = ' class="narrow"' * (len(heads) <= NARROW)
    return (
        f'<div class="wide long" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table{width}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
