"""The forecaster as an MLflow model from code: a script of three lines, and the files of `save`.

MLflow pickles a model unless it is given code. A pickle runs whatever is in it and ties the file to
versions of Python; the script imports this module, which reads the files of `Forecaster.save`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.errors import ConfigError
from forecast.forecasting.artifact import package_version
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.next_steps import ABOUT_FORECAST, read_about
from forecast.runs.records import MODEL

ARTIFACT = "run"
"""Name in the MLflow model of the folder with the saved model and `forecast.json`."""

CODE = '''"""Forecasts of bigru-forecast as an MLflow model; see forecast.export.tracking."""

import mlflow

from forecast.export.tracking.pyfunc_model import forecast_model

mlflow.models.set_model(forecast_model())
'''

CODE_FILE = "forecast_model.py"

LEVEL = "auto"

_BARS = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


def forecast_model() -> Any:
    """Return the object that MLflow loads and calls."""
    import mlflow

    class ForecastModel(mlflow.pyfunc.PythonModel):
        """Forecasts of the table that is passed, as `forecast predict` writes them."""

        def load_context(self, context: Any) -> None:
            """Load the forecaster from the files of the model."""
            folder = Path(context.artifacts[ARTIFACT])
            self.forecaster = Forecaster.load(folder / MODEL)
            self.baseline = read_about(folder).get("baseline")

        # MLflow reads the annotation of the table: with a frame it expects no columns.
        def predict(
            self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
        ) -> Any:
            """Forecast the steps after the last row of each series of a table."""
            del context
            return answer(self.forecaster, self.baseline, model_input, params or {})

    return ForecastModel()


def answer(
    forecaster: Forecaster, baseline: str | None, table: Any, params: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the forecast of a table as a frame.

    Args:
        forecaster: the model.
        baseline: that forecasts beside it; None for none.
        table: the history, with known covariates of the steps ahead in rows without a target.
        params: `level` (`auto`, `none`, or levels in % such as `80,95`), and `horizon` (0: as
            trained).

    Raises:
        ConfigError: a level is no number.
    """
    text = str(params.get("level", LEVEL))
    level: Any = LEVEL
    if text == "none":
        level = ()
    elif text != LEVEL:
        try:
            level = tuple(float(each) for each in text.split(","))
        except ValueError:
            raise ConfigError(
                f"level is {text!r}; expected auto, none, or levels in % such as '80,95'"
            ) from None
    horizon = int(params.get("horizon", 0)) or None
    return forecaster.predict(table, level=level, horizon=horizon, baseline=baseline).frame()


@contextmanager
def without_advice() -> Iterator[None]:
    """Let MLflow write a model inside this block without its advice and its bars."""
    before = os.environ.get(_BARS)
    os.environ[_BARS] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.pop(_BARS)
        if before is not None:
            os.environ[_BARS] = before


@contextmanager
def model_arguments(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the arguments of `mlflow.pyfunc.save_model` and `log_model` for a run.

    Args:
        run: folder of a run or a version, with the saved model and `forecast.json`, or of a saved
            model.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec

    saved = run / MODEL if (run / MODEL).is_dir() else run
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / CODE_FILE
        code.write_text(CODE, encoding="utf-8")
        files = Path(folder) / ARTIFACT
        shutil.copytree(saved, files / MODEL)
        if (run / ABOUT_FORECAST).is_file():
            shutil.copyfile(run / ABOUT_FORECAST, files / ABOUT_FORECAST)
        params = [
            ParamSpec("level", DataType.string, LEVEL),
            ParamSpec("horizon", DataType.long, 0),
        ]
        version = package_version()
        requirement = "bigru-forecast" if version == "unknown" else f"bigru-forecast=={version}"
        yield {
            "python_model": str(code),
            "artifacts": {ARTIFACT: str(files)},
            "signature": ModelSignature(params=ParamSchema(params)),
            "pip_requirements": [requirement],
        }
