"""Point forecasts of the steps after a history: how far, with which known covariates."""

from __future__ import annotations

from forecast.data.known import read_known
from forecast.data.panel import Panel
from forecast.data.per_series.ended import Reach, reach_of, refuse_unreachable
from forecast.data.per_series.future import known_columns
from forecast.data.read import Source
from forecast.forecasting.ahead import steps_to_forecast
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.learned_table import reading_for
from forecast.forecasting.predict import forecast_future
from forecast.scores.forecast import Forecast


def forecast_ahead(
    fitted: Fitted, history: Panel, known: Source | None, horizon: int | None
) -> tuple[Reach, Forecast]:
    """Return the series to forecast and their point forecasts.

    Args:
        fitted: the trained state.
        history: the series.
        known: table with the known covariates of the steps ahead; optional.
        horizon: steps to forecast; None: as trained.

    Raises:
        DataError: the history is too short, or known covariates are missing.
        ConfigError: the horizon cannot be reached.
    """
    data = fitted.config.data
    steps = steps_to_forecast(fitted, horizon)
    ahead = None
    if known is not None:
        with reading_for(fitted, known_columns(history.columns)):
            ahead = read_known(history, known, table_format=data.table_format)
    refuse_unreachable(history, data.ended_series, fitted.shape.horizon, steps)
    reach = reach_of(history, data.ended_series)
    return reach, forecast_future(fitted, reach, steps, ahead)
