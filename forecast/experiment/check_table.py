"""Everything that is wrong with a table for an experiment, from its cells to its windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from forecast.data.doctor import Diagnosis, diagnose_requested
from forecast.data.findings import BadTableError, Change, Finding
from forecast.data.read import Source
from forecast.errors import ConfigError, DataError
from forecast.errors.interface import Settings
from forecast.experiment.enough import SHORT_SERIES, needed_rows, usual_horizon
from forecast.experiment.prepare import (
    Prepared,
    prepare_panel,
    refuse_no_forecast,
    request_of,
    table_of,
)
from forecast.experiment.settings import Experiment

_ROUNDS = 5
"""Times that a table is read again with the settings proposed so far, at most."""

_MOST_CHANGES = 3
"""Changes of one finding that are tried, until a table is accepted."""

_MOST_TRIED = 1_000_000
"""Rows of a table that is read again, at most."""

_OF_DATES_ALONE = ("ambiguous_dates", "duplicate_stamps")
"""Errors that dates without their time of day may cause."""


def check_table(
    config: Experiment, source: Source | None = None, *, free_horizon: bool = False
) -> Diagnosis:
    """Return all findings about a table: a table without an error is accepted by `fit`.

    A table that can be read goes through every stage before training.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.
        free_horizon: whether the horizon is one that suits the table, not that of the experiment.

    Raises:
        ConfigError: no source is named, or a setting does not fit the data.
    """
    table = table_of(config.data, source)
    diagnosis = diagnose_requested(table, request_of(config.data), needed_rows(config))
    panel = diagnosis.panel
    if panel is None:
        return diagnosis
    read = [finding for finding in diagnosis.findings if finding.code != SHORT_SERIES]
    if free_horizon:
        windows = config.windows.model_copy(update={"horizon": usual_horizon(panel)})
        config = config.model_copy(update={"windows": windows})
    try:
        prepared = prepare_panel(config, panel)
        refuse_no_forecast(config, prepared)
    except BadTableError as error:
        return replace(diagnosis, findings=(error.finding, *read), panel=None)
    except DataError as error:
        finding = Finding("not_prepared", "error", str(error))
        return replace(diagnosis, findings=(finding, *read), panel=None)
    return replace(diagnosis, findings=(*read, *_new_notes(prepared)))


@dataclass(frozen=True)
class Proposal:
    """Settings that remove the errors of a table together.

    Attributes:
        settings: all that are changed.
        purpose: when they are true of the table, where the findings ask; else empty.
        is_enough: whether the table is accepted with them; else the rest is to be corrected in it.
    """

    settings: Settings
    purpose: str
    is_enough: bool


class Examined(Protocol):
    """Findings about a table."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those for which the table is refused."""

    @property
    def num_rows(self) -> int:
        """Rows of the table; 0 where they could not be read."""


class Changeable(Protocol):
    """Settings of any work."""

    def with_settings(self, settings: Settings) -> Self:
        """Return them with some replaced."""


AnyChangeable = TypeVar("AnyChangeable", bound=Changeable)


def proposals(
    config: Experiment,
    source: Source | None,
    diagnosis: Diagnosis,
    *,
    free_horizon: bool = False,
) -> tuple[Proposal, ...]:
    """Return settings that remove the errors of a table, and those that come to light then.

    Args:
        config: the experiment.
        source: the table, as in `check_table`.
        diagnosis: of this experiment.
        free_horizon: as in `check_table`.
    """
    check = partial(check_table, source=source, free_horizon=free_horizon)
    return proposals_by(config, check, diagnosis)


def proposals_by(
    config: AnyChangeable, check: Callable[[AnyChangeable], Examined], diagnosis: Examined
) -> tuple[Proposal, ...]:
    """Return settings that remove the errors of a table, and those that come to light then.

    Where a finding asks what is true of the table, there is one proposal for each answer.

    Args:
        config: the settings.
        check: examines the table with other settings.
        diagnosis: of the table with these.
    """
    joined = _parts_of_time(diagnosis)
    if joined is not None:
        found, is_enough = _extended(config, check, dict(joined.settings), diagnosis.num_rows)
        if is_enough:
            return (Proposal(found, joined.purpose, is_enough),)
    asking = next((finding for finding in diagnosis.errors if finding.asks), None)
    first = [Change({})]
    if asking is not None:
        first = list(asking.changes)
    rest = [finding for finding in diagnosis.errors if finding is not asking]
    made = []
    for change in first:
        tried = []
        for together in _starts(rest, change.settings):
            found, is_enough = _extended(config, check, together, diagnosis.num_rows)
            if found:
                tried.append(Proposal(found, change.purpose, is_enough))
            if is_enough:
                break
        if tried:
            made.append(max(tried, key=lambda proposal: proposal.is_enough))
    return tuple(made)


def _parts_of_time(diagnosis: Examined) -> Change | None:
    """Return the change that adds an ignored time of day to dates that it may tell apart."""
    if not any(finding.code in _OF_DATES_ALONE for finding in diagnosis.errors):
        return None
    notes = [finding for finding in diagnosis.findings if finding.code == "ignored_columns"]
    return next((change for finding in notes for change in finding.changes), None)


def _starts(findings: Sequence[Finding], given: Settings) -> Iterator[dict[str, Any]]:
    """Yield settings for all findings: of each the first change, then another one of the first."""
    yield settings_for_all(findings, given)
    if findings:
        first, *rest = findings
        for settings in first.settings[1:_MOST_CHANGES]:
            yield settings_for_all(rest, {**given, **settings})


def settings_for_all(findings: Iterable[Finding], given: Settings) -> dict[str, Any]:
    """Return settings that remove all findings that settings can remove together.

    Of each finding the first change is taken that does not contradict those before it.

    Args:
        findings: to be removed.
        given: settings that are chosen already.
    """
    together = dict(given)
    for finding in findings:
        for settings in finding.settings:
            if all(together.get(path, value) == value for path, value in settings.items()):
                together |= settings
                break
    return together


def _extended(
    config: AnyChangeable,
    check: Callable[[AnyChangeable], Examined],
    together: dict[str, Any],
    num_rows: int,
) -> tuple[Settings, bool]:
    """Add the settings that remove what comes to light; tell whether the table is accepted then.

    Args:
        config: the settings.
        check: examines the table with other settings.
        together: settings for the findings so far.
        num_rows: of the table.
    """
    for _ in range(_ROUNDS):
        try:
            changed = config.with_settings(together)
        except ConfigError:  # changes of two findings do not fit together
            return {}, False
        if not together or num_rows > _MOST_TRIED:
            break
        errors = check(changed).errors
        grown = settings_for_all(errors, together)
        if grown == together:  # a change that contradicts an earlier one may do
            grown = together | settings_for_all(errors, {})
        if not errors or grown == together:
            return together, not errors
        together = grown
    return together, False


def _new_notes(prepared: Prepared) -> list[Finding]:
    """Return what was done after reading, such as series left out."""
    known = len(prepared.panel.notes)
    return [Finding("prepared", "note", note) for note in prepared.notes[known:]]
