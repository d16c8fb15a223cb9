"""Time-series forecasting with a bidirectional GRU on Keras.

Names are imported when they are first used, so that `import forecast` is quick and starts without
TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from forecast.layers.registration import register_with_keras

if TYPE_CHECKING:
    __version__: str
    from forecast import data
    from forecast.axes import check_shape
    from forecast.backtest.folder import backtest_table
    from forecast.baselines.simple import BASELINES
    from forecast.classification.categories.category_forecaster import CategoryForecaster
    from forecast.classification.categories.category_result import CategoryResult
    from forecast.classification.categories.category_settings import CategorySettings
    from forecast.classification.class_settings import Classification, SequenceColumns
    from forecast.classification.classifier import Classifier
    from forecast.classification.evaluated import ClassifierResult
    from forecast.classification.label_sets.set_result import LabelSetResult
    from forecast.classification.symbols.next_symbol import NextSymbol
    from forecast.classification.symbols.symbol_result import SymbolResult
    from forecast.classification.symbols.symbol_settings import NextSymbolSettings
    from forecast.data import datasets
    from forecast.data.doctor import diagnose
    from forecast.data.load import load_panel
    from forecast.data.panel import Columns, Panel
    from forecast.data.read import TableFormat
    from forecast.errors import ForecastError
    from forecast.experiment.evaluation_settings import BacktestConfig, EvaluationConfig
    from forecast.experiment.file import load_experiment
    from forecast.experiment.search_settings import RangeConfig, SearchConfig
    from forecast.experiment.settings import DataConfig, Experiment, WindowsConfig
    from forecast.experiment.training_settings import EnsembleConfig, TrainingConfig
    from forecast.experiment.transform_settings import TransformConfig, TransformsConfig
    from forecast.forecasting.forecaster import Forecaster
    from forecast.leakage import pipeline as testing
    from forecast.leakage.pipeline import check_no_leakage
    from forecast.models import MODELS
    from forecast.models.bigru import BiGRUConfig
    from forecast.models.bigru_classifier import BiGRUClassifierConfig
    from forecast.models.gru_next import GRUNextConfig
    from forecast.models.segment_bigru import SegmentBiGRUConfig
    from forecast.report import plots
    from forecast.scores.breakdown import scores_by
    from forecast.scores.evaluation import BacktestResult
    from forecast.scores.forecast import Forecast
    from forecast.scores.metrics import METRICS
    from forecast.windows.index import make_windows

_HOMES = {
    "BASELINES": "baselines.simple",
    "BacktestConfig": "experiment.evaluation_settings",
    "BacktestResult": "scores.evaluation",
    "BiGRUClassifierConfig": "models.bigru_classifier",
    "BiGRUConfig": "models.bigru",
    "CategoryForecaster": "classification.categories.category_forecaster",
    "CategoryResult": "classification.categories.category_result",
    "CategorySettings": "classification.categories.category_settings",
    "Classification": "classification.class_settings",
    "Classifier": "classification.classifier",
    "ClassifierResult": "classification.evaluated",
    "Columns": "data.panel",
    "DataConfig": "experiment.settings",
    "EnsembleConfig": "experiment.training_settings",
    "EvaluationConfig": "experiment.evaluation_settings",
    "Experiment": "experiment.settings",
    "Forecast": "scores.forecast",
    "ForecastError": "errors",
    "Forecaster": "forecasting.forecaster",
    "GRUNextConfig": "models.gru_next",
    "LabelSetResult": "classification.label_sets.set_result",
    "METRICS": "scores.metrics",
    "MODELS": "models",
    "NextSymbol": "classification.symbols.next_symbol",
    "NextSymbolSettings": "classification.symbols.symbol_settings",
    "Panel": "data.panel",
    "RangeConfig": "experiment.search_settings",
    "SearchConfig": "experiment.search_settings",
    "SegmentBiGRUConfig": "models.segment_bigru",
    "SequenceColumns": "classification.class_settings",
    "SymbolResult": "classification.symbols.symbol_result",
    "TableFormat": "data.read",
    "TrainingConfig": "experiment.training_settings",
    "TransformConfig": "experiment.transform_settings",
    "TransformsConfig": "experiment.transform_settings",
    "WindowsConfig": "experiment.settings",
    "backtest_table": "backtest.folder",
    "check_no_leakage": "leakage.pipeline",
    "check_shape": "axes",
    "diagnose": "data.doctor",
    "load_experiment": "experiment.file",
    "load_panel": "data.load",
    "make_windows": "windows.index",
    "scores_by": "scores.breakdown",
}
"""Public name -> module that defines it."""

_MODULES = {
    "data": "data",
    "datasets": "data.datasets",
    "plots": "report.plots",
    "testing": "leakage.pipeline",
}
"""Public name of a module -> the module."""

DISTRIBUTION = "bigru-forecast"
"""Name under which the package is installed."""

VERSION_IF_NOT_INSTALLED = "0+not.installed"
"""`__version__` of a source tree that is on the path and was never installed."""

__all__ = [
    "BASELINES",
    "METRICS",
    "MODELS",
    "BacktestConfig",
    "BacktestResult",
    "BiGRUClassifierConfig",
    "BiGRUConfig",
    "CategoryForecaster",
    "CategoryResult",
    "CategorySettings",
    "Classification",
    "Classifier",
    "ClassifierResult",
    "Columns",
    "DataConfig",
    "EnsembleConfig",
    "EvaluationConfig",
    "Experiment",
    "Forecast",
    "ForecastError",
    "Forecaster",
    "GRUNextConfig",
    "LabelSetResult",
    "NextSymbol",
    "NextSymbolSettings",
    "Panel",
    "RangeConfig",
    "SearchConfig",
    "SegmentBiGRUConfig",
    "SequenceColumns",
    "SymbolResult",
    "TableFormat",
    "TrainingConfig",
    "TransformConfig",
    "TransformsConfig",
    "WindowsConfig",
    "__version__",
    "backtest_table",
    "check_no_leakage",
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
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return import_module(f"forecast.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(import_module(f"forecast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'forecast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    """Return the version of the installed distribution."""
    from importlib import metadata  # here, since its import takes as long as that of the package

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return VERSION_IF_NOT_INSTALLED


register_with_keras()
