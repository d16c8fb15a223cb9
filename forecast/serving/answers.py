"""From a request to the forecast that `forecast predict` writes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from forecast.data.findings import BadTableError, Finding
from forecast.errors import ForecastError
from forecast.errors.interface import in_use
from forecast.forecasting.learned_table import check_history, read_history
from forecast.serving.bodies import Asked, as_source
from forecast.serving.limits import Limits, RefusedError
from forecast.serving.served_models import ServedModel

_TEMPORARY = re.compile(r"\S*/forecast-[^/\s]*/table\.csv")
"""Name of the file of a text."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A forecast.

    Attributes:
        model: that made it.
        frame: its rows, as `forecast predict` writes them.
        notes: sentences about it.
    """

    model: ServedModel
    frame: pd.DataFrame
    notes: tuple[str, ...]

    def csv(self) -> bytes:
        """Return the rows as the CSV file that `forecast predict` prints."""
        return self.frame.to_csv(index=False).encode()

    def values(self) -> dict[str, Any]:
        """Return the forecast as JSON values, stamps as the CSV file has them."""
        columns = {name: _plain(self.frame[name]) for name in self.frame}
        names = list(columns)
        rows = [
            dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
        return {
            "model": self.model.name,
            "version": self.model.version,
            "rows": rows,
            "notes": list(self.notes),
        }


def answer(model: ServedModel, asked: Asked, limits: Limits) -> Answer:
    """Forecast what was asked for.

    Args:
        model: that forecasts.
        asked: the request.
        limits: of the service.

    Raises:
        RefusedError: the table is refused, or the model cannot forecast from it.
    """
    forecaster = model.forecaster
    try:
        with as_source(asked.rows) as source:
            history = read_history(forecaster.fitted, source)
        if history.num_series > limits.max_series:
            raise RefusedError(
                422,
                f"the table has {history.num_series:,} series; expected at most "
                f"{limits.max_series:,}: ask for them in parts",
            )
        if asked.known is None:
            return _forecast(model, asked, history, None)
        with as_source(asked.known) as known:
            return _forecast(model, asked, history, known)
    except BadTableError as error:
        raise RefusedError(422, *_all_lines(model, asked, error)) from error
    except ForecastError as error:
        raise RefusedError(422, _line(str(error))) from error


def _forecast(model: ServedModel, asked: Asked, history: Any, known: Any) -> Answer:
    forecast = model.forecaster.predict(
        history,
        known=known,
        horizon=asked.horizon,
        level=asked.level,
        baseline=model.baseline,
    )
    return Answer(model, forecast.frame(), forecast.notes)


def _all_lines(model: ServedModel, asked: Asked, error: BadTableError) -> list[str]:
    """Return the first error of a table, then all others that its checks find."""
    first = _line(str(error))
    found = checked_lines(model, asked)["errors"]
    return [first, *(line for line in found if line != first)]


def _line(text: str) -> str:
    """Return a text on one line, without the name of a temporary file."""
    return _TEMPORARY.sub("the table", in_use().worded(" ".join(text.split())))


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return a column as JSON has it: stamps as text, NaN as None."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return list(column.astype(str))
    if pd.api.types.is_float_dtype(column.dtype):
        return [None if math.isnan(number) else number for number in column.tolist()]
    return [cell if isinstance(cell, (int, float, str)) else str(cell) for cell in column.tolist()]


def checked_lines(model: ServedModel, asked: Asked) -> dict[str, Any]:
    """Return what the checks of a table find, for a model.

    Args:
        model: that would forecast from it.
        asked: the request.

    Returns:
        Name of the model, and a line for each error and each note.
    """
    lines: dict[str, list[str]] = {"error": [], "note": []}
    findings: list[Finding] = []
    try:
        with as_source(asked.rows) as source:
            findings = check_history(model.forecaster.fitted, source)
    except ForecastError as error:  # about no single cell, such as the step of all rows
        lines["error"].append(_line(str(error)))
    for finding in findings:
        kind = "error" if finding.severity == "error" else "note"
        lines[kind].append(_line(finding.sentence))
    return {"model": model.name, "errors": lines["error"], "notes": lines["note"]}
