"""The roles of the columns of a table of sequences, where none or only some are named."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.classification.class_settings import SequenceColumns
from forecast.data.findings import BadTableError, Change, Finding, listed
from forecast.data.formats.opened import Cells, Opened
from forecast.data.layouts.across import refuse_doubled
from forecast.data.panel import NO_TIME, Columns
from forecast.data.roles.column_facts import survey
from forecast.errors.interface import in_use
from forecast.section import AUTO

ID_NAMES = ("unique_id", "id", "series", "sequence")
STEP_NAMES = ("ds", "step", "time", "timestamp")

WORDS = {
    "id_col": "the ids",
    "step_col": "the steps",
    "label_col": "the labels",
    "label_cols": "a label",
    "text_col": "the texts",
    "group_col": "the groups",
    "split_col": "the sets",
    "features": "the features",
    "categorical": "the categories",
}
"""Role of a column -> its words in messages."""

NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
"""A number as text."""

MOSTLY = 0.5
"""Share of numbers among the cells of a column of texts from which the others are mistakes."""

_COUNTING = ("data.freq", "data.time_col")
"""Settings of a forecast by which rows are counted; sequences are in order without a step then."""


@contextmanager
def worded_for_sequences() -> Iterator[None]:
    """Word the errors of a table that is read inside this block with the settings of sequences."""
    try:
        yield
    except AbsentColumnError:
        raise
    except BadTableError as error:
        raise BadTableError.of(for_sequences(error.finding)) from None


def for_sequences(finding: Finding) -> Finding:
    """Return a finding of a table of series in the settings that sequences have."""
    in_order = {"data.step_col": None}
    changes = tuple(
        Change(in_order, change.purpose) if set(_COUNTING) & set(change.settings) else change
        for change in finding.changes
    )
    return replace(finding, changes=changes)


def label_columns(roles: SequenceColumns) -> tuple[str, ...]:
    """Return the columns that tell labels."""
    if roles.label_col is None:
        return ()
    return roles.label_cols or (roles.label_col,)


def reader_columns(roles: SequenceColumns, names: Sequence[str] = ()) -> Columns:
    """Return roles that the readers understand: which columns are numbers, and which are words.

    Args:
        roles: of a table of sequences.
        names: of the columns; empty while they are unknown.
    """
    features = () if roles.features == AUTO else roles.features
    words = [*roles.categorical, roles.label_col, roles.text_col, roles.group_col, roles.split_col]
    if roles.label_cols:
        words.remove(roles.label_col)
    codes = tuple(name for name in words if name is not None and (not names or name in names))
    step_col = NO_TIME if roles.step_col in (None, AUTO) else roles.step_col
    plain = Columns(id_col="unique_id" if roles.id_col == AUTO else roles.id_col)
    # unchecked: a target is asked for, and roles were checked as those of sequences
    return plain.model_copy(
        update={
            "time_col": step_col,
            "target_cols": (),
            "past_covariates": (*features, *codes, *roles.label_cols),
            "categorical": codes,
        }
    )


def with_names(
    columns: SequenceColumns, names: Sequence[str], has_labels: bool, may_be_one: bool
) -> SequenceColumns:
    """Return the roles with the columns that `auto` stands for.

    Args:
        columns: the roles.
        names: of the columns of the table.
        has_labels: whether the table must have labels.
        may_be_one: whether the rows of a table without ids are one sequence.

    Raises:
        BadTableError: a column is absent, or there is none for `auto`.
    """
    found: dict[str, Any] = {}
    if columns.id_col == AUTO:
        usual = [name for name in ID_NAMES if name in names]
        if not usual and columns.text_col is not None:
            usual = [AUTO]
        elif not usual and may_be_one:
            usual = [ID_NAMES[0]]
        if not usual:
            raise BadTableError(
                "missing_column",
                f"no column is named {' or '.join(ID_NAMES)}; the table has {listed(names)}",
                "name the column of ids with `data.id_col`: it tells which rows are one sequence",
            )
        found["id_col"] = usual[0]
    if columns.step_col == AUTO:
        usual = [name for name in STEP_NAMES if name in names and name not in _used(columns)]
        found["step_col"] = usual[0] if usual else None
    roles = columns.model_copy(update=found)
    for role, name in _wanted(roles, has_labels):
        if role == "id_col" and may_be_one and name == ID_NAMES[0]:
            continue  # the rows are one sequence
        if name not in (*names, AUTO):
            raise _absent(role, name, names, roles)
    return roles


class AbsentColumnError(BadTableError):
    """A table lacks a column that a role names.

    Attributes:
        name: of the column.
        names: of the columns that are there.
        similar: one of them, free, with a similar name; empty: there is none.
    """

    name: str
    names: tuple[str, ...]
    similar: str


def _absent(
    role: str, name: str, names: Sequence[str], roles: SequenceColumns
) -> AbsentColumnError:
    """Return the error of a table without the column of a role."""
    used = {other for _, other in _wanted(roles, has_labels=True)}
    free = [other for other in names if other not in used]
    similar = "".join(difflib.get_close_matches(name, free, 1, 0.5))
    given = getattr(roles, role)
    value: object = similar
    if not isinstance(given, str):
        value = tuple(similar if other == name else other for other in given)
    error = _made(role, WORDS[role], name, names, value if similar else None)
    error.name = name
    error.names = tuple(names)
    error.similar = similar
    return error


def _made(
    role: str, words: str, name: str, names: Sequence[str], value: object
) -> AbsentColumnError:
    """Return the error in the words of a role; `value` of its setting is proposed, if any."""
    return AbsentColumnError(
        "missing_column",
        f"there is no column {name!r} for {words}; the table has {listed(names)}",
        f"name it with `data.{role}`",
        () if value is None else ({f"data.{role}": value},),
    )


@contextmanager
def naming(role: str, words: str, column: str) -> Iterator[None]:
    """Name the own role of a column that is read as one of categories, where the table lacks it.

    Args:
        role: setting of the column.
        words: what it has.
        column: its name.
    """
    try:
        yield
    except AbsentColumnError as error:
        if error.name != column:
            raise
        raise _made(role, words, column, error.names, error.similar or None) from None


def _used(columns: SequenceColumns) -> set[str]:
    """Return the columns that have a role other than that of the steps."""
    return {name for role, name in _wanted(columns, has_labels=True) if role != "step_col"}


def _wanted(roles: SequenceColumns, has_labels: bool) -> list[tuple[str, str]]:
    """Return each role and a column that has it."""
    single = ("id_col", "step_col", "group_col", "split_col", "text_col")
    wanted = [(role, getattr(roles, role)) for role in single]
    if has_labels:
        role_of_labels = "label_cols" if roles.label_cols else "label_col"
        wanted += [(role_of_labels, name) for name in label_columns(roles)]
    wanted += [("categorical", name) for name in roles.categorical]
    if roles.features != AUTO:
        wanted += [("features", name) for name in roles.features]
    return [(role, name) for role, name in wanted if name is not None]


def read_columns(
    opened: Opened, roles: SequenceColumns, columns: Columns
) -> tuple[Cells, SequenceColumns, tuple[str, ...]]:
    """Read the columns with a role, and find those of numbers where `features` is `auto`.

    Args:
        opened: the table.
        roles: with the columns that `auto` stands for, but for `features`.
        columns: the roles with which the reader was opened.

    Returns:
        The columns by name, the roles without `auto`, and notes on columns that are not read.
    """
    single = [roles.id_col, roles.step_col, roles.text_col, roles.group_col, roles.split_col]
    optional = [name for name in label_columns(roles) if name in opened.names]
    named = [*single, *optional, *roles.categorical]
    if roles.text_col is None and roles.features != AUTO:
        named += roles.features
    wanted = [name for name in named if name in opened.names]
    if roles.text_col is not None or roles.features != AUTO:
        refuse_doubled(name for name in opened.names if name in wanted)
        return opened.read(wanted), roles, ()
    refuse_doubled(opened.names)
    others = [name for name in opened.names if name not in wanted]
    cells: Cells = opened.read(wanted) if wanted else {}
    facts = survey(opened, others, columns, None, roles.decimal)
    cells |= {name: fact.column for name, fact in facts.items()}
    numeric = [name for name, fact in facts.items() if _is_numeric(fact.column, fact.kind)]
    notes = _unread(cells, [name for name in others if name not in numeric])
    counting = _counting_column(cells, numeric, roles)
    if counting is not None:
        numeric = [name for name in numeric if name != counting]
        roles = roles.model_copy(update={"step_col": counting})
        notes += (f"{counting!r} counts the rows of each sequence: their order, not read",)
    read = {name: column for name, column in cells.items() if name in (*wanted, *numeric, counting)}
    return read, roles.model_copy(update={"features": tuple(numeric)}), notes


def _counting_column(
    cells: Mapping[str, pa.ChunkedArray], numeric: Sequence[str], roles: SequenceColumns
) -> str | None:
    """Return a column of whole numbers that count the rows of every sequence, all from one number.

    Args:
        cells: the columns.
        numeric: names of those of numbers.
        roles: with the column of ids; None where another column orders the rows.
    """
    if roles.step_col is not None or roles.id_col not in cells:
        return None
    ids = cells[roles.id_col].combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.cast(ids.type.value_type)
    is_same = pc.equal(ids[1:], ids[:-1]).fill_null(False).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[True], ~is_same])
    for name in numeric:
        column = cells[name]
        if not pa.types.is_integer(column.type) or column.null_count:
            continue
        numbers = column.to_numpy()
        begins = numbers[starts]
        if is_same.any() and (np.diff(numbers)[is_same] == 1).all() and (begins == begins[0]).all():
            return name
    return None


def _is_numeric(column: pa.ChunkedArray, kind: str) -> bool:
    """Return whether a column has numbers, or mostly texts that are some: others are named then.

    Args:
        column: its cells.
        kind: as in `Facts`: texts such as `1.234,5` and `<1` are numbers there too.
    """
    of = column.type
    if pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of):
        return column.null_count < len(column)
    if kind == "number":
        return True
    if not (pa.types.is_string(of) or pa.types.is_large_string(of)):
        return False
    filled = column.drop_null()
    if not len(filled):
        return False
    numbers = pc.sum(pc.match_substring_regex(filled, NUMBER)).as_py()
    return bool(numbers > MOSTLY * len(filled))


def _unread(cells: Mapping[str, pa.ChunkedArray], names: Sequence[str]) -> tuple[str, ...]:
    """Say which columns without a role are not read."""
    known = [name for name in names if name in cells]
    empty = [name for name in known if cells[name].null_count == len(cells[name])]
    texts = [name for name in names if name not in empty]
    notes = []
    if texts:
        see = in_use().worded("see `data.categorical`")
        notes.append(f"{listed(texts)} {_is_or_are(texts)} not read: no numbers; {see}")
    if empty:
        notes.append(f"{listed(empty)} {_is_or_are(empty)} not read: no cell is filled")
    return tuple(notes)


def _is_or_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
