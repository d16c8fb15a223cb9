"""Small tables and experiments for backtests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecast.experiment.file import experiment_from
from forecast.experiment.settings import Experiment

HORIZON = 3
SETTINGS: dict[str, Any] = {
    "name": "net",
    "data": {"calendar": ["hour"], "season_length": 6},
    "windows": {"context_length": 8, "horizon": HORIZON},
    "model": {
        "name": "bigru",
        "cell": "gru",
        "bidirectional": False,
        "decoder": "direct",
        "units": 4,
    },
    "training": {"epochs": 1, "patience": None},
    "evaluation": {"validation_size": 12},
}
"""The model that is traced fastest and never compiled."""


def experiment(**sections: dict[str, Any]) -> Experiment:
    """An experiment with other settings in some of its sections."""
    merged = {name: {**SETTINGS.get(name, {}), **values} for name, values in sections.items()}
    return experiment_from({**SETTINGS, **merged})


def hourly(rows: int = 90) -> pd.DataFrame:
    """Return three series of different level and length, one ending early, with all covariates."""
    draw = np.random.default_rng(0)
    lengths = (rows, rows - 10, rows - 20)
    starts = (0, 10, 5)
    hours = np.concatenate(
        [start + np.arange(length) for start, length in zip(starts, lengths, strict=True)]
    )
    size = len(hours)
    season = np.sin(2 * np.pi * hours / 6)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(["a", "b", "c"], lengths),
            "ds": pd.Timestamp("2025-01-06") + pd.to_timedelta(hours, unit="h"),
            "y": np.repeat([10.0, 100.0, 3.0], lengths) * (3 + season) + draw.normal(size=size),
            "wind": draw.normal(size=size),
            "state": draw.choice(["dry", "wet"], size=size),
            "price": draw.normal(size=size).round(2),
        }
    )
