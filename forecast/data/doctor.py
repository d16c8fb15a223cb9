"""Table diagnostics: all findings about a table at once, each with its fix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.data.findings import Finding, FindingLog, listed, report_lines, show_stamp
from forecast.data.load import Gaps, Request, examine
from forecast.data.order import SortedRows
from forecast.data.panel import Columns, Panel
from forecast.data.read import Source, TableFormat
from forecast.data.shown import stamp_at
from forecast.errors.interface import Interface, Settings

__all__ = ["Diagnosis", "Finding", "diagnose"]

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Findings about a table, and its size and span.

    Attributes:
        findings: errors first, then warnings and notes.
        panel: the checked series; None where there is an error.
        num_series: number of series; 0 where they could not be read.
        num_rows: number of rows of all series together.
        first: earliest timestamp, as text; empty where timestamps could not be read.
        last: latest timestamp, as text.
        freq: step between timestamps; empty where there is no common one.
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
        """Findings for which the table is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def text(self, interface: Interface | None = None) -> str:
        """Return the report for a terminal, several lines.

        Args:
            interface: in whose words settings are written; default: the one in use.
        """
        lines = []
        if self.num_rows:
            lines = [
                f"series  {self.num_series}",
                f"rows    {self.num_rows}",
                f"span    {self.first} to {self.last}",
                f"freq    {self.freq or 'none found'}",
            ]
        return "\n".join([*lines, *report_lines(self.findings, 8, interface)])


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
    """Examine a table and return all findings; bad data is a finding, never an exception.

    Args:
        source: a file or an object that one of `forecast.data.formats.readers.READERS` takes: CSV,
            parquet, Excel, JSON lines or Arrow; a frame, a Series or a list of numbers.
        columns: the role of each column; what is `auto` is found in the table, with a note.
        table_format: separator, layout and other properties of the table as text.
        freq: step between timestamps; default: inferred.
        gaps: policy for missing timestamps, as in `load_panel`.
        allow_missing: whether empty cells are allowed.
        needed_rows: least rows of a series; shorter series get a warning.

    Returns:
        The findings, errors first, and the size and span of the table.

    Raises:
        ConfigError: a setting is wrong whatever the table.

    Example:
        >>> import pandas as pd
        >>> from forecast import diagnose
        >>> days = pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-04", "2025-01-05"])
        >>> diagnosis = diagnose(pd.DataFrame({"ds": days, "y": [3, 4, 4, 5]}))
        >>> diagnosis.errors[0].code
        'gaps'
        >>> print(diagnosis.errors[0].instruction().partition(", or ")[0])
        pass gaps="fill", missing="forward_fill" to insert rows
        >>> diagnosis.errors[0].settings[0]
        {'data.gaps': 'fill', 'data.missing': 'forward_fill'}
    """
    request = Request(columns, table_format, freq, gaps, allow_missing)
    return diagnose_requested(source, request, needed_rows)


def diagnose_requested(source: Source, request: Request, needed_rows: int = 2) -> Diagnosis:
    """Examine a table as `diagnose` does, with the settings in one object.

    Args:
        source: the table.
        request: the settings with which it is read.
        needed_rows: least rows of a series; shorter series get a warning.
    """
    log = FindingLog(strict=False)
    examination = examine(source, request, log)
    rows = examination.rows
    if rows is not None:
        _warn_of_short_series(rows, needed_rows, log)
    findings = tuple(sorted(log.findings, key=lambda finding: _ORDER.index(finding.severity)))
    if rows is None or not len(rows.stamps):
        return Diagnosis(findings, examination.panel)

    freq_name = ""
    ends = (rows.stamps.min(), rows.stamps.max())
    shown = [show_stamp(end, rows.tz) for end in ends]
    if examination.freq is not None:
        freq_name = examination.freq.alias
        shown = [stamp_at(examination.freq, end) for end in ends]
    return Diagnosis(
        findings,
        examination.panel,
        num_series=len(rows.offsets) - 1,
        num_rows=len(rows.stamps),
        first=shown[0],
        last=shown[1],
        freq=freq_name,
    )


def _warn_of_short_series(rows: SortedRows, needed_rows: int, log: FindingLog) -> None:
    """Add a warning that names the series with fewer rows than needed."""
    lengths = np.diff(rows.offsets)
    # rows that could not be read may be those of a short series
    short = np.flatnonzero(lengths + len(rows.names.unread) < needed_rows)
    if not len(short) or rows.names.ids is None:
        return
    named = listed(rows.names.ids[short], 5)
    changes: tuple[Settings, ...] = ()
    if len(short) < len(lengths):
        changes = ({"data.short_series": "skip"},)
    log.warn(
        "short_series",
        f"fewer than {needed_rows} rows in {len(short)} series, the shortest has "
        f"{lengths[short].min()}: {named}",
        "give more history, or a shorter `windows.context_length` or `windows.horizon`",
        settings=changes,
    )
