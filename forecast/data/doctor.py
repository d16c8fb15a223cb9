"""The doctor: everything wrong with a table at once, with the fix for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.data.findings import Finding, FindingLog, counted, listed, show_stamp
from forecast.data.load import Examination, Gaps, Request, examine
from forecast.data.panel import Columns, Panel
from forecast.data.read import Source, TableFormat

__all__ = ["Diagnosis", "Finding", "diagnose"]

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What the doctor found.

    Attributes:
        findings: errors first, then warnings and notes.
        panel: the checked series; None where there is an error.
        num_series: series that could be told apart; 0 where the table could not be read so far.
        num_rows: their rows.
        first: earliest stamp, as text; empty where stamps could not be read.
        last: latest stamp.
        freq: step between stamps; empty where they fit none.
    """

    findings: tuple[Finding, ...]
    panel: Panel | None
    num_series: int = 0
    num_rows: int = 0
    first: str = ""
    last: str = ""
    freq: str = ""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that keep the table out."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def text(self) -> str:
        """Return the report for a terminal, several lines."""
        lines = []
        if self.num_rows:
            lines = [
                f"series  {self.num_series}",
                f"rows    {self.num_rows}",
                f"stamps  {self.first} to {self.last}",
                f"freq    {self.freq or 'none that fits'}",
            ]
        for finding in self.findings:
            lines.append(f"{finding.severity:<8}{finding.message}")
            lines += [f"{'':<8}-> {finding.fix}"] if finding.fix else []
        count = len(self.errors)
        lines.append(
            "no problem found"
            if not count
            else f"{counted(count, 'problem')} to fix before training"
        )
        return "\n".join(lines)


def diagnose(
    source: Source,
    columns: Columns = Columns(),
    *,
    table_format: TableFormat = TableFormat(),
    freq: str | None = None,
    gaps: Gaps = "refuse",
    allow_missing: bool = False,
    needed_rows: int = 2,
) -> Diagnosis:
    """Examine a table and collect all findings that can be reached; bad data is never raised.

    Args:
        source: a CSV or parquet file, or a data frame.
        columns: the role of each column.
        table_format: how the table is written down.
        freq: step between stamps; inferred where it is None.
        gaps: what will be done with missing stamps, as in `load_panel`.
        allow_missing: whether empty cells are let through.
        needed_rows: rows a series needs to be of use; shorter ones get a warning.

    Returns:
        The findings, the worst first, and what the table turned out to be.

    Raises:
        ConfigError: a setting that fits no table.
    """
    log = FindingLog(strict=False)
    outcome = examine(source, Request(columns, table_format, freq, gaps, allow_missing), log)
    _warn_of_short_series(outcome, needed_rows, log)
    findings = tuple(sorted(log.findings, key=lambda finding: _ORDER.index(finding.severity)))
    if outcome.rows is None or not len(outcome.rows.stamps):
        return Diagnosis(findings, outcome.panel)
    stamps = outcome.rows.stamps
    return Diagnosis(
        findings,
        outcome.panel,
        num_series=len(outcome.rows.offsets) - 1,
        num_rows=len(stamps),
        first=show_stamp(stamps.min()),
        last=show_stamp(stamps.max()),
        freq=outcome.freq.alias if outcome.freq else "",
    )


def _warn_of_short_series(outcome: Examination, needed_rows: int, log: FindingLog) -> None:
    """Name the series that have fewer rows than are needed."""
    if outcome.rows is None or outcome.rows.names.ids is None:
        return
    lengths = np.diff(outcome.rows.offsets)
    short = np.flatnonzero(lengths < needed_rows)
    if len(short):
        named = listed(outcome.rows.names.ids[short], 5)
        log.warn(
            "short_series",
            f"fewer than {needed_rows} rows in {len(short)} series, the shortest "
            f"{lengths[short].min()}: {named}",
            "give more history, a shorter context_length or horizon, or pass short_series: skip",
        )
