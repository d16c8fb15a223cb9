"""Bounds in place of numbers, as in `<1`, `≤ 0,5`, `>1000`, `5+` or `less than 5`.

A value below a limit of detection is known to lie between 0 and the limit. Half of the limit is the
usual substitute (Hornung and Reed, Applied Occupational and Environmental Hygiene 5, 1990); nothing
is substituted unless a setting says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.findings import SHOWN, Change, FindingLog, and_more, counted
from forecast.data.table import RowNames

Reading = Literal["refuse", "half", "limit"]

_BELOW = r"^(?:=<|[<≤]=?|(?i:under|below|less than|up to|unter|bis|weniger als) ) ?"
_ABOVE = r"^(?:=>|[>≥]=?|(?i:over|above|more than|at least|über|mehr als) ) ?"
_ABOUT = r"^(?:[~≈]|(?i:about|approx[.]?|circa|ca[.]?|etwa) ) ?"
_AND_MORE = r"^([+-]?\d[\d.,]*) ?\+$"
_NUMBER_FOLLOWS = r"^[$€£¥(+-]{0,3} ?[.,]?\d"


@dataclass(frozen=True, eq=False)
class Bounded:
    """Cells whose bounds are written as their limits.

    Attributes:
        text: the cells.
        is_halved: (R,) whether a cell is below its limit and read as half of it; None: none is.
    """

    text: pa.ChunkedArray
    is_halved: np.ndarray | None = None

    def values(self, limits: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the numbers for which these cells are taken: half of a limit above 0, or itself.

        Args:
            limits: (R,) the cells as numbers.
        """
        if self.is_halved is None:
            return limits
        is_above_zero = pc.greater(limits, 0).fill_null(False)
        halved = pc.and_(is_above_zero, pa.chunked_array([pa.array(self.is_halved)]))
        return pc.if_else(halved, pc.multiply(limits, 0.5), limits)


def without_bounds(
    text: pa.ChunkedArray, name: str, rows: RowNames, reading: Reading, log: FindingLog
) -> Bounded:
    """Write bounds as their limits, and say so; report them where no setting tells their value.

    Args:
        text: trimmed cells.
        name: of the column.
        rows: names of the rows in findings.
        reading: value of `data.bounds`.
        log: gets the finding.
    """
    below, limits = _strip(text, _BELOW, "")
    above, limits = _strip(limits, _ABOVE, "")
    more, limits = _strip(limits, _AND_MORE, r"\1")
    about, limits = _strip(limits, _ABOUT, "")
    found = below | above | more | about
    if not found.any():
        return Bounded(text)
    if reading == "refuse":
        _report(text, name, rows, found, below, log)
        return Bounded(limits)
    halved = below & (reading == "half")
    parts = []
    if halved.any():
        parts.append(f"{_shown(text, halved)} read as half of the limit")
    if (found & ~halved).any():
        parts.append(f"{_shown(text, found & ~halved)} read as the limit itself")
    log.note("bounds", f"{name}: {', and '.join(parts)}")
    return Bounded(limits, halved)


def _strip(text: pa.ChunkedArray, pattern: str, kept: str) -> tuple[np.ndarray, pa.ChunkedArray]:
    """Return (R,) which cells fit a pattern and are a number without it, and all cells so."""
    bare = pc.replace_substring_regex(text, pattern, kept)
    fits = pc.and_(
        pc.match_substring_regex(text, pattern), pc.match_substring_regex(bare, _NUMBER_FOLLOWS)
    ).fill_null(False)
    return np.asarray(fits.to_numpy(), dtype=bool), pc.if_else(fits, bare, text)


def _report(
    text: pa.ChunkedArray,
    name: str,
    rows: RowNames,
    found: np.ndarray,
    below: np.ndarray,
    log: FindingLog,
) -> None:
    """Report bounds, with the settings that read them."""
    places = np.flatnonzero(found)
    first = text[int(places[0])].as_py()
    limit = Change({"data.bounds": "limit"}, f"to read {first!r} as the limit itself")
    changes: tuple[Change, ...] = (limit,)
    if below.any():
        lowest = text[int(np.flatnonzero(below)[0])].as_py()
        half = Change({"data.bounds": "half"}, f"to read {lowest!r} as half of the limit")
        changes = (half, limit)
    log.error(
        "bounds",
        f"{name} contains {first!r}, which is a bound and not a value, in "
        f"{counted(len(places), 'row')}: {rows.several(places[:5], len(places))}",
        settings=changes,
    )


def _shown(text: pa.ChunkedArray, found: np.ndarray) -> str:
    """Name the most frequent of some cells, with their number."""
    counts = pc.value_counts(text.filter(pa.array(found))).to_pylist()
    counts.sort(key=lambda each: -each["counts"])
    shown = [f"{each['values']!r} in {counted(each['counts'], 'cell')}" for each in counts[:SHOWN]]
    return ", ".join(shown) + and_more(len(counts))
