"""The first lines of a command: the table that was read, and its division into sets."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from forecast.data.findings import counted
from forecast.data.frequency import Frequency
from forecast.data.panel import Panel
from forecast.data.shown import span_of
from forecast.experiment.prepare import Prepared

_NOTE_WIDTH = 150
"""Printed characters of a note; `data.json` and `forecast check` contain all of it."""

_RHYTHMS = {
    "B": "business days",
    "D": "daily",
    "h": "hourly",
    "min": "every minute",
    "s": "every second",
    "W": "weekly",
    "MS": "monthly",
    "ME": "monthly",
    "QS": "quarterly",
    "QE": "quarterly",
    "YS": "yearly",
    "YE": "yearly",
}
"""Step of a frequency without multiple and anchor -> its name in a sentence."""


def describe(prepared: Prepared) -> list[str]:
    """Describe the table and its division into sets, in a few lines."""
    windows = prepared.config.windows
    lines = [
        table_line(prepared.panel, prepared.config.data.source),
        f"windows: context {windows.context_length}, horizon {windows.horizon}; "
        f"{len(prepared.training):,} for training, {len(prepared.validation):,} for validation, "
        f"{len(prepared.test):,} for testing",
    ]
    if prepared.config.ensemble.seeds == 0:
        reason = prepared.reasons.get("ensemble.seeds", "ensemble.seeds is 0")
        lines.append(f"no network is trained: {reason}")
    if prepared.panel.weights is not None:
        lines.append(
            f"weights: {prepared.config.data.weight_col} weighs what is learned (losses, ridge "
            f"regressions, weights of members); baselines, scores and intervals are not weighted"
        )
    # a shorter note about missing values comes from the policy that fills them
    notes = [note for note in prepared.notes if " is missing in " not in note]
    return [*lines, *note_lines(notes)]


def note_lines(notes: Iterable[str]) -> list[str]:
    """Return notes on a table as printed lines, long ones shortened."""
    shown = [textwrap.shorten(note, _NOTE_WIDTH, placeholder=" ...") for note in notes]
    return [f"note: {note}" for note in shown]


def table_line(panel: Panel, source: str | None) -> str:
    """Return a line such as `sales.csv: 4 series, 1,155 rows, daily, 2023-01-01 to 2023-12-31`.

    Args:
        panel: the series.
        source: name of the table; None for one in memory.
    """
    name = "the table"
    if source == "-":
        name = "standard input"
    elif source:
        name = Path(source).name
    size = f"{counted(panel.num_series, 'series')}, {counted(panel.num_rows, 'row')}"
    return f"{name}: {size}, {rhythm_of(panel.freq)}, {span_of(panel)}"


def rhythm_of(freq: Frequency) -> str:
    """Return the step between timestamps in words, such as `daily` or `every 15min`."""
    if freq.is_integer:
        return f"a step of {freq.alias}"
    step, _, hours = freq.alias.partition("@")
    rhythm = _RHYTHMS.get(re.sub("-.*", "", step), f"every {step}")
    if hours:
        rhythm += f" of {hours.replace('/', ' ').replace('+', ' and ').replace(',', ', ')}"
    return rhythm
