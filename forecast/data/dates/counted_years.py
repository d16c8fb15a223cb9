"""Months or quarters of years that are only counted, such as 1-01 to 3-12: they are no dates."""

from __future__ import annotations

import re

import numpy as np

from forecast.data.findings import BadTableError, Change

_PARTS = re.compile(r"(\d{1,3})[-/ ](\d{1,2})")
_FEWEST = 6
"""Cells, at least: fewer in a row are no evidence."""

_FOLLOWING = 0.9
"""Least share of the cells that are one month, or one quarter, after the cell before."""

_FIRST = ("0", "1")
"""Years from which somebody counts, as they are written."""


def refuse_counted_years(cells: list[str], name: str) -> None:
    """Raise where cells are a number of the year and a month or quarter of it, one after another.

    Args:
        cells: the distinct cells in the order of the table.
        name: name of the column.

    Raises:
        BadTableError: always then: read as a month and a year, the rows would change their order.
    """
    matches = [_PARTS.fullmatch(cell) for cell in cells]
    if len(cells) < _FEWEST or matches[0] is None or matches[0][1] not in _FIRST:
        return
    parts = np.array([(int(match[1]), int(match[2])) for match in matches if match])
    if len(parts) < _FOLLOWING * len(cells):
        return
    for period, word in ((12, "month"), (4, "quarter")):
        steps = np.diff(parts[:, 0] * period + parts[:, 1])
        is_period = parts[:, 1].min() >= 1 and parts[:, 1].max() == period
        if is_period and parts[-1, 0] > parts[0, 0] and np.mean(steps == 1) >= _FOLLOWING:
            raise BadTableError(
                "counted_years",
                f"{name} contains {cells[0]!r} to {cells[-1]!r}, each {word} after the one before: "
                f"they count the years from {matches[0][1]}, and are no dates",
                f"write the year into every {word}, such as 2020-01",
                settings=(Change({"data.time_col": "none"}, "to count the rows"),),
            )
