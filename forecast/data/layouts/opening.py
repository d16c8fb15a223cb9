"""The way from a source to an opened long or wide table, whatever its layout."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from forecast.data.findings import Choice
from forecast.data.formats.opened import Cells, Opened, Written
from forecast.data.formats.readers import Source, find_reader
from forecast.data.layouts.across import ACROSS, open_across
from forecast.data.panel import Columns
from forecast.section import AUTO


def open_table(
    source: Source, columns: Columns, written: Written, opened: Opened | None = None
) -> Opened:
    """Open a table in one of the forms of `READERS`; one with dates across becomes long.

    Args:
        source: a file, by the ending of its name, or an object such as a data frame.
        columns: the roles.
        written: the format; a layout `auto` is decided here.
        opened: the table as it was opened for these roles; None: it was not.

    Raises:
        BadTableError: the source is not a table, or its header can be read in several ways.
    """
    if opened is None:
        opened = find_reader(source).open(source, columns, written)
    if written.layout not in (AUTO, ACROSS):
        return opened
    opened = open_across(opened, partial(reopen, source, written=written), columns, written)
    long = {"data.layout": Choice("long", "the header has no dates")}
    return replace(opened, decisions={**long, **opened.decisions})


def reopen(
    source: Source, opened: Opened, columns: Columns, written: Written, kept: Cells | None = None
) -> Opened:
    """Open a table again, with other roles.

    Args:
        source: the table.
        opened: the same, for some roles.
        columns: the roles that it has.
        written: the format.
        kept: columns that were read already; it may be emptied.
    """
    if opened.again is None:
        return find_reader(source).open(source, columns, written)
    return opened.again(columns, {} if kept is None else kept)
