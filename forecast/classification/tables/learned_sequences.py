"""Errors of a table of sequences that a fitted model reads: its settings are fixed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forecast.data.findings import BadTableError
from forecast.data.formats.written_table import WrittenTable
from forecast.forecasting.learned_table import without_settings


@contextmanager
def reading_learned(data: WrittenTable) -> Iterator[None]:
    """Word the errors of a table that is read inside this block for a model that is fitted.

    Args:
        data: roles and form of the table that it learned from.

    Raises:
        BadTableError: with what can be changed in the table, and with what to fit again.
    """

    def setting(path: str) -> Any:
        return getattr(data, path.partition(".")[2])

    try:
        yield
    except BadTableError as error:
        raise without_settings(error.finding, setting) from None
