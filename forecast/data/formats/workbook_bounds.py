"""Bounds of workbooks, looked at before one is opened.

The reader of workbooks makes room for every cell between the first and the last of a sheet, and
ends the process where there is no such room: two cells in opposite corners would take 400 GB.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from forecast.data.findings import BadTableError
from forecast.data.formats.opened import damaged
from forecast.files.compressed import most_unpacked, unpacks_too_large

FREE_CELLS = 50_000_000
"""Cells that the smallest rectangle around those of a sheet may have; each takes 30 bytes."""

MOST_TIMES = 100
"""Times as many cells as a sheet has, that this rectangle may have beyond `FREE_CELLS`."""

_BLOCK = 1 << 20

_LONGEST = 1 << 22
"""Bytes from one `<` to the next that are kept together; cells of sheets have far fewer."""

_ANY_SIZE = 1 << 62

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)

_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")

_PLACE = re.compile(
    rb"""[\s"']r\s*=\s*["'](?:([A-Za-z]{1,3})([0-9]{1,9})|([0-9]{1,9})|([^"'<]*&))"""
)
"""Column and row of a cell, the number of a row, or what no program writes."""


@dataclass
class Extent:
    """The part of a sheet that has cells.

    Attributes:
        cells: their number.
        named: those that have a place of their own.
        rows: the smallest and the largest row of these; nothing for none.
        columns: the smallest and the largest of their columns.
        heads: the smallest and the largest number that a row has, be it empty or not.
    """

    cells: int = 0
    named: int = 0
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()

    def take(self, xml: bytes) -> None:
        """Add the cells of a piece of a sheet, which begins and ends between two of them.

        Raises:
            ValueError: a place is written as no program writes it.
        """
        self.cells += len(_CELL.findall(xml))
        places = _PLACE.findall(xml)
        columns, rows, heads, odd = ({place[part] for place in places} for part in range(4))
        if any(odd):
            raise ValueError(f"a cell is at {max(odd)[:20]!r}")
        self.named += sum(bool(place[0]) for place in places)
        self.rows = _widened(self.rows, map(int, filter(None, rows)))
        self.columns = _widened(self.columns, map(column_number, filter(None, columns)))
        self.heads = _widened(self.heads, map(int, filter(None, heads)))

    @property
    def area(self) -> int:
        """Cells of the smallest rectangle around all of them."""
        rows = self.rows
        if self.named < self.cells:  # the others are in their rows, wherever these are
            rows = _widened(rows, self.heads)
        return _length(rows) * _length(self.columns)


def _widened(ends: tuple[int, ...], numbers: Iterable[int]) -> tuple[int, ...]:
    """Return the smallest and the largest of some numbers and those before; nothing for none."""
    every = [*ends, *numbers]
    return (min(every), max(every)) if every else ()


def _length(ends: tuple[int, ...]) -> int:
    return ends[1] - ends[0] + 1 if ends else 1


def column_number(letters: bytes) -> int:
    """Return the number of a column from 1.

    Example:
        >>> column_number(b"A"), column_number(b"XFD")
        (1, 16384)
    """
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


def check_workbook(path: Path) -> None:
    """Raise where a workbook of zipped XML would take memory out of proportion to its size.

    Raises:
        BadTableError: its cells are far apart, or it is damaged.
        DataError: it unpacks to more than a file of its size may.
    """
    if not zipfile.is_zipfile(path):
        return  # of another kind, which the reader knows or refuses
    try:
        with zipfile.ZipFile(path) as archive:
            left = most_unpacked(path)
            for member in archive.infolist():
                left = _checked(path, archive, member, left)
    except _UNREADABLE as error:
        raise damaged(path.name, "Excel workbook", error) from error


def _checked(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> int:
    """Check a file of a workbook; return how many bytes the others may have.

    Args:
        path: the workbook.
        archive: its content.
        member: the file.
        left: bytes that it may have.
    """
    member = copy(member)
    member.file_size = _ANY_SIZE  # what it says of itself may be wrong
    extent = Extent()
    for piece in _pieces(archive, member):
        left -= len(piece)
        if left < 0:
            raise unpacks_too_large(path)
        try:
            extent.take(piece)
        except ValueError as error:
            raise damaged(path.name, "Excel workbook", error) from error
    if extent.area > max(FREE_CELLS, MOST_TIMES * extent.cells):
        raise BadTableError(
            "far_cells",
            f"{path.name} has {extent.cells:,} cells in a sheet, scattered over room for "
            f"{extent.area:,}",
            "delete the cells far from the table, and the empty rows and columns around it",
        )
    return left


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces that end before a `<`."""
    rest = b""
    with archive.open(member) as stream:
        while block := stream.read(_BLOCK):
            block = rest + block
            cut = block.rfind(b"<")
            if cut < 0 or len(block) > _LONGEST:
                cut = len(block)
            yield block[:cut]
            rest = block[cut:]
    yield rest
