"""Forecasts of statsforecast for the cutoffs of a table; `FORECAST_STATSFORECAST` names its Python.

Each model is fitted anew at every cutoff. Results are stored by the benchmarks that ask for them,
so that comparing needs no second environment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecast import load_panel
from forecast.backtest.peers import StatisticalModel, find_python


def statistical_forecasts(
    history: pd.DataFrame, models: Sequence[str], horizon: int, season: int
) -> pd.DataFrame:
    """Forecast the steps after the end of every series.

    Args:
        history: rows `unique_id, ds, y` up to the cutoff.
        models: names in `statsforecast.models`, such as `AutoETS`.
        horizon: steps.
        season: steps of a season.

    Returns:
        Rows `unique_id, step`, with a column per model; steps count from 0.

    Raises:
        ConfigError: no Python with statsforecast is named.
    """
    panel = load_panel(history[["unique_id", "ds", "y"]])
    made = pd.DataFrame(
        {
            "unique_id": np.repeat(np.asarray(panel.series_ids, object), horizon),
            "step": np.tile(np.arange(horizon), panel.num_series),
        }
    )
    for name in models:
        model = StatisticalModel(name, horizon, season, "refuse", find_python())
        values, _ = model.fit(panel).predict(panel, panel.offsets[1:] - 1)
        made[name] = values[:, :, 0].ravel()
    return made
