"""`forecast`: time-series forecasting with a bidirectional GRU on Keras.

Names are imported when they are first used, so that `import forecast` starts without TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast import data, plots, testing
    from forecast.axes import check_shape
    from forecast.baselines import BASELINES
    from forecast.breakdown import scores_by
    from forecast.config import (
        BacktestConfig,
        DataConfig,
        EnsembleConfig,
        EvaluationConfig,
        Experiment,
        TrainingConfig,
        TransformConfig,
        TransformsConfig,
        WindowsConfig,
    )
    from forecast.config_file import load_experiment
    from forecast.data import datasets
    from forecast.data.build import load_panel
    from forecast.data.doctor import diagnose
    from forecast.data.frame import TableFormat
    from forecast.data.panel import Columns, Panel
    from forecast.errors import ForecastError
    from forecast.forecaster import Forecaster
    from forecast.metrics import METRICS
    from forecast.models import MODELS
    from forecast.models.bigru import BiGRUConfig
    from forecast.models.segment_bigru import SegmentBiGRUConfig
    from forecast.results import BacktestResult, Forecast
    from forecast.search_config import RangeConfig, SearchConfig
    from forecast.windows import make_windows

_HOMES = {
    "BASELINES": "baselines",
    "BacktestConfig": "config",
    "BacktestResult": "results",
    "BiGRUConfig": "models.bigru",
    "Columns": "data.panel",
    "DataConfig": "config",
    "EnsembleConfig": "config",
    "EvaluationConfig": "config",
    "Experiment": "config",
    "Forecast": "results",
    "ForecastError": "errors",
    "Forecaster": "forecaster",
    "METRICS": "metrics",
    "MODELS": "models",
    "Panel": "data.panel",
    "RangeConfig": "search_config",
    "SearchConfig": "search_config",
    "SegmentBiGRUConfig": "models.segment_bigru",
    "TableFormat": "data.frame",
    "TrainingConfig": "config",
    "TransformConfig": "config",
    "TransformsConfig": "config",
    "WindowsConfig": "config",
    "check_shape": "axes",
    "diagnose": "data.doctor",
    "load_experiment": "config_file",
    "load_panel": "data.build",
    "make_windows": "windows",
    "scores_by": "breakdown",
}
"""Public name -> the module it lives in."""

_MODULES = {"data": "data", "datasets": "data.datasets", "plots": "plots", "testing": "testing"}

__all__ = [
    "BASELINES",
    "METRICS",
    "MODELS",
    "BacktestConfig",
    "BacktestResult",
    "BiGRUConfig",
    "Columns",
    "DataConfig",
    "EnsembleConfig",
    "EvaluationConfig",
    "Experiment",
    "Forecast",
    "ForecastError",
    "Forecaster",
    "Panel",
    "RangeConfig",
    "SearchConfig",
    "SegmentBiGRUConfig",
    "TableFormat",
    "TrainingConfig",
    "TransformConfig",
    "TransformsConfig",
    "WindowsConfig",
    "check_shape",
    "data",
    "datasets",
    "diagnose",
    "load_experiment",
    "load_panel",
    "make_windows",
    "plots",
    "scores_by",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"forecast.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(import_module(f"forecast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'forecast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
