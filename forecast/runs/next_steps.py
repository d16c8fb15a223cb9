"""`forecast.json` of a run: the models that stand in `forecast.csv`, and notes on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecast.errors import DataError
from forecast.files.atomic import write_file
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.records import to_json
from forecast.scores.forecast import Forecast
from forecast.scores.member_weights import members_text
from forecast.scores.quantile_metrics import central_pairs

ABOUT_FORECAST = "forecast.json"


def about_forecast(
    forecaster: Forecaster, forecast: Forecast | None, *, baseline: str, not_tested: str = ""
) -> dict[str, Any]:
    """Describe the forecast of a run as JSON values.

    Args:
        forecaster: the model.
        forecast: of the steps after the table; None where known covariates were missing.
        baseline: the best one on the test set, or on the validation set where there is none.
        not_tested: why there is no test set, if there is none.
    """
    fitted = forecaster.fitted
    levels = []
    notes: list[str] = []
    if forecast is not None:
        levels = [round(100.0 * share, 8) for share in central_pairs(forecast.quantile_levels)]
        notes = list(forecast.notes)
    return {
        "alias": fitted.config.name,
        "architecture": fitted.config.model.name,
        "horizon": fitted.shape.horizon,
        "levels": levels,
        "baseline": baseline,
        "members": fitted.members,
        "ensemble": members_text(fitted.members),
        "not_tested": not_tested,
        "notes": notes,
    }


def write_about(about: Mapping[str, Any], folder: Path) -> None:
    """Write `forecast.json` into a run folder."""
    write_file(folder / ABOUT_FORECAST, to_json(about))


def read_about(folder: Path) -> dict[str, Any]:
    """Read `forecast.json` of a run folder; nothing from folders of earlier versions.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / ABOUT_FORECAST
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}): write it again with fit") from error
