"""The whole page: its sections in order, the style sheet, the script and a content policy.

The policy lets nothing else run and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from forecast.report.diagnosis import (
    coverage_section,
    errors_section,
    loss_section,
    residuals_section,
)
from forecast.report.outlook import outlook_section
from forecast.report.record import RunRecord
from forecast.report.series import series_section
from forecast.report.words import (
    data_section,
    reproduce_section,
    scores_section,
    settings_section,
    table_name,
    title_of,
    verdict,
)

TITLE_END = ": forecast report</title>"
HEAD_BYTES = 10_000
"""Bytes at the start of a page within which its title ends."""


def report_page(record: RunRecord) -> str:
    """Return the report of a run or a backtest as one HTML page that needs no other file.

    Every text from the data is escaped, and the Content-Security-Policy names the one style sheet
    and the one script by their hashes: nothing else is run, and nothing is loaded from anywhere.

    Args:
        record: content of the folder.
    """
    title = title_of(record.settings, record.command)
    sections = {
        heading: _without_folders(content, record.settings)
        for heading, content in _sections(record).items()
    }
    return whole_page(title, verdict(record), sections)


def whole_page(title: str, finding: str, sections: Mapping[str, str]) -> str:
    """Return a page of sections that needs no other file.

    Args:
        title: of the page, as text.
        finding: the result in one sentence, as text.
        sections: heading -> content, both as HTML.
    """
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    script = resources.files(__package__).joinpath("page.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    title = escape(title)
    parts = ""
    for number, (heading, content) in enumerate(sections.items()):
        parts += (
            f'<section aria-labelledby="part-{number}"><h2 id="part-{number}">{heading}</h2>'
            f"{content}</section>"
        )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}{TITLE_END}\n'
        f"<style>{style}</style>\n</head>\n"
        f"<body>\n<main>\n<header><h1>{title}</h1>"
        f'<p class="verdict">{escape(finding)}</p></header>\n'
        f"{parts}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def is_report(path: Path) -> bool:
    """Return whether a file is a page of `report_page`, by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    return head.startswith(b"<!DOCTYPE html>") and TITLE_END.encode() in head


def _sections(record: RunRecord) -> dict[str, str]:
    """Return the content of every section under its heading."""
    sections = {}
    if record.command == "fit":
        sections["Forecast"] = outlook_section(record)
    sections |= {
        "Task and data": data_section(record),
        "Scores": scores_section(record),
        "Forecasts and actual values": series_section(record),
    }
    if record.result is not None:
        sections["Errors by step and cutoff"] = _stored(record) + errors_section(
            record, record.result
        )
        sections["Residuals"] = residuals_section(record.result)
    if record.histories:
        sections["Training"] = loss_section(record.histories)
    if record.coverage is not None:
        sections["Coverage of the intervals"] = coverage_section(record.coverage)
    return sections | {
        "Settings and versions": settings_section(record),
        "Repeat this run": reproduce_section(record),
    }


def _stored(record: RunRecord) -> str:
    """Return a note where charts are drawn from fewer windows than were scored."""
    if record.result is None or record.scores is None:
        return ""
    stored = len(record.result.series)
    total = record.scores.num_windows
    if stored == total:
        return ""
    return (
        f"<p>Charts are drawn from the {stored:,} evenly spaced windows of {total:,} that the run "
        "folder holds.</p>"
    )


def _without_folders(content: str, settings: Mapping[str, Any]) -> str:
    """Return a section with the name of the table instead of its path, wherever it stands.

    The page is passed on, and the folders of its writer are no business of its readers.
    """
    source = str(settings.get("data", {}).get("source") or "")
    if not source:
        return content
    return content.replace(escape(source), escape(table_name(settings)))


def _hash(text: str) -> str:
    """Return the source of a Content-Security-Policy that allows one text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
