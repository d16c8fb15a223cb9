"""Tables of labelled sequences: read, checked, and stored one sequence after another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from forecast.classification.class_settings import SequenceColumns
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.row_order import order_of
from forecast.classification.tables.sequence_cells import (
    per_sequence,
    refuse_repeated,
    refuse_without_id,
    words_of,
)
from forecast.classification.tables.sequence_roles import (
    for_sequences,
    read_columns,
    reader_columns,
    with_names,
    worded_for_sequences,
)
from forecast.classification.texts.documents import TextSettings, split_texts
from forecast.data.findings import BadTableError, FindingLog
from forecast.data.formats.readers import Source, find_reader
from forecast.data.layouts.opening import reopen
from forecast.data.names import name_of
from forecast.data.parse import encode, read_numbers
from forecast.data.read import TableFormat
from forecast.data.table import RowNames, Table, without_empty_rows, without_footers
from forecast.section import AUTO

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
    are_spaced: bool = False,
    log: FindingLog | None = None,
) -> Sequences:
    """Read a table with one row per sequence and step, or per document.

    Args:
        source: a file or an object, in one of the forms of `READERS`.
        columns: the roles, and how the table is written.
        text: how texts become sequences, where a column has texts.
        has_labels: whether the table must have the column of labels; without, one that is there is
            read, and is no error where it is not.
        may_be_one: whether the rows of a table without ids are one sequence.
        are_spaced: whether the distance of two steps matters, not only their order.
        log: gets the findings about single cells; default: the first error is raised.

    Raises:
        BadTableError: a column is absent, a cell is no number, or a label changes inside a
            sequence.

    Example:
        >>> import pandas as pd
        >>> from forecast import SequenceColumns
        >>> from forecast.classification.tables.sequence_table import read_sequences
        >>> table = pd.DataFrame({"id": [*"aab"], "x": [1.0, 2.0, 5.0], "label": [*"uud"]})
        >>> sequences = read_sequences(table, SequenceColumns())
        >>> sequences.ids.tolist(), sequences.lengths.tolist(), sequences.labels.tolist()
        (['a', 'b'], [2, 1], ['u', 'd'])
    """
    log = FindingLog(strict=True) if log is None else log
    first = len(log.findings)
    with worded_for_sequences():
        table, roles, notes = _open(source, columns, has_labels, may_be_one)
        if roles.text_col is not None:
            sequences = _documents(table, roles, text or TextSettings())
        else:
            sequences = _arranged(table, roles, are_spaced, log)
    log.findings[first:] = [for_sequences(finding) for finding in log.findings[first:]]
    said = [*table.notes, *log.findings[first:]]
    notes = (*notes, *(finding.sentence for finding in said if finding.severity != "error"))
    return replace(sequences, notes=notes)


def _open(
    source: Source, columns: SequenceColumns, has_labels: bool, may_be_one: bool
) -> tuple[Table, SequenceColumns, tuple[str, ...]]:
    """Return the columns with a role, the roles without `auto`, and notes."""
    written = TableFormat(layout="long", **columns.as_written)
    opened = find_reader(source).open(source, reader_columns(columns), written)
    roles = with_names(columns, opened.names, has_labels, may_be_one)
    plain = reader_columns(roles, opened.names)
    opened = reopen(source, opened, plain, written)
    cells, roles, notes = read_columns(opened, roles, plain)
    if not cells:
        raise _no_features()
    table = Table(
        reader_columns(roles, opened.names),
        dict(cells),
        len(next(iter(cells.values()))),
        opened.text,
        opened.row_numbers,
        notes=opened.notes,
        decimal=written.decimal,
        thousands=written.thousands,
        bounds=written.bounds,
        missing_codes=written.missing_codes,
    )
    if opened.text is not None and table.num_rows:
        table = without_empty_rows(table, next(iter(table.data)))
    if roles.text_col is None and table.num_rows and roles.id_col in table.data:
        column = table.data[roles.id_col]
        if pa.types.is_dictionary(column.type):  # footers are sought in words
            table.data[roles.id_col] = column.cast(pa.string())
        table = without_footers(table, roles.id_col)
    return table, roles, notes


def _no_features() -> BadTableError:
    return BadTableError(
        "no_features",
        "there is no column of numbers beside id, step and label, and categorical names none",
        "name the columns that tell something with `data.categorical`",
    )


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
            "name the column of texts with `data.text_col`",
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


def _arranged(table: Table, roles: SequenceColumns, are_spaced: bool, log: FindingLog) -> Sequences:
    """Return the sequences of a table, their rows in order."""
    if not table.num_rows:
        raise BadTableError("no_rows", "the table has no rows", "give at least two sequences")
    if roles.id_col in table.data:
        ids, id_values = encode(table.take(roles.id_col), roles.id_col)
        refuse_without_id(ids, roles.id_col, RowNames(table))
    else:
        ids, id_values = np.zeros(table.num_rows, np.int32), [ONE_SERIES]
    named = np.array(id_values, dtype=object)
    rows = RowNames(table, np.array([name_of(value) for value in id_values], dtype=object), ids)
    order = order_of(table, roles, rows, are_spaced=are_spaced, log=log)
    counts = np.bincount(ids, minlength=len(id_values))
    numbers = [read_numbers(table, name, rows, log, allow_missing=True) for name in roles.features]
    values = np.empty((table.num_rows, len(numbers)))
    for column, cells in enumerate(numbers):
        values[:, column] = cells[order.rows]
    words = {name: words_of(table, name)[order.rows] for name in roles.categorical}
    if not numbers and not words:
        raise _no_features()
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
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
        tz=order.tz,
    )
