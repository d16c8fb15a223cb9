"""Tables of labelled sequences: read, checked, and stored one sequence after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.classification.class_settings import SequenceColumns
from forecast.classification.labelled_sequences import Sequences
from forecast.classification.sequence_cells import (
    order_of,
    per_sequence,
    refuse_repeated,
    refuse_without_id,
    words_of,
)
from forecast.classification.texts.documents import TextSettings, split_texts
from forecast.data.findings import BadTableError, FindingLog, listed
from forecast.data.formats.readers import Source, find_reader
from forecast.data.panel import Columns
from forecast.data.parse import encode, read_numbers
from forecast.data.read import TableFormat
from forecast.data.table import RowNames, Table
from forecast.errors import nearest
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

ONE_SERIES = "series"
"""Id of the rows of a table without ids, where they are one sequence; as in a forecast."""

COUNTED = "document"
"""Column of ids in the results, where documents are counted from 0."""


def read_sequences(
    source: Source,
    columns: SequenceColumns,
    text: TextSettings | None = None,
    *,
    has_labels: bool = True,
    may_be_one: bool = False,
) -> Sequences:
    """Read a table with one row per sequence and step, or per document.

    Args:
        source: a file or an object, in one of the forms of `READERS`.
        columns: the roles.
        text: how texts become sequences, where a column has texts.
        has_labels: whether the table must have the column of labels; without, one that is there is
            read, and is no error where it is not.
        may_be_one: whether the rows of a table without ids are one sequence.

    Raises:
        BadTableError: a column is absent, a cell is no number, or a label changes inside a
            sequence.

    Example:
        >>> import pandas as pd
        >>> from forecast import SequenceColumns
        >>> from forecast.classification.sequence_table import read_sequences
        >>> table = pd.DataFrame({"id": [*"aab"], "x": [1.0, 2.0, 5.0], "label": [*"uud"]})
        >>> sequences = read_sequences(table, SequenceColumns())
        >>> sequences.ids.tolist(), sequences.lengths.tolist(), sequences.labels.tolist()
        (['a', 'b'], [2, 1], ['u', 'd'])
    """
    opened = find_reader(source).open(source, _plain_columns(columns), TableFormat())
    twice = sorted({name for name in opened.names if list(opened.names).count(name) > 1})
    if twice:
        raise BadTableError(
            "repeated_column",
            f"{listed(twice)} {'stands' if len(twice) == 1 else 'stand'} over several columns",
            "give each column a name of its own",
        )
    roles = _with_names(columns, opened.names, has_labels, may_be_one)
    optional = [name for name in _label_columns(roles) if name in opened.names]
    single = [roles.id_col, roles.step_col, roles.text_col, roles.group_col, roles.split_col]
    if roles.id_col not in opened.names:
        single[0] = None
    wanted = [name for name in (*single, *optional, *roles.categorical) if name is not None]
    notes: tuple[str, ...] = ()
    if roles.text_col is not None:
        cells = opened.read(wanted)
    elif roles.features != AUTO:
        wanted += roles.features
        cells = opened.read(wanted)
    else:
        others = [name for name in opened.names if name not in wanted]
        cells = opened.read([*wanted, *others])
        numeric = [name for name in others if _is_numeric(cells[name])]
        notes = _unread(cells, [name for name in others if name not in numeric])
        counting = _counting_column(cells, numeric, roles)
        if counting is not None:
            numeric = [name for name in numeric if name != counting]
            roles = roles.model_copy(update={"step_col": counting})
            notes = (
                *notes,
                f"{counting!r} counts the rows of each sequence: their order, not read",
            )
        roles = roles.model_copy(update={"features": tuple(numeric)})
    table = Table(
        _plain_columns(roles),
        dict(cells),
        len(cells[wanted[0]]),
        opened.text,
        missing_codes=(),  # no setting here would answer the question what -999 means
    )
    if roles.text_col is not None:
        return _documents(table, roles, text or TextSettings())
    sequences = _arranged(table, roles)
    return replace(sequences, notes=(*sequences.notes, *notes))


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


def _label_columns(roles: SequenceColumns) -> tuple[str, ...]:
    """Return the columns that tell labels."""
    if roles.label_col is None:
        return ()
    return roles.label_cols or (roles.label_col,)


def _documents(table: Table, roles: SequenceColumns, text: TextSettings) -> Sequences:
    """Return the documents of a table as sequences of words."""
    if not table.num_rows:
        raise BadTableError("no_rows", "the table has no rows", "give at least two documents")
    text_col = roles.text_col
    assert text_col is not None
    ids = np.arange(table.num_rows).astype(object)
    if roles.id_col == AUTO:
        roles = roles.model_copy(update={"id_col": COUNTED})
    else:
        codes, values = encode(table.take(roles.id_col), roles.id_col)
        refuse_without_id(codes, roles.id_col, RowNames(table))
        ids = np.array(values, dtype=object)[codes]
        refuse_repeated(codes, ids, roles.id_col, RowNames(table))
    texts = table.take(text_col).cast(pa.string()).fill_null("").to_numpy()
    if not any(texts):
        raise BadTableError(
            "no_text",
            f"column {text_col!r} is empty in all rows",
            "name the column of texts",
            ({"data.text_col": "COLUMN"},),
        )
    tokens, offsets = split_texts(texts, text)
    every = np.arange(table.num_rows, dtype=np.int32)
    each = per_sequence(table, roles, every, ids)
    return Sequences(
        columns=roles,
        ids=ids,
        offsets=offsets,
        numbers=np.empty((len(tokens), 0)),
        words={text_col: tokens},
        labels=each["labels"],
        groups=each["groups"],
        sets=each["sets"],
    )


def _plain_columns(columns: SequenceColumns) -> Columns:
    """Return roles that the readers understand."""
    features = () if columns.features == AUTO else columns.features
    return Columns(
        id_col="unique_id" if columns.id_col == AUTO else columns.id_col,
        time_col="ds",
        target_cols=_label_columns(columns) or AUTO,
        past_covariates=(*features, *columns.categorical),
    )


def _with_names(
    columns: SequenceColumns, names: Sequence[str], has_labels: bool, may_be_one: bool
) -> SequenceColumns:
    """Return the roles with the columns that `auto` stands for.

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
                "name the column of ids: it tells which rows are one sequence",
                ({"data.id_col": "COLUMN"},),
            )
        found["id_col"] = usual[0]
    if columns.step_col == AUTO:
        usual = [name for name in STEP_NAMES if name in names]
        found["step_col"] = usual[0] if usual else None
    roles = columns.model_copy(update=found)

    single = {"id_col": roles.id_col, "step_col": roles.step_col}
    single |= {"group_col": roles.group_col, "split_col": roles.split_col}
    single["text_col"] = roles.text_col
    wanted = [(role, name) for role, name in single.items() if name is not None]
    if has_labels:
        role_of_labels = "label_cols" if roles.label_cols else "label_col"
        wanted += [(role_of_labels, name) for name in _label_columns(roles)]
    wanted += [("categorical", name) for name in roles.categorical]
    if roles.features != AUTO:
        wanted += [("features", name) for name in roles.features]
    for role, name in wanted:
        if role == "id_col" and may_be_one and name == ID_NAMES[0]:
            continue  # the rows are one sequence
        if name not in (*names, AUTO):
            raise BadTableError(
                "missing_column",
                f"there is no column {name!r} for {WORDS[role]}; the table has {listed(names)}",
                f"check the name{nearest(name, names)}",
                ({f"data.{role}": "COLUMN"},),
            )
    return roles


def _is_numeric(column: pa.ChunkedArray) -> bool:
    """Return whether a column has numbers, or mostly texts that are some: others are named then."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.null_count < len(column)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    filled = column.drop_null()
    if not len(filled):
        return False
    numbers = pc.sum(pc.match_substring_regex(filled, NUMBER)).as_py()
    return bool(numbers > MOSTLY * len(filled))


def _unread(cells: Mapping[str, pa.ChunkedArray], names: Sequence[str]) -> tuple[str, ...]:
    """Say which columns without a role are not read."""
    empty = [name for name in names if cells[name].null_count == len(cells[name])]
    texts = [name for name in names if name not in empty]
    notes = []
    if texts:
        notes.append(f"{listed(texts)} {_is_or_are(texts)} not read: no numbers; see `categorical`")
    if empty:
        notes.append(f"{listed(empty)} {_is_or_are(empty)} not read: no cell is filled")
    return tuple(notes)


def _is_or_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _arranged(table: Table, roles: SequenceColumns) -> Sequences:
    """Return the sequences of a table, their rows in order."""
    log = FindingLog(strict=True)
    if not table.num_rows:
        raise BadTableError("no_rows", "the table has no rows", "give at least two sequences")
    rows = RowNames(table)
    if roles.id_col in table.data:
        ids, id_values = encode(table.take(roles.id_col), roles.id_col)
        refuse_without_id(ids, roles.id_col, rows)
    else:
        ids, id_values = np.zeros(table.num_rows, np.int32), [ONE_SERIES]
    order = order_of(table, roles, ids, rows, log)
    counts = np.bincount(ids, minlength=len(id_values))
    numbers = [read_numbers(table, name, rows, log, allow_missing=True) for name in roles.features]
    values = np.empty((table.num_rows, len(numbers)))
    for column, cells in enumerate(numbers):
        values[:, column] = cells[order.rows]
    words = {name: words_of(table, name)[order.rows] for name in roles.categorical}
    if not numbers and not words:
        raise BadTableError(
            "no_features",
            "there is no column of numbers beside id, step and label, and categorical names none",
            "name the columns that tell something of the label",
            ({"data.categorical": ["COLUMN"]},),
        )
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    named = np.array(id_values, dtype=object)
    each = per_sequence(table, roles, ids, named)
    return Sequences(
        columns=roles,
        ids=named,
        offsets=first,
        numbers=values,
        words=words,
        labels=each["labels"],
        groups=each["groups"],
        sets=each["sets"],
        steps=order.steps,
        has_stamps=order.has_stamps,
        notes=tuple(finding.sentence for finding in log.findings),
    )
