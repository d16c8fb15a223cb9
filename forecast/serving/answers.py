"""From a request to the forecast that `forecast predict` writes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.findings import BadTableError, Finding
from forecast.data.panel import Panel
from forecast.errors import ForecastError
from forecast.errors.interface import in_use
from forecast.forecasting.learned_table import check_history, read_history
from forecast.scores.forecast import Forecast, by_name
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
        forecast: of the series of one request.
    """

    model: ServedModel
    forecast: Forecast

    def csv(self) -> bytes:
        """Return the rows as the CSV file that `forecast predict` prints."""
        return self.forecast.frame().to_csv(index=False).encode()

    def values(self) -> dict[str, Any]:
        """Return the forecast as JSON values, stamps as the CSV file has them."""
        columns = by_name(self.forecast.named_columns())
        columns = {name: _plain(cells) for name, cells in columns.items()}
        names = list(columns)
        rows = [
            dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
        return {
            "model": self.model.name,
            "version": self.model.version,
            "rows": rows,
            "notes": list(self.forecast.notes),
        }


def read_rows(model: ServedModel, asked: Asked, limits: Limits) -> Panel:
    """Return the series of a request.

    Args:
        model: that forecasts.
        asked: the request.
        limits: of the service.

    Raises:
        RefusedError: the table is refused, or has too many series.
    """
    with _refusing(model, asked), as_source(asked.rows) as source:
        history = read_history(model.forecaster.fitted, source)
    if history.num_series > limits.max_series:
        raise RefusedError(
            422,
            f"the table has {history.num_series:,} series; expected at most "
            f"{limits.max_series:,}: ask for them in parts",
        )
    return history


def answer_of(model: ServedModel, asked: Asked, history: Panel) -> Answer:
    """Forecast what was asked for.

    Args:
        model: that forecasts.
        asked: the request.
        history: its series.

    Raises:
        RefusedError: the known covariates are refused, or the model cannot forecast from the
            series.
    """
    with _refusing(model, asked):
        if asked.known is None:
            return _forecast(model, asked, history, None)
        with as_source(asked.known) as known:
            return _forecast(model, asked, history, known)


@contextmanager
def _refusing(model: ServedModel, asked: Asked) -> Iterator[None]:
    """Turn errors of the package inside this block into refusals."""
    try:
        yield
    except BadTableError as error:
        raise RefusedError(422, *_all_lines(model, asked, error)) from error
    except ForecastError as error:
        raise RefusedError(422, _line(str(error))) from error


def _forecast(model: ServedModel, asked: Asked, history: Panel, known: Any) -> Answer:
    forecast = model.forecaster.predict(
        history,
        known=known,
        horizon=asked.horizon,
        level=asked.level,
        baseline=model.baseline,
    )
    return Answer(model, forecast)


def _all_lines(model: ServedModel, asked: Asked, error: BadTableError) -> list[str]:
    """Return the first error of a table, then all others that its checks find."""
    first = _line(str(error))
    found = checked_lines(model, asked)["errors"]
    return [first, *(line for line in found if line != first)]


def _line(text: str) -> str:
    """Return a text on one line, without the name of a temporary file."""
    return _TEMPORARY.sub("the table", in_use().worded(" ".join(text.split())))


def _plain(column: Any) -> list[Any]:
    """Return a column as JSON has it: stamps as text, NaN as None."""
    if isinstance(column, pd.DatetimeIndex):
        return _stamps(column)
    cells = np.asarray(column).tolist()
    if all(type(cell) is float for cell in cells):
        return [None if math.isnan(cell) else cell for cell in cells]
    return [cell if isinstance(cell, (int, float, str)) else str(cell) for cell in cells]


def _stamps(column: pd.DatetimeIndex) -> list[str]:
    """Return stamps as pandas writes them: days without a time of day, where all are midnights."""
    if column.tz is None:
        days = column.to_numpy().astype("datetime64[D]")
        if (days == column.to_numpy()).all():
            return days.astype(str).tolist()  # a tenth of the time of pandas
    return list(column.astype(str))


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
