"""The parts of a report that are words and tables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from forecast.data.findings import counted
from forecast.report.record import RunRecord
from forecast.scores.verdict import SCORE_NAMES, Scores, column_style

NOT_JUDGED = "There was no test part (evaluation.test_size: 0): this model was not judged."

FEW = 3
"""Notes on the table that are shown unasked; more are folded."""


def verdict(record: RunRecord) -> str:
    """What the run shows, in one sentence."""
    return (
        record.scores.verdict().replace(" %", "\N{NO-BREAK SPACE}%")
        if record.scores
        else NOT_JUDGED
    )


def data_section(record: RunRecord) -> str:
    """Return what was forecast, from which table, and what was remarkable about it."""
    data, windows = record.data, record.settings.get("windows", {})
    roles = record.settings.get("data", {})
    targets = roles.get("target_cols", [])
    rows = [
        ("Forecast", f"{', '.join(map(str, targets))}, {windows.get('horizon')} steps ahead"),
        ("Read", _read(windows.get("context_length"))),
        *([("Cutoffs", _cutoffs(record.settings))] if record.command == "backtest" else []),
        ("Table", str(roles.get("source") or "a table handed over in Python")),
        ("Length", f"{data['num_series']:,} series, {data['num_rows']:,} rows"),
        ("Span", f"{data['span']}, frequency {data['frequency']}" + _zone(data.get("time_zone"))),
        ("Fingerprint", str(data["fingerprint"])),
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in data.get("notes", []))
    table = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in rows)
    count = len(data.get("notes", []))
    said = f"<details{' open' * (count <= FEW)}><summary>What was found in it: {counted(count, 'note')}</summary>"
    return f"<dl>{table}</dl>" + (f"{said}<ul>{notes}</ul></details>" if notes else "")


def scores_section(scores: Scores | None) -> str:
    """Return the table of scores, the best of every column marked, with the intervals of the skill."""
    if scores is None:
        return f"<p>{NOT_JUDGED}</p>"
    table = scores.frame()
    best = {name: table[name].min() for name in SCORE_NAMES}
    styles = {name: column_style(table[name].to_list()) for name in SCORE_NAMES}
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Model", *SCORE_NAMES, "Skill", "95 % interval", "p")
    )
    body = []
    for row in table.to_dict("records"):
        cells = [
            _score(row[name], styles[name], is_best=row[name] == best[name]) for name in SCORE_NAMES
        ]
        low, high = row["skill-lo-95"], row["skill-hi-95"]
        interval = (
            f"{_percent(low)[:-2]} to {_percent(high)}" if np.isfinite([low, high]).all() else "-"
        )
        chance = (
            "-"
            if not np.isfinite(row["p_value"])
            else "&lt; 0.001"
            if row["p_value"] < 1e-3
            else f"{row['p_value']:.3f}"
        )
        cells += [
            f"<td>{_percent(row['skill'])}</td>",
            f"<td>{interval}</td>",
            f"<td>{chance}</td>",
        ]
        look = ' class="judged"' if row["model"] == scores.alias else ""
        body.append(
            f'<tr{look}><th scope="row">{escape(str(row["model"]))}</th>{"".join(cells)}</tr>'
        )
    notes = "".join(f"<li>{escape(note)}.</li>" for note in scores.notes)
    return (
        f"<p>{scores.num_windows:,} test windows of {scores.num_series:,} series, {scores.horizon} "
        f"steps ahead, "
        f"season of {scores.season_length}. Skill is the share of the best baseline's MAE that is "
        f"saved; the best "
        "score of every column is bold.</p>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Table of '
        f'scores"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(body)}</tbody></table></div>"
        + (f"<ul>{notes}</ul>" if notes else "")
    )


def settings_section(record: RunRecord) -> str:
    """Return the resolved settings and the versions, folded."""
    versions = record.environment.get("packages", {})
    rows = [("python", record.environment.get("python")), *versions.items()]
    rows += [
        ("platform", record.environment.get("platform")),
        ("seed", record.environment.get("seed")),
    ]
    table = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in rows
    )
    decided = (
        ", with what the data decided"
        if record.command == "fit"
        else "; the rows of each fit decide the rest"
    )
    return (
        f'<details><summary>Settings{decided}</summary><pre tabindex="0">{escape(record.config)}'
        f"</pre></details><details><summary>Packages, platform and "
        f"seed</summary><dl>{table}</dl></details>"
    )


def reproduce_section(record: RunRecord) -> str:
    """Return the commands that repeat the run."""
    source = record.settings.get("data", {}).get("source")
    command = [
        "forecast",
        record.command,
        *([] if source else ["TABLE"]),
        "--config",
        "config.yaml",
        "--out",
        "again",
    ]
    versions = record.environment.get("packages", {})
    pins = [f"{name}=={found}" for name, found in versions.items() if found != "not installed"]
    where = "in the run folder" if record.command == "fit" else "in the folder of the backtest"
    if not source:
        where += "; the run was given a frame in Python, so write it to a file and name it in place of TABLE"
    elif not str(source).startswith("dataset:"):
        where += "; data.source in config.yaml is the path as it was given, counted from where the command runs"
    return (
        f"<p>With the packages below, {escape(where)}:</p><pre "
        f'tabindex="0">{escape(shlex.join(command))}</pre>'
        f'<pre tabindex="0">{escape(shlex.join(["pip", "install", *pins]))}</pre>'
        f"<p>The table is the same where data.json of the new run has the fingerprint above.</p>"
    )


def _read(context_length: int | None) -> str:
    """Settings of a backtest may leave the context open, which each fit then chooses."""
    return (
        f"the last {context_length} steps"
        if context_length
        else "as many of the last steps as each fit chose"
    )


def _cutoffs(settings: Mapping[str, Any]) -> str:
    """How a backtest was made."""
    backtest = settings["backtest"]
    count, step, refit = (
        backtest["num_windows"],
        backtest["step"] or settings["windows"]["horizon"],
        backtest["refit"],
    )
    often = {"never": "the first alone", "each": "each"}.get(
        str(refit), f"the first of every {refit}"
    )
    rows = (
        f"the latest {backtest['history']:,} rows of each series"
        if backtest["history"]
        else "all rows"
    )
    return f"{count:,}, {step:,} steps apart; models are fitted at {often}, on {rows} up to it"


def _zone(name: object) -> str:
    return f", {name}" if name else ""


def _score(value: float, style: str, *, is_best: bool) -> str:
    words = format(value, style) if np.isfinite(value) else "-"
    return f"<td><b>{words}</b></td>" if is_best else f"<td>{words}</td>"


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "-"
