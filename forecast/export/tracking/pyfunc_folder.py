"""A run as a folder that `mlflow.pyfunc.load_model` reads, held against the forecaster."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from forecast.errors import ArtifactError, ConfigError
from forecast.export.tracking.destination import EXTRA
from forecast.export.tracking.pyfunc_model import (
    ARTIFACT,
    CODE,
    CODE_FILE,
    model_arguments,
    without_advice,
)
from forecast.files.atomic import replace_folder
from forecast.files.outputs import Content, check_folder
from forecast.forecasting.artifact import SAVED_MODEL
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.next_steps import ABOUT_FORECAST, read_about
from forecast.runs.records import MODEL
from forecast.runs.update import panel_of_run
from forecast.runs.versions import version_folder

NAME = "mlflow"


def _is_own(folder: Path) -> bool:
    """Return whether a folder has a model of this package for MLflow."""
    code = folder / CODE_FILE
    return (folder / "MLmodel").is_file() and code.is_file() and code.read_text("utf-8") == CODE


FOLDER = Content(
    "MLflow model of this command",
    "mlflow_model",
    _is_own,
    (
        "MLmodel",
        CODE_FILE,
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        f"artifacts/{ARTIFACT}/{ABOUT_FORECAST}",
        *(f"artifacts/{ARTIFACT}/{MODEL}/{name}" for name in SAVED_MODEL.names or ()),
    ),
)
"""Content that `export_pyfunc` writes."""


def export_pyfunc(run: str | Path, table: str | None, path: Path) -> tuple[Forecaster, int]:
    """Write the model of a run as a folder for MLflow.

    Args:
        run: the folder of a run or a saved model.
        table: on which the folder is held against the forecaster; default: the table of the run.
        path: the folder: new, or written by this function.

    Returns:
        The forecaster, and the number of series whose forecasts were compared.

    Raises:
        ConfigError: MLflow is not installed.
        ArtifactError: the forecasts are not equal to the last bit; nothing is left behind.
        OutputError: the folder is something else.
    """
    if find_spec("mlflow") is None:
        raise ConfigError(
            f"the format {NAME} needs the package mlflow, which is not installed: run {EXTRA}"
        )
    import mlflow

    check = partial(check_folder, path, FOLDER)
    check()
    folder = version_folder(run)
    saved = folder / MODEL if (folder / MODEL).is_dir() else folder
    forecaster = Forecaster.load(saved)
    source = table or panel_of_run(run, forecaster)
    baseline = read_about(folder).get("baseline")
    expected = forecaster.predict(source, level="auto", baseline=baseline).frame()
    with replace_folder(path, check) as temporary, without_advice():
        with model_arguments(folder) as arguments:
            mlflow.pyfunc.save_model(path=str(temporary), **arguments)
        loaded = mlflow.pyfunc.load_model(str(temporary)).unwrap_python_model()
        made = loaded.predict(None, source)
        try:
            pd.testing.assert_frame_equal(made, expected, check_exact=True)
        except AssertionError as error:
            reason = " ".join(str(error).split())
            raise ArtifactError(
                f"the MLflow model forecasts other values than {run} ({reason[:200]}); nothing was "
                f"written: fit again, or report this"
            ) from error
    return forecaster, expected[expected.columns[0]].nunique()
