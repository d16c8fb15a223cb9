"""The page of `forecast fit --by`: the segments of a panel compared."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from forecast.report.chart import number
from forecast.report.page import whole_page

_HEADS = {
    "segment": "segment",
    "series": "series",
    "rows": "rows",
    "test_windows": "test windows",
    "score": "score",
    "error": "error",
    "best_baseline": "best baseline",
    "baseline_error": "its error",
    "skill": "skill",
    "MASE": "MASE",
    "seconds": "seconds",
}
"""Column of the table -> its heading."""


def segments_page(by: str, table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return the page, which needs no other file; names of segments lead to their reports.

    Args:
        by: column that names the segments.
        table: a row per segment, and a last one for all.
        notes: on single segments.
    """
    rows = table.to_dict("records")
    refused = [row for row in rows if row["refused"]]
    sections = {"Segments": _explained() + _table(table, rows)}
    if refused:
        items = [f"{row['segment']}: {row['refused']}" for row in refused]
        sections["Segments without a model"] = _list(items)
    if notes:
        sections["Notes"] = _list(notes)
    return whole_page(f"Segments by {by}", _finding(rows, refused), sections)


def _finding(rows: Sequence[dict[Any, Any]], refused: Sequence[dict[Any, Any]]) -> str:
    """Return the result in one sentence."""
    *segments, total = rows
    better = [row for row in segments if row["skill"] > 0]
    judged = [row for row in segments if np.isfinite(row["skill"])]
    text = f"{len(better):,} of {len(judged):,} models beat the best baseline of their segment"
    if np.isfinite(total["skill"]):
        text += f"; over all test windows the skill is {100 * total['skill']:+.1f} %"
    if refused:
        text += f". {len(refused):,} of {len(segments):,} segments have no model"
    return f"{text}."


def _explained() -> str:
    return (
        "<p>Each model was fitted to the rows of its segment alone. The last row has all of them: "
        "its errors, MASE and coverage are means over all test windows, and its skill is 1 - error "
        "/ error of the best baseline of each segment.</p>"
    )


def _table(table: pd.DataFrame, rows: Sequence[dict[Any, Any]]) -> str:
    """Return the table as HTML, every text escaped."""
    levels = [str(name) for name in table if str(name).startswith("coverage-")]
    heads = {**_HEADS, **{name: f"{name.removeprefix('coverage-')} % covered" for name in levels}}
    seconds = heads.pop("seconds")
    heads["seconds"] = seconds  # the last one
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads.values())
    body = "".join(_table_row(row, list(heads)) for row in rows)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Segments"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _table_row(row: dict[Any, Any], names: Sequence[str]) -> str:
    first = escape(str(row["segment"]))
    if row["run"] and not row["refused"]:
        first = f'<a href="{escape(row["run"])}/report.html">{first}</a>'
    cells = "".join(f"<td>{escape(_shown(name, row[name]))}</td>" for name in names[1:])
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def _shown(name: str, value: Any) -> str:
    """Write a cell."""
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return ""
    if name in ("series", "rows", "test_windows"):
        return f"{int(value):,}"
    if name == "skill":
        return f"{100 * value:+.1f} %"
    if name.startswith("coverage-"):
        return f"{100 * value:.1f} %"
    if name == "seconds":
        return f"{value:.1f}"
    return number(value)


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
