"""Sections of a report that are text and tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from forecast.report.record import RunRecord
from forecast.scores.layout import Column, html_table
from forecast.scores.verdict import Scores

NOT_EVALUATED = "There is no test set (evaluation.test_size: 0): this model was not evaluated."

NOT_INSTALLED = "not installed"
"""The version of a package that is missing, as `environment.json` has it."""

SOURCE_LINES = re.compile(r"(?m)^(  source:).*(?:\n    .*)*$")
"""The path of the table in `config.yaml`."""

MOST_NAMED = 4
"""Targets up to which a title names all."""

FEW = 3
"""Notes on the table up to which they are unfolded."""


def title_of(settings: Mapping[str, Any], command: str = "fit") -> str:
    """Return the targets and the table, such as `sales, forecast of sales.csv`.

    Args:
        settings: of the run, as nested mappings.
        command: the command that made the folder.
    """
    roles = settings.get("data", {})
    targets = listed_words(roles.get("target_cols", []))
    work = "backtest" if command == "backtest" else "forecast"
    table = table_name(settings)
    if not table:
        return f"{targets}, {work}"
    return f"{targets}, {work} of {table}"


def subject_of_run(settings: Mapping[str, Any]) -> str:
    """Return the targets and the table, such as `sales, sales.csv`.

    Args:
        settings: of the run, as nested mappings.
    """
    targets = listed_words(settings.get("data", {}).get("target_cols", []))
    return ", ".join(filter(None, [targets, table_name(settings)]))


def table_name(settings: Mapping[str, Any]) -> str:
    """Return the name of the file of the table without its folders; "" for a frame in Python."""
    source = str(settings.get("data", {}).get("source") or "")
    if source == "-":
        return "standard input"
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2].removeprefix("dataset:")


def listed_words(names: Sequence[object]) -> str:
    """Join names as `a, b and c`, and only the first three of many."""
    words = [str(name) for name in names]
    if len(words) > MOST_NAMED:
        return f"{', '.join(words[: MOST_NAMED - 1])} and {len(words) - MOST_NAMED + 1} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def verdict(record: RunRecord) -> str:
    """Return the result of the run in one sentence."""
    if record.scores is None:
        return not_tested(record)
    return record.scores.verdict().replace(" %", "\N{NO-BREAK SPACE}%")


def data_section(record: RunRecord) -> str:
    """Return the targets and the horizon, the table they come from, and the notes on it."""
    data = record.data
    windows = record.settings.get("windows", {})
    roles = record.settings.get("data", {})
    targets = ", ".join(map(str, roles.get("target_cols", [])))
    rows = {
        "Forecast": f"{targets}, {windows.get('horizon')} steps ahead",
        "Context": _context(windows.get("context_length")),
    }
    if record.command == "backtest":
        rows["Cutoffs"] = _cutoffs(record.settings)
    zone = f", {data['time_zone']}" if data.get("time_zone") else ""
    span = str(data["span"]).replace(" 00:00:00", "")  # as runs of earlier versions have it
    rows |= {
        "Table": table_name(record.settings) or "a table passed in Python",
        "Length": f"{data['num_series']:,} series, {data['num_rows']:,} rows",
        "Span": f"{span}, frequency {data['frequency']}{zone}",
    }
    table = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in rows.items())
    return f"<dl>{table}</dl>{_notes_on_table(data.get('notes', []))}"


def _notes_on_table(notes: Sequence[str]) -> str:
    """Return the notes, unfolded where they are few."""
    if not notes:
        return ""
    is_open = " open" * (len(notes) <= FEW)
    summary = f"{len(notes)} note{'s' * (len(notes) > 1)} on the table"
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<details{is_open}><summary>{summary}</summary><ul>{items}</ul></details>"


def not_tested(record: RunRecord) -> str:
    """Return why there is no test set, as far as the folder says."""
    reason = str(record.about.get("not_tested") or "")
    if not reason:
        return NOT_EVALUATED
    return f"{reason[0].upper()}{reason[1:].rstrip('.')}."


def scores_section(record: RunRecord) -> str:
    """Return the table of scores with intervals of the skill; the best of each column is bold."""
    scores = record.scores
    if scores is None:
        return f"<p>{escape(not_tested(record))}</p>"
    table = scores.frame()
    columns = scores.point_columns()[1:]
    names = [column.heading for column in columns]
    headings = ("Model", *names, "Skill", "95 % interval", "p-value")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    body = ""
    for number, row in enumerate(table.to_dict("records")):
        cells = "".join(_score(column, number) for column in columns)
        interval = _interval(row["skill-lo-95"], row["skill-hi-95"])
        cells += f"<td>{_percent(row['skill'])}</td><td>{interval}</td>"
        cells += f"<td>{_p_value(row['p_value'])}</td>"
        look = ' class="evaluated"' * (row["model"] == scores.alias)
        body += f'<tr{look}><th scope="row">{escape(str(row["model"]))}</th>{cells}</tr>'
    error = scores.judged_by
    about = (
        f"{scores.num_windows:,} test windows, {scores.task()}. Skill is 1 - {error} / {error} of "
        "the best baseline, with its 95 % interval and the p-value of a Diebold-Mariano test. The "
        "best score of each column is bold."
    )
    notes = "".join(f"<li>{escape(note)}.</li>" for note in scores.notes)
    if notes:
        notes = f"<ul>{notes}</ul>"
    return (
        f'<p>{about}</p><div class="wide" tabindex="0" role="region" aria-label="Table of scores">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{_quantiles(scores)}{notes}"
    )


def _quantiles(scores: Scores) -> str:
    """Return the table of quantiles and intervals; nothing where no model writes any."""
    columns = scores.quantile_columns()
    if not columns:
        return ""
    heading = scores.quantile_heading()
    return (
        f"<p>{heading[0].upper()}{heading[1:]}.</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Scores of quantiles and '
        f'intervals">{html_table(columns)}</div>'
    )


def settings_section(record: RunRecord) -> str:
    """Return the resolved settings and the versions, folded."""
    environment = record.environment
    rows = {"python": environment.get("python")}
    rows |= environment.get("packages", {})
    rows |= {"platform": environment.get("platform"), "seed": environment.get("seed")}
    table = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items()
    )
    # the path of the table may be quoted and go on for several lines
    name = table_name(record.settings)
    config = SOURCE_LINES.sub(lambda line: f"{line[1]} {name or 'null'}", record.config, count=1)
    decided = ", with the choices made from the data"
    if record.command == "backtest":
        decided = "; each fit chooses the rest from its rows"
    return (
        f'<details><summary>Settings{decided}</summary><pre tabindex="0">{escape(config)}'
        f"</pre></details><details><summary>Packages, platform and "
        f"seed</summary><dl>{table}</dl></details>"
    )


def reproduce_section(record: RunRecord) -> str:
    """Return the commands that repeat the run."""
    source = record.settings.get("data", {}).get("source")
    where = "in the run folder"
    if record.command == "backtest":
        where = "in the folder of the backtest"
    command = ["forecast", record.command, "--config", "config.yaml", "--out", "again"]
    if not source:
        command.insert(2, "TABLE")
        where += (
            "; the run was given a frame in Python, so write it to a file and put its name in "
            "place of TABLE"
        )
    elif not str(source).startswith("dataset:"):
        where += (
            "; data.source in config.yaml is the path of the table as it was given, relative to "
            "the folder the command runs in"
        )
    versions = record.environment.get("packages", {})
    pins = [f"{name}=={version}" for name, version in versions.items() if version != NOT_INSTALLED]
    install = shlex.join(["pip", "install", *pins])
    return (
        f"<p>With the packages below, {escape(where)}:</p>"
        f'<pre tabindex="0">{escape(shlex.join(command))}</pre>'
        f'<pre tabindex="0">{escape(install)}</pre>'
        "<p>The table is the same if data.json of the new run has this fingerprint:</p>"
        f'<pre tabindex="0">{escape(str(record.data["fingerprint"]))}</pre>'
    )


def _context(context_length: object) -> str:
    """Return the steps a forecast reads; each fit of a backtest may choose them."""
    if not isinstance(context_length, int):  # None or `auto`
        return "the last steps, as many as each fit chose"
    return f"the last {context_length} steps"


def _cutoffs(settings: Mapping[str, Any]) -> str:
    """Return the plan of a backtest: its cutoffs, and the rows its models are fitted on."""
    backtest = settings["backtest"]
    step = backtest["step"] or settings["windows"]["horizon"]
    refit = str(backtest["refit"])
    fitted_at = {"never": "the first alone", "each": "each"}.get(
        refit, f"the first of every {refit}"
    )
    rows = "all rows"
    if backtest["history"]:
        rows = f"the latest {backtest['history']:,} rows of each series"
    return (
        f"{backtest['num_windows']:,}, {step:,} steps apart; models are fitted at {fitted_at}, "
        f"on {rows} up to it"
    )


def _score(column: Column, number: int) -> str:
    """Return one cell of a table of scores, the best of its column bold."""
    words = escape(column.cells[number])
    if column.best[number]:
        words = f"<b>{words}</b>"
    return f"<td>{words}</td>"


def _percent(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{100 * value:+.1f} %".replace("-", "\N{MINUS SIGN}")


def _interval(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return "-"
    return f"{_percent(low).removesuffix(' %')} to {_percent(high)}"


def _p_value(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    if value < 1e-3:
        return "&lt; 0.001"
    return f"{value:.3f}"
