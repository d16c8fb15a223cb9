"""The content of a run folder that a report needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.history import History
from forecast.scores.verdict import Scores


@dataclass(frozen=True, eq=False)
class RunRecord:
    """The content of a run folder or of the folder of a backtest.

    Attributes:
        config: text of config.yaml.
        settings: the same, as nested mappings.
        data: size, span, frequency, notes and fingerprint of the table.
        environment: package versions, platform and seed.
        histories: losses per epoch of each network by name, that with the largest weight first;
            none for a backtest, which may hold many trainings.
        scores: of all test windows, or None where the model was not evaluated.
        result: the stored evaluation, or None; of a large one only some windows are stored.
        observed: long table of the actual values around the windows in the figures, or None.
        forecast: the steps after the end of the data, with ids as text, or None.
        about: content of `forecast.json`; empty in folders of earlier versions.
        recent: long table of the last actual values before the forecast, or None.
        totals: table of `forecast.report.totals` with ids as text, or None.
        coverage: table of `step`, `level` in %, `covered`, `low` and `high` as shares, or None
            where there are no intervals.
        command: the command that made the folder.
    """

    config: str
    settings: dict[str, Any]
    data: dict[str, Any]
    environment: dict[str, Any]
    histories: Mapping[str, History]
    scores: Scores | None = None
    result: BacktestResult | None = None
    observed: pd.DataFrame | None = None
    forecast: Forecast | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    recent: pd.DataFrame | None = None
    totals: pd.DataFrame | None = None
    coverage: pd.DataFrame | None = None
    command: Literal["fit", "backtest"] = "fit"
