"""Bounds of JSON lines, looked at before Arrow parses them.

Arrow calls itself for each level of an object, so that a line of some 10,000 levels ends the
process. It makes a cell of each row for each name, so that 40,000 lines with a name of their own
take gigabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from forecast.files.compressed import open_bytes

MOST_OPENED = 500
"""Brackets that a line may open before its levels are counted."""

FREE_CELLS = 10**7
"""Cells that any file may have as a table."""

MOST_TIMES = 100
"""Times as many cells as a file has names and values, that its table may have beyond these."""

SEARCHED_BYTES = 2**26
"""Bytes at the beginning of a file in which its names are looked for."""

_BLOCK = 1 << 22

_NAME = re.compile(rb'"([^"]*)"\s*:')


def check_json_lines(path: Path) -> None:
    """Raise where a file would end the process that parses it, or fill its memory.

    Raises:
        ValueError: a line has too many levels, or few names are those of several lines.
        RecursionError: a line has far too many levels.
        OSError: the file cannot be read.
    """
    left = SEARCHED_BYTES
    names: set[bytes] = set()
    num_names = 0
    num_lines = 0
    for block in _whole_lines(path):
        for line in _lines_of_many_brackets(block):
            json.loads(line)
        if left > 0:
            found = _NAME.findall(block)
            names.update(found)
            num_names += len(found)
            num_lines += block.count(b"\n") + 1
            left -= len(block)
    if has_few_shared(num_lines, len(names), num_names):
        _check_names(path)


def has_few_shared(num_rows: int, num_names: int, num_values: int) -> bool:
    """Return whether rows would be a table of far more cells than they have values.

    Args:
        num_rows: of the table.
        num_names: different names of the rows.
        num_values: names and values that the rows have.
    """
    return num_rows * num_names > max(FREE_CELLS, MOST_TIMES * num_values)


def _check_names(path: Path) -> None:
    """Raise where lines have names of their own; slow, and exact where texts look like names."""
    names: set[str] = set()
    num_names = 0
    num_lines = 0
    for block in _whole_lines(path):
        for line in block.splitlines():
            row = json.loads(line) if line.strip() else {}
            if isinstance(row, dict):
                names.update(row)
                num_names += len(row)
                num_lines += 1
    if has_few_shared(num_lines, len(names), num_names):
        raise ValueError(f"its {num_lines:,} lines have {len(names):,} names, few of them shared")


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces that end with a line."""
    rest: list[bytes] = []  # of a line that is longer than a block
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            end = block.rfind(b"\n")
            if end >= 0:
                yield b"".join((*rest, block[:end]))
                rest.clear()
            rest.append(block[end + 1 :])
    yield b"".join(rest)


def _lines_of_many_brackets(block: bytes) -> Iterator[bytes]:
    """Yield the lines that open more than `MOST_OPENED` brackets."""
    letters = np.frombuffer(block, np.uint8)
    opened = np.cumsum((letters == ord("{")) | (letters == ord("[")))
    if not len(opened) or opened[-1] <= MOST_OPENED:
        return
    ends = np.append(np.flatnonzero(letters == ord("\n")), len(letters) - 1)
    counts = np.diff(opened[ends], prepend=0)
    starts = np.append(0, ends[:-1] + 1)
    for place in np.flatnonzero(counts > MOST_OPENED):
        yield block[starts[place] : ends[place] + 1]
