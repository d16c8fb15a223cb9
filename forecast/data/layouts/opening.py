"""The way from a source to an opened long or wide table, whatever its layout."""

from __future__ import annotations

from dataclasses import replace

from forecast.data.findings import Choice
from forecast.data.formats.opened import Opened, Written
from forecast.data.formats.readers import Source, find_reader
from forecast.data.layouts.across import ACROSS, open_across
from forecast.data.panel import Columns
from forecast.section import AUTO


def open_table(source: Source, columns: Columns, written: Written) -> Opened:
    """Open a table in one of the forms of `READERS`; one with dates across becomes long.

    Args:
        source: a file, by the ending of its name, or an object such as a data frame.
        columns: the roles.
        written: the format; a layout `auto` is decided here.

    Raises:
        BadTableError: the source is not a table, or its header can be read in several ways.
    """
    reader = find_reader(source)
    if written.layout not in (AUTO, ACROSS):
        return reader.open(source, columns, written)
    opened = open_across(source, reader, columns, written)
    long = {"data.layout": Choice("long", "the header has no dates")}
    return replace(opened, decisions={**long, **opened.decisions})
