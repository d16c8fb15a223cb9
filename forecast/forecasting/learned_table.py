"""Errors of a table that a fitted model reads: its settings are fixed, so the table must change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Change, Finding, FindingLog, listed
from forecast.data.layouts.across import has_dates_across
from forecast.data.load import examine, load_requested
from forecast.data.names import name_of
from forecast.data.panel import USUAL_ROLES, Columns, Panel
from forecast.data.per_series.ids import ONLY_SERIES
from forecast.data.read import MissingColumnError, Source, refuse_missing
from forecast.experiment.prepare import table_of
from forecast.forecasting.fitted import Fitted
from forecast.section import AUTO

_STEPS = ("wrong_frequency", "off_grid", "mixed_frequency", "no_frequency", "local_days")
"""Codes of findings about the step between timestamps."""

_REPEATED = ("duplicate_stamps", "same_rows")
"""Codes of findings about rows with one timestamp, which a long table read as a wide one has."""

_FORM = {
    "data.separator": "separator",
    "data.decimal": "decimal mark",
    "data.thousands": "mark between thousands",
    "data.encoding": "encoding",
    "data.sheet": "sheet",
    "data.time_format": "format of timestamps",
    "data.tz": "time zone",
}
"""Settings that say how a table is written, in words: another fit is no answer to them."""

_SIMILAR = 0.5
"""Similarity of two names from which one may stand for the other, as in `errors.nearest`."""

_SHORT = 3
"""Letters of a name below which any other name with one of them would be similar."""

_ROLES = {
    "time": "time_col",
    "id": "id_col",
    "target": "target_cols",
    "past covariate": "past_covariates",
    "known covariate": "known_covariates",
    "static covariate": "static_covariates",
}
"""Role in words -> the setting that lists its columns."""


@contextmanager
def reading_for(fitted: Fitted, known: Columns | None = None) -> Iterator[None]:
    """Word the errors of a table that is read inside this block for a model that is fitted.

    Args:
        fitted: the model that reads the table.
        known: the roles in a table of known covariates; default: those of the training table.

    Raises:
        BadTableError: with the columns or the form that the model learned from, and with what can
            be changed in the table.
    """
    try:
        yield
    except BadTableError as error:
        raise _reworded(error, fitted, known) from None


def read_history(fitted: Fitted, table: Source) -> Panel:
    """Read the series of a table for a model.

    Args:
        fitted: the model.
        table: as in `load_panel`.

    Raises:
        BadTableError: the table is refused; worded as `reading_for` does.
    """
    with reading_for(fitted):
        return load_requested(table_of(fitted.config.data, table), fitted.request)


def check_columns(fitted: Fitted, table: Source) -> None:
    """Raise if a table lacks a column of the model; its rows are not looked at.

    Args:
        fitted: the model.
        table: as in `load_panel`.

    Raises:
        BadTableError: it lacks one, or cannot be opened; worded as `reading_for` does.
    """
    with reading_for(fitted):
        refuse_missing(table, fitted.request.columns, fitted.request.table_format)


def check_history(fitted: Fitted, table: Source) -> list[Finding]:
    """Return everything that the checks of a table find, errors and notes, for a model.

    Args:
        fitted: the model.
        table: as in `load_panel`.
    """
    log = FindingLog(strict=False)
    try:
        examine(table_of(fitted.config.data, table), fitted.request, log)
    except BadTableError as error:
        log.findings.append(_reworded(error, fitted, None).finding)
    return [
        _reworded(BadTableError.of(finding), fitted, None).finding
        if finding.severity == "error"
        else finding
        for finding in log.findings
    ]


def _reworded(error: BadTableError, fitted: Fitted, known: Columns | None) -> BadTableError:
    """Return an error without advice to pass settings, which a fitted model does not take."""
    config = fitted.config
    if isinstance(error, MissingColumnError):
        return _without_columns(error, fitted, known)
    finding = error.finding
    if config.data.layout == "wide" and finding.code in _REPEATED:
        fix = "write it with one column per series, as the table that the model learned from"
        return BadTableError(finding.code, finding.message, fix)
    if finding.code in _REPEATED and _has_ids(fitted):
        column = config.data.columns.with_usual_names().id_col
        fix = f"give one row per series and timestamp, with the series in {column!r}"
        if any(
            "data.id_col" in settings for settings in finding.settings
        ):  # ids under another name
            return BadTableError(finding.code, finding.message, fix)
        return _with_new_fit(finding, fix)
    if finding.code in _STEPS and not _form_of(finding, config.setting):
        fix = f"give rows in steps of {fitted.freq!r}, from which the model learned"
        return _with_new_fit(finding, fix)
    return without_settings(finding, config.setting)


def without_settings(finding: Finding, setting: Callable[[str], Any]) -> BadTableError:
    """Return the error of a table that a fitted model reads: its settings are fixed.

    Args:
        finding: made with the settings of the model.
        setting: returns one of them by its path.
    """
    form = _form_of(finding, setting)
    if form:
        return BadTableError(finding.code, finding.message, form)
    if "`data." in finding.fix:  # a setting
        fix = f"correct the table, or fit a model to it: {finding.fix}"
        return _with_new_fit(finding, fix)
    fix = finding.fix
    if finding.changes and not fix:
        fix = "correct the table"
    return _with_new_fit(finding, fix)


def _with_new_fit(finding: Finding, fix: str) -> BadTableError:
    """Return the error with a fix of the table first, and settings of another fit after it."""
    changes: tuple[Change, ...] = finding.changes
    return BadTableError(finding.code, finding.message, fix, changes, advice="fit again with")


def _form_of(finding: Finding, setting: Callable[[str], Any]) -> str:
    """Return how to write the table, where settings of its form are what is wrong."""
    paths = [path for settings in finding.settings for path in settings]
    if not paths or not set(paths) <= set(_FORM):
        return ""
    known = []
    for path in dict.fromkeys(paths):
        value = setting(path)
        if value is not None:
            known.append(f"{_FORM[path]} {value!r}")
    words = f" ({', '.join(known)})" if known else ""
    return f"write the table in the form of the one that the model learned from{words}"


def _without_columns(
    error: MissingColumnError, fitted: Fitted, known: Columns | None
) -> BadTableError:
    """Return the error of a table that lacks columns of the model."""
    data = fitted.config.data
    wanted = _columns_by_role(known or data.columns, data.layout, error.names)
    if error.name == data.weight_col:  # of newer rows to learn from; a forecast needs none
        wanted[error.name] = "weight"
    if not _has_ids(fitted):
        wanted.pop(data.columns.with_usual_names().id_col, None)
    table = "the table" if known is None else "the table of known covariates"
    absent = {name: role for name, role in wanted.items() if name not in error.names}
    absent = absent or {error.name: "column"}
    lacking = ", ".join(f"{name!r} ({role})" for name, role in absent.items())
    learned = ", ".join(f"{role} {name!r}" for name, role in wanted.items())
    free = [name for name in error.names if name not in wanted]
    message = (
        f"{table} lacks {lacking}; its columns are {listed(error.names)}. The model learned "
        f"from {learned}"
    )
    return BadTableError("missing_column", message, _advice(absent, free, fitted))


def _columns_by_role(columns: Columns, layout: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return each column that the model reads, and its role in words.

    Args:
        columns: the roles in the table that the model learned from.
        layout: of that table.
        names: columns of the new table.
    """
    columns = columns.with_usual_names()
    found: dict[str, str] = {}
    for role, setting in _ROLES.items():
        value = getattr(columns, setting)
        listed_names = value
        if isinstance(value, str):
            listed_names = parts_of(value, names)
        for name in listed_names:
            found.setdefault(name, role)
    if layout == "wide":
        found.pop(columns.id_col, None)
    if layout == "wide" and columns.target_cols == USUAL_ROLES.target_cols:
        found.pop("y", None)  # stands for every column of numbers
    return found


def _has_ids(fitted: Fitted) -> bool:
    """Return whether the table that the model learned from has a column of ids."""
    id_col = fitted.config.data.columns.with_usual_names().id_col
    return id_col != USUAL_ROLES.id_col or fitted.series.ids.tolist() != [ONLY_SERIES]


def _advice(absent: Mapping[str, str], free: list[str], fitted: Fitted) -> str:
    """Return what to change in the table so that the model can read it.

    Args:
        absent: each column that is missing, and its role in words.
        free: columns of the table that the model does not read.
        fitted: the model.
    """
    if fitted.config.data.layout != "wide" and _has_another_form(free, fitted):
        return "write it with one row per series and timestamp, in columns of these names"
    renamed = _similar(absent, free)
    ways = []
    for name, role in absent.items():
        column = f"the {role} column"
        if name in renamed:
            column = repr(renamed[name])
        ways.append(f"{column} to {name!r}")
    changes = " and ".join(filter(None, [", ".join(ways[:-1]), ways[-1]]))
    return f"rename {changes}, or add {'it' if len(ways) == 1 else 'them'}"


def _has_another_form(free: list[str], fitted: Fitted) -> bool:
    """Return whether columns look like series or dates, so that the table is not a long one."""
    ids = {name_of(series_id) for series_id in fitted.series.ids}
    table_format = fitted.config.data.table_format.model_copy(update={"layout": AUTO})
    is_across = has_dates_across(free, USUAL_ROLES, table_format)
    return is_across or len(ids.intersection(map(name_of, free))) > 1


def _similar(absent: Iterable[str], free: Iterable[str]) -> dict[str, str]:
    """Return the column of the table that a missing one may be, if a name is similar."""
    renamed: dict[str, str] = {}
    for name in absent:
        if len(name) < _SHORT:
            continue
        others = {other.lower(): other for other in free if other not in renamed.values()}
        for near in difflib.get_close_matches(name.lower(), others, 1, _SIMILAR):
            renamed[name] = others[near]
    return renamed
