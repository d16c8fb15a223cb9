"""Rolling-origin evaluation: models forecast from many cutoffs, each as it was then."""

from forecast.backtest.folder import backtest_table
from forecast.backtest.rolling import Model

__all__ = ["Model", "backtest_table"]
