"""The page of `forecast monitor`: alarms, errors and coverage beside what was promised, inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.report.chart import Chart, Line, draw_chart, number, step_ticks
from forecast.report.diagnosis import coverage_section
from forecast.report.page import HEAD_BYTES, whole_page

MONITOR = "monitor.html"
"""File of the page in a run folder."""

MARK = "Monitor of "
"""Begin of the title, by which a page is recognised."""

MAX_SERIES = 50
"""Series in the table of the page, those whose error grew most."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Content of the page.

    Attributes:
        name: of the model.
        span: which forecasts were compared, in words.
        by_step: `step`, `error` and `promised` error.
        by_series: the id, `error` and `promised` error.
        coverage: of `coverage_by` step; None without intervals.
        by_level: of `coverage_by` overall.
        drift: `column`, `values`, shares `missing` and `outside`.
        overall: mean absolute error, and the promised one (NaN without a test set).
        alarms: one sentence each.
    """

    name: str
    span: str
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    coverage: pd.DataFrame | None
    by_level: pd.DataFrame
    drift: pd.DataFrame
    overall: tuple[float, float]
    alarms: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the most important numbers as lines of text."""
        came, promised = self.overall
        beside = ""
        if np.isfinite(promised):
            beside = f", and {promised:.4g} on the test set"
        found = [self.span, f"mean absolute error: {came:.4g}{beside}"]
        for row in self.by_level.to_dict("records"):
            found.append(
                f"{row['level']:g} % intervals: {100 * row['covered']:.1f} % covered, 95 % band "
                f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %"
            )
        return found


def monitor_page(watched: Watched) -> str:
    """Return the page, which needs no other file."""
    finding = "No alarm: errors, coverage and inputs are as promised, or differ by chance."
    if watched.alarms:
        finding = f"{len(watched.alarms)} alarm" + "s" * (len(watched.alarms) > 1)
    sections = {}
    if watched.alarms:
        items = "".join(f"<li>{escape(alarm)}</li>" for alarm in watched.alarms)
        sections["Alarms"] = f"<ul>{items}</ul>"
    sections["Errors"] = _errors(watched)
    if watched.coverage is not None:
        measured = watched.coverage[watched.coverage["values"] > 0]
        sections["Coverage of the intervals"] = _levels(watched.by_level) + coverage_section(
            measured
        )
    if len(watched.drift):
        sections["Inputs"] = _drift(watched.drift)
    return whole_page(f"{MARK}{watched.name}", finding, sections)


def is_monitor_page(path: Path) -> bool:
    """Return whether a file is a page of `monitor_page`, by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    return head.startswith(b"<!DOCTYPE html>") and f"<title>{MARK}".encode() in head


def _errors(watched: Watched) -> str:
    """Return the errors overall, by step and by series."""
    came, promised = watched.overall
    words = f"<p>{escape(watched.span[0].upper() + watched.span[1:])}. The mean absolute error is "
    words += f"{number(came)}"
    if np.isfinite(promised):
        words += f"; on the test set it was {number(promised)}"
    words += ".</p>"
    rows = watched.by_step.dropna(subset=["error"])
    steps = rows["step"].to_numpy(np.float64)
    lines = [
        Line("on the test set", "actual", steps, rows["promised"].to_numpy(np.float64)),
        Line("of the forecasts made", "model", steps, rows["error"].to_numpy(np.float64)),
    ]
    chart = Chart(
        title="Mean absolute error by step of the horizon",
        x_title="step",
        y_title="mean absolute error",
        lines=lines,
        ticks=step_ticks(int(steps.max(initial=1))),
    )
    return words + draw_chart(chart) + _series_table(watched.by_series)


def _series_table(by_series: pd.DataFrame) -> str:
    """Return the series whose error grew most, or all of them."""
    if len(by_series) < 2:
        return ""
    growth = by_series["error"] / by_series["promised"]
    order = growth.fillna(0).to_numpy().argsort()[::-1][:MAX_SERIES]
    rows = by_series.iloc[order]
    ids = [name for name in rows if name not in ("error", "promised")]
    heads = [*map(str, ids), "error", "on the test set"]
    cells = [
        [*(str(row[name]) for name in ids), _shown(row["error"]), _shown(row["promised"])]
        for row in rows.to_dict("records")
    ]
    note = ""
    if len(by_series) > MAX_SERIES:
        note = f"<p>The {MAX_SERIES} of {len(by_series):,} series whose error grew most.</p>"
    return note + _table(heads, cells)


def _levels(by_level: pd.DataFrame) -> str:
    """Return promised and actual coverage of each level."""
    cells = [
        [
            f"{row['level']:g} %",
            f"{100 * row['covered']:.1f} %",
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %",
            f"{row['values']:,}",
        ]
        for row in by_level.to_dict("records")
    ]
    return _table(["promised", "covered", "95 % band if that is right", "values"], cells)


def _drift(drift: pd.DataFrame) -> str:
    """Return missing and unusual values of each column."""
    cells = [
        [
            str(row["column"]),
            f"{row['values']:,}",
            f"{100 * row['missing']:.1f} %",
            f"{100 * row['outside']:.1f} %",
        ]
        for row in drift.to_dict("records")
    ]
    return _table(["column", "values that came", "missing", "outside the range of training"], cells)


def _shown(value: float) -> str:
    if not np.isfinite(value):
        return "unknown"
    return number(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table, every text escaped."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = ""
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(text)}</td>" for text in rest)
        body += f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
