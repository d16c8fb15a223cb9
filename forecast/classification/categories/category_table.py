"""Tables of categories over time, read as sequences."""

from __future__ import annotations

from forecast.classification.categories.category_settings import CategoryColumns
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_roles import naming
from forecast.classification.tables.sequence_table import read_sequences
from forecast.data.formats.readers import Source


def read_series(table: Source, data: CategoryColumns) -> Sequences:
    """Read a table with one row per series and step.

    Args:
        table: in one of the forms that `load_panel` takes.
        data: roles of its columns, and how it is written.

    Raises:
        DataError: the table cannot be read.
    """
    with naming("target_col", "the target", data.target_col):
        return read_sequences(
            table, data.as_sequences(), has_labels=False, may_be_one=True, are_spaced=True
        )
