"""An earlier run in the folder of a new one: it is replaced unasked only by the same work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forecast.data.findings import counted
from forecast.data.panel import panel_digest
from forecast.errors import ConfigError
from forecast.experiment.file import load_experiment
from forecast.experiment.identity import differences, flat
from forecast.experiment.prepare import Prepared
from forecast.experiment.settings import Experiment
from forecast.files.atomic import current_folder
from forecast.files.outputs import ENVIRONMENT, read_record
from forecast.runs.records import CONFIG, DATA

_DIGITS = 12
"""Digits of a fingerprint that a message shows."""


def difference_from(folder: Path, prepared: Prepared) -> str:
    """Describe an earlier run that differs from the work that is about to begin.

    Args:
        folder: of runs; what else it may contain was checked before.
        prepared: the table and the settings of the new run.

    Returns:
        Words such as `a run of other data (sales.csv, 600 rows, fingerprint 0123)`; an empty text
        if there is no earlier run, or one of the same data with the same settings.
    """
    folder = current_folder(folder)
    if not (folder / ENVIRONMENT).is_file():
        return ""
    if not (folder / CONFIG).is_file():
        return f"a run without its {CONFIG}"
    try:
        earlier = load_experiment(folder / CONFIG)
    except ConfigError:
        return f"a run of another version, whose {CONFIG} cannot be read"

    data = read_record(folder / DATA)
    if data.get("fingerprint") != panel_digest(prepared.panel):
        return f"a run of other data ({_data_text(earlier, data)})"
    settings = differences(_settings_of(earlier), _settings_of(prepared.config))
    if settings:
        return f"a run with other settings ({settings})"
    return ""


def _data_text(earlier: Experiment, data: dict[str, Any]) -> str:
    """Name the table of a run: its file, its rows, and the first digits of its fingerprint."""
    source = earlier.data.source or "a table in memory"
    fingerprint = str(data.get("fingerprint"))[:_DIGITS]
    rows = counted(data.get("num_rows", 0), "row")
    return f"{Path(source).name}, {rows}, fingerprint {fingerprint}"


def _settings_of(config: Experiment) -> dict[str, str]:
    """Return the settings that a fit reads; of the table its content counts, not its name."""
    unread: dict[str, Any] = {"data": {"source"}, "search": True, "backtest": True}
    return flat(config.model_dump(mode="json", exclude=unread))
