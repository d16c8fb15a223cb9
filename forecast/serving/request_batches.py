"""Requests that have waited together: read one by one, forecast in one pass, written one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from forecast.data.panel import Panel
from forecast.errors import ForecastError
from forecast.forecasting.forecast_steps import can_forecast_together, forecast_together
from forecast.serving.answers import Answer, answer_of, checked_lines, read_rows
from forecast.serving.bodies import Asked, asked_in_csv, asked_in_json
from forecast.serving.limits import Limits, RefusedError
from forecast.serving.served_models import ServedModel

CSV = "text/csv"
JSON = "application/json"

SMALL = 65_536
"""Bytes of a body that is worked on together with others."""

ModelByName = Callable[[str], ServedModel]


@dataclass(frozen=True)
class Received:
    """A request as it has arrived.

    Attributes:
        is_check: whether the checks of the table are asked for, and no forecast.
        body: its bytes.
        kind: type of the body.
        query: of the address.
        wants_csv: whether the answer is a CSV file.
    """

    is_check: bool
    body: bytes
    kind: str
    query: Mapping[str, str]
    wants_csv: bool

    @property
    def is_small(self) -> bool:
        """Whether it may be worked on together with others."""
        return len(self.body) <= SMALL


@dataclass(frozen=True)
class Written:
    """An answer as it is sent.

    Attributes:
        content: its bytes.
        media_type: their type.
    """

    content: bytes
    media_type: str


@dataclass(frozen=True, eq=False)
class _Read:
    """A request for a forecast whose table has been read."""

    place: int
    model: ServedModel
    asked: Asked
    history: Panel

    def goes_with(self, other: _Read) -> bool:
        """Return whether another request can be forecast in the same pass."""
        return (
            self.asked.known is None
            and other.asked.known is None
            and self.model is other.model
            and self.asked.horizon == other.asked.horizon
            and self.asked.level == other.asked.level
            and can_forecast_together(self.model.forecaster.fitted, self.history, other.history)
        )


def work_on(
    received: Sequence[Received], model_by_name: ModelByName, limits: Limits
) -> list[Written | Exception]:
    """Answer some requests.

    Args:
        received: the requests.
        model_by_name: returns a model, or raises where there is none.
        limits: of the service.

    Returns:
        The answer to each, or the error: that of one request changes no answer to another.
    """
    outcomes: dict[int, Written | Exception] = {}
    read: list[_Read] = []
    for place, request in enumerate(received):
        try:
            asked = _asked(request, limits)
            model = model_by_name(asked.model)
            if request.is_check:
                outcomes[place] = _in_json(checked_lines(model, asked))
            else:
                read.append(_Read(place, model, asked, read_rows(model, asked, limits)))
        except Exception as error:
            outcomes[place] = error
    for group in _groups(read):
        for one, answer in zip(group, _answers(group), strict=True):
            outcomes[one.place] = _written(answer, received[one.place].wants_csv)
    return [outcomes[place] for place in range(len(received))]


def _groups(read: Sequence[_Read]) -> list[list[_Read]]:
    """Return requests in groups that can be forecast in one pass."""
    groups: list[list[_Read]] = []
    for one in read:
        for group in groups:
            if group[0].goes_with(one):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _answers(group: Sequence[_Read]) -> list[Answer | Exception]:
    """Return the answers to requests of one group, or their errors."""
    first = group[0]
    if len(group) > 1:
        try:
            forecasts = forecast_together(
                first.model.forecaster.fitted,
                [one.history for one in group],
                horizon=first.asked.horizon,
                level=first.asked.level,
                baseline=first.model.baseline,
            )
        except ForecastError:  # of one of them: the others are not touched by it
            pass
        else:
            return [Answer(first.model, forecast) for forecast in forecasts]
    return [_answer_alone(one) for one in group]


def _answer_alone(one: _Read) -> Answer | Exception:
    try:
        return answer_of(one.model, one.asked, one.history)
    except Exception as error:
        return error


def _asked(request: Received, limits: Limits) -> Asked:
    """Return what a body asks for.

    Raises:
        RefusedError: it is of another type, or cannot be read.
    """
    if request.kind == CSV:
        return asked_in_csv(request.body, request.query, limits)
    if request.kind in (JSON, ""):
        return asked_in_json(request.body, limits)
    raise RefusedError(
        415, f"the body is {request.kind[:50]!r}; expected application/json or text/csv"
    )


def _written(answer: Answer | Exception, wants_csv: bool) -> Written | Exception:
    if isinstance(answer, Exception):
        return answer
    try:
        if wants_csv:
            return Written(answer.csv(), CSV)
        return _in_json(answer.values())
    except Exception as error:
        return error


def _in_json(values: object) -> Written:
    """Return values as JSON without blanks; a number that is not finite is an error."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Written(text.encode(), JSON)
