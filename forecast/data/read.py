"""The declared columns of a table, whatever it comes from, before any check of their cells."""

from __future__ import annotations

import difflib
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from forecast.data.dates.time_parts import join_parts, parts_of, proposed_names
from forecast.data.findings import BadTableError, Change, Finding, listed
from forecast.data.formats.opened import Opened
from forecast.data.formats.readers import Source
from forecast.data.formats.written_table import WrittenTable
from forecast.data.layouts.across import doubled_names, refuse_doubled
from forecast.data.layouts.opening import open_table
from forecast.data.layouts.wide import melt
from forecast.data.names import join_names
from forecast.data.panel import NO_TIME, USUAL_ROLES, Columns
from forecast.data.regular.time_steps import TimeSteps
from forecast.data.table import Table, Unread, without_empty_rows, without_footers, without_totals
from forecast.errors import nearest
from forecast.errors.interface import Settings
from forecast.section import AUTO

__all__ = ["Source", "TableFormat", "read_table"]

_DEFAULT = USUAL_ROLES


class TableFormat(TimeSteps, WrittenTable):
    """Format of a table: layout, text format, timestamps, and how its rows become steps.

    Raises:
        ConfigError: a setting is wrong whatever the table.

    Example:
        >>> import pandas as pd
        >>> from forecast import TableFormat, load_panel
        >>> days = pd.date_range("2025-01-01", periods=3)
        >>> wide = pd.DataFrame({"ds": days, "north": [3.0, 4.0, 5.0], "south": [8.0, 9.0, 9.0]})
        >>> panel = load_panel(wide, table_format=TableFormat(layout="wide"))
        >>> panel.series_ids.tolist()
        ['north', 'south']
    """

    layout: Literal["auto", "long", "wide", "dates_across"] = AUTO
    """`long`: one row per series and stamp. `wide`: one column per series, those in `target_cols`,
    or all of numbers that do not count the rows. `dates_across`: one column per date, also months
    or hours across and years or days down. `auto`: `dates_across` where the header has dates, else
    `long`.
    """
    empty_series: Literal["refuse", "leave_out"] = "refuse"
    """Series without any value of a target: refuse the table, or leave them out with a note."""


class MissingColumnError(BadTableError):
    """A table lacks a declared column.

    Attributes:
        name: of the column.
        names: columns of the table.
    """

    name: str
    names: tuple[str, ...]


def read_table(
    source: Source, columns: Columns, table_format: TableFormat, opened: Opened | None = None
) -> Table:
    """Read the declared columns of a table in one of the forms of `READERS`.

    Args:
        source: a file, by the ending of its name, or an object such as a data frame.
        columns: the roles; all other columns are ignored, with a note.
        table_format: separator, layout and other properties of the table as text.
        opened: the table as it was opened for these roles; None: it was not.

    Raises:
        BadTableError: the file cannot be read, is empty, or lacks a declared column; or `source` is
            not a table.
        ConfigError: the format fits no table.
    """
    opened = open_table(source, columns, table_format, opened)
    columns = _with_decided_id(columns, opened)
    both = [name for name in columns.id_cols if name in columns.dynamic]
    if both:
        raise BadTableError(
            "doubled_name",
            f"column {both[0]!r} has the name of the column of ids in the results",
            "rename the column in the table",
        )
    wanted, notes = _choose(opened.names, columns, table_format.layout)
    data = opened.read(wanted)
    ids = parts_of(columns.id_col, opened.names)
    if "," in columns.id_col:
        # from here on a list of names, also of one with a comma in it
        columns = columns.model_copy(update={"id_col": join_names(ids)})
    doubled = doubled_names(opened.names)
    table = Table(
        columns,
        data,
        len(data[wanted[0]]),
        opened.text,
        opened.row_numbers,
        notes=(*opened.notes, *notes),
        decimal=table_format.decimal,
        thousands=table_format.thousands,
        bounds=table_format.bounds,
        missing_codes=table_format.missing_codes,
        decisions=opened.decisions,
        unread=Unread(
            tuple(name for name in opened.names if name not in (*data, *doubled)),
            opened.read,
            opened.row_numbers,
        ),
    )
    parts = parts_of(columns.time_col, tuple(data))
    label = parts[0] if parts[0] in data else wanted[0]
    if opened.text is not None:
        table = without_empty_rows(table, label)
    if opened.text is not None or opened.row_numbers is not None:
        table = without_totals(without_footers(table, label), label)
    if not table.num_rows:
        raise BadTableError(
            "no_rows", "the table has a header but no rows", "expected one row per series and stamp"
        )
    if len(parts) > 1:
        table = join_parts(table, parts)
    if table_format.layout == "wide":
        if _is_counted(columns, opened.names):
            table.data[NO_TIME] = pa.chunked_array([np.arange(table.num_rows)])
        return melt(table)
    return table


def refuse_missing(source: Source, columns: Columns, table_format: TableFormat) -> None:
    """Raise if a table lacks a declared column; its rows are not read.

    Args:
        source: as in `read_table`.
        columns: the roles.
        table_format: as in `read_table`.

    Raises:
        BadTableError: a column is missing, or the file cannot be opened.
    """
    opened = open_table(source, columns, table_format)
    _choose(opened.names, _with_decided_id(columns, opened), table_format.layout)


def _with_decided_id(columns: Columns, opened: Opened) -> Columns:
    """Return the roles with the id that the form of the table shows, where none is given."""
    decided = opened.decisions.get("data.id_col")
    if decided is None or columns.id_col != _DEFAULT.id_col:
        return columns
    return columns.model_copy(update={"id_col": decided.value})


def _choose(
    names: tuple[str, ...], columns: Columns, layout: str
) -> tuple[list[str], tuple[Finding, ...]]:
    """Return the columns to read, and a note that names the others.

    Raises:
        BadTableError: a column is missing, or two have one name.
    """
    targets = columns.target_cols
    if layout == "wide" and targets == _DEFAULT.target_cols:
        targets = ()  # every column of numbers may be a series
    times = parts_of(columns.time_col, names)
    if _is_counted(columns, names):
        times = ()
    wanted = [*times, *targets, *columns.past_covariates, *columns.known_covariates]
    wanted += columns.weight_cols
    if layout != "wide":
        ids = parts_of(columns.id_col, names)
        wanted += [name for name in columns.static_covariates if name not in ids]
        if columns.id_col in names or columns.id_col != _DEFAULT.id_col:
            wanted += ids
    for name in wanted:
        if name not in names:
            raise missing_column(name, names, layout, columns)
    if layout == "wide" and not targets:
        wanted = list(names)
    refuse_doubled(name for name in names if name in wanted)
    wanted = list(dict.fromkeys(wanted))
    if layout == "wide" and not targets:
        return wanted, ()
    rest = [name for name in names if name not in wanted]
    if not rest:
        return wanted, ()
    message = f"columns without a role are ignored: {listed(rest)}"
    others = [name for name in names if name in rest or name == columns.time_col]
    parts = proposed_names(others, columns.time_col)
    changes: tuple[Change, ...] = ()
    if parts:
        changes = (Change({"data.time_col": parts}, "if they are the parts of the time"),)
    return wanted, (Finding("ignored_columns", "note", message, changes=changes),)


def _is_counted(columns: Columns, names: tuple[str, ...]) -> bool:
    """Return whether rows are counted instead of read with a timestamp."""
    return columns.time_col == NO_TIME and NO_TIME not in names


def missing_column(
    name: str, names: tuple[str, ...], layout: str, columns: Columns
) -> MissingColumnError:
    """Return the error of a table that lacks a declared column.

    Args:
        name: of the column.
        names: columns of the table.
        layout: of the table.
        columns: the roles.
    """
    fix = "name the columns with `data.time_col` and `data.target_cols`"
    if layout != "wide":
        fix = "name the columns with `data.id_col`, `data.time_col` and `data.target_cols`"
    changes: list[Settings] = []
    with_comma = [column for column in names if "," in column and name and name in column]
    parts = proposed_names(names)
    similar = _nearest_column(name, names, columns)
    if name == columns.time_col and parts:
        changes.append({"data.time_col": parts})
    if name in columns.target_cols and with_comma:
        changes.append({"data.target_cols": (with_comma[0],)})
    elif similar:
        changes.append(_in_place_of(name, similar, columns))
    if "" in names:
        fix = f"give the column without a name one, and {fix}"
    error = MissingColumnError(
        "missing_column",
        f"there is no column {name!r}{nearest(similar, names)}; the columns are {listed(names)}",
        fix,
        settings=[change for change in changes if change],
    )
    error.name = name
    error.names = names
    return error


def _in_place_of(name: str, similar: str, columns: Columns) -> Settings:
    """Return the settings that give the roles of a missing column to a similar one, if it is free.

    Args:
        name: of the missing column.
        similar: name of a column of the table.
        columns: the roles.
    """
    changed: dict[str, Any] = {}
    for role in Columns.model_fields:
        given = getattr(columns, role)
        names = given or ()
        if isinstance(given, str):
            names = (given,)
        if similar in names:
            return {}
        if given == name:
            changed[f"data.{role}"] = similar
        elif name in names:
            changed[f"data.{role}"] = tuple(
                similar if column == name else column for column in names
            )
    return changed


def _nearest_column(name: str, names: tuple[str, ...], columns: Columns) -> str:
    """Return the column that differs in spaces or case only, else a similar one, else nothing.

    Args:
        name: of the missing column.
        names: columns of the table.
        columns: the roles; a similar column with a role of its own is not meant.
    """
    for column in names:
        if column.strip().lower() == name.strip().lower():
            return column
    used = {*columns.dynamic, *columns.static_covariates, *columns.weight_cols}
    used |= {columns.id_col, columns.time_col}
    free = [column for column in names if column not in used]
    return "".join(difflib.get_close_matches(name, free, n=1, cutoff=0.5))
