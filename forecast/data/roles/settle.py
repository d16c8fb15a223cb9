"""Roles that nobody gave: settled by the usual names, by the table, or by a proposal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Change, FindingLog, listed
from forecast.data.formats.frames import has_dates
from forecast.data.formats.opened import Cells, Opened
from forecast.data.formats.readers import Source, find_reader
from forecast.data.layouts.across import (
    ACROSS,
    doubled_names,
    has_dates_across,
    refuse_doubled,
)
from forecast.data.layouts.opening import reopen
from forecast.data.names import split_names
from forecast.data.panel import AUTO_ROLES, LISTS, NO_TIME, USUAL_ROLES, Columns, is_auto
from forecast.data.per_series.row_codes import num_repeated
from forecast.data.read import TableFormat, missing_column
from forecast.data.roles.column_facts import Facts, survey
from forecast.data.roles.role_plan import Plan, plan_roles
from forecast.data.roles.time_guess import time_choices
from forecast.data.text.column_words import TARGET_WORDS, has_word
from forecast.errors.interface import Settings

GUESSED_ROLES = "guessed_roles"
"""Code of the finding that names the guessed roles."""

_SHOWN_ALTERNATIVES = 3

_MOST_REPEATED = 0.1
"""Largest share of rows that repeat the number of another row where numbers are the time."""


def settle_columns(
    source: Source, columns: Columns, table_format: TableFormat, log: FindingLog
) -> tuple[Columns, Opened | None]:
    """Return the roles with every `auto` replaced, and the table as it was opened for them.

    The usual names `unique_id`, `ds` and `y` come first. Otherwise the only column of dates is the
    time, the only one of numbers the target, and the series are told by the columns under which no
    timestamp repeats; a note says so. What the table leaves open is an error with proposals; the
    first of them is returned where the log is not strict, so that its other findings are known too.

    Args:
        source: the table.
        columns: the roles as given.
        table_format: its format.
        log: gets a note on what was guessed, or an error with proposals.

    Returns:
        The roles, and the table opened for them; None where it was not opened.

    Raises:
        BadTableError: the table cannot be read, has no numbers, or the log is strict and the roles
            are not clear.
    """
    if not _open_roles(columns) and not any(len(getattr(columns, role)) > 1 for role in LISTS):
        return columns, None
    columns = _by_index(source, columns)
    usual = columns.with_usual_names()
    opened = find_reader(source).open(source, usual, table_format)
    kept: Cells = {}
    columns = _settle(_keeping(opened, columns, kept), columns, table_format, log)
    return columns, reopen(source, opened, columns, table_format, kept)


def _keeping(opened: Opened, columns: Columns, kept: Cells) -> Opened:
    """Return an opened table that keeps the columns that are read.

    Args:
        opened: the table.
        columns: the roles; of a text file, the columns that have one are read in the same pass.
        kept: gets the columns.
    """
    given: list[str] = []
    if opened.text is not None:
        used = {*columns.with_usual_names().dynamic, *columns.static_covariates}
        used |= set(columns.weight_cols)
        given = [name for name in opened.names if name in used]

    def read(wanted: list[str]) -> Cells:
        kept.update(opened.read(list(dict.fromkeys((*wanted, *given)))))
        return {name: kept[name] for name in wanted}

    return replace(opened, read=read)


def _settle(
    opened: Opened, columns: Columns, table_format: TableFormat, log: FindingLog
) -> Columns:
    """Return the roles with every `auto` replaced; arguments as in `settle_columns`.

    Args:
        opened: the table, for the usual names of roles that are open.
        columns: the roles.
        table_format: format of the table.
        log: gets findings.
    """
    usual = columns.with_usual_names()
    is_across = has_dates_across(opened.names, usual, table_format)
    if is_across or table_format.layout == ACROSS:  # roles are those of the long table
        return columns.with_usual_names()
    columns = _with_commas(columns, opened.names)
    for name in _given(columns, opened.names, table_format.layout):
        if name not in opened.names:
            raise missing_column(name, opened.names, table_format.layout, columns)
    columns = _by_name(columns, opened.names, table_format.layout)
    if not _open_roles(columns):
        return columns.with_usual_names()
    doubled = doubled_names(opened.names)
    single = replace(opened, names=tuple(name for name in opened.names if name not in doubled))
    facts = _facts(single, columns, usual, table_format)
    plans = _plans(columns, facts)
    if plans[0].time_col == NO_TIME or not plans[0].targets:
        refuse_doubled(opened.names)  # one of these columns may be the time or the target
    if doubled:
        plans = [replace(plan, is_like_wide=False) for plan in plans]
    return _settled(columns, plans, facts, log)


def _by_index(source: Source, columns: Columns) -> Columns:
    """Return the roles with the names of the index of a frame: that of its dates, and the other."""
    if not isinstance(source, pd.DataFrame) or not is_auto(columns.time_col):
        return columns
    names = source.index.names
    dates = [place for place in range(len(names)) if has_dates(source.index, place)]
    if len(dates) != 1 or names[dates[0]] is None or names[dates[0]] in source.columns:
        return columns
    found = {"time_col": str(names[dates[0]])}
    others = [name for place, name in enumerate(names) if place != dates[0]]
    if len(others) == 1 and others[0] is not None and is_auto(columns.id_col):
        found["id_col"] = str(others[0])
    return columns.model_copy(update=found)


def _with_commas(columns: Columns, names: tuple[str, ...]) -> Columns:
    """Return the roles with names put together again that were split at a comma of their own."""
    joined: dict[str, Any] = {}
    for role in LISTS:
        given = getattr(columns, role)
        if is_auto(given) or set(given) <= set(names):
            continue
        whole = _put_together(given, names)
        if set(whole) <= set(names):
            joined[role] = whole
    return columns.model_copy(update=joined)


def _put_together(parts: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the longest names of a table that neighbouring parts make with commas between."""
    whole = []
    start = 0
    while start < len(parts):
        ends = range(len(parts), start, -1)
        fitting = [end for end in ends if ",".join(parts[start:end]).strip() in names]
        end = next(iter(fitting), start + 1)
        whole.append(",".join(parts[start:end]).strip())
        start = end
    return tuple(whole)


def _open_roles(columns: Columns) -> list[str]:
    return [role for role in AUTO_ROLES if is_auto(getattr(columns, role))]


def _by_name(columns: Columns, names: tuple[str, ...], layout: str) -> Columns:
    """Return the roles with the usual names that the table has.

    A wide table has neither ids nor a single target. Where all columns have a role, there is one
    series.
    """
    found: dict[str, Any] = {}
    others = set(_others(columns, names))
    without_role = others.difference(columns.static_covariates, parts_of(columns.id_col, names))
    for role in _open_roles(columns):
        usual = getattr(USUAL_ROLES, role)
        free = others if role == "id_col" else without_role
        is_present = set(usual if role == "target_cols" else (usual,)) <= free
        if is_present or (layout == "wide" and role != "time_col"):
            found[role] = usual
    columns = columns.model_copy(update=found)
    if _open_roles(columns) == ["id_col"] and not _others(columns, names):
        return columns.model_copy(update={"id_col": USUAL_ROLES.id_col})
    return columns


def _others(columns: Columns, names: tuple[str, ...]) -> list[str]:
    """Return the columns that could be the id: those without a role, and static ones."""
    taken = {*parts_of(columns.time_col, names), *columns.dynamic, *columns.weight_cols}
    return [name for name in names if name not in taken]


def _given(columns: Columns, names: tuple[str, ...], layout: str) -> list[str]:
    """Return the columns that somebody named."""
    given = [*columns.dynamic, *columns.static_covariates, *columns.weight_cols]
    if layout == "wide" and columns.target_cols == USUAL_ROLES.target_cols:
        given.remove("y")  # stands for every column of numbers
    may_be_absent = (NO_TIME, USUAL_ROLES.id_col)
    for value in (columns.time_col, columns.id_col):
        if not is_auto(value) and value not in may_be_absent:
            given += parts_of(value, names)
    return given


def _facts(
    opened: Opened, columns: Columns, usual: Columns, table_format: TableFormat
) -> dict[str, Facts]:
    """Return the facts about all columns whose role is open, the time, and static ones."""
    read = {*columns.past_covariates, *columns.known_covariates, *columns.weight_cols}
    if not is_auto(columns.target_cols):
        read |= set(columns.target_cols)
    names = [name for name in opened.names if name not in read]
    return survey(opened, names, usual, table_format.time_format, table_format.decimal)


def _plans(columns: Columns, facts: Mapping[str, Facts]) -> list[Plan]:
    """Return the roles for each column that could be the time."""
    times = [columns.time_col]
    if is_auto(columns.time_col):
        given = {*columns.static_covariates, *parts_of(columns.id_col, tuple(facts))}
        given |= set(columns.weight_cols)
        times = time_choices({name: each for name, each in facts.items() if name not in given})
    plans = [plan_roles(columns, time_col, facts) for time_col in times]
    if is_auto(columns.time_col) and _is_repeated_number(plans[0], facts):
        return [plan_roles(columns, NO_TIME, facts)]
    return plans


def _is_repeated_number(plan: Plan, facts: Mapping[str, Facts]) -> bool:
    """Return whether the time is a number that repeats without an id: a day without its month."""
    each = facts.get(plan.time_col)
    if each is None or each.kind != "number" or plan.ids:
        return False
    return num_repeated([each.codes]) > _MOST_REPEATED * len(each.column)


def _settled(
    columns: Columns, plans: list[Plan], facts: Mapping[str, Facts], log: FindingLog
) -> Columns:
    """Return the roles of the first plan, with a note, or an error where there is a choice."""
    plan = plans[0]
    if not plan.targets:
        others = [name for name in facts if name not in plan.ids and name != plan.time_col]
        raise BadTableError(
            "no_target",
            f"no column contains numbers to forecast: {listed(others) or 'there is no other'}",
            "name the target, and write its cells as numbers",
        )
    settings = plan.settings(columns)
    asks_time = is_auto(columns.time_col) and (len(plans) > 1 or plan.time_col == NO_TIME)
    asks_target = is_auto(columns.target_cols) and len(plan.targets) > 1
    if not (asks_time or asks_target):
        _note_guess(settings, log)
        settled = _apply(columns, settings)
    else:
        changes = tuple(_changes(columns, plans))
        log.error("undecided_roles", _question(columns, plans, facts), settings=changes)
        settled = _apply(columns, _proposal(columns, plan).settings)
    return settled.with_usual_names()


def _apply(columns: Columns, settings: Settings) -> Columns:
    """Return the roles with settings for some of them; settings of the format are left out."""
    roles: dict[str, Any] = {}
    for path, value in settings.items():
        name = path.removeprefix("data.")
        if name in Columns.model_fields:
            roles[name] = tuple(value) if isinstance(value, list) else value
    return columns.model_copy(update=roles)


def _note_guess(settings: Settings, log: FindingLog) -> None:
    """Add the note that names the roles that were guessed."""
    if not settings:
        return
    log.note(
        GUESSED_ROLES,
        f"{_described(settings)} (guessed)",
        settings=(Change(settings, "to be sure"),),
    )


def _described(settings: Settings) -> str:
    """Write roles for a reader: `id 'store', time 'date'`."""
    words = {"data.id_col": "id", "data.time_col": "time", "data.target_cols": "target"}
    named = []
    for path, word in words.items():
        if path in settings:
            value = settings[path]
            names = split_names(value) if isinstance(value, str) else value
            shown = [repr(name) if name else "the column without a name" for name in names]
            named.append(f"{word} {' and '.join(shown)}")
    return ", ".join(named)


def _question(columns: Columns, plans: list[Plan], facts: Mapping[str, Facts]) -> str:
    """Write which roles several columns could have, and what is guessed of the others."""
    plan = plans[0]
    parts = []
    settings = plan.settings(columns)
    if len(plans) > 1:
        times = listed(other.time_col for other in plans)
        parts.append(f"{len(plans)} columns could be the time: {times}")
        settings.pop("data.time_col")
    elif plan.time_col == NO_TIME and is_auto(columns.time_col):
        parts.append("no column contains timestamps")
        settings.pop("data.time_col")
    if len(plan.targets) > 1 and is_auto(columns.target_cols):
        targets = [name for name in facts if name in plan.targets]
        parts.append(f"{len(targets)} columns could be the target: {listed(targets)}")
        settings.pop("data.target_cols")
    text = "; ".join(parts)
    if settings:
        text += f"; guessed: {_described(settings)}"
    return text


def _changes(columns: Columns, plans: list[Plan]) -> Iterator[Change]:
    """Yield the settings that answer the question, the likeliest first."""
    plan = plans[0]
    if len(plans) > 1:
        for other in plans[:_SHOWN_ALTERNATIVES]:
            if other.targets:
                purpose = f"if {other.time_col!r} is the time"
                yield _proposal(columns, other, purpose)
        return
    first, *others = plan.targets
    if not is_auto(columns.target_cols) or not others:
        purpose = "to count the rows" if plan.time_col == NO_TIME else ""
        yield _proposal(columns, plan, purpose)
        return
    wide = Change(
        {**_time_of(columns, plan), "data.layout": "wide"}, "to forecast each of the columns"
    )
    likely = _proposal(columns, plan, f"to forecast {first!r}")
    if plan.is_like_wide and not has_word(first, TARGET_WORDS):
        yield wide
        yield likely
        return
    yield likely
    if plan.is_like_wide:
        yield wide
    for name in others[: _SHOWN_ALTERNATIVES - 1]:
        yield Change(plan.settings(columns, name), f"to forecast {name!r}")


def _time_of(columns: Columns, plan: Plan) -> dict[str, Any]:
    if is_auto(columns.time_col):
        return {"data.time_col": plan.time_col}
    return {}


def _proposal(columns: Columns, plan: Plan, purpose: str = "") -> Change:
    """Return the settings for the likeliest target, with the covariates that the table shows."""
    settings = plan.settings(columns)
    for role, names in plan.covariates.items():
        given = getattr(columns, role)
        settings[f"data.{role}"] = [*given, *names]
    return Change(settings, purpose)
