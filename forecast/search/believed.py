"""Records of a journal and outcomes of workers, believed only where every part is as written.

A journal may be edited, and a worker elsewhere may be of another version: types are exact, numbers
finite, folds come one after the other, and a reason is one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from forecast.files.tensors import Entry

Count = Annotated[int, Field(ge=0, lt=2**48)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, lt=1_000_000)]

MAX_REASON = 2_000
"""Characters of a reason, at most."""


class StoredScore(Entry):
    """See `state.FoldScore`."""

    fold: Annotated[int, Field(ge=0, lt=10_000)]
    execution: Annotated[int, Field(ge=0, lt=10_000)]
    scores: Annotated[dict[str, Finite], Field(min_length=1, max_length=1_000)]
    epochs: Count
    seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    parameters: Count


class StoredEnd(Entry):
    """Status and reason of a trial."""

    status: Literal["completed", "pruned", "failed"]
    reason: Annotated[str, Field(max_length=MAX_REASON)]

    @field_validator("reason")
    @classmethod
    def _one_line(cls, reason: str) -> str:
        if not reason.isprintable():
            raise ValueError("a reason is one line without control characters")
        return reason


class StoredOutcome(StoredEnd):
    """See `state.Outcome`."""

    folds: Annotated[list[StoredScore], Field(max_length=100_000)]

    @model_validator(mode="after")
    def _check_folds(self) -> StoredOutcome:
        check_order([(score.fold, score.execution) for score in self.folds])
        if not self.folds and self.status != "failed":
            raise ValueError(f"a trial that is {self.status} has no score")
        return self


class StoredTask(Entry):
    """See `state.Task`."""

    number: Number
    proposal: dict[str, Any]
    values: dict[str, Any]
    epochs: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    limits: list[Finite | None] = Field(default_factory=list)


class _Event(Entry):
    number: Number


class StoredStart(StoredTask):
    """Record of a trial that starts."""

    event: Literal["start"]


class StoredFold(_Event):
    """Record of a training that has ended."""

    event: Literal["fold"]
    score: StoredScore


class StoredEndRecord(_Event, StoredEnd):
    """Record of a trial that has ended."""

    event: Literal["end"]


class StoredFinal(Entry):
    """Record of a training after the trials."""

    event: Literal["final"]
    name: Annotated[str, Field(max_length=100)]
    result: dict[str, Any]


class StoredSearch(Entry):
    """First record of a journal."""

    event: Literal["search"]
    format: Literal[1]
    identity: dict[str, str]


KINDS: dict[str, type[Entry]] = {
    "search": StoredSearch,
    "start": StoredStart,
    "fold": StoredFold,
    "end": StoredEndRecord,
    "final": StoredFinal,
}
"""Event of a record -> its form."""


def check_record(record: object) -> None:
    """Raise unless a record has the form of its event.

    Raises:
        ValueError: it has not; the message says where, in a few words.
    """
    if not isinstance(record, dict):
        raise ValueError("it is no mapping")
    kind = KINDS.get(str(record.get("event")))
    if kind is None:
        raise ValueError(f"there is no event {str(record.get('event'))[:40]!r}")
    check(kind, record)


def check(kind: type[Entry], values: Mapping[str, Any]) -> None:
    """Raise unless values have a form.

    Raises:
        ValueError: they have not.
    """
    try:
        kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(key)[:40] for key in first["loc"])
        raise ValueError(f"{place or 'it'}: {first['msg']}") from None


def check_order(places: Sequence[tuple[int, int]]) -> None:
    """Raise unless trainings come fold by fold, each with its executions from 0.

    Args:
        places: fold and execution of each, in order.

    Raises:
        ValueError: one is missing or comes twice.
    """
    fold = -1
    execution = 0
    for given in places:
        if given not in ((fold, execution + 1), (fold + 1, 0)):
            raise ValueError(f"fold {given[0]}, execution {given[1]} does not follow {fold}")
        fold = given[0]
        execution = given[1]
